//! leno's fault handler among others: handlers installed before it and after it, and
//! signals that a program sends.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use leno::coroutine::Coroutine;
use leno::stack::DEFAULT_STACK_BYTES;

use crate::harness::{
    BODY, Owner, child, dies, null_dereference, report, rest_of_main_report, say, succeeds,
};
use crate::recursion::overflow;

type Plain = Coroutine<(), (), ()>;

type Handler = unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// Installs a handler with three arguments, and returns the previous action.
fn install(signal: i32, handler: Handler, flags: i32, blocked: &[i32]) -> libc::sigaction {
    // SAFETY: the structs are live, and the handlers here are async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let mut previous: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | flags;
        for &signal in blocked {
            libc::sigaddset(&mut action.sa_mask, signal);
        }
        assert_eq!(libc::sigaction(signal, &action, &mut previous), 0);
        previous
    }
}

fn set_plain(signal: i32, handler: libc::sighandler_t) {
    // SAFETY: no preconditions.
    assert_ne!(unsafe { libc::signal(signal, handler) }, libc::SIG_ERR);
}

fn use_leno() {
    Plain::new(|_, ()| ()).resume(());
    leno::run(|| leno::spawn(|| ()).join().expect("the green thread returns"));
}

fn exit_now(code: i32) -> ! {
    // SAFETY: _exit runs no destructors and no exit handlers.
    unsafe { libc::_exit(code) }
}

/// Reports whether the arguments describe the fault, and ends the process.
extern "C" fn three_arguments(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel, or leno's handler, passes a valid siginfo_t.
    let (address, code) = unsafe { ((*info).si_addr() as usize, (*info).si_code) };
    let right = signal == libc::SIGSEGV && address == 0 && code > 0 && !context.is_null();
    say(if right { "previous handler\n" } else { "wrong arguments\n" });
    exit_now(3)
}

extern "C" fn one_argument(signal: i32) {
    say(if signal == libc::SIGSEGV { "plain\n" } else { "wrong arguments\n" });
    exit_now(4)
}

#[test]
fn an_earlier_handler_gets_foreign_faults() {
    let outcome = child(|| {
        install(libc::SIGSEGV, three_arguments, 0, &[]);
        use_leno();
        null_dereference();
    });
    outcome.exited(3, "previous handler\n");
}

#[test]
fn an_earlier_handler_gets_faults_in_coroutines() {
    let outcome = child(|| {
        install(libc::SIGSEGV, three_arguments, 0, &[]);
        Plain::new(|_, ()| null_dereference()).resume(());
    });
    outcome.exited(3, "previous handler\n");
}

#[test]
fn an_earlier_handler_with_one_argument_gets_foreign_faults() {
    let outcome = child(|| {
        set_plain(libc::SIGSEGV, one_argument as *const () as usize);
        use_leno();
        null_dereference();
    });
    outcome.exited(4, "plain\n");
}

#[test]
fn an_earlier_handler_does_not_get_overflows() {
    let here = std::any::type_name_of_val(&scenario_with_earlier_handler);
    let outcome = child(|| scenario_with_earlier_handler());
    let owner = Owner::Coroutine { body: BODY };
    outcome.died(libc::SIGABRT, &report(&owner, here, DEFAULT_STACK_BYTES));
}

fn scenario_with_earlier_handler() {
    install(libc::SIGSEGV, three_arguments, 0, &[]);
    Plain::new(|_, ()| overflow()).resume(());
}

/// Reports that a fault with an address has come, and ends the process.
extern "C" fn deals_with_overflow(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel, or leno's handler, passes a valid siginfo_t.
    let is_fault = unsafe { (*info).si_code > 0 && !(*info).si_addr().is_null() };
    say(if is_fault { "previous handler\n" } else { "wrong arguments\n" });
    exit_now(3)
}

#[test]
fn an_earlier_handler_gets_overflows_of_the_main_green_thread() {
    let outcome = child(|| {
        install(libc::SIGSEGV, deals_with_overflow, 0, &[]);
        leno::run(overflow);
    });
    assert_eq!(rest_of_main_report(&outcome.stderr), "previous handler\n");
    assert_eq!(outcome.code, Some(3));
}

