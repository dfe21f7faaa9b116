//! Figures of a runtime, and its limits.

use std::cell::RefCell;
use std::rc::Rc;

use leno::sync::Mutex;
use leno::thread::{self, Builder};
use leno::time::{self, Duration};

use crate::support::panic_text;

#[test]
fn metrics_count_threads_by_what_they_do() {
    leno::run(|| {
        let before = leno::metrics();
        let lock = Mutex::new(());
        leno::scope(|scope| {
            let guard = lock.lock().unwrap();
            for _ in 0..3 {
                scope.spawn(|| drop(lock.lock().unwrap()));
            }
            let spawned = leno::metrics();
            assert_eq!((spawned.threads, spawned.ready, spawned.waiting), (3, 3, 0));
            leno::yield_now();
            let waiting = leno::metrics();
            assert_eq!((waiting.threads, waiting.ready, waiting.waiting), (3, 0, 3));
            assert!(waiting.switches > spawned.switches);
            assert!(waiting.used_stack_bytes >= before.used_stack_bytes + 3 * 256 * 1024);
            drop(guard);
        });
        let after = leno::metrics();
        assert_eq!((after.threads, after.ready, after.waiting, after.io_waits), (0, 0, 0, 0));
        assert!(after.free_stack_bytes >= 3 * 256 * 1024);
        assert_eq!(after.used_stack_bytes, before.used_stack_bytes);
    });
}

#[cfg(feature = "net")]
#[test]
fn metrics_count_waits_for_sockets() {
    leno::run(|| {
        let (one, other) = leno::os::unix::net::UnixStream::pair().unwrap();
        let reader = leno::spawn(move || std::io::Read::read(&mut &one, &mut [0]).unwrap());
        leno::yield_now();
        assert_eq!(leno::metrics().io_waits, 1);
        drop(other);
        assert_eq!(reader.join().unwrap(), 0);
        assert_eq!(leno::metrics().io_waits, 0);
    });
}

#[test]
fn metrics_outside_a_runtime_are_refused() {
    let text = panic_text(|| assert_eq!(leno::metrics().threads, 0));
    assert!(text.contains("leno::metrics"), "{text}");
}

#[test]
fn a_host_reads_the_metrics_of_its_runtime() {
    let runtime = leno::Runtime::new();
    let parked = Builder::new().spawn_on(&runtime, thread::park).unwrap();
    assert_eq!((runtime.metrics().ready, runtime.metrics().waiting), (1, 0));
    runtime.run_until_stalled();
    assert_eq!((runtime.metrics().ready, runtime.metrics().waiting), (0, 1));
    parked.thread().unpark();
    runtime.run_until_stalled();
    assert_eq!(runtime.metrics().threads, 0);
}

