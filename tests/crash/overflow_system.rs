//! Overflows on other OS threads, under other kinds of guards and under other limits of
//! the operating system.

use std::ptr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use leno::coroutine::Coroutine;
use leno::thread::{self, Builder};

use crate::harness::{
    BODY, DEFAULT, INNER, Owner, Setting, child, dies, in_c_thread, overflows, overflows_with,
    report, rest_of_main_report, skip,
};
use crate::recursion::{DeepDrop, deep, deep_and_large, limit_of_os_thread, overflow};

type Plain = Coroutine<(), (), ()>;

const COROUTINE: Owner = Owner::Coroutine { body: BODY };
const INNER_COROUTINE: Owner = Owner::Coroutine { body: INNER };
const SECOND: Owner = Owner::Thread { title: "#2", body: INNER };

const MPROTECT: Setting = Setting { environment: &[("LENO_GUARD", "mprotect")], stack_limit: None };

#[test]
fn a_coroutine_in_a_second_os_thread() {
    overflows(INNER_COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| ()).resume(());
        let other = std::thread::spawn(|| {
            Plain::new(|_, ()| overflow()).resume(());
        });
        drop(other.join());
    });
}

#[test]
fn a_green_thread_in_a_second_os_thread() {
    let owner =
        Owner::Thread { title: "'second'", body: "{here}::{{closure}}::{{closure}}::{{closure}}" };
    overflows(owner, DEFAULT, || {
        let other = std::thread::spawn(|| {
            leno::run(|| drop(Builder::new().name("second".to_owned()).spawn(|| deep(0))));
        });
        drop(other.join());
    });
}

#[test]
fn only_the_overflowing_os_thread_is_reported() {
    static ALL_RUN: Barrier = Barrier::new(8);
    fn one_of_many(overflows: bool) {
        leno::run(|| {
            drop(
                Builder::new()
                    .name(if overflows { "overflows" } else { "parks" }.to_owned())
                    .spawn(move || {
                        ALL_RUN.wait();
                        if overflows {
                            overflow();
                        }
                        std::thread::park();
                    }),
            );
        });
    }
    let owner = Owner::Thread {
        title: "'overflows'",
        body: "crash::overflow_system::only_the_overflowing_os_thread_is_reported::one_of_many\
               ::{{closure}}::{{closure}}",
    };
    overflows(owner, DEFAULT, || {
        std::thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || one_of_many(number == 5));
            }
        });
    });
}

extern "C" fn in_c(_: *mut libc::c_void) -> *mut libc::c_void {
    leno::run(|| drop(Builder::new().name("in C".to_owned()).spawn(|| deep(0))));
    ptr::null_mut()
}

#[test]
fn a_green_thread_in_an_os_thread_created_by_c() {
    let owner = Owner::Thread {
        title: "'in C'",
        body: "crash::overflow_system::in_c::{{closure}}::{{closure}}",
    };
    overflows(owner, DEFAULT, || {
        in_c_thread(in_c, ptr::null_mut());
    });
}

#[test]
fn a_coroutine_with_an_mprotect_guard() {
    overflows_with(MPROTECT, COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn a_large_frame_with_an_mprotect_guard() {
    overflows_with(MPROTECT, COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| deep_and_large::<100_000>(0)).resume(());
    });
}

#[test]
fn a_green_thread_with_an_mprotect_guard() {
    overflows_with(MPROTECT, SECOND, DEFAULT, || {
        leno::run(|| drop(leno::spawn(|| deep(0))));
    });
}

#[test]
fn while_unwinding_with_an_mprotect_guard() {
    overflows_with(MPROTECT, COROUTINE, DEFAULT, || {
        let coroutine = Plain::new(|yielder, ()| {
            let _deep = DeepDrop;
            yielder.suspend(());
        });
        coroutine.resume(());
        drop(coroutine);
    });
}

/// Keeps all future mappings in memory, which light guards refuse.
fn lock_future_mappings() {
    // SAFETY: no preconditions.
    if unsafe { libc::mlockall(libc::MCL_FUTURE) } != 0 {
        skip(&format!("mlockall is not permitted here: {}", std::io::Error::last_os_error()));
    }
}

