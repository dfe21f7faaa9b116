//! Pipes: waits, ends, sharing, conversions, cancellation.

use std::cell::Cell;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::rc::Rc;

use leno::fs::File;
use leno::io::{PipeReader, PipeWriter, pipe};
use leno::time::{Duration, timeout};

use crate::pairs::{join, run_by_system};
use crate::scratch::Scratch;
use crate::support::{assert_cancelled, in_child};

/// Returns `true` if calls on the descriptor do not block.
fn does_not_block(end: &impl AsFd) -> bool {
    // SAFETY: the descriptor is open, and the command takes no argument.
    let flags = unsafe { libc::fcntl(end.as_fd().as_raw_fd(), libc::F_GETFL) };
    flags & libc::O_NONBLOCK != 0
}

/// Writes until it fails: a child that another test has forked has a copy of the reader until it executes.
fn error_of_writes(writer: &mut PipeWriter) -> ErrorKind {
    loop {
        if let Err(error) = writer.write(b"x") {
            return error.kind();
        }
        leno::yield_now();
    }
}

#[test]
fn a_megabyte_comes_through_a_pipe() {
    run_by_system(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        let bytes: Vec<u8> = (0..1_000_000u32).map(|it| (it * 7 / 5) as u8).collect();
        let sent = bytes.clone();
        let writing = leno::spawn(move || {
            assert_eq!(writer.write(&[]).unwrap(), 0);
            writer.write_all(&sent).unwrap();
        });
        assert_eq!(reader.read(&mut []).unwrap(), 0);
        let mut received = Vec::new();
        reader.read_to_end(&mut received).unwrap();
        join(writing);
        assert!(received == bytes);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn other_threads_run_while_one_waits_for_a_pipe() {
    run_by_system(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        let turns = Rc::new(Cell::new(0));
        let count = turns.clone();
        leno::spawn(move || {
            for _ in 0..10 {
                leno::sleep(Duration::from_millis(1));
                count.set(count.get() + 1);
            }
            writer.write_all(b"x").unwrap();
        });
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 1);
        assert_eq!(turns.get(), 10);
    });
}

#[test]
fn a_cancelled_read_takes_no_byte() {
    run_by_system(|| {
        for round in 0..200 {
            let (reader, mut writer) = pipe().unwrap();
            let count = Rc::new(Cell::new(0));
            let reading = leno::spawn({
                let (mut reader, count) = (reader.try_clone().unwrap(), count.clone());
                move || {
                    while let Ok(read) = reader.read(&mut [0; 2]) {
                        count.set(count.get() + read);
                    }
                }
            });
            for turn in 0..20 {
                writer.write_all(b"abc").unwrap();
                if turn == round % 20 {
                    reading.cancel();
                }
                leno::yield_now();
            }
            assert_cancelled(reading);
            drop(writer);
            let mut rest = Vec::new();
            (&reader).read_to_end(&mut rest).unwrap();
            assert_eq!(count.get() + rest.len(), 60);
        }
    });
}

#[test]
fn a_full_pipe_is_written_until_a_deadline() {
    run_by_system(|| {
        let (mut reader, writer) = pipe().unwrap();
        let written = Cell::new(0);
        let filled = timeout(Duration::from_millis(20), || {
            loop {
                written.set(written.get() + (&writer).write(&[7; 1000]).unwrap());
            }
        });
        assert!(filled.is_err());
        drop(writer);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), written.get());
    });
}

#[test]
fn a_select_waits_for_a_pipe() {
    run_by_system(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        let early = leno::select! {
            readable(reader) => true,
            default => false,
        };
        assert!(!early);
        leno::spawn(move || writer.write_all(b"x").unwrap());
        let count = leno::select! {
            readable(reader) => reader.read(&mut [0; 9]).unwrap(),
            default(Duration::from_secs(60)) => unreachable!(),
        };
        assert_eq!(count, 1);
    });
}

#[test]
fn a_pipe_works_outside_a_runtime() {
    let (mut reader, mut writer) = pipe().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&vec![7; 200_000]).unwrap());
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 200_000);
    writing.join().unwrap();
}

#[test]
fn the_writer_closes_with_its_last_clone() {
    run_by_system(|| {
        let (mut reader, writer) = pipe().unwrap();
        let mut clone = writer.try_clone().unwrap();
        drop(writer);
        clone.write_all(b"x").unwrap();
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 1);
        assert!(timeout(Duration::from_millis(5), || reader.read(&mut [0])).is_err());
        drop(clone);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_write_without_a_reader_fails() {
    run_by_system(|| {
        let (reader, mut writer) = pipe().unwrap();
        drop(reader);
        assert_eq!(error_of_writes(&mut writer), ErrorKind::BrokenPipe);
    });
}

/// Runs `body` in a process that SIGPIPE ends, as a program in C that calls leno may be: Rust's ignore it.
fn by_default_with_a_signal(test: &str, body: impl FnOnce()) {
    in_child(test, &[], || {
        // SAFETY: the default action is no handler.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        body();
        // What is blocked stays so, and what is not does not.
        // SAFETY: the set is plain data, which the call fills.
        let blocked = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &mut set);
            libc::sigismember(&set, libc::SIGPIPE)
        };
        assert_eq!(blocked, 0);
    })
    .assert_survived();
}

