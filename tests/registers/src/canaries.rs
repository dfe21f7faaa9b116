//! Canaries in the callee-saved registers.

use super::isa;

/// Gives each holder canaries of its own.
pub fn canaries(seed: u64) -> [u64; isa::CALLEE_SAVED.len()] {
    std::array::from_fn(|index| {
        // The finalizer of SplitMix64: neighbours come out far apart.
        let mut value = (seed << 8 | index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value ^ value >> 27
    })
}

/// Runs `f` behind a call that no compiler sees through, with canaries in every
/// callee-saved register, and with rubbish in all others.
///
/// # Panics
///
/// If one of them holds something else afterwards.
#[inline(never)]
pub fn hold<R>(seed: u64, f: impl FnOnce() -> R) -> R {
    let canaries = canaries(seed);
    let mut found = [0; isa::CALLEE_SAVED.len() + 1];
    let mut result = None;
    let mut call = Some(|| {
        isa::scribble();
        result = Some(f());
    });
    call_held(&canaries, &mut found, &mut call);
    check(seed, &canaries, &found);
    result.expect("the call has come back")
}

#[inline(always)]
fn call_held<F: FnOnce()>(
    canaries: &[u64; isa::CALLEE_SAVED.len()],
    found: &mut [u64; isa::CALLEE_SAVED.len() + 1],
    call: &mut Option<F>,
) {
    // SAFETY: the arrays are as long as `isa::hold` wants them, and the
    // trampoline gets what it expects.
    unsafe {
        isa::hold(
            canaries.as_ptr(),
            found.as_mut_ptr(),
            trampoline::<F>,
            std::ptr::from_mut(call).cast(),
        );
    }
}

/// # Safety
///
/// `call` must point to an `Option<F>`.
unsafe extern "C-unwind" fn trampoline<F: FnOnce()>(call: *mut ()) {
    // SAFETY: as the caller says.
    if let Some(call) = unsafe { (*call.cast::<Option<F>>()).take() } {
        call();
    }
}

fn check(seed: u64, canaries: &[u64], found: &[u64]) {
    let (&stack_pointer, found) = found.split_last().expect("one more than there are canaries");
    let lost: Vec<String> = (isa::CALLEE_SAVED.iter().zip(canaries).zip(found))
        .filter(|((_, canary), found)| canary != found)
        .map(|((name, canary), found)| format!("{name} was {canary:#x} and is {found:#x}"))
        .collect();
    assert!(lost.is_empty(), "holder {seed}: {}", lost.join(", "));
    assert_eq!(stack_pointer as i64, 0, "holder {seed}: the stack pointer has moved");
}

/// Is the stack aligned as the ABI promises every function? Called in a new
/// context, and after each switch.
#[track_caller]
pub fn assert_aligned() {
    #[repr(align(16))]
    struct Aligned([u8; 16]);

    assert_eq!(
        isa::stack_pointer_at_entry() % 16,
        isa::ENTRY_ALIGNMENT,
        "the stack is not aligned"
    );
    let local = std::hint::black_box(Aligned([0; 16]));
    assert_eq!(local.0.as_ptr().addr() % 16, 0, "a local is not aligned");
}

#[test]
fn a_lost_canary_and_a_moved_stack_pointer_are_noticed() {
    hold(1, || ());
    let canaries = canaries(1);
    let mut found: Vec<u64> = canaries.iter().copied().chain([0]).collect();
    for index in 0..found.len() {
        found[index] ^= 8;
        let caught = std::panic::catch_unwind(|| check(1, &canaries, &found));
        assert!(caught.is_err(), "register {index}");
        found[index] ^= 8;
    }
    check(1, &canaries, &found);
}

#[test]
fn no_two_canaries_are_the_same() {
    let mut all: Vec<u64> = (0..1000).flat_map(canaries).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}
