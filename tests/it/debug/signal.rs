//! A dump because a signal has come, from whichever OS thread.

use std::sync::mpsc;

use leno::debug;
use leno::thread::{self, Builder};
use leno::time::Duration;

use super::{block, short};
use crate::support::in_child;

/// The signal comes to the OS thread that calls this, and has been handled when
/// it returns.
fn raise() {
    // SAFETY: SIGUSR1 has a handler.
    assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
}

/// The dumps in what a child has printed.
fn dumps(stderr: &str) -> Vec<&str> {
    stderr.split("leno: dump of ").skip(1).collect()
}

#[inline(never)]
fn sleeps_here() {
    thread::park();
    std::hint::black_box(());
}

#[test]
fn a_runtime_that_sleeps_in_the_kernel_is_dumped() {
    let ended =
        in_child("debug::signal::a_runtime_that_sleeps_in_the_kernel_is_dumped", &[], || {
            leno::run(|| {
                debug::dump_on_sigusr1().unwrap();
                let (handle, me) = (leno::Handle::current(), thread::current().id());
                let (ready, wait_until_ready) = mpsc::channel();
                // The last to run, on whose stack everybody sleeps: it has ended, and
                // nobody joins it.
                let last = move || ready.send(()).unwrap();
                Builder::new().name("last").stack_size(1).spawn(last).unwrap();
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
    // Word to go on may have come with it.
    let main = block(dump, "main");
    assert!(
        ["  main  has waited ", "  main  is ready\n"].iter().any(|begin| main.starts_with(begin))
    );
    assert_eq!(short(block(dump, "main"))[0], "sleeps_here", "{stderr}");
}

#[test]
fn a_runtime_is_dumped_as_often_as_it_is_asked_while_it_runs() {
    let ended = in_child(
        "debug::signal::a_runtime_is_dumped_as_often_as_it_is_asked_while_it_runs",
        &[],
        || {
            leno::run(|| {
                debug::dump_on_sigusr1().unwrap();
                // Twice is as good as once.
                debug::dump_on_sigusr1().unwrap();
                let parked = Builder::new().name("parked").spawn(sleeps_here).unwrap();
                leno::yield_now();
                let busy = leno::spawn(|| (0..500).for_each(|_| leno::yield_now()));
                for _ in 0..3 {
                    raise();
                    (0..100).for_each(|_| leno::yield_now());
                }
                parked.thread().unpark();
                busy.join().unwrap();
            });
            // Nobody listens any more.
            raise();
            leno::run(|| {
                leno::yield_now();
                leno::sleep(Duration::from_nanos(1));
            });
        },
    );
    let stderr = ended.assert_survived().stderr();
    let dumps = dumps(&stderr);
    assert_eq!(dumps.len(), 3, "{stderr}");
    for dump in dumps {
        assert!(dump.starts_with("3 green threads"), "{stderr}");
        assert_eq!(short(block(dump, "'parked' (#2)")), ["sleeps_here"], "{stderr}");
    }
}

#[test]
fn each_runtime_that_listens_is_dumped() {
    let ended = in_child("debug::signal::each_runtime_that_listens_is_dumped", &[], || {
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
                            let sleeper = Builder::new().name(name).spawn(sleeps_here).unwrap();
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
            let who = format!("'round {round}, runtime {index}' (#2)");
            let count = dumps(&stderr).iter().filter(|dump| dump.contains(&who)).count();
            assert_eq!(count, 1, "{who}: {stderr}");
        }
    }
}

/// The host polls the runtime's descriptor, and learns of the signal from that.
#[test]
fn a_host_with_a_loop_of_its_own_finds_the_descriptor_readable_once() {
    use std::os::fd::{AsFd, AsRawFd};
    let is_readable = |runtime: &leno::Runtime| {
        let descriptor = runtime.as_fd().as_raw_fd();
        let mut polled = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: one live pollfd.
        unsafe { libc::poll(&raw mut polled, 1, 0) == 1 }
    };
    let ended = in_child(
        "debug::signal::a_host_with_a_loop_of_its_own_finds_the_descriptor_readable_once",
        &[],
        || {
            let runtime = leno::Runtime::new();
            let listens = || debug::dump_on_sigusr1().unwrap();
            Builder::new().spawn_on(&runtime, listens).unwrap();
            let guest = Builder::new().name("guest");
            let guest = guest.spawn_on(&runtime, sleeps_here).unwrap();
            assert!(runtime.run_until_stalled());
            assert!(!is_readable(&runtime));
            raise();
            assert!(is_readable(&runtime));
            assert!(runtime.run_until_stalled());
            assert!(!is_readable(&runtime));
            guest.cancel();
            runtime.run_until_stalled();
        },
    );
    let stderr = ended.assert_survived().stderr();
    let [dump] = dumps(&stderr)[..] else { panic!("{stderr}") };
    assert_eq!(short(block(dump, "'guest' (#3)")), ["sleeps_here"], "{stderr}");
    assert!(block(dump, "main").starts_with("  main  is running\n"), "it asks first: {stderr}");
}
