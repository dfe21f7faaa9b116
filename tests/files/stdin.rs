//! Standard input: pipes, terminals, files and sockets under the number 0. Each test has a process of its own.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;

use leno::io::stdin;
use leno::signal::{Signal, Signals};
use leno::time::{Duration, timeout};

use crate::pairs::join;
use crate::signals::{SHORT, receive};
use crate::support::child;

/// Puts a file under the number of a standard stream. Returns its flags.
pub fn put(number: i32, file: impl AsFd) -> i32 {
    // SAFETY: both numbers are of open files, or may become so.
    assert_eq!(unsafe { libc::dup2(file.as_fd().as_raw_fd(), number) }, number);
    flags(number)
}

pub fn flags(number: i32) -> i32 {
    // SAFETY: F_GETFL has no preconditions.
    unsafe { libc::fcntl(number, libc::F_GETFL) }
}

/// Returns the near and the far end of a terminal, which neither echoes nor changes what is written.
pub fn terminal() -> (File, OwnedFd) {
    let (mut near, mut far) = (-1, -1);
    let nothing = std::ptr::null_mut();
    // SAFETY: the arguments are places for two descriptors, which have no other owner, and a live struct.
    unsafe {
        let result = libc::openpty(&mut near, &mut far, nothing, nothing.cast(), nothing.cast());
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        let mut mode: libc::termios = std::mem::zeroed();
        libc::tcgetattr(far, &mut mode);
        mode.c_lflag &= !libc::ECHO;
        mode.c_oflag &= !libc::OPOST;
        libc::tcsetattr(far, libc::TCSANOW, &mode);
        (File::from_raw_fd(near), OwnedFd::from_raw_fd(far))
    }
}

fn line() -> String {
    let mut line = String::new();
    stdin().read_line(&mut line).unwrap();
    line
}

/// Reads lines that another OS thread writes slowly, and counts the turns of another green thread.
fn reads_slow_lines(mut writer: impl Write + Send + 'static) {
    let before = flags(0);
    leno::run(move || {
        let turns = Rc::new(Cell::new(0));
        let count = turns.clone();
        let other = leno::spawn(move || {
            loop {
                leno::sleep(Duration::from_micros(100));
                count.set(count.get() + 1);
            }
        });
        let wait_for_turns = || {
            let seen = turns.get();
            while turns.get() < seen + 3 {
                leno::yield_now();
            }
        };
        wait_for_turns();
        // Nothing to read, and then a part of a line, which is no line.
        assert!(timeout(SHORT, || stdin().read(&mut [0])).is_err());
        writer.write_all(b"fi").unwrap();
        assert!(timeout(SHORT, line).is_err());
        assert!(timeout(SHORT, || stdin().read_exact(&mut [0; 9])).is_err());
        let seen = turns.get();
        let writing = std::thread::spawn(move || {
            for part in ["rst\nsec", "ond\n\nthi", "rd\nabc", "de\n"] {
                std::thread::sleep(Duration::from_millis(3));
                writer.write_all(part.as_bytes()).unwrap();
            }
            writer
        });
        let lines: Vec<String> = (0..4).map(|_| line()).collect();
        assert_eq!(lines, ["first\n", "second\n", "\n", "third\n"]);
        let mut bytes = [0; 5];
        stdin().read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"abcde");
        assert_eq!(line(), "\n");
        assert!(turns.get() > seen);
        other.cancel();
        drop(writing.join().unwrap());
        assert_eq!(flags(0), before);
    });
}

#[test]
fn lines_come_from_a_pipe() {
    child(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        put(0, reader);
        assert!(!stdin().is_terminal());
        reads_slow_lines(writer);
        assert_eq!(leno::run(line), "");
    })
    .assert_survived();
}

#[test]
fn lines_come_from_a_terminal() {
    child(|| {
        let (near, far) = terminal();
        put(0, far);
        assert!(stdin().is_terminal());
        let keyboard = near.try_clone().unwrap();
        reads_slow_lines(keyboard);
        // Ctrl-D is an end, after which the reading goes on.
        (&near).write_all(b"\x04more\n").unwrap();
        leno::run(|| assert_eq!([line(), line()], ["", "more\n"]));
    })
    .assert_survived();
}

#[test]
fn lines_come_from_a_socket() {
    child(|| {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        put(0, one);
        reads_slow_lines(other);
    })
    .assert_survived();
}

