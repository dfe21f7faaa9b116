//! Runtimes as values: driven by a host program, dropped by it, and forked.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::thread as os;

use leno::thread::{self, Builder, Cancelled, JoinHandle};
use leno::time::Duration;
use leno::{Handle, Runtime};

use crate::support::{Ledger, caught, in_child, not_run, panic_text, text_of};

fn spawn_on<T: 'static>(runtime: &Runtime, f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    Builder::new().spawn_on(runtime, f).unwrap()
}

fn is_readable(runtime: &Runtime) -> bool {
    wait_readable(runtime, 0)
}

fn wait_readable(runtime: &Runtime, milliseconds: i32) -> bool {
    let fd = runtime.as_fd().as_raw_fd();
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: `poll` points to one pollfd on this frame.
    unsafe { libc::poll(&mut poll, 1, milliseconds) == 1 }
}

#[test]
fn run_until_stalled_returns_when_every_thread_waits() {
    let runtime = Runtime::new();
    assert!(!runtime.run_until_stalled());
    let log = Rc::new(RefCell::new(String::new()));
    let handles = ["12", "xy"].map(|text| {
        let log = log.clone();
        spawn_on(&runtime, move || {
            for letter in text.chars() {
                log.borrow_mut().push(letter);
                leno::yield_now();
            }
            thread::park();
        })
    });
    assert!(log.borrow().is_empty());
    assert!(runtime.run_until_stalled());
    assert_eq!(*log.borrow(), "1x2y");
    assert!(runtime.run_until_stalled());
    for handle in handles {
        handle.thread().unpark();
        runtime.run_until_stalled();
        assert!(handle.join().is_ok());
    }
    assert!(!runtime.run_until_stalled());
}

#[test]
fn an_unpark_by_the_host_makes_the_descriptor_readable() {
    let runtime = Runtime::new();
    let parked = spawn_on(&runtime, thread::park);
    // The host asks for the descriptor only after this spawn.
    assert_eq!(runtime.next_deadline(), Some(Duration::ZERO));
    runtime.run_until_stalled();
    assert_eq!((runtime.next_deadline(), is_readable(&runtime)), (None, false));
    parked.thread().unpark();
    assert_eq!((runtime.next_deadline(), is_readable(&runtime)), (Some(Duration::ZERO), true));
    assert!(!runtime.run_until_stalled());
    assert!(!is_readable(&runtime));
}

#[test]
fn a_remote_spawn_makes_the_descriptor_readable() {
    let runtime = Runtime::new();
    let handle = runtime.handle();
    let other = os::spawn(move || handle.spawn(|| 5).unwrap().join().unwrap());
    while !other.is_finished() {
        // The last message reports the drop of the other OS thread's handle.
        wait_readable(&runtime, 1000);
        runtime.run_until_stalled();
    }
    assert_eq!(other.join().unwrap(), 5);
    runtime.run_until_stalled();
    assert!(!is_readable(&runtime));
}

/// A ring may arrive after its message has been read. It must not stay in the
/// descriptor, or the host never sleeps again.
#[test]
fn a_late_ring_leaves_the_descriptor_unreadable() {
    let runtime = Runtime::new();
    let handle = runtime.handle();
    let ended = leno::run(|| thread::current().id());
    let other = os::spawn(move || (0..2_000).for_each(|_| handle.unpark(ended)));
    while !other.is_finished() {
        runtime.run_until_stalled();
    }
    other.join().unwrap();
    runtime.run_until_stalled();
    assert!(!is_readable(&runtime));
}

#[test]
fn the_next_deadline_is_a_timeout() {
    let runtime = Runtime::new();
    assert_eq!(runtime.next_deadline(), None);
    let hour = Duration::from_secs(3600);
    let sleeper = spawn_on(&runtime, move || leno::sleep(hour));
    runtime.run_until_stalled();
    let left = runtime.next_deadline().unwrap();
    assert!(left <= hour && left > Duration::from_secs(3000), "{left:?}");
    sleeper.cancel();
    runtime.run_until_stalled();
    assert_eq!(runtime.next_deadline(), None);
}

#[test]
fn virtual_time_advances_one_deadline_per_call() {
    let runtime = leno::Builder::new().virtual_time().build();
    let log = Rc::new(RefCell::new(Vec::new()));
    for seconds in [60, 3600, 60] {
        let log = log.clone();
        drop(spawn_on(&runtime, move || {
            leno::sleep(Duration::from_secs(seconds));
            log.borrow_mut().push(seconds);
        }));
    }
    let mut calls = 0;
    loop {
        calls += 1;
        let left = runtime.run_until_stalled();
        let expected: &[u64] = [&[][..], &[60, 60], &[60, 60, 3600]][calls - 1];
        assert_eq!(*log.borrow(), expected);
        assert_eq!(runtime.next_deadline(), left.then_some(Duration::ZERO));
        if !left {
            break;
        }
    }
    assert_eq!(calls, 3);
}

