//! Handlers of signals: those of other code, of reports and of the watchdog.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use leno::signal::{Signal, Signals};

use crate::signals::{SHORT, action, raise, receive};
use crate::support::child;

fn set_action(signal: Signal, action: &libc::sigaction) {
    // SAFETY: the action was made by `handler` or `action`.
    assert_eq!(unsafe { libc::sigaction(signal.into(), action, std::ptr::null_mut()) }, 0);
}

/// Returns the action of a handler that takes one argument.
fn handler(of: extern "C" fn(i32)) -> libc::sigaction {
    // SAFETY: the action is plain data, for which zeros are valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = of as *const () as usize;
    action
}

#[test]
fn the_earlier_action_returns_after_the_last_receiver() {
    child(|| {
        let first = Signals::new([Signal::TERM]).unwrap();
        let second = Signals::new([Signal::TERM, Signal::USR1]).unwrap();
        assert_ne!(action(Signal::TERM).sa_sigaction, libc::SIG_DFL);
        drop(first);
        raise(Signal::TERM);
        drop(second);
        for signal in [Signal::TERM, Signal::USR1] {
            assert_eq!(action(signal).sa_sigaction, libc::SIG_DFL);
        }
        // An ignored signal can be received, and is ignored after that.
        // SAFETY: no handler is installed.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        let signals = Signals::new([Signal::HUP]).unwrap();
        raise(Signal::HUP);
        assert_eq!(signals.try_recv(), Some(Signal::HUP));
        drop(signals);
        raise(Signal::HUP);
        assert_eq!(action(Signal::HUP).sa_sigaction, libc::SIG_IGN);
        // Receivers come and go.
        for _ in 0..1000 {
            let signals = Signals::new([Signal::HUP]).unwrap();
            raise(Signal::HUP);
            assert_eq!(signals.try_recv(), Some(Signal::HUP));
        }
    })
    .assert_survived();
}

static EARLIER: AtomicU32 = AtomicU32::new(0);
static LATER: AtomicU32 = AtomicU32::new(0);
static LATER_CALLS: AtomicU32 = AtomicU32::new(0);

extern "C" fn earlier(signal: i32) {
    EARLIER.store(signal as u32, Ordering::Relaxed);
}

extern "C" fn earlier_with_information(
    signal: i32,
    information: *mut libc::siginfo_t,
    _: *mut libc::c_void,
) {
    // SAFETY: the kernel passes it.
    let number = unsafe { (*information).si_signo };
    EARLIER.store((signal + number) as u32, Ordering::Relaxed);
}

#[test]
fn an_earlier_handler_is_called() {
    child(|| {
        set_action(Signal::USR1, &handler(earlier));
        let mut with_information = handler(earlier);
        with_information.sa_sigaction = earlier_with_information as *const () as usize;
        with_information.sa_flags = libc::SA_SIGINFO;
        set_action(Signal::USR2, &with_information);
        let signals = Signals::new([Signal::USR1, Signal::USR2]).unwrap();
        for (signal, told) in [(Signal::USR1, libc::SIGUSR1), (Signal::USR2, 2 * libc::SIGUSR2)] {
            raise(signal);
            assert_eq!(signals.try_recv(), Some(signal));
            assert_eq!(EARLIER.swap(0, Ordering::Relaxed), told as u32);
        }
        drop(signals);
        raise(Signal::USR1);
        assert_eq!(EARLIER.swap(0, Ordering::Relaxed), libc::SIGUSR1 as u32);
    })
    .assert_survived();
}

static REPLACED: OnceLock<libc::sigaction> = OnceLock::new();

/// Calls the handler of leno, which it has replaced.
extern "C" fn later(signal: i32, information: *mut libc::siginfo_t, context: *mut libc::c_void) {
    LATER_CALLS.fetch_add(1, Ordering::Relaxed);
    let replaced = REPLACED.get().unwrap().sa_sigaction;
    // SAFETY: leno's handler takes these arguments.
    unsafe {
        let replaced: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
            std::mem::transmute(replaced);
        replaced(signal, information, context);
    }
    LATER.store(signal as u32, Ordering::Relaxed);
}

#[test]
fn a_later_handler_stays_and_calls_that_of_leno() {
    child(|| {
        let signals = Signals::new([Signal::USR1]).unwrap();
        let replaced = action(Signal::USR1);
        assert_ne!(replaced.sa_flags & libc::SA_SIGINFO, 0);
        assert!(REPLACED.set(replaced).is_ok());
        let mut new = handler(earlier);
        new.sa_sigaction = later as *const () as usize;
        new.sa_flags = libc::SA_SIGINFO;
        set_action(Signal::USR1, &new);
        raise(Signal::USR1);
        assert_eq!(signals.try_recv(), Some(Signal::USR1));
        drop(signals);
        raise(Signal::USR1);
        assert_eq!(LATER.swap(0, Ordering::Relaxed), libc::SIGUSR1 as u32);
        // The handlers do not call each other for ever.
        let signals = Signals::new([Signal::USR1]).unwrap();
        raise(Signal::USR1);
        assert_eq!(signals.try_recv(), Some(Signal::USR1));
        assert_eq!(LATER_CALLS.load(Ordering::Relaxed), 3);
        // Once the later handler has gone, the first action returns with the last receiver.
        set_action(Signal::USR1, &replaced);
        drop(signals);
        assert_eq!(action(Signal::USR1).sa_sigaction, libc::SIG_DFL);
    })
    .assert_survived();
}

#[test]
fn a_dump_and_a_receiver_share_a_signal() {
    let ended = child(|| {
        leno::run(|| {
            let signals = Signals::new([Signal::USR1]).unwrap();
            leno::debug::dump_on_sigusr1().unwrap();
            raise(Signal::USR1);
            assert_eq!(receive(&signals), Signal::USR1);
            leno::yield_now();
            leno::sleep(SHORT);
        });
        // It ends no program when the runtime has ended.
        raise(Signal::USR1);
    });
    let stderr = ended.assert_survived().stderr();
    assert_eq!(stderr.matches("leno: dump of").count(), 1, "{stderr}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_watchdog_and_a_receiver_do_not_share_a_signal() {
    let urgent = || Signals::new([Signal::from(libc::SIGURG)]);
    child(move || {
        let signals = urgent().unwrap();
        leno::run(|| {
            assert!(leno::debug::watch_hogs(SHORT).is_err());
            raise(Signal::from(libc::SIGURG));
            assert_eq!(receive(&signals), Signal::from(libc::SIGURG));
            drop(signals);
            let watched = leno::debug::watch_hogs(SHORT).unwrap();
            let error = urgent().unwrap_err();
            assert!(error.to_string().contains("watchdog"), "{error}");
            drop(watched);
        });
    })
    .assert_survived();
}