/// The shell may have left it so.
#[test]
fn a_stream_that_does_not_block_is_waited_for() {
    child(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        // SAFETY: the descriptor is open.
        unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        assert_ne!(put(0, reader) & libc::O_NONBLOCK, 0);
        reads_slow_lines(writer);
        // Outside a runtime, too.
        let (reader, mut writer) = std::io::pipe().unwrap();
        // SAFETY: the descriptor is open.
        unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        put(0, reader);
        let writing = std::thread::spawn(move || writer.write_all(b"x\n"));
        assert_eq!(line(), "x\n");
        writing.join().unwrap().unwrap();
    })
    .assert_survived();
}

/// A terminal in a mode in which it is ready after one byte, and a read waits for five.
#[test]
fn a_read_that_waits_on_the_pool_is_left() {
    child(|| {
        let (mut near, far) = terminal();
        // SAFETY: the descriptor is open, and the struct live.
        unsafe {
            let mut mode: libc::termios = std::mem::zeroed();
            libc::tcgetattr(far.as_raw_fd(), &mut mode);
            mode.c_lflag &= !libc::ICANON;
            (mode.c_cc[libc::VMIN], mode.c_cc[libc::VTIME]) = (5, 255);
            libc::tcsetattr(far.as_raw_fd(), libc::TCSANOW, &mode);
        }
        put(0, far);
        leno::run(|| {
            near.write_all(b"a").unwrap();
            for _ in 0..3 {
                assert!(timeout(SHORT, || stdin().read(&mut [0; 9])).is_err());
            }
            near.write_all(b"bcde").unwrap();
            let mut bytes = [0; 9];
            assert_eq!(stdin().read(&mut bytes).unwrap(), 5);
            assert_eq!(&bytes[..5], b"abcde");
        });
    })
    .assert_survived();
}

/// The program starts a child, which is to have what is typed for it.
#[test]
fn a_cancelled_read_leaves_the_terminal() {
    child(|| {
        let (mut near, far) = terminal();
        put(0, &far);
        leno::run(|| assert!(timeout(SHORT, line).is_err()));
        near.write_all(b"for a child\n").unwrap();
        let mut polled = libc::pollfd { fd: far.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: `polled` is live.
        assert_eq!(unsafe { libc::poll(&mut polled, 1, 1000) }, 1, "another read has taken it");
        let mut bytes = [0; 20];
        assert_eq!(File::from(far).read(&mut bytes).unwrap(), 12);
    })
    .assert_survived();
}

#[test]
fn a_file_and_nothing_are_read_to_their_ends() {
    child(|| {
        let path = std::env::temp_dir().join(format!("leno-stdin-{}", std::process::id()));
        let text: String = (0..50_000).map(|number| format!("{number}\n")).collect();
        std::fs::write(&path, &text).unwrap();
        put(0, File::open(&path).unwrap());
        leno::run(|| {
            assert_eq!([line(), line()], ["0\n", "1\n"]);
            let mut byte = [0];
            stdin().read_exact(&mut byte).unwrap();
            assert_eq!(&byte, b"2");
            let mut rest = String::new();
            assert_eq!(stdin().read_to_string(&mut rest).unwrap(), text.len() - 5);
            assert_eq!(rest, text[5..]);
            put(0, File::open(&path).unwrap());
            assert_eq!(stdin().lines().map_while(Result::ok).count(), 50_000);
            put(0, File::open("/dev/null").unwrap());
            assert_eq!((line(), stdin().read(&mut [0]).unwrap()), (String::new(), 0));
            let error = stdin().read_exact(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            // SAFETY: nothing uses the descriptor, and none is opened before there is another one.
            unsafe { libc::close(0) };
            assert_eq!(stdin().read(&mut [0]).unwrap(), 0);
            put(0, File::open("/dev/null").unwrap());
        });
        std::fs::remove_file(path).unwrap();
    })
    .assert_survived();
}

#[test]
fn bad_text_is_skipped() {
    child(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        put(0, reader);
        writer.write_all(b"\xff\nnext\n").unwrap();
        leno::run(|| {
            let error = stdin().read_line(&mut String::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert_eq!(line(), "next\n");
        });
    })
    .assert_survived();
}

/// A daemon puts other files under the numbers.
#[test]
fn another_file_under_the_number_is_read() {
    child(|| {
        let (reader, _writer) = std::io::pipe().unwrap();
        put(0, reader);
        leno::run(|| {
            assert!(timeout(SHORT, line).is_err());
            let (reader, mut writer) = std::io::pipe().unwrap();
            put(0, reader);
            let waiting = leno::spawn(line);
            leno::sleep(SHORT);
            writer.write_all(b"other\n").unwrap();
            assert_eq!(join(waiting), "other\n");
        });
    })
    .assert_survived();
}

#[test]
fn several_readers_share_the_lines() {
    child(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        put(0, reader);
        let writing = std::thread::spawn(move || {
            for number in 0..3000 {
                writer.write_all(format!("{number}\n").as_bytes()).unwrap();
            }
        });
        let read = || {
            leno::run(|| {
                let readers: Vec<_> = (0..3)
                    .map(|_| {
                        leno::spawn(|| {
                            let lines = std::iter::from_fn(|| Some(line()));
                            let lines = lines.take_while(|line| !line.is_empty());
                            lines.map(|line| line.trim().parse().unwrap()).collect::<Vec<u32>>()
                        })
                    })
                    .collect();
                readers.into_iter().flat_map(join).collect::<Vec<_>>()
            })
        };
        let other = std::thread::spawn(read);
        let mut all = read();
        all.extend(other.join().unwrap());
        all.sort();
        assert!(all.into_iter().eq(0..3000));
        writing.join().unwrap();
    })
    .assert_survived();
}

#[test]
fn a_thread_waits_for_the_lock_and_is_cancelled() {
    child(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        put(0, reader);
        leno::run(move || {
            let mut locked = stdin().lock();
            let waiting = leno::spawn(line);
            let next = leno::spawn(line);
            leno::yield_now();
            let report = leno::debug::stalled(Duration::ZERO).expect("one waits").to_string();
            assert!(report.contains("the lock of Stdin (fd 0)"), "{report}");
            waiting.cancel();
            waiting.join().unwrap_err();
            writer.write_all(b"one\ntwo\n").unwrap();
            let mut first = String::new();
            locked.read_line(&mut first).unwrap();
            drop(locked);
            assert_eq!((first, join(next)), ("one\n".to_owned(), "two\n".to_owned()));
            let _locked = stdin().lock();
            let again = std::panic::catch_unwind(|| drop(stdin().lock()));
            assert!(again.is_err());
        });
    })
    .assert_survived();
}