#[cfg(feature = "unblock")]
#[test]
fn a_host_can_sleep_while_virtual_time_waits_for_unblock() {
    use std::sync::mpsc;

    use leno::time::Instant;

    let runtime = leno::Builder::new().virtual_time().build();
    let (goes_on, go_on) = mpsc::channel::<()>();
    drop(spawn_on(&runtime, || leno::sleep(Duration::from_secs(1))));
    let unblocked = spawn_on(&runtime, move || {
        let start = Instant::now();
        leno::unblock(move || go_on.recv().is_ok());
        start.elapsed()
    });
    runtime.run_until_stalled();
    assert_eq!(runtime.next_deadline(), None);
    goes_on.send(()).unwrap();
    assert!(wait_readable(&runtime, -1));
    while runtime.run_until_stalled() {}
    assert_eq!(unblocked.join().unwrap(), Duration::ZERO);
}

#[test]
fn run_and_run_until_stalled_take_turns() {
    let runtime = Runtime::new();
    let parked = spawn_on(&runtime, thread::park);
    runtime.run_until_stalled();
    let thread = parked.thread().clone();
    // `run` also waits for green threads that were spawned before it.
    runtime.run(move || thread.unpark());
    assert!(parked.is_finished());
    assert!(!runtime.run_until_stalled());
    assert_eq!(runtime.run(|| leno::spawn(|| 3).join().unwrap()), 3);
}

#[test]
fn running_a_runtime_inside_a_runtime_panics() {
    const END: &str = " was called inside leno::run: this OS thread has a runtime already; use \
                       leno::spawn or leno::scope to run more green threads in it";
    let expected = format!("leno::Runtime::run_until_stalled{END}");
    let runtime = Rc::new(Runtime::new());
    let again = Rc::downgrade(&runtime);
    let entered = spawn_on(&runtime, move || {
        let runtime = again.upgrade().unwrap();
        panic_text(|| runtime.run_until_stalled())
    });
    runtime.run_until_stalled();
    assert_eq!(entered.join().unwrap(), expected);
    // A second runtime inside the first.
    leno::run(|| {
        let inner = Runtime::new();
        let handle = spawn_on(&inner, || 1);
        assert_eq!(panic_text(|| inner.run_until_stalled()), expected);
        assert_eq!(panic_text(|| inner.run(|| ())), format!("leno::run{END}"));
        assert!(!handle.is_finished());
    });
}

#[test]
fn a_runtime_dropped_with_live_green_threads_unwinds_them() {
    let ledger = Ledger::default();
    let runtime = Runtime::new();
    let values = [ledger.value(), ledger.value(), ledger.value()];
    let [new, parked, shielded] = values;
    let has_waited = spawn_on(&runtime, move || {
        let _value = parked;
        thread::park();
    });
    let has_a_shield = spawn_on(&runtime, move || {
        let _value = shielded;
        thread::shield(thread::park);
    });
    runtime.run_until_stalled();
    let has_not_begun = spawn_on(&runtime, move || {
        let _value = new;
        unreachable!("the closure never runs");
    });
    let thread = has_waited.thread().clone();
    let handle = runtime.handle();
    drop(runtime);
    ledger.check();
    for handle in [has_waited, has_a_shield, has_not_begun] {
        assert!(handle.join().unwrap_err().is::<Cancelled>());
    }
    // Handles that outlive the runtime do no harm.
    thread.unpark();
    assert!(handle.is_ended());
}

#[test]
fn a_runtime_dropped_inside_another_unwinds_its_green_threads() {
    /// Wakes a green thread of the outer runtime while the inner one is unwound.
    struct Tells(leno::channel::Sender<&'static str>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send("unwound").unwrap();
        }
    }
    let (sender, receiver) = leno::channel::unbounded();
    let inner = Runtime::new();
    let parked = spawn_on(&inner, move || {
        let _tells = Tells(sender);
        thread::park();
    });
    inner.run_until_stalled();
    leno::run(|| {
        let waiter = leno::spawn(move || receiver.recv());
        leno::yield_now();
        drop(inner);
        assert!(parked.join().unwrap_err().is::<Cancelled>());
        assert_eq!(waiter.join().unwrap(), Ok("unwound"));
        assert_eq!(leno::spawn(|| 2).join().unwrap(), 2);
    });
}

#[test]
fn a_panicking_host_unwinds_its_runtime() {
    let ledger = Ledger::default();
    let begun = Rc::new(Cell::new(false));
    let values = [ledger.value(), ledger.value()];
    let seen = begun.clone();
    let text = panic_text(AssertUnwindSafe(|| {
        let [parked, new] = values;
        let runtime = Runtime::new();
        drop(spawn_on(&runtime, move || {
            let _value = parked;
            thread::park();
        }));
        runtime.run_until_stalled();
        drop(spawn_on(&runtime, move || {
            let _value = new;
            seen.set(true);
            thread::park();
        }));
        panic!("the host");
    }));
    assert_eq!((text.as_str(), begun.get()), ("the host", false));
    ledger.check();
}

