//! Signals: receivers, selects, forks. Each test has a process of its own.

use std::cell::Cell;
use std::io::{ErrorKind, Read};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use leno::process::{Command, Stdio};
use leno::signal::{Signal, Signals, ctrl_c};
use leno::time::{Duration, timeout};

use crate::pairs::{join, look_at_engine};
use crate::support::child;

const LONG: Duration = Duration::from_secs(60);
pub const SHORT: Duration = Duration::from_millis(10);

/// Sends a signal to this OS thread, which has handled it when the function returns.
pub fn raise(signal: Signal) {
    // SAFETY: raise has no preconditions.
    assert_eq!(unsafe { libc::raise(signal.into()) }, 0);
}

/// Returns the action of a signal.
pub fn action(signal: Signal) -> libc::sigaction {
    // SAFETY: the action is plain data, which the call fills.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        assert_eq!(libc::sigaction(signal.into(), std::ptr::null(), &mut action), 0);
        action
    }
}

#[track_caller]
pub fn receive(signals: &Signals) -> Signal {
    timeout(LONG, || signals.recv()).expect("in time").unwrap()
}

#[test]
fn every_receiver_of_a_signal_hears_it() {
    child(|| {
        let first = Signals::new([Signal::USR1, Signal::USR2]).unwrap();
        let second = Signals::new([Signal::USR1]).unwrap();
        raise(Signal::USR1);
        let third = Signals::new([Signal::USR1, Signal::USR1]).unwrap();
        leno::run(|| {
            assert_eq!((receive(&first), receive(&second)), (Signal::USR1, Signal::USR1));
            raise(Signal::USR2);
            assert_eq!(receive(&first), Signal::USR2);
            raise(Signal::USR1);
            for signals in [&third, &second, &first] {
                assert_eq!(receive(signals), Signal::USR1);
                assert_eq!(signals.try_recv(), None);
            }
        });
    })
    .assert_survived();
}

#[test]
fn signals_wake_a_runtime_that_sleeps() {
    child(|| {
        let signals = Signals::new([Signal::USR1]).unwrap();
        leno::run(|| {
            for _ in 0..200 {
                let other = std::thread::spawn(|| raise(Signal::USR1));
                assert_eq!(receive(&signals), Signal::USR1);
                other.join().unwrap();
                // It may have been received before the runtime has looked at the descriptor.
                look_at_engine();
                assert!(timeout(Duration::from_micros(100), || signals.recv()).is_err());
            }
        });
        // Outside a runtime, too.
        let other = std::thread::spawn(|| raise(Signal::USR1));
        assert_eq!(signals.recv().unwrap(), Signal::USR1);
        other.join().unwrap();
    })
    .assert_survived();
}

#[test]
fn signals_of_one_kind_coalesce() {
    child(|| {
        let signals = Signals::new([Signal::USR1, Signal::TERM, Signal::HUP]).unwrap();
        for signal in [Signal::TERM, Signal::USR1, Signal::TERM, Signal::HUP] {
            raise(signal);
        }
        leno::run(|| {
            let received: Vec<Signal> = (0..3).map(|_| receive(&signals)).collect();
            assert_eq!(received, [Signal::HUP, Signal::USR1, Signal::TERM]);
            assert!(timeout(SHORT, || signals.recv()).is_err());
        });
    })
    .assert_survived();
}

#[test]
fn a_select_takes_signals() {
    child(|| {
        leno::run(|| {
            let signals = Signals::new([Signal::USR1]).unwrap();
            let has_come = |after: Duration| {
                leno::select! {
                    readable(signals) => true,
                    default(after) => false,
                }
            };
            assert!(!has_come(SHORT));
            raise(Signal::USR1);
            assert!(has_come(LONG));
            assert_eq!(signals.try_recv(), Some(Signal::USR1));
            // The descriptor is still readable, and there is no signal.
            assert!(!has_come(SHORT));
            look_at_engine();
            assert!(!has_come(SHORT));
            let other = std::thread::spawn(|| {
                std::thread::sleep(SHORT);
                raise(Signal::USR1);
            });
            assert!(has_come(LONG));
            assert_eq!(receive(&signals), Signal::USR1);
            other.join().unwrap();
        });
    })
    .assert_survived();
}