/// Spawns more threads than the runtime allows, in each way.
#[test]
fn a_limit_of_threads_holds_for_every_spawn() {
    leno::Builder::new().max_threads(2).run(|| {
        let threads = [(); 2].map(|()| leno::spawn(thread::park));
        let words = "the runtime allows no more than 2 green threads at a time";
        let error = Builder::new().spawn(|| ()).unwrap_err();
        assert_eq!(error.to_string(), words);
        let error = Builder::new().stack_size(1 << 20).spawn(|| ()).unwrap_err();
        assert_eq!(error.to_string(), words);
        assert!(panic_text(|| drop(leno::spawn(|| ()))).contains(words));
        leno::scope(|scope| {
            assert!(panic_text(|| drop(scope.spawn(|| ()))).contains(words));
        });
        for thread in threads {
            thread.thread().unpark();
            thread.join().unwrap();
        }
        // An ended thread makes room, and the limit does not wear out.
        for _ in 0..10 {
            let threads = [(); 2].map(|()| leno::spawn(leno::yield_now));
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
    // It is a limit of one runtime.
    leno::run(|| {
        [(); 3].map(|()| leno::spawn(|| ())).into_iter().for_each(|it| it.join().unwrap())
    });
}

#[test]
fn a_limit_goes_along_with_a_stack_size() {
    leno::Builder::new().stack_size(64 * 1024).max_threads(1).run(|| {
        let first = leno::spawn(thread::park);
        assert!(Builder::new().spawn(|| ()).is_err());
        first.thread().unpark();
    });
}

#[cfg(feature = "unblock")]
#[test]
fn a_limit_holds_for_spawns_from_another_os_thread() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let remote = std::thread::spawn(move || {
        let handle: leno::Handle = receiver.recv().unwrap();
        handle.spawn(|| 7).ok().unwrap().join().is_err()
    });
    leno::Builder::new().max_threads(0).run(|| {
        sender.send(leno::Handle::current()).unwrap();
        assert!(leno::unblock(move || remote.join().unwrap()));
    });
}

#[test]
fn spawns_wait_for_room_in_the_order_of_their_calls() {
    leno::Builder::new().max_threads(3).run(|| {
        let started = Rc::new(RefCell::new(Vec::new()));
        let first = leno::spawn(thread::park);
        let spawners = ["a", "b"].map(|name| {
            let started = started.clone();
            leno::spawn(move || {
                for number in 0..3 {
                    let started = started.clone();
                    let job = move || started.borrow_mut().push((name, number));
                    Builder::new().wait_for_room().spawn(job).unwrap();
                }
            })
        });
        leno::yield_now();
        assert_eq!(leno::metrics().spawn_waits, 2);
        assert_eq!(leno::metrics().max_threads, Some(3));
        first.thread().unpark();
        for spawner in spawners {
            spawner.join().unwrap();
        }
        while leno::metrics().threads > 0 {
            leno::yield_now();
        }
        let started = started.borrow();
        assert_eq!(started[..4], [("a", 0), ("b", 0), ("a", 1), ("b", 1)]);
        assert_eq!(leno::metrics().spawn_waits, 0);
    });
}

#[test]
fn a_spawn_that_waits_for_room_is_cancelled_and_timed_out() {
    leno::Builder::new().virtual_time().max_threads(4).run(|| {
        let parked = leno::spawn(thread::park);
        let waits = || {
            Builder::new().wait_for_room().spawn(|| ()).unwrap().join().unwrap();
        };
        let [first, second, third] = [0; 3].map(|_| leno::spawn(waits));
        leno::yield_now();
        assert_eq!(leno::metrics().spawn_waits, 3);
        // It gives its room to the next one by its end.
        first.cancel();
        assert!(first.join().is_err());
        second.join().unwrap();
        third.join().unwrap();
        let more = [0; 3].map(|_| leno::spawn(thread::park));
        let limit = Duration::from_secs(1);
        assert!(time::timeout(limit, || Builder::new().wait_for_room().spawn(|| ())).is_err());
        assert_eq!(leno::metrics().spawn_waits, 0);
        for thread in more.into_iter().chain([parked]) {
            thread.cancel();
        }
    });
}

#[test]
fn a_spawn_that_waits_for_room_for_ever_is_a_deadlock() {
    let report = panic_text(|| {
        leno::Builder::new().max_threads(1).run(|| {
            leno::spawn(|| drop(Builder::new().wait_for_room().spawn(|| ())));
        });
    });
    assert!(report.contains("waits for room in a runtime"), "{report}");
    assert!(report.contains("operate.rs:"), "{report}");
}

#[test]
fn bytes_of_stacks_are_limited() {
    const STACK: usize = 64 * 1024;
    // Another thread has no other stacks.
    std::thread::spawn(|| {
        leno::Builder::new().stack_size(STACK).max_stack_bytes(200 * 1024).run(|| {
            let first = Builder::new().spawn(|| ()).unwrap();
            let second = Builder::new().spawn(|| ()).unwrap();
            let error = Builder::new().spawn(|| ()).unwrap_err().to_string();
            assert!(error.contains("no more than 204800 bytes of stacks: "), "{error}");
            assert!(error.ends_with(" a stack of 65536 bytes takes 69632"), "{error}");
            leno::yield_now();
            // They have ended, and their handles keep their stacks.
            let waiting = leno::metrics().threads;
            assert_eq!(waiting, 0);
            assert!(Builder::new().spawn(|| ()).is_err());
            drop((first, second));
            // The stacks of threads without handles are free when these have ended.
            for _ in 0..10 {
                drop(Builder::new().wait_for_room().spawn(leno::yield_now).unwrap());
            }
            assert!(leno::metrics().used_stack_bytes <= 200 * 1024);
            assert_eq!(leno::metrics().max_stack_bytes, Some(200 * 1024));
            // No end of another thread makes room for this one.
            let large = Builder::new().stack_size(1 << 20).wait_for_room().spawn(|| ());
            assert!(large.unwrap_err().to_string().contains("a stack of 1048576 bytes takes"));
        });
        // The last thread to end has its stack until another one runs.
        leno::Builder::new().stack_size(STACK).max_stack_bytes(100 * 1024).run(|| {
            for _ in 0..3 {
                drop(Builder::new().wait_for_room().spawn(|| ()).unwrap());
            }
        });
    })
    .join()
    .unwrap();
}
