//! What is told while sockets are waited for: cycles of green threads, and a virtual clock that stands still.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use leno::os::unix::net::UnixStream;
use leno::sync::{Mutex, RwLock};
use leno::thread::JoinHandle;
use leno::time::timeout;

use crate::pairs::{ends, look_at_engine};
use crate::support::{in_child, test_of};

/// The standard error that the child began with, and the OS thread that copies lines to it.
static ORIGINAL: std::sync::Mutex<Option<(OwnedFd, std::thread::JoinHandle<()>)>> =
    std::sync::Mutex::new(None);

/// Returns a stream that ends when standard error has got a line with `text`.
fn ends_when_told(text: &'static str) -> UnixStream {
    let (one, other) = UnixStream::pair().unwrap();
    let mut ends = [0; 2];
    // SAFETY: the argument is a place for two descriptors.
    let result = unsafe { libc::pipe(ends.as_mut_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: pipe(2) has just opened both, and they have no other owner.
    let (lines, error) = unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) };
    let original = std::io::stderr().as_fd().try_clone_to_owned().unwrap();
    let mut copy = File::from(original.try_clone().unwrap());
    // SAFETY: both descriptors are open.
    assert_eq!(unsafe { libc::dup2(error.as_raw_fd(), 2) }, 2);
    let copier = std::thread::spawn(move || {
        let mut other = Some(other);
        for line in BufReader::new(lines).lines() {
            let line = line.unwrap();
            writeln!(copy, "{line}").unwrap();
            if line.contains(text) {
                other.take();
            }
        }
    });
    *ORIGINAL.lock().unwrap() = Some((original, copier));
    one
}

/// Restores the standard error that the child began with.
fn restore_stderr() {
    if let Some((original, copier)) = ORIGINAL.lock().unwrap().take() {
        // SAFETY: both descriptors are open.
        assert_eq!(unsafe { libc::dup2(original.as_raw_fd(), 2) }, 2);
        copier.join().unwrap();
    }
}

/// Runs `body` in a child process, which fails if it does not end.
/// Returns what it has written to standard error.
#[track_caller]
fn in_time<F: FnOnce() + Send + 'static>(body: F) -> String {
    let ended = in_child(test_of::<F>(), &[], || {
        ends(body);
        restore_stderr();
    });
    ended.assert_survived().stderr()
}

/// Waits for the end of the stream.
fn wait_for_end(stream: &mut UnixStream) {
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

/// Spawns two green threads that wait for each other's mutex, by way of `lock`.
fn wait_for_each_other(lock: fn(&Mutex<()>)) -> [JoinHandle<()>; 2] {
    let mutexes = Rc::new([Mutex::new(()), Mutex::new(())]);
    [0, 1].map(|number| {
        let mutexes = mutexes.clone();
        let name = ["first", "second"][number].to_owned();
        let locks = move || {
            let _one = mutexes[number].lock().unwrap();
            leno::yield_now();
            lock(&mutexes[1 - number]);
        };
        leno::thread::Builder::new().name(name).spawn(locks).unwrap()
    })
}

fn cancel(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.cancel();
        // The end of one may give another its lock.
        let _ = thread.join();
    }
}

#[test]
fn a_cycle_is_told_once_while_a_socket_is_waited_for() {
    let text = in_time(|| {
        let mut stream = ends_when_told("  cycle: ");
        leno::run(|| {
            let threads = wait_for_each_other(|mutex| drop(mutex.lock()));
            wait_for_end(&mut stream);
            // Other waits for locks, and other looks, do not tell it again.
            for _ in 0..20 {
                let mutex = Rc::new(Mutex::new(()));
                let guard = mutex.lock().unwrap();
                let other = mutex.clone();
                let waiter = leno::spawn(move || drop(other.lock()));
                leno::sleep(Duration::from_millis(2));
                look_at_engine();
                drop(guard);
                waiter.join().unwrap();
            }
            cancel(threads);
        });
    });
    let told = text.matches("leno: deadlock: 2 green threads wait for each other, and only a");
    assert_eq!(told.count(), 1, "{text}");
    let cycle =
        "  cycle: 'first' (#2) -> a mutex held by 'second' (#3) -> a mutex held by 'first' (#2)";
    assert!(text.contains(cycle), "{text}");
    assert!(
        text.contains("waits for a mutex") && text.contains(" at tests/net/cycles.rs:"),
        "{text}"
    );
}

