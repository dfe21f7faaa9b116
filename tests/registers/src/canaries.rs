//! Canaries in the callee-saved registers.

use super::isa;

/// Returns the canaries of holder `seed`.
pub fn canaries(seed: u64) -> [u64; isa::CALLEE_SAVED.len()] {
    std::array::from_fn(|index| {
        // The finalizer of SplitMix64 maps neighbours far apart.
        let mut value = (seed << 8 | index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value ^ value >> 27
    })
}

/// Runs `f` behind a call that is opaque to the compiler, with canaries in every
/// callee-saved register and arbitrary values in all others.
///
/// # Panics
///
/// If a callee-saved register has another value afterwards.
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
    result.expect("the call has returned")
}

#[inline(always)]
fn call_held<F: FnOnce()>(
    canaries: &[u64; isa::CALLEE_SAVED.len()],
    found: &mut [u64; isa::CALLEE_SAVED.len() + 1],
    call: &mut Option<F>,
) {
    // SAFETY: the arrays have the lengths that `isa::hold` requires, and the trampoline
    // gets a pointer to an `Option<F>`.
    unsafe {
        isa::hold(
            canaries.as_ptr(),
            found.as_mut_ptr(),
            trampoline::<F>,
            std::ptr::from_mut(call).cast(),
        );
    }
}

/// Calls the closure.
///
/// # Safety
///
/// `call` must point to an `Option<F>`.
unsafe extern "C-unwind" fn trampoline<F: FnOnce()>(call: *mut ()) {
    // SAFETY: the caller passes a pointer to an `Option<F>`.
    if let Some(call) = unsafe { (*call.cast::<Option<F>>()).take() } {
        call();
    }
}

fn check(seed: u64, canaries: &[u64], found: &[u64]) {
    let (&stack_pointer, found) = found.split_last().expect("one entry more than canaries");
    let lost: Vec<String> = (isa::CALLEE_SAVED.iter().zip(canaries).zip(found))
        .filter(|((_, canary), found)| canary != found)
        .map(|((name, canary), found)| format!("{name} was {canary:#x} and is {found:#x}"))
        .collect();
    assert!(lost.is_empty(), "holder {seed}: {}", lost.join(", "));
    assert_eq!(stack_pointer as i64, 0, "holder {seed}: the stack pointer has moved");
}

/// Asserts that the stack is aligned as the ABI promises, in a new context and after
/// each switch.
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
fn lost_canaries_and_moved_stack_pointers_are_detected() {
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
fn all_canaries_differ() {
    let mut all: Vec<u64> = (0..1000).flat_map(canaries).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}
