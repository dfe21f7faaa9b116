//! A signal may arrive between any two instructions. Here one arrives after each instruction of
//! a switch, since the processor traps after every instruction.
//!
//! A handler may use the memory below the stack pointer, and a profiler's handler walks the
//! stack.

use std::arch::asm;
use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use super::canaries::{canaries, hold};
use super::isa;
use super::raw::{self, Context, Kind};
use super::trace::{self, Frame};
use super::unwind_table::Table;

/// More than the red zone, which signals leave alone and the switch does not use.
const SCRIBBLED_BYTES: usize = 1024;
const ROUNDS: usize = 4;

/// The handler of a trap at an address, with a stack pointer.
type OnStep = Box<dyn FnMut(usize, usize)>;

/// The pieces of code in which each step is followed by the handler.
struct Watch {
    code: Vec<Range<usize>>,
    on_step: OnStep,
}

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

extern "C" fn on_trap(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the third argument is a ucontext_t (sigaction(2)).
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let at = registers[libc::REG_RIP as usize] as usize;
    WATCH.with_borrow_mut(|watch| {
        let watch = watch.as_mut().expect("a trap belongs to a watch");
        if watch.code.iter().any(|code| code.contains(&at)) {
            (watch.on_step)(at, registers[libc::REG_RSP as usize] as usize);
        }
    });
}

/// Runs `f` while a handler takes traps on a stack of its own, and calls `on_step` after each
/// step in one of the functions.
fn watched(functions: &[usize], on_step: OnStep, f: impl FnOnce()) {
    const STACK_BYTES: usize = 128 * 1024;
    /// The handler belongs to the process.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let code = functions.iter().map(|&function| Table::of(function).function).collect();
    WATCH.set(Some(Watch { code, on_step }));
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
    WATCH.set(None);
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

/// Returns a context that suspends a few times, with canaries in the registers.
fn suspends(kind: Kind) -> Context {
    Context::new(kind, |control, mut word| {
        for _ in 0..ROUNDS {
            word = hold(12, || control.suspend(word));
        }
        word
    })
}

/// Runs the context to its end, in single steps and with canaries in the registers.
fn step_through(context: &Context) {
    for round in 0..=ROUNDS {
        let answer = hold(11, || {
            set_single_step(true);
            let answer = context.enter(round);
            set_single_step(false);
            answer
        });
        assert_eq!(answer, round);
    }
}

fn switches() -> [usize; 5] {
    [
        raw::switch as *const () as usize,
        raw::resume as *const () as usize,
        raw::suspend as *const () as usize,
        Kind::Coroutine.root() as *const () as usize,
        Kind::Thread.root() as *const () as usize,
    ]
}

#[test]
fn a_switch_keeps_nothing_below_the_stack_pointer() {
    let scribbles = Rc::new(Cell::new(0));
    let count = scribbles.clone();
    let scribble = Box::new(move |_, stack_pointer: usize| {
        let below = stack_pointer - SCRIBBLED_BYTES;
        // SAFETY: the handler runs on another stack, and the interrupted code may keep nothing
        // below its stack pointer.
        unsafe {
            ptr::with_exposed_provenance_mut::<u8>(below).write_bytes(0xa5, SCRIBBLED_BYTES);
        }
        count.set(count.get() + 1);
    });
    watched(&switches(), scribble, || {
        for kind in [Kind::Coroutine, Kind::Thread] {
            let context = suspends(kind);
            step_through(&context);
            let root = kind.root() as *const () as usize;
            let inside = context.at_entry().return_address.wrapping_sub(root);
            assert!(inside < 64, "{kind:?}: the return address was overwritten");
        }
    });
    // A switch has more instructions than half of this bound.
    let scribbles = scribbles.get();
    assert!(scribbles > 2 * ROUNDS * 15, "only {scribbles} steps were watched");
}

/// A step, and the frames that an unwinder has found in the handler.
struct Step {
    at: usize,
    stack_pointer: usize,
    frames: Vec<Frame>,
}

/// Asserts that the frames are those of the context that has taken the step, or that there is
/// only the first where the table says so.
fn check(step: &Step, context: &Context) {
    let interrupted = step.frames.iter().position(|frame| frame.exact).expect("a signal frame");
    let [frame, callers @ ..] = &step.frames[interrupted..] else { unreachable!() };
    let table = Table::of(step.at);
    assert_eq!(frame.function, table.function.start, "the frame that was interrupted");
    let place = format!("byte {} of {:#x}", step.at - frame.function, frame.function);
    if !table.has_caller(step.at) {
        return assert_eq!(callers.len(), 0, "{place}: a frame without a caller");
    }
    let holder = isa::hold as *const () as usize;
    if let Some(found) = callers.iter().find(|frame| frame.function == holder) {
        let switches_out = [raw::switch as *const () as usize, raw::suspend as *const () as usize]
            .contains(&frame.function);
        let inside = switches_out && context.is_on_stack(step.stack_pointer);
        let expected = canaries(if inside { 12 } else { 11 });
        assert_eq!(&found.registers[..], &expected[..found.registers.len()], "{place}");
    } else {
        let last = callers.last().unwrap_or(frame).function;
        assert_eq!(last, Kind::Thread.root() as *const () as usize, "{place}");
    }
}

#[test]
#[cfg_attr(target_env = "musl", ignore = "the unwinder stops at the signal frame")]
fn a_backtrace_is_right_at_each_step_of_a_switch() {
    let mut functions = switches().to_vec();
    // It leaves the context.
    functions.push(raw::start as *const () as usize);
    // The unwinder sets itself up at its first use, which must not be in a handler.
    trace::trace();
    for kind in [Kind::Coroutine, Kind::Thread] {
        let steps = Rc::new(RefCell::new(Vec::new()));
        let recorded = steps.clone();
        let record = Box::new(move |at, stack_pointer| {
            recorded.borrow_mut().push(Step { at, stack_pointer, frames: trace::trace() });
        });
        let context = suspends(kind);
        watched(&functions, record, || step_through(&context));
        let steps = steps.take();
        steps.iter().for_each(|step| check(step, &context));
        let without = steps.iter().filter(|step| !Table::of(step.at).has_caller(step.at)).count();
        assert!(without > 2 * ROUNDS * 8 && steps.len() > 2 * without, "{without} steps");
    }
}