#[test]
fn in_a_process_that_has_locked_its_memory() {
    overflows(COROUTINE, DEFAULT, || {
        lock_future_mappings();
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn in_a_process_that_locks_its_memory_after_the_probe() {
    overflows(COROUTINE, 512 << 10, || {
        // The probe finds light guards here, if the kernel has them.
        Plain::new(|_, ()| ()).resume(());
        lock_future_mappings();
        let stack = leno::stack::Stack::new(512 << 10).expect("there is room");
        Plain::with_stack(stack, |_, ()| overflow()).resume(());
    });
}

#[test]
fn under_a_small_limit_of_the_main_stack() {
    let setting = Setting { stack_limit: Some(256 << 10), ..Setting::default() };
    overflows_with(setting, COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn without_a_limit_of_the_main_stack() {
    let setting = Setting { stack_limit: Some(libc::RLIM_INFINITY), ..Setting::default() };
    overflows_with(setting, COROUTINE, DEFAULT, || {
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn in_a_child_after_a_fork() {
    overflows(INNER_COROUTINE, DEFAULT, || {
        let coroutine = Plain::new(|_, ()| {
            // SAFETY: the child continues with its only OS thread.
            unsafe {
                let child = libc::fork();
                if child == 0 {
                    Plain::new(|_, ()| overflow()).resume(());
                }
                let mut status = 0;
                libc::waitpid(child, &mut status, 0);
                libc::signal(libc::SIGABRT, libc::SIG_DFL);
                if libc::WIFSIGNALED(status) {
                    libc::raise(libc::WTERMSIG(status));
                }
            }
        });
        coroutine.resume(());
    });
}

#[test]
fn while_a_timer_interrupts_the_report() {
    extern "C" fn nothing(_: libc::c_int) {}
    overflows(SECOND, DEFAULT, || {
        // SAFETY: the handler does nothing; the structs are live.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            action.sa_flags = libc::SA_ONSTACK;
            libc::sigaction(libc::SIGALRM, &action, ptr::null_mut());
            let often = libc::timeval { tv_sec: 0, tv_usec: 100 };
            let timer = libc::itimerval { it_interval: often, it_value: often };
            libc::setitimer(libc::ITIMER_REAL, &timer, ptr::null_mut());
        }
        leno::run(|| {
            drop(leno::spawn(|| {
                thread::yield_now();
                deep(0)
            }));
        });
    });
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

/// Adds one to [`HANDLED`]. It needs no stack, so that either the system has room to call it, or it is not
/// called; as the compiler makes it without optimisation, it could overflow the stack itself.
#[unsafe(naked)]
extern "C" fn counts(_: libc::c_int) {
    #[cfg(target_arch = "x86_64")]
    std::arch::naked_asm!("lock inc qword ptr [rip + {}]", "ret", sym HANDLED);
    #[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
    std::arch::naked_asm!(
        "adrp x0, {handled}",
        "ldr x1, [x0, :lo12:{handled}]",
        "add x1, x1, #1",
        "str x1, [x0, :lo12:{handled}]",
        "ret",
        handled = sym HANDLED,
    );
    #[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
    std::arch::naked_asm!(
        "adrp x0, {handled}@PAGE",
        "ldr x1, [x0, {handled}@PAGEOFF]",
        "add x1, x1, #1",
        "str x1, [x0, {handled}@PAGEOFF]",
        "ret",
        handled = sym HANDLED,
    );
}

/// Raises a signal in each of ever deeper frames, until its handler, which runs on the stack that it
/// interrupts, is not called.
fn raise_on_the_way_down() {
    #[inline(never)]
    fn deeper(depth: usize) -> usize {
        let frame = std::hint::black_box([depth; 16]);
        // SAFETY: the handler counts.
        unsafe { libc::raise(libc::SIGALRM) };
        if HANDLED.load(Ordering::Relaxed) < depth {
            return 0;
        }
        deeper(depth + 1).wrapping_add(std::hint::black_box(frame)[3])
    }
    // SAFETY: the handler counts.
    unsafe { libc::signal(libc::SIGALRM, counts as *const () as usize) };
    std::hint::black_box(deeper(1));
}

/// Returns leno's report of an overflow, with the reason that a handler had no room.
fn report_of_a_signal(owner: &Owner, here: &str) -> String {
    let advice = "  if it does not recurse";
    let reason =
        "  a signal came whose handler runs on the stack that it interrupts (no SA_ONSTACK)\n";
    report(owner, here, DEFAULT).replace(advice, &format!("{reason}{advice}"))
}

#[test]
fn a_signal_without_room_for_its_handler_in_a_coroutine() {
    let here = std::any::type_name_of_val(&signals_in_a_coroutine);
    let outcome = child(|| signals_in_a_coroutine());
    outcome.died(libc::SIGABRT, &report_of_a_signal(&COROUTINE, here));
}

fn signals_in_a_coroutine() {
    Plain::new(|_, ()| raise_on_the_way_down()).resume(());
}

#[test]
fn a_signal_without_room_for_its_handler_in_a_green_thread() {
    let here = std::any::type_name_of_val(&signals_in_a_green_thread);
    let outcome = child(|| signals_in_a_green_thread());
    outcome.died(libc::SIGABRT, &report_of_a_signal(&SECOND, here));
}

fn signals_in_a_green_thread() {
    leno::run(|| drop(leno::spawn(|| raise_on_the_way_down())));
}

#[test]
fn a_signal_without_room_on_a_stack_of_the_system() {
    // std's handler returns without an effect, and the process must not go on.
    dies(libc::SIGSEGV, || {
        Plain::new(|_, ()| ()).resume(());
        raise_on_the_way_down();
    });
}

#[test]
fn a_signal_without_room_in_the_main_green_thread() {
    let outcome = child(|| {
        // SAFETY: the handler counts. The first signal has the dynamic linker do what it does once.
        unsafe {
            libc::signal(libc::SIGALRM, counts as *const () as usize);
            libc::raise(libc::SIGALRM);
        }
        leno::run(|| raise_close_to(limit_of_os_thread()));
    });
    let reason =
        "  a signal came whose handler runs on the stack that it interrupts (no SA_ONSTACK)\n";
    assert_eq!(outcome.stderr.matches(reason).count(), 1, "{}", outcome.stderr);
    // std's handler does not take this for an overflow.
    assert_eq!(rest_of_main_report(&outcome.stderr.replace(reason, "")), "");
    assert_eq!(outcome.signal, Some(libc::SIGSEGV));
}

/// Raises a signal where the stack has room for raise(3), and none for what the kernel writes.
fn raise_close_to(limit: usize) {
    let here = std::hint::black_box([0u8; 16]);
    if (&raw const here).addr() > limit + 1400 {
        raise_close_to(limit);
    } else {
        // SAFETY: the handler counts.
        unsafe { libc::raise(libc::SIGALRM) };
    }
    std::hint::black_box(here);
}