#[test]
fn threads_that_share_a_receiver_take_turns() {
    child(|| {
        leno::run(|| {
            let signals = Rc::new(Signals::new([Signal::USR1, Signal::USR2]).unwrap());
            let waiting: Vec<_> = (0..2)
                .map(|_| {
                    let signals = signals.clone();
                    leno::spawn(move || receive(&signals))
                })
                .collect();
            leno::yield_now();
            raise(Signal::USR2);
            raise(Signal::USR1);
            let mut received: Vec<Signal> = waiting.into_iter().map(join).collect();
            received.sort();
            assert_eq!(received, [Signal::USR1, Signal::USR2]);
        });
    })
    .assert_survived();
}

#[test]
fn a_wait_for_a_signal_is_cancelled_and_named() {
    child(|| {
        leno::run(|| {
            let signals = Rc::new(Signals::new([Signal::TERM, Signal::INT]).unwrap());
            assert!(timeout(SHORT, || signals.recv()).is_err());
            let shared = signals.clone();
            let waiting = leno::spawn(move || receive(&shared));
            leno::yield_now();
            let report = leno::debug::stalled(Duration::ZERO).expect("one waits").to_string();
            assert!(report.contains("for a signal: SIGINT, SIGTERM"), "{report}");
            raise(Signal::TERM);
            waiting.cancel();
            waiting.join().unwrap_err();
            // The cancelled thread has taken nothing.
            assert_eq!(receive(&signals), Signal::TERM);
        });
    })
    .assert_survived();
}

#[test]
fn signals_that_no_program_can_receive_are_refused() {
    child(|| {
        let refused = [
            libc::SIGKILL,
            libc::SIGSTOP,
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGILL,
            libc::SIGFPE,
            0,
            -1,
            65,
            i32::MAX,
        ];
        for number in refused {
            let error = Signals::new([Signal::TERM, number.into()]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{number}");
            assert!(error.to_string().contains(&number.to_string()), "{error}");
        }
        // glibc keeps these for itself; the others are taken back.
        let _ = Signals::new([Signal::TERM, 32.into(), 33.into()]);
        assert_eq!(action(Signal::TERM).sa_sigaction, libc::SIG_DFL);
        assert!(Signals::new([]).unwrap().try_recv().is_none());
    })
    .assert_survived();
}

#[test]
fn a_storm_of_signals_is_survived() {
    child(|| {
        let signals = Signals::new([Signal::USR1, Signal::USR2]).unwrap();
        let is_over = std::sync::Arc::new(AtomicBool::new(false));
        leno::run(|| {
            let senders: Vec<_> = (0..4)
                .map(|_| {
                    let is_over = is_over.clone();
                    std::thread::spawn(move || {
                        while !is_over.load(Ordering::Relaxed) {
                            // SAFETY: it has a handler.
                            unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
                        }
                    })
                })
                .collect();
            let turns = Rc::new(Cell::new(0));
            let count = turns.clone();
            let other = leno::spawn(move || {
                for _ in 0..50 {
                    leno::sleep(Duration::from_micros(100));
                    count.set(count.get() + 1);
                }
            });
            let mut received = 0;
            while received < 2000 || turns.get() < 50 {
                // Receivers come and go meanwhile.
                if received % 16 == 0 {
                    drop(Signals::new([Signal::USR1]).unwrap());
                }
                assert_eq!(receive(&signals), Signal::USR1);
                received += 1;
            }
            is_over.store(true, Ordering::Relaxed);
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            join(other);
            raise(Signal::USR2);
            while receive(&signals) != Signal::USR2 {}
        });
    })
    .assert_survived();
}

#[test]
fn a_forked_child_receives_its_own_signals() {
    child(|| {
        let signals = Signals::new([Signal::USR1, Signal::USR2]).unwrap();
        leno::run(|| {
            let signals = Rc::new(signals);
            let waiting = leno::spawn({
                let signals = signals.clone();
                move || receive(&signals)
            });
            // The engine knows the descriptor.
            look_at_engine();
            // SAFETY: the child uses nothing that another OS thread may have locked.
            let pid = unsafe { libc::fork() };
            if pid != 0 {
                // The child is alone with the descriptor that both have.
                let mut status = 0;
                // SAFETY: `status` is a live integer.
                assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
                assert_eq!(status, 0);
            }
            raise(if pid == 0 { Signal::USR2 } else { Signal::USR1 });
            let first = join(waiting);
            let told = leno::spawn({
                let signals = signals.clone();
                move || [receive(&signals), receive(&signals)]
            });
            look_at_engine();
            raise(Signal::USR1);
            leno::sleep(SHORT);
            raise(Signal::USR2);
            let others = join(told);
            let expected = if pid == 0 { Signal::USR2 } else { Signal::USR1 };
            let is_right = first == expected && others == [Signal::USR1, Signal::USR2];
            let is_right = is_right && signals.try_recv().is_none();
            if pid == 0 {
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(i32::from(!is_right)) };
            }
            assert!(is_right, "{first} {others:?}");
        });
    })
    .assert_survived();
}

