//! A signal may arrive between any two instructions, and its handler may use the memory
//! below the stack pointer. Here a handler does so after each instruction of a switch,
//! since the processor traps after every instruction.

use std::arch::asm;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::canaries::hold;
use super::raw::{self, Context, Kind};
use super::trace::end_of_function;

/// More than the red zone, which signals leave alone and the switch does not use.
const SCRIBBLED_BYTES: usize = 1024;

/// The first and the last address of each piece of code in which every step is followed
/// by a scribble.
static WATCHED: [[AtomicUsize; 2]; 5] = [const { [const { AtomicUsize::new(0) }; 2] }; 5];
static SCRIBBLES: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_trap(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the third argument is a ucontext_t (sigaction(2)).
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let at = registers[libc::REG_RIP as usize] as usize;
    let watched = WATCHED.iter().any(|[begin, end]| {
        (begin.load(Ordering::Relaxed)..end.load(Ordering::Relaxed)).contains(&at)
    });
    if watched {
        let below = registers[libc::REG_RSP as usize] as usize - SCRIBBLED_BYTES;
        // SAFETY: the handler runs on another stack, and the interrupted code may keep nothing below its stack pointer.
        unsafe {
            ptr::with_exposed_provenance_mut::<u8>(below).write_bytes(0xa5, SCRIBBLED_BYTES);
        }
        SCRIBBLES.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs `f` while a handler takes traps on a stack of its own.
fn with_handler(f: impl FnOnce()) {
    const STACK_BYTES: usize = 128 * 1024;
    let mut memory = vec![0u128; STACK_BYTES / 16];
    // SAFETY: zeroed structs of both types are valid, the stack outlives its use, and
    // the previous stack and handler are restored.
    unsafe {
        let stack =
            libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK_BYTES };
        let mut old_stack: libc::stack_t = MaybeUninit::zeroed().assume_init();
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        let mut old_action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = on_trap as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        assert_eq!(libc::sigaltstack(&stack, &mut old_stack), 0);
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, &mut old_action), 0);
        f();
        assert_eq!(libc::sigaction(libc::SIGTRAP, &old_action, ptr::null_mut()), 0);
        assert_eq!(libc::sigaltstack(&old_stack, ptr::null_mut()), 0);
    }
}

#[inline(always)]
fn set_single_step(on: bool) {
    const TRAP_FLAG: u64 = 0x100;
    let flag = if on { TRAP_FLAG } else { 0 };
    // SAFETY: `on_trap` handles the traps, and no other flag changes.
    unsafe {
        asm!(
            "pushfq",
            "and qword ptr [rsp], {others}",
            "or [rsp], {flag}",
            "popfq",
            others = const !(TRAP_FLAG as i32),
            flag = in(reg) flag,
        );
    }
}

#[test]
fn a_switch_keeps_nothing_below_the_stack_pointer() {
    const ROUNDS: usize = 4;
    let functions = [
        raw::switch as *const () as usize,
        raw::resume as *const () as usize,
        raw::suspend as *const () as usize,
        Kind::Coroutine.root() as *const () as usize,
        Kind::Thread.root() as *const () as usize,
    ];
    for (watched, begin) in WATCHED.iter().zip(functions) {
        watched[0].store(begin, Ordering::Relaxed);
        watched[1].store(end_of_function(begin), Ordering::Relaxed);
    }
    with_handler(|| {
        for kind in [Kind::Coroutine, Kind::Thread] {
            let context = Context::new(kind, |control, mut word| {
                for _ in 0..ROUNDS {
                    word = hold(12, || control.suspend(word));
                }
                word
            });
            for round in 0..=ROUNDS {
                let answer = hold(11, || {
                    set_single_step(true);
                    let answer = context.enter(round);
                    set_single_step(false);
                    answer
                });
                assert_eq!(answer, round, "{kind:?}");
            }
            let root = kind.root() as *const () as usize;
            let inside = context.at_entry().return_address.wrapping_sub(root);
            assert!(inside < 64, "{kind:?}: the return address was overwritten");
        }
    });
    // A switch has more instructions than half of this bound.
    let scribbles = SCRIBBLES.load(Ordering::Relaxed);
    assert!(scribbles > 2 * ROUNDS as u64 * 15, "only {scribbles} steps were watched");
}