#[test]
fn a_green_thread_spawned_at_shutdown_runs() {
    struct SpawnsAnother(Rc<Cell<u32>>);
    impl Drop for SpawnsAnother {
        fn drop(&mut self) {
            let ran = self.0.clone();
            drop(leno::spawn(move || ran.set(ran.get() + 1)));
            drop(Handle::current().spawn(|| ()).unwrap());
        }
    }
    let ran = Rc::new(Cell::new(0));
    let spawns = SpawnsAnother(ran.clone());
    let runtime = Runtime::new();
    drop(spawn_on(&runtime, move || {
        let _spawns = spawns;
        thread::park();
    }));
    runtime.run_until_stalled();
    drop(runtime);
    assert_eq!(ran.get(), 1);
}

#[test]
fn a_panic_of_a_green_thread_stays_in_its_handle() {
    let runtime = Runtime::new();
    let handle = spawn_on(&runtime, || panic!("inside"));
    assert!(!runtime.run_until_stalled());
    let result: thread::Result<()> = handle.join();
    assert_eq!(text_of(result.unwrap_err()), "inside");
}

#[test]
fn the_host_can_join_only_finished_threads() {
    let runtime = Runtime::new();
    let handle = panic::AssertUnwindSafe(spawn_on(&runtime, || 1));
    let payload = caught(move || handle.0.join()).unwrap_err();
    assert!(text_of(payload).starts_with("JoinHandle::join needs a runtime"));
}

/// Runs `child` in a forked process and checks that it ends without a panic.
fn fork(child: impl FnOnce()) {
    // SAFETY: this process has one OS thread.
    ends_well(unsafe { libc::fork() }, child);
}

/// Runs `child` in the process in which `process` is 0, and checks in the other that it ends
/// without a panic.
fn ends_well(process: libc::pid_t, child: impl FnOnce()) {
    assert_ne!(process, -1);
    if process == 0 {
        // SAFETY: alarm and _exit have no preconditions.
        unsafe {
            libc::alarm(30);
            libc::_exit(i32::from(caught(AssertUnwindSafe(child)).is_err()));
        }
    }
    let mut status = -1;
    // SAFETY: waitpid fills the word that it is given.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    assert_eq!(status, 0, "the forked child");
}

/// Checks that a child that `fork` makes has a runtime of its own.
fn forks_a_runtime_of_its_own(fork: fn() -> libc::pid_t) {
    let runtime = Runtime::new();
    let _handle = runtime.handle();
    let [first, second] = [1, 2].map(|n| {
        spawn_on(&runtime, move || {
            thread::park();
            n
        })
    });
    runtime.run_until_stalled();
    // The child must not consume the ring that the parent still has to see.
    first.thread().unpark();
    ends_well(fork(), || {
        runtime.run_until_stalled();
        assert!(first.is_finished() && !is_readable(&runtime));
    });
    assert!(is_readable(&runtime) && !first.is_finished());
    runtime.run_until_stalled();
    assert_eq!(first.join().unwrap(), 1);
    // A ring in the child does not reach the parent.
    assert!(!is_readable(&runtime));
    ends_well(fork(), || {
        // After the fork the descriptor is readable once without a reason.
        assert!(is_readable(&runtime));
        runtime.run_until_stalled();
        second.thread().unpark();
        assert!(is_readable(&runtime));
    });
    assert!(!is_readable(&runtime));
}

#[test]
fn a_forked_child_has_a_runtime_of_its_own() {
    let test = "embed::a_forked_child_has_a_runtime_of_its_own";
    // SAFETY: the process has one OS thread.
    in_child(test, &[], || forks_a_runtime_of_its_own(|| unsafe { libc::fork() }))
        .assert_survived();
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_with_its_parents_number_has_its_own_runtime() {
    /// Creates a child, as fork does, that has the number 1 in a PID namespace of its own.
    fn fork_into_namespace() -> libc::pid_t {
        let flags = libc::c_long::from(libc::CLONE_NEWPID | libc::SIGCHLD);
        // SAFETY: without a stack and without CLONE_VM it is a fork. The process has one OS thread.
        unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) as libc::pid_t }
    }
    let test = "embed::a_child_with_its_parents_number_has_its_own_runtime";
    let body = || match fork_into_namespace() {
        -1 => not_run(&format!("no namespace for a child: {}", std::io::Error::last_os_error())),
        process => ends_well(process, || {
            assert_eq!(std::process::id(), 1);
            forks_a_runtime_of_its_own(fork_into_namespace);
        }),
    };
    in_child(test, &[], body).assert_survived();
}

#[test]
fn a_fork_inside_a_run_makes_two_runs() {
    let test = "embed::a_fork_inside_a_run_makes_two_runs";
    let body = || {
        leno::run(|| {
            let handle = Handle::current();
            let sleeper = leno::spawn(|| {
                leno::sleep(Duration::from_millis(1));
                "slept"
            });
            leno::yield_now();
            let mine = Cell::new(Some(sleeper));
            fork(|| {
                assert_eq!(mine.take().unwrap().join().unwrap(), "slept");
                assert_eq!(handle.spawn(|| 1).unwrap().join().unwrap(), 1);
            });
            assert_eq!(mine.take().unwrap().join().unwrap(), "slept");
        });
    };
    in_child(test, &[], body).assert_survived();
}
