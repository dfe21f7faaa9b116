//! Figures of a runtime, and its limits.

use leno::sync::Mutex;
use leno::thread::{self, Builder};

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