#[test]
fn without_a_handler_the_main_green_threads_overflow_ends_the_process() {
    let outcome = child(|| {
        set_plain(libc::SIGSEGV, libc::SIG_DFL);
        leno::run(overflow);
    });
    assert_eq!(rest_of_main_report(&outcome.stderr), "");
    assert_eq!(outcome.signal, Some(libc::SIGSEGV));
}

static CALLS: AtomicUsize = AtomicUsize::new(0);
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Makes the page accessible, as a garbage collector's write barrier does.
extern "C" fn repair(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the page was mapped by the test.
    unsafe {
        if (*info).si_addr() as usize == PAGE.load(Ordering::Relaxed) {
            let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
            libc::mprotect((*info).si_addr(), page, libc::PROT_READ | libc::PROT_WRITE);
        }
    }
}

#[test]
fn an_earlier_handler_can_repair_a_fault() {
    succeeds(|| {
        install(libc::SIGSEGV, repair, 0, &[]);
        let coroutine = Plain::new(|yielder, ()| {
            for _ in 0..3 {
                // SAFETY: the page is a fresh mapping, and the handler makes it writable.
                unsafe {
                    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
                    let page = libc::mmap(ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0);
                    PAGE.store(page as usize, Ordering::Relaxed);
                    page.cast::<u8>().write_volatile(1);
                }
                yielder.suspend(());
            }
        });
        for _ in 0..4 {
            coroutine.resume(());
        }
        assert!(coroutine.is_done());
        assert_eq!(CALLS.load(Ordering::Relaxed), 3);
    });
}

/// Reports which of three signals are blocked while a handler runs.
extern "C" fn show_mask(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the set is live.
    let blocked = unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &mut mask);
        [libc::SIGSEGV, libc::SIGUSR1, libc::SIGUSR2].map(|s| libc::sigismember(&mask, s) == 1)
    };
    for (name, blocked) in ["SEGV", "USR1", "USR2"].iter().zip(blocked) {
        if blocked {
            say(name);
        }
    }
    say("\n");
    exit_now(5)
}

#[test]
fn an_earlier_handler_runs_with_its_own_mask() {
    let outcome = child(|| {
        install(libc::SIGSEGV, show_mask, 0, &[libc::SIGUSR1]);
        use_leno();
        null_dereference();
    });
    outcome.exited(5, "SEGVUSR1\n");
}

#[test]
fn an_earlier_handler_keeps_sa_nodefer() {
    let outcome = child(|| {
        install(libc::SIGSEGV, show_mask, libc::SA_NODEFER, &[libc::SIGUSR2]);
        use_leno();
        null_dereference();
    });
    outcome.exited(5, "USR2\n");
}

extern "C" fn once(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    say("once\n");
    if CALLS.fetch_add(1, Ordering::Relaxed) == 1 {
        exit_now(6);
    }
}

#[test]
fn an_earlier_handler_keeps_sa_resethand() {
    let outcome = child(|| {
        install(libc::SIGSEGV, once, libc::SA_RESETHAND, &[]);
        use_leno();
        null_dereference();
    });
    outcome.died(libc::SIGSEGV, "once\n");
}

#[test]
fn an_ignored_fault_is_deadly() {
    dies(libc::SIGSEGV, || {
        set_plain(libc::SIGSEGV, libc::SIG_IGN);
        use_leno();
        null_dereference();
    });
}

#[test]
fn an_ignored_signal_that_is_sent_stays_ignored() {
    let outcome = child(|| {
        set_plain(libc::SIGSEGV, libc::SIG_IGN);
        use_leno();
        raise(libc::SIGSEGV);
        say("goes on\n");
    });
    outcome.exited(0, "goes on\n");
}