#[test]
fn a_write_without_a_reader_sends_no_signal() {
    by_default_with_a_signal("pipes::a_write_without_a_reader_sends_no_signal", || {
        let (reader, mut writer) = pipe().unwrap();
        drop(reader);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        leno::run(move || {
            assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
    });
}

/// By each way of writing to a file, on the OS thread of the caller and on one of the pool.
#[test]
fn a_write_to_a_fifo_without_a_reader_sends_no_signal() {
    by_default_with_a_signal("pipes::a_write_to_a_fifo_without_a_reader_sends_no_signal", || {
        let write_by_all = |nonblocking: bool| {
            let (reader, writer) = std::io::pipe().unwrap();
            if nonblocking {
                // SAFETY: the descriptor is open.
                unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
            }
            drop(reader);
            let mut file = File::from(OwnedFd::from(writer));
            let broken = ErrorKind::BrokenPipe;
            assert_eq!(file.write(b"x").unwrap_err().kind(), broken);
            assert_eq!(file.write_all(&[0; 100_000]).unwrap_err().kind(), broken);
            let buffers = [IoSlice::new(b"x"), IoSlice::new(b"y")];
            assert_eq!(file.write_vectored(&buffers).unwrap_err().kind(), broken);
        };
        let scratch = Scratch::new();
        let (fifo, full) = (scratch.fifo("fifo"), scratch.path("full"));
        std::fs::write(&full, vec![0; 1 << 20]).unwrap();
        // The other end reads a little, and is closed.
        let write_to_fifo = |write: &dyn Fn() -> std::io::Result<()>| {
            let fifo = fifo.clone();
            let reading = std::thread::spawn(move || {
                std::fs::File::open(fifo).unwrap().read_exact(&mut [0; 10]).unwrap();
            });
            assert_eq!(write().unwrap_err().kind(), ErrorKind::BrokenPipe);
            reading.join().unwrap();
        };
        let all = || {
            write_by_all(false);
            write_by_all(true);
            write_to_fifo(&|| leno::fs::write(&fifo, vec![0; 1 << 20]));
            write_to_fifo(&|| leno::fs::copy(&full, &fifo).map(drop));
        };
        all();
        leno::run(all);
    });
}

#[test]
fn a_pipe_that_is_given_up_blocks() {
    run_by_system(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        assert!(!does_not_block(&reader) && !does_not_block(&writer));
        writer.write_all(b"hello").unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap(), 1);
        assert!(does_not_block(&reader) && does_not_block(&writer));
        let descriptor = OwnedFd::from(writer);
        assert!(!does_not_block(&descriptor));
        drop(PipeWriter::from(descriptor));
        let mut reader = std::io::PipeReader::from(reader);
        assert!(!does_not_block(&reader));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ello");
        // A clone keeps its descriptor.
        let (reader, _writer) = pipe().unwrap();
        let clone = reader.try_clone().unwrap();
        let given = OwnedFd::from(reader);
        assert_ne!(given.as_raw_fd(), clone.as_raw_fd());
        assert!(!does_not_block(&given));
    });
}

#[test]
fn children_get_the_ends_of_a_pipe() {
    run_by_system(|| {
        let (reader, mut to_child) = pipe().unwrap();
        let (mut from_child, writer) = pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo error >&2"]).stdin(reader);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = command.spawn().unwrap();
        drop(command);
        to_child.write_all(b"hello ").unwrap();
        drop(to_child);
        let mut text = String::new();
        from_child.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello error\n");
        assert!(child.wait().unwrap().success());
        let _: (Stdio, PipeReader) = (from_child.try_clone().unwrap().into(), from_child);
    });
}

#[test]
fn copy_goes_from_pipe_to_pipe() {
    run_by_system(|| {
        let (mut first, mut source) = pipe().unwrap();
        let (mut last, mut middle) = pipe().unwrap();
        leno::spawn(move || source.write_all(&vec![1; 300_000]).unwrap());
        let copied = leno::spawn(move || leno::io::copy(&mut first, &mut middle).unwrap());
        let mut bytes = Vec::new();
        last.read_to_end(&mut bytes).unwrap();
        assert_eq!((join(copied), bytes.len()), (300_000, 300_000));
    });
}

#[test]
fn a_stalled_read_of_a_pipe_is_named() {
    run_by_system(|| {
        let (reader, _writer) = pipe().unwrap();
        let number = reader.as_raw_fd();
        let reading = leno::spawn(move || (&reader).read(&mut [0]).map(drop));
        leno::yield_now();
        let report = leno::debug::stalled(Duration::ZERO).expect("one waits").to_string();
        let words = format!("bytes from PipeReader (fd {number})");
        assert!(report.contains(&words), "{report}");
        reading.cancel();
        assert_cancelled(reading);
    });
}
