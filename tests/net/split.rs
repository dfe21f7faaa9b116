//! The halves of a stream, in different threads, dropped in any order.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use leno::io::{Duplex, ReadHalf, WriteHalf, split};
use leno::net::TcpStream;
use leno::os::unix::net::UnixStream;

use crate::pairs::{ends, join, kind, run, run_by_system, tcp_pair};

/// Calls `test` with both ends of a stream of TCP and of one of the Unix domain.
macro_rules! with_each_pair {
    ($test:expr) => {
        run(|| {
            $test(tcp_pair());
            $test(UnixStream::pair().unwrap());
        })
    };
}

#[test]
fn halves_carry_both_directions_at_once() {
    fn test<T>((one, other): (T, T))
    where
        T: Duplex + 'static,
        for<'a> &'a T: Read + Write,
    {
        // More than any buffer has room for: neither direction may wait for the other.
        let bytes: Vec<u8> = (0..20_000_000u32).map(|number| number as u8).collect();
        let ends = [one, other].map(|end| {
            let (mut reader, mut writer) = split(end);
            let sent = bytes.clone();
            let writing = leno::spawn(move || writer.write_all(&sent).unwrap());
            let reading = leno::spawn(move || {
                let mut received = Vec::new();
                reader.read_to_end(&mut received).unwrap();
                received
            });
            (writing, reading)
        });
        for (writing, reading) in ends {
            join(writing);
            assert!(join(reading) == bytes);
        }
    }
    with_each_pair!(test);
}

#[test]
fn a_dropped_writer_ends_writing_only() {
    fn test<T>((one, other): (T, T))
    where
        T: Duplex + 'static,
        for<'a> &'a T: Read + Write,
    {
        let (mut reader, mut writer) = split(one);
        writer.write_all(b"question").unwrap();
        let reading = leno::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        leno::yield_now();
        // While the other half waits.
        drop(writer);
        let mut text = String::new();
        (&other).read_to_string(&mut text).unwrap();
        assert_eq!(text, "question");
        (&other).write_all(b"answer").unwrap();
        drop(other);
        assert_eq!(join(reading), "answer");
    }
    with_each_pair!(test);
}

#[test]
fn a_dropped_reader_leaves_the_writer_usable() {
    fn test<T>((one, other): (T, T))
    where
        T: Duplex + 'static,
        for<'a> &'a T: Read + Write,
    {
        let (reader, mut writer) = split(one);
        drop(reader);
        writer.write_all(b"abc").unwrap();
        drop(writer);
        let mut text = String::new();
        (&other).read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
    }
    with_each_pair!(test);
}

#[test]
fn reunited_halves_are_shut_down_no_more() {
    fn test<T>((one, other): (T, T))
    where
        T: Duplex + 'static,
        for<'a> &'a T: Read + Write,
    {
        let (reader, writer) = split(one);
        let (other_reader, other_writer) = split(other);
        let error = reader.reunite(other_writer).err().unwrap();
        assert_eq!(error.to_string(), "the halves are of different streams");
        let one = error.reader.reunite(writer).unwrap();
        let other = other_reader.reunite(error.writer).unwrap();
        for (from, to) in [(&one, &other), (&other, &one)] {
            { from }.write_all(b"x").unwrap();
            { to }.read_exact(&mut [0]).unwrap();
        }
    }
    with_each_pair!(test);
}

#[test]
fn a_waiting_half_ends_with_the_stream() {
    run(|| {
        let (one, _other) = tcp_pair();
        let (mut reader, writer) = split(one);
        let reading = leno::spawn(move || reader.read(&mut [0]).unwrap());
        leno::yield_now();
        writer.get_ref().shutdown(Shutdown::Both).unwrap();
        assert_eq!(join(reading), 0);
        let (one, other) = tcp_pair();
        let (reader, mut writer) = split(one);
        let writing = leno::spawn(move || kind(writer.write_all(&vec![0; 100_000_000])));
        leno::yield_now();
        drop(other);
        let broken = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(broken.contains(&join(writing)));
        drop(reader);
    });
}

/// The unwinding drops the half, and the peer finds the end.
#[test]
fn a_cancelled_writer_ends_writing() {
    run(|| {
        let (one, mut other) = tcp_pair();
        let (_reader, mut writer) = split(one);
        let writing = leno::spawn(move || writer.write_all(&vec![7; 100_000_000]));
        leno::yield_now();
        writing.cancel();
        assert!(writing.join().is_err());
        let mut bytes = Vec::new();
        other.read_to_end(&mut bytes).unwrap();
        assert!(bytes.len() < 100_000_000 && bytes.iter().all(|&byte| byte == 7));
    });
}

#[test]
fn halves_are_used_on_different_os_threads() {
    fn both<T: Send + Sync>(_: &T) {}
    ends(|| {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let (reader, mut writer): (ReadHalf<UnixStream>, WriteHalf<UnixStream>) =
            split(UnixStream::from(one));
        both(&reader);
        both(&writer);
        let mut other = other;
        let reading = std::thread::spawn(move || {
            let mut reader = reader;
            leno::run(|| {
                let mut text = String::new();
                reader.read_to_string(&mut text).unwrap();
                text
            })
        });
        leno::run(|| writer.write_all(b"abc").unwrap());
        drop(writer);
        let mut text = String::new();
        other.read_to_string(&mut text).unwrap();
        other.write_all(text.to_uppercase().as_bytes()).unwrap();
        drop(other);
        assert_eq!(reading.join().unwrap(), "ABC");
    });
}

#[test]
fn a_half_of_a_closed_connection_is_dropped() {
    run_by_system(|| {
        let (one, other) = tcp_pair();
        let (reader, writer): (ReadHalf<TcpStream>, WriteHalf<TcpStream>) = split(one);
        writer.get_ref().shutdown(Shutdown::Both).unwrap();
        drop(other);
        drop((writer, reader));
    });
}