/// Sends a signal to this OS thread, which handles it before the function returns.
fn raise(signal: i32) {
    // SAFETY: no preconditions.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

#[test]
fn a_sent_signal_without_a_handler_is_deadly() {
    dies(libc::SIGSEGV, || {
        set_plain(libc::SIGSEGV, libc::SIG_DFL);
        use_leno();
        // The signal goes to the process, so any of its OS threads may get it at any
        // time.
        // SAFETY: no preconditions.
        unsafe { libc::kill(libc::getpid(), libc::SIGSEGV) };
        loop {
            std::thread::park();
        }
    });
}

#[test]
fn a_raised_signal_in_a_coroutine_is_deadly() {
    dies(libc::SIGSEGV, || {
        set_plain(libc::SIGSEGV, libc::SIG_DFL);
        Plain::new(|_, ()| raise(libc::SIGSEGV)).resume(());
    });
}

#[test]
fn a_raised_bus_error_is_deadly() {
    dies(libc::SIGBUS, || {
        set_plain(libc::SIGBUS, libc::SIG_DFL);
        use_leno();
        raise(libc::SIGBUS);
    });
}

#[test]
fn a_raised_signal_has_the_same_effect_as_without_leno() {
    // std takes a raised signal for a fault that will repeat: it restores the default
    // action and returns. The first signal has no other effect, and the second one ends
    // the process.
    let outcome = child(|| {
        use_leno();
        for _ in 0..2 {
            raise(libc::SIGSEGV);
            say("first\n");
        }
    });
    outcome.died(libc::SIGSEGV, "first\n");
}

#[test]
fn a_mapped_file_that_has_shrunk_is_a_bus_error() {
    dies(libc::SIGBUS, || {
        let path = std::env::temp_dir().join(format!("leno-crash-{}", std::process::id()));
        let file = std::fs::File::create_new(&path).expect("the path is new");
        std::fs::remove_file(&path).expect("the file is there");
        let coroutine = Plain::new(move |_, ()| {
            // SAFETY: the mapping is fresh; the fault is what the test is about.
            unsafe {
                let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
                let (access, flags) = (libc::PROT_WRITE, libc::MAP_PRIVATE);
                let page = libc::mmap(ptr::null_mut(), 4096, access, flags, descriptor, 0);
                assert_ne!(page, libc::MAP_FAILED);
                page.cast::<u8>().write_volatile(1);
            }
        });
        coroutine.resume(());
    });
}

static BEFORE: AtomicUsize = AtomicUsize::new(0);

/// Reports the call, and calls the handler that was installed before.
extern "C" fn chain(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    say("later\n");
    // SAFETY: the previous handler is leno's, which takes three arguments.
    let before: Handler = unsafe { std::mem::transmute(BEFORE.load(Ordering::Relaxed)) };
    // SAFETY: the arguments come from the kernel.
    unsafe { before(signal, info, context) }
}

#[test]
fn a_later_handler_gets_every_fault() {
    let outcome = child(|| {
        use_leno();
        install(libc::SIGSEGV, three_arguments, 0, &[]);
        Plain::new(|_, ()| null_dereference()).resume(());
    });
    outcome.exited(3, "previous handler\n");
}

fn scenario_with_a_later_handler() {
    use_leno();
    let previous = install(libc::SIGSEGV, chain, 0, &[]);
    assert_ne!(previous.sa_flags & libc::SA_SIGINFO, 0);
    BEFORE.store(previous.sa_sigaction, Ordering::Relaxed);
    Plain::new(|_, ()| overflow()).resume(());
}

#[test]
fn a_later_handler_can_hand_an_overflow_to_leno() {
    let here = std::any::type_name_of_val(&scenario_with_a_later_handler);
    let outcome = child(|| scenario_with_a_later_handler());
    let expected = report(&Owner::Coroutine { body: BODY }, here, DEFAULT_STACK_BYTES);
    outcome.died(libc::SIGABRT, &format!("later\n{expected}"));
}

#[test]
fn a_later_handler_can_hand_a_null_pointer_to_leno() {
    let outcome = child(|| {
        use_leno();
        let previous = install(libc::SIGSEGV, chain, libc::SA_RESETHAND, &[]);
        BEFORE.store(previous.sa_sigaction, Ordering::Relaxed);
        null_dereference();
    });
    outcome.died(libc::SIGSEGV, "later\n");
}