#[test]
fn a_cycle_of_one_and_one_of_joins_are_told() {
    let text = in_time(|| {
        let mut stream = ends_when_told("  cycle: #3 -> #4 -> #3");
        leno::run(|| {
            let alone = leno::spawn(|| {
                let mutex = Mutex::new(());
                let _guard = mutex.lock().unwrap();
                drop(mutex.lock());
            });
            let handle = Rc::new(std::cell::Cell::new(None));
            let other = handle.clone();
            let third = leno::spawn(move || {
                leno::yield_now();
                let other: JoinHandle<()> = other.take().unwrap();
                let _ = other.join();
            });
            let thread = third.thread().clone();
            let fourth = leno::spawn(move || drop(third.join()));
            handle.set(Some(fourth));
            wait_for_end(&mut stream);
            cancel([alone]);
            // The other handles are in the threads that wait.
            thread.cancel();
        });
    });
    assert!(text.contains("leno: deadlock: a green thread waits for itself, and only"), "{text}");
}

/// A deadline ends the waits, so there is no deadlock.
#[test]
fn a_cycle_with_a_deadline_is_not_told() {
    let text = in_time(|| {
        leno::run(|| {
            let threads = wait_for_each_other(|mutex| {
                let _ = timeout(Duration::from_millis(100), || drop(mutex.lock()));
            });
            // The reader waits behind a writer with a deadline.
            let lock = Rc::new(RwLock::new(()));
            let (one, other) = (lock.clone(), lock.clone());
            let reader = leno::spawn(move || {
                let _share = one.read().unwrap();
                leno::yield_now();
                drop(one.read());
            });
            let writer = leno::spawn(move || {
                let _ = timeout(Duration::from_millis(100), || drop(other.write()));
            });
            for thread in threads.into_iter().chain([reader, writer]) {
                thread.join().unwrap();
            }
        });
    });
    assert!(!text.contains("deadlock"), "{text}");
}

/// In the loop of a host, and with a deadline elsewhere.
#[test]
fn a_cycle_is_told_in_the_loop_of_a_host() {
    let text = in_time(|| {
        let runtime = leno::Runtime::new();
        let spawn = || wait_for_each_other(|mutex| drop(mutex.lock()));
        let spawned = leno::thread::Builder::new().spawn_on(&runtime, spawn).unwrap();
        runtime.run_until_stalled();
        drop(spawned);
    });
    assert_eq!(text.matches("leno: deadlock: 2 green threads").count(), 1, "{text}");
}

#[test]
fn a_virtual_clock_that_sockets_hold_is_told_once() {
    let text = in_time(|| {
        let mut stream = ends_when_told("bytes from UnixStream");
        leno::Builder::new().virtual_time().run(|| {
            let sleeper = leno::spawn(|| leno::sleep(Duration::from_secs(3_600)));
            wait_for_end(&mut stream);
            sleeper.join().unwrap();
        });
    });
    let told = text.matches("leno: virtual time has stood still for 1.0 s: it does not pass while");
    assert_eq!(told.count(), 1, "{text}");
    assert!(text.contains("  main  waits for bytes from UnixStream"), "{text}");
    assert!(text.contains(" at tests/net/cycles.rs:"), "{text}");
}

/// A clock waits for a socket for a moment, as in tests that talk to themselves.
#[test]
fn a_virtual_clock_that_sockets_hold_for_a_moment_is_not_told() {
    let text = in_time(|| {
        leno::Builder::new().virtual_time().run(|| {
            let sleeper = leno::spawn(|| leno::sleep(Duration::from_secs(3_600)));
            look_at_engine();
            sleeper.join().unwrap();
        });
    });
    assert!(!text.contains("virtual time"), "{text}");
}
