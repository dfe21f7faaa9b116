//! Standard output: its lines and locks, pipes, terminals and devices under the number 1. Each test has a process
//! of its own.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;

use leno::io::{stderr, stdin, stdout};
use leno::time::{Duration, timeout};

use crate::pairs::join;
use crate::signals::SHORT;
use crate::stdin::{flags, put, terminal};
use crate::support::child;

#[test]
fn lines_of_several_writers_do_not_mix() {
    let ended = child(|| {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let own = std::io::stdout().as_fd().try_clone_to_owned().unwrap();
        let before = put(1, writer);
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        let write = |writer: usize| {
            for number in 0..100 {
                let filling = "x".repeat(if number % 10 == 0 { 7000 } else { 30 });
                writeln!(stdout(), "{writer} {number} {filling}").unwrap();
                if number % 3 == 0 {
                    leno::yield_now();
                }
            }
        };
        let run = move |first: usize| {
            leno::run(|| {
                (first..first + 3).for_each(|writer| drop(leno::spawn(move || write(writer))));
            });
        };
        let other = std::thread::spawn(move || run(3));
        run(0);
        other.join().unwrap();
        assert_eq!(flags(1), before);
        put(1, own);
        let text = reading.join().unwrap();
        let mut counts = [0; 6];
        for line in text.lines() {
            let [writer, number, filling] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let count = &mut counts[writer.parse::<usize>().unwrap()];
            assert_eq!(number.parse(), Ok(*count), "{line}");
            assert_eq!(filling.len(), if *count % 10 == 0 { 7000 } else { 30 });
            *count += 1;
        }
        assert_eq!(counts, [100; 6]);
    });
    ended.assert_survived();
}

#[test]
fn a_lock_of_an_output_is_held_several_times() {
    let ended = child(|| {
        leno::run(|| {
            let mut locked = stdout().lock();
            let other = leno::spawn(|| writeln!(stdout(), "other").unwrap());
            leno::yield_now();
            write!(locked, "one, ").unwrap();
            writeln!(stdout().lock(), "two").unwrap();
            leno::yield_now();
            writeln!(stdout(), "three").unwrap();
            drop(locked);
            join(other);
            writeln!(stderr(), "to the other").unwrap();
            // It has no end, and is written at the end of the process.
            write!(stdout(), "a prompt").unwrap();
        });
    });
    assert!(ended.assert_survived().stdout().ends_with("one, two\nthree\nother\na prompt"));
    assert!(ended.stderr().contains("to the other\n"));
}

#[test]
fn a_terminal_that_is_not_read_stops_no_other_thread() {
    let ended = child(|| {
        let (mut near, far) = terminal();
        let own = std::io::stdout().as_fd().try_clone_to_owned().unwrap();
        let before = put(1, far);
        leno::run(|| {
            let write = || {
                let mut number = 0;
                loop {
                    writeln!(stdout(), "{number} {}", "x".repeat(900)).unwrap();
                    number += 1;
                }
            };
            assert!(timeout(Duration::from_millis(200), write).is_err());
            let _ = timeout(SHORT, || writeln!(stdout(), "not in time"));
            let reading = std::thread::spawn(move || {
                let mut text = Vec::new();
                while !text.ends_with(b"end\n") {
                    let mut bytes = [0; 4096];
                    let count = near.read(&mut bytes).unwrap();
                    text.extend_from_slice(&bytes[..count]);
                }
                String::from_utf8(text).unwrap()
            });
            writeln!(stdout(), "end").unwrap();
            assert_eq!(flags(1), before);
            put(1, own);
            let text = reading.join().unwrap();
            let numbers: Vec<&str> =
                text.lines().map(|line| line.split(' ').next().unwrap()).collect();
            let (last, numbers) = numbers.split_last().unwrap();
            assert_eq!(*last, "end");
            for (place, number) in numbers.iter().enumerate() {
                assert!(*number == place.to_string() || *number == "not", "{text}");
            }
        });
    });
    ended.assert_survived();
}

#[test]
fn a_full_pipe_is_waited_for() {
    let ended = child(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        let own = std::io::stdout().as_fd().try_clone_to_owned().unwrap();
        put(1, writer);
        leno::run(move || {
            let long = "x".repeat(300_000);
            assert!(timeout(SHORT, || stdout().write_all(long.as_bytes())).is_err());
            let writing = leno::spawn(|| {
                let mut numbers = 0..2000;
                numbers.try_for_each(|number: u32| writeln!(stdout(), "{number}")).unwrap();
                put(1, own);
            });
            let mut text = String::new();
            leno::io::PipeReader::from(reader).read_to_string(&mut text).unwrap();
            join(writing);
            let lines = text.trim_start_matches('x');
            assert!(lines.len() < text.len());
            assert!(lines.lines().map(|line| line.parse::<u32>().unwrap()).eq(0..2000));
        });
    });
    ended.assert_survived();
}

#[test]
fn errors_of_an_output_are_returned() {
    let ended = child(|| {
        let own = std::io::stdout().as_fd().try_clone_to_owned().unwrap();
        // SAFETY: the default action is no handler.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let check = || {
            if cfg!(target_os = "linux") {
                put(1, File::options().write(true).open("/dev/full").unwrap());
                let error = writeln!(stdout(), "x").unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
            }
            let (reader, writer) = std::io::pipe().unwrap();
            put(1, writer);
            drop(reader);
            // What could not be written is still in the buffer.
            let error = writeln!(stdout(), "x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            let (near, far) = terminal();
            put(1, far);
            drop(near);
            assert!(stdout().flush().and_then(|()| writeln!(stdout())).is_err());
            put(1, File::options().write(true).open("/dev/null").unwrap());
            writeln!(stdout(), "y").unwrap();
        };
        leno::run(check);
        check();
        put(1, own);
    });
    ended.assert_survived();
}

#[test]
fn an_exploration_uses_no_stream() {
    leno::weave::check(|| {
        let errors = [
            stdin().read(&mut [0]).map(drop),
            writeln!(stdout(), "x"),
            stdout().flush(),
            writeln!(stderr(), "x"),
        ];
        for error in errors {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("leno::weave"), "{error}");
        }
    });
}
