//! Cancellation: what has begun is done to its end, and returned.

use std::cell::Cell;
use std::io::{Read, Seek, Write};
use std::rc::Rc;
use std::sync::mpsc;

use leno::fs::{self, File, OpenOptions};
use leno::time::{Duration, timeout};

use crate::pairs::{ends, run_by_system};
use crate::scratch::Scratch;
use crate::support::assert_cancelled;

/// The frames of calls on the pool are left only after the calls.
#[test]
fn a_cancelled_call_returns_what_it_has_done() {
    run_by_system(|| {
        let scratch = Scratch::new();
        for round in 0..200 {
            let path = scratch.path(&round.to_string());
            let result = Rc::new(Cell::new(None));
            let thread = {
                let (path, result) = (path.clone(), result.clone());
                leno::spawn(move || {
                    let bytes = vec![7; 100_000];
                    let mut file = File::create(path).unwrap();
                    result.set(Some(0));
                    result.set(Some(file.write(&bytes).unwrap()));
                    leno::sleep(Duration::from_secs(1000));
                })
            };
            for _ in 0..round {
                leno::yield_now();
            }
            thread.cancel();
            assert_cancelled(thread);
            let length = std::fs::metadata(&path).map(|it| it.len() as usize).ok();
            match result.get() {
                // A file is created by a call that returns it, or not at all.
                None => assert_eq!(length, None),
                written => assert_eq!(written, length),
            }
        }
    });
}

#[test]
fn the_open_of_a_fifo_is_left() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let fifo = scratch.fifo("fifo");
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, || File::open(&fifo)).is_err());
        assert!(timeout(soon, || fs::read(&fifo)).is_err());
        assert!(timeout(soon, || fs::copy(&fifo, scratch.path("copy"))).is_err());
        // What was left opens now, and is closed.
        let mut options = OpenOptions::new();
        let both = options.read(true).write(true).open(&fifo).unwrap();
        drop(both);
        // A thread that is cancelled before the pool has begun never opens.
        let thread = leno::spawn({
            let fifo = fifo.clone();
            move || File::open(fifo).map(drop)
        });
        thread.cancel();
        assert_cancelled(thread);
    });
}

#[test]
fn a_read_of_an_empty_fifo_is_cancelled() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let mut options = OpenOptions::new();
        let mut fifo = options.read(true).write(true).open(scratch.fifo("fifo")).unwrap();
        assert!(timeout(Duration::from_millis(10), || fifo.read(&mut [0; 10])).is_err());
        fifo.write_all(b"hello").unwrap();
        let mut bytes = [0; 10];
        assert_eq!(fifo.read(&mut bytes).unwrap(), 5);
        // It has room for 64 KiB, and no more.
        let filled = timeout(Duration::from_millis(50), || fifo.write_all(&vec![1; 1 << 20]));
        assert!(filled.is_err());
    });
}

/// A runtime that is dropped waits for what its threads have lent to the pool.
#[test]
fn a_dropped_runtime_waits_for_its_calls() {
    ends(|| {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        for _ in 0..5 {
            let runtime = leno::Runtime::new();
            let file = std::fs::File::create(&path).unwrap();
            let (sender, receiver) = mpsc::channel();
            let write = move || {
                let bytes = vec![7; 1 << 20];
                let mut file = File::from(file);
                let _ = sender.send(file.write(&bytes).unwrap());
                file.sync_all().unwrap();
            };
            drop(leno::thread::Builder::new().spawn_on(&runtime, write).unwrap());
            runtime.run_until_stalled();
            drop(runtime);
            assert_eq!(receiver.recv().unwrap(), 1 << 20);
        }
    });
}

/// A call in a destructor is made to its end, while its thread is unwound.
#[test]
fn a_destructor_writes_while_its_thread_is_unwound() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let thread = {
            let path = path.clone();
            leno::spawn(move || {
                let mut writer = std::io::BufWriter::new(File::create(path).unwrap());
                writer.write_all(b"hello").unwrap();
                leno::sleep(Duration::from_secs(1000));
            })
        };
        while fs::metadata(&path).is_err() {}
        leno::sleep(Duration::from_millis(1));
        thread.cancel();
        assert_cancelled(thread);
        let text = fs::read(&path).unwrap();
        assert!(text.is_empty() || text == b"hello");
    });
}

/// A cancelled `read_to_end` leaves no zeros behind.
#[test]
fn a_cancelled_read_to_the_end_keeps_only_what_it_has_read() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let mut options = OpenOptions::new();
        let mut fifo = options.read(true).write(true).open(scratch.fifo("fifo")).unwrap();
        fifo.write_all(b"hello").unwrap();
        let mut bytes = b"before ".to_vec();
        let read = timeout(Duration::from_millis(20), || fifo.read_to_end(&mut bytes));
        assert!(read.is_err());
        assert_eq!(bytes, b"before hello");
        assert!(fifo.rewind().is_err());
    });
}
