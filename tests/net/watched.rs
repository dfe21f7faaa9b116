//! Descriptors of other libraries.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use leno::io::Watched;
use leno::time::timeout;

use crate::pairs::{ends, join, kind, run, run_by_system, tcp_pair};

#[test]
fn a_pipe_is_read_when_it_is_readable() {
    run_by_system(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = Watched::new(reader);
        let waiting = leno::spawn(move || {
            let mut bytes = Vec::new();
            loop {
                reader.readable().unwrap();
                let mut buffer = [0; 3];
                match reader.get_ref().read(&mut buffer).unwrap() {
                    0 => return bytes,
                    count => bytes.extend_from_slice(&buffer[..count]),
                }
            }
        });
        for chunk in ["a", "bcdefgh", ""] {
            leno::yield_now();
            writer.write_all(chunk.as_bytes()).unwrap();
        }
        drop(writer);
        assert_eq!(join(waiting), b"abcdefgh");
    });
}

#[test]
fn a_full_pipe_is_written_when_it_has_room() {
    run_by_system(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = Watched::new(reader);
        // SAFETY: the descriptor is open.
        unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        let writer = Watched::new(writer);
        let writing = leno::spawn(move || {
            let mut left = 1_000_000;
            while left > 0 {
                let bytes = vec![0; left.min(10_000)];
                left -= writer.write_with(|mut writer| writer.write(&bytes)).unwrap();
            }
        });
        let mut count = 0;
        while count < 1_000_000 {
            reader.readable().unwrap();
            let mut buffer = vec![0; 4096];
            count += reader.get_ref().read(&mut buffer).unwrap();
        }
        join(writing);
    });
}

#[test]
fn a_wait_for_a_descriptor_is_cancelled_and_named() {
    run_by_system(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = Watched::new(reader);
        let name = format!("bytes from PipeReader (fd {})", reader.get_ref().as_raw_fd());
        assert!(timeout(Duration::from_millis(10), || reader.readable()).is_err());
        let waiting = leno::spawn(move || reader.readable());
        leno::yield_now();
        let dump = leno::debug::dump().to_string();
        assert!(dump.contains(&name), "{dump}");
        writer.write_all(b"x").unwrap();
        join(waiting).unwrap();
    });
}

#[test]
fn a_file_is_ready_and_cannot_be_waited_for() {
    run(|| {
        let file = Watched::new(File::open("/proc/self/exe").unwrap());
        // It is always ready, so there is no wait.
        file.readable().unwrap();
        // And if a call says that it would block, there is nothing to wait for.
        let would_block = |_: &File| -> std::io::Result<()> { Err(ErrorKind::WouldBlock.into()) };
        assert_eq!(kind(file.read_with(would_block)), ErrorKind::Unsupported);
    });
}

#[test]
fn an_object_is_given_back_and_outlives_its_watch() {
    run_by_system(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut reader = Watched::new(reader);
        for _ in 0..100 {
            assert!(timeout(Duration::from_micros(100), || reader.readable()).is_err());
            reader = Watched::new(reader.into_inner());
        }
        writer.write_all(b"x").unwrap();
        reader.readable().unwrap();
    });
}

#[test]
fn outside_a_runtime_the_os_thread_waits() {
    ends(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let writing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            writer.write_all(b"x").unwrap();
        });
        Watched::new(reader).readable().unwrap();
        writing.join().unwrap();
    });
}

#[test]
fn copying_stops_at_the_end_or_an_error() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let copying = leno::spawn(move || {
            let mut bytes = Vec::new();
            leno::io::copy(&mut other, &mut bytes).map(|count| (count, bytes.len()))
        });
        one.write_all(&vec![1; 1_000_000]).unwrap();
        drop(one);
        assert_eq!(join(copying).unwrap(), (1_000_000, 1_000_000));
        let (mut one, other) = tcp_pair();
        drop(other);
        let endless = &mut std::io::repeat(1);
        let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(kinds.contains(&kind(leno::io::copy(endless, &mut one))));
    });
}