/// The child signals only itself, and both have the descriptor that the parent has made.
#[test]
fn a_signal_to_a_forked_child_wakes_no_parent() {
    child(|| {
        let signals = Signals::new([Signal::USR1]).unwrap();
        // SAFETY: the child makes system calls only.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            raise(Signal::USR1);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: `status` is a live integer.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
        let descriptors = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
        let is_ready = |number: i32| {
            let mut polled = libc::pollfd { fd: number, events: libc::POLLIN, revents: 0 };
            // SAFETY: `polled` is live.
            unsafe { libc::poll(&mut polled, 1, 0) == 1 }
        };
        for descriptor in descriptors {
            let path = descriptor.unwrap().path();
            if std::fs::read_link(&path).is_ok_and(|it| it.to_string_lossy().contains("eventfd")) {
                let number = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
                assert!(!is_ready(number));
            }
        }
        assert!(signals.try_recv().is_none());
    })
    .assert_survived();
}

#[test]
#[cfg(target_os = "linux")]
fn children_have_default_actions_and_no_blocked_signals() {
    child(|| {
        leno::run(|| {
            let _signals = Signals::new([Signal::TERM, Signal::INT, Signal::USR1]).unwrap();
            let mut command = Command::new("cat");
            command.arg("/proc/self/status");
            let status = String::from_utf8(command.output().unwrap().stdout).unwrap();
            for what in ["SigBlk", "SigCgt"] {
                let line = status.lines().find(|line| line.starts_with(what)).expect(&status);
                assert!(line.ends_with(":\t0000000000000000"), "{line}");
            }
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            // SAFETY: it has not been waited for.
            unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
            assert_eq!(
                leno::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()),
                Some(libc::SIGTERM)
            );
        });
    })
    .assert_survived();
}

#[test]
fn ctrl_c_is_awaited_once() {
    child(|| {
        // A shell ignores it for what runs in the background.
        let before = action(Signal::INT).sa_sigaction;
        leno::run(|| {
            for _ in 0..3 {
                leno::spawn(|| raise(Signal::INT));
                timeout(LONG, ctrl_c).expect("in time").unwrap();
                assert_eq!(action(Signal::INT).sa_sigaction, before);
            }
            assert!(timeout(SHORT, ctrl_c).is_err());
            assert_eq!(action(Signal::INT).sa_sigaction, before);
        });
    })
    .assert_survived();
}

#[test]
fn an_exploration_receives_no_signal() {
    leno::weave::check(|| {
        assert_eq!(Signals::new([Signal::USR1]).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(ctrl_c().unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

#[test]
fn the_end_of_a_child_is_received() {
    child(|| {
        leno::run(|| {
            let signals = Signals::new([Signal::CHLD]).unwrap();
            let mut child =
                Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            drop(child.stdin.take());
            let mut output = Vec::new();
            child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
            assert_eq!(receive(&signals), Signal::CHLD);
            assert!(child.wait().unwrap().success());
        });
    })
    .assert_survived();
}