/// Alone in a session of its own, of which it is the terminal.
#[test]
fn a_terminal_that_is_closed_is_told() {
    child(|| {
        let (near, far) = terminal();
        // SAFETY: the calls take integers.
        unsafe {
            assert_ne!(libc::setsid(), -1);
            assert_eq!(libc::ioctl(far.as_raw_fd(), libc::TIOCSCTTY as _, 0), 0);
        }
        put(0, &far);
        leno::run(|| {
            let signals = Signals::new([Signal::HUP]).unwrap();
            let waiting = leno::spawn(|| stdin().read_line(&mut String::new()));
            leno::sleep(SHORT);
            drop((near, far));
            assert_eq!(receive(&signals), Signal::HUP);
            match join(waiting) {
                Ok(count) => assert_eq!(count, 0),
                Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EIO)),
            }
        });
    })
    .assert_survived();
}

#[test]
fn signals_interrupt_no_read() {
    child(|| {
        let (near, far) = terminal();
        let (reader, mut writer) = std::io::pipe().unwrap();
        extern "C" fn nothing(_: i32) {}
        // SAFETY: the handler does nothing, and the timer's value is a live struct.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut());
            let every = libc::timeval { tv_sec: 0, tv_usec: 300 };
            let timer = libc::itimerval { it_interval: every, it_value: every };
            libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut());
        }
        put(0, reader);
        let text = "hello\n".repeat(20);
        for (input, writer) in [(None, &mut writer as &mut dyn Write), (Some(far), &mut &near)] {
            if let Some(input) = input {
                put(0, input);
            }
            leno::run(|| {
                for text in text.split_inclusive('\n') {
                    let waiting = leno::spawn(line);
                    leno::sleep(Duration::from_millis(1));
                    loop {
                        match writer.write(text.as_bytes()) {
                            Err(error) if error.kind() == ErrorKind::Interrupted => {}
                            result => break assert_eq!(result.unwrap(), text.len()),
                        }
                    }
                    assert_eq!(join(waiting), text);
                }
            });
        }
    })
    .assert_survived();
}
