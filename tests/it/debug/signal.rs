//! Dumps that a signal to any OS thread requests.

use std::sync::mpsc;

use leno::debug;
use leno::thread::{self, Builder};
use leno::time::Duration;

use super::{block, short};
use crate::support::child;

/// Sends the signal to the current OS thread, and returns after it has been handled.
fn raise() {
    // SAFETY: each test installs a handler for SIGUSR1 before the call.
    assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
}

/// Returns the dumps that a child has printed.
fn dumps(stderr: &str) -> Vec<&str> {
    stderr.split("leno: dump of ").skip(1).collect()
}

#[inline(never)]
fn sleeps_here() {
    thread::park();
    std::hint::black_box(());
}

#[test]
fn a_runtime_in_a_system_call_is_dumped() {
    let ended = child(|| {
        leno::run(|| {
            debug::dump_on_sigusr1().unwrap();
            let (handle, me) = (leno::Handle::current(), thread::current().id());
            let (ready, wait_until_ready) = mpsc::channel();
            // The scheduler sleeps on the stack of the last thread to run, which
            // has ended and is not joined.
            let last = move || ready.send(()).unwrap();
            Builder::new().name("last".to_owned()).stack_size(1).spawn(last).unwrap();
            let other = std::thread::spawn(move || {
                wait_until_ready.recv().unwrap();
                raise();
                handle.unpark(me);
            });
            sleeps_here();
            other.join().unwrap();
        });
    });
    let stderr = ended.assert_survived().stderr();
    let [dump] = dumps(&stderr)[..] else { panic!("{stderr}") };
    // The thread may have been unparked at the same time.
    let main = block(dump, "main");
    assert!(
        ["  main  has waited ", "  main  is ready\n"].iter().any(|begin| main.starts_with(begin))
    );
    assert_eq!(short(block(dump, "main"))[0], "sleeps_here", "{stderr}");
}

#[test]
fn a_running_runtime_is_dumped_at_each_signal() {
    let ended = child(|| {
        leno::run(|| {
            debug::dump_on_sigusr1().unwrap();
            // A second call changes nothing.
            debug::dump_on_sigusr1().unwrap();
            let parked = Builder::new().name("parked".to_owned()).spawn(sleeps_here).unwrap();
            leno::yield_now();
            let busy = leno::spawn(|| (0..500).for_each(|_| leno::yield_now()));
            for _ in 0..3 {
                raise();
                (0..100).for_each(|_| leno::yield_now());
            }
            parked.thread().unpark();
            busy.join().unwrap();
        });
        // The runtime that listened is gone.
        raise();
        leno::run(|| {
            leno::yield_now();
            leno::sleep(Duration::from_nanos(1));
        });
    });
    let stderr = ended.assert_survived().stderr();
    let dumps = dumps(&stderr);
    assert_eq!(dumps.len(), 3, "{stderr}");
    for dump in dumps {
        assert!(dump.starts_with("3 green threads"), "{stderr}");
        assert_eq!(short(block(dump, "'parked' (#2)")), ["sleeps_here"], "{stderr}");
    }
}

#[test]
fn each_listening_runtime_is_dumped() {
    let ended = child(|| {
        for round in 0..3 {
            let (ready, wait_until_ready) = mpsc::channel();
            let others: Vec<_> = (0..4)
                .map(|index| {
                    let ready = ready.clone();
                    std::thread::spawn(move || {
                        leno::run(|| {
                            if index > 0 {
                                debug::dump_on_sigusr1().unwrap();
                            }
                            let name = format!("round {round}, runtime {index}");
                            let sleeper =
                                Builder::new().name(name.to_owned()).spawn(sleeps_here).unwrap();
                            let id = sleeper.thread().id();
                            ready.send((leno::Handle::current(), id)).unwrap();
                            sleeper.join().unwrap();
                        });
                    })
                })
                .collect();
            let handles: Vec<_> = wait_until_ready.iter().take(4).collect();
            raise();
            for (handle, id) in handles {
                handle.unpark(id);
            }
            others.into_iter().for_each(|other| other.join().unwrap());
        }
    });
    let stderr = ended.assert_survived().stderr();
    assert_eq!(dumps(&stderr).len(), 9, "{stderr}");
    for round in 0..3 {
        assert!(!stderr.contains(&format!("'round {round}, runtime 0'")), "{stderr}");
        for index in 1..4 {
            let thread = format!("'round {round}, runtime {index}' (#2)");
            let count = dumps(&stderr).iter().filter(|dump| dump.contains(&thread)).count();
            assert_eq!(count, 1, "{thread}: {stderr}");
        }
    }
}

/// The host polls the runtime's descriptor, and learns of the signal from that.
#[test]
fn a_signal_makes_the_descriptor_readable_once() {
    use std::os::fd::{AsFd, AsRawFd};
    let is_readable = |runtime: &leno::Runtime| {
        let descriptor = runtime.as_fd().as_raw_fd();
        let mut polled = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: `polled` is one live pollfd, and the count is 1.
        unsafe { libc::poll(&raw mut polled, 1, 0) == 1 }
    };
    let ended = child(|| {
        let runtime = leno::Runtime::new();
        let listens = || debug::dump_on_sigusr1().unwrap();
        Builder::new().spawn_on(&runtime, listens).unwrap();
        let guest = Builder::new().name("guest".to_owned());
        let guest = guest.spawn_on(&runtime, sleeps_here).unwrap();
        assert!(runtime.run_until_stalled());
        assert!(!is_readable(&runtime));
        raise();
        assert!(is_readable(&runtime));
        assert!(runtime.run_until_stalled());
        assert!(!is_readable(&runtime));
        guest.cancel();
        runtime.run_until_stalled();
    });
    let stderr = ended.assert_survived().stderr();
    let [dump] = dumps(&stderr)[..] else { panic!("{stderr}") };
    assert_eq!(short(block(dump, "'guest' (#3)")), ["sleeps_here"], "{stderr}");
    assert!(block(dump, "main").starts_with("  main  is running\n"), "{stderr}");
}
