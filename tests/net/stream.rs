//! Streams of TCP: bytes, ends, back-pressure.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;

use leno::net::{TcpListener, TcpStream};

use crate::pairs::{join, kind, run, tcp_pair};

#[test]
fn bytes_arrive_in_both_directions() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let echo = leno::spawn(move || {
            let mut bytes = [0; 3];
            other.read_exact(&mut bytes).unwrap();
            other.write_all(&bytes).unwrap();
        });
        one.write_all(b"abc").unwrap();
        let mut answer = String::new();
        one.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "abc");
        join(echo);
    });
}

#[test]
fn an_end_before_the_last_byte_is_an_error_as_in_std() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        other.write_all(b"ab").unwrap();
        drop(other);
        let error = one.read_exact(&mut [0; 3]).unwrap_err();
        let of_std = (&[0, 0][..]).read_exact(&mut [0; 3]).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (of_std.kind(), of_std.to_string()));
    });
}

#[test]
fn a_read_waits_while_others_run() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let reader = leno::spawn(move || {
            let mut byte = [0];
            one.read_exact(&mut byte).unwrap();
            byte[0]
        });
        for _ in 0..1_000 {
            leno::yield_now();
        }
        assert!(!reader.is_finished());
        other.write_all(&[7]).unwrap();
        assert_eq!(join(reader), 7);
    });
}

#[test]
fn a_stream_ends_when_the_peer_closes() {
    run(|| {
        let (mut one, other) = tcp_pair();
        let reader = leno::spawn(move || one.read(&mut [0; 9]).unwrap());
        leno::yield_now();
        drop(other);
        assert_eq!(join(reader), 0);
    });
}

/// The end arrives with the bytes, before them being read, and after a short read.
#[test]
fn an_end_after_a_short_read_is_seen() {
    run(|| {
        for closes_first in [true, false] {
            let (mut one, mut other) = tcp_pair();
            let reader = leno::spawn(move || {
                let mut bytes = Vec::new();
                let mut buffer = [0; 64];
                loop {
                    match one.read(&mut buffer).unwrap() {
                        0 => return bytes,
                        count => bytes.extend_from_slice(&buffer[..count]),
                    }
                }
            });
            leno::yield_now();
            other.write_all(b"hello").unwrap();
            if !closes_first {
                leno::sleep(std::time::Duration::from_millis(20));
            }
            drop(other);
            assert_eq!(join(reader), b"hello");
        }
    });
}

#[test]
fn the_last_bytes_before_an_end_are_read() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let reader = leno::spawn(move || {
            let mut bytes = Vec::new();
            one.read_to_end(&mut bytes).unwrap();
            bytes.len()
        });
        leno::yield_now();
        let many = vec![1; 1_000_000];
        other.write_all(&many).unwrap();
        other.shutdown(Shutdown::Write).unwrap();
        assert_eq!(join(reader), many.len());
    });
}

#[test]
fn each_direction_is_closed_by_itself() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        one.shutdown(Shutdown::Write).unwrap();
        assert_eq!(other.read(&mut [0; 9]).unwrap(), 0);
        other.write_all(b"still open").unwrap();
        other.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        one.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "still open");
        assert_eq!(kind(one.write(b"x")), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_shutdown_ends_a_read_that_waits() {
    run(|| {
        let (one, _other) = tcp_pair();
        let mut clone = one.try_clone().unwrap();
        let reader = leno::spawn(move || clone.read(&mut [0; 9]).unwrap());
        leno::yield_now();
        one.shutdown(Shutdown::Read).unwrap();
        assert_eq!(join(reader), 0);
    });
}

#[test]
fn a_write_waits_for_a_slow_reader() {
    const BYTES: usize = 20_000_000;
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let writer = leno::spawn(move || {
            let bytes: Vec<u8> = (0..BYTES).map(|index| (index % 251) as u8).collect();
            one.write_all(&bytes).unwrap();
        });
        for _ in 0..100 {
            leno::yield_now();
        }
        assert!(!writer.is_finished(), "all fits into the buffers of the system");
        let mut bytes = Vec::new();
        other.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), BYTES);
        assert!(bytes.iter().enumerate().all(|(index, &byte)| byte == (index % 251) as u8));
        join(writer);
    });
}

#[test]
fn one_object_is_read_and_written_at_once() {
    run(|| {
        let (one, other) = tcp_pair();
        let ends = [one, other].map(|stream| {
            leno::spawn(move || {
                leno::scope(|scope| {
                    let reader = scope.spawn(|| {
                        let mut count = 0;
                        let mut buffer = [0; 4096];
                        loop {
                            match (&stream).read(&mut buffer).unwrap() {
                                0 => return count,
                                read => count += read,
                            }
                        }
                    });
                    (&stream).write_all(&vec![1; 5_000_000]).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                    reader.join().unwrap()
                })
            })
        });
        assert_eq!(ends.map(join), [5_000_000; 2]);
    });
}

#[test]
fn several_buffers_are_read_and_written_at_once() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let count = one.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cde")]).unwrap();
        assert_eq!(count, 5);
        let (mut first, mut second) = ([0; 4], [0; 4]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(other.read_vectored(&mut buffers).unwrap(), 5);
        assert_eq!((&first, second[0]), (b"abcd", b'e'));
    });
}

#[test]
fn a_peek_takes_nothing() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let peeker = leno::spawn(move || {
            let mut bytes = [0; 9];
            assert_eq!(one.peek(&mut bytes).unwrap(), 3);
            assert_eq!(one.peek(&mut bytes).unwrap(), 3);
            one.read(&mut bytes).unwrap()
        });
        leno::yield_now();
        other.write_all(b"abc").unwrap();
        assert_eq!(join(peeker), 3);
    });
}

#[test]
fn empty_reads_and_writes_return_at_once() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        assert_eq!(one.write(&[]).unwrap(), 0);
        one.write_all(b"").unwrap();
        // The system answers a read of no bytes only once there are some.
        other.write_all(b"x").unwrap();
        assert_eq!(one.read(&mut []).unwrap(), 0);
        assert_eq!(one.read(&mut [0]).unwrap(), 1);
    });
}

#[test]
fn both_ends_may_write_much_before_they_read() {
    run(|| {
        let (one, other) = tcp_pair();
        let ends = [one, other].map(|mut stream| {
            let mut writing = stream.try_clone().unwrap();
            let writer = leno::spawn(move || {
                writing.write_all(&vec![1; 10_000_000]).unwrap();
                writing.shutdown(Shutdown::Write).unwrap();
            });
            let reader = leno::spawn(move || io::copy(&mut stream, &mut io::sink()).unwrap());
            (writer, reader)
        });
        for (writer, reader) in ends {
            assert_eq!(join(reader), 10_000_000);
            join(writer);
        }
    });
}

#[test]
fn a_reset_is_an_error_and_not_an_end() {
    run(|| {
        let (mut one, other) = tcp_pair();
        one.write_all(b"unread").unwrap();
        let reader = leno::spawn(move || kind(one.read(&mut [0; 9])));
        leno::yield_now();
        // A connection that is closed with unread bytes is reset.
        assert_eq!(other.peek(&mut [0; 9]).unwrap(), 6);
        drop(other);
        assert_eq!(join(reader), ErrorKind::ConnectionReset);
    });
}

#[test]
fn thousands_of_connections_are_served() {
    const CLIENTS: usize = 400;
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = leno::spawn(move || {
            for _ in 0..CLIENTS {
                let (mut stream, _) = listener.accept().unwrap();
                leno::spawn(move || io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                leno::spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    for round in 0..10 {
                        let sent = [(number % 256) as u8, round];
                        stream.write_all(&sent).unwrap();
                        let mut received = [0; 2];
                        stream.read_exact(&mut received).unwrap();
                        assert_eq!(sent, received);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(join);
        join(server);
    });
}

#[test]
fn a_shutdown_holds_for_clones_before_and_after() {
    run(|| {
        let (one, _other) = tcp_pair();
        let before = one.try_clone().unwrap();
        one.shutdown(Shutdown::Both).unwrap();
        for mut end in [before, one.try_clone().unwrap(), one] {
            assert_eq!(end.read(&mut [0]).unwrap(), 0);
            assert_eq!(kind(end.write(b"x")), ErrorKind::BrokenPipe);
            let _ = end.shutdown(Shutdown::Both);
        }
    });
}

#[test]
fn ipv6_is_served_alike() {
    run(|| {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = leno::spawn(move || {
            let mut stream = TcpStream::connect(("::1", address.port())).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), address);
            stream.write_all(b"hello").unwrap();
            stream.local_addr().unwrap()
        });
        let (mut stream, peer) = listener.accept().unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!((&bytes, peer), (b"hello", join(client)));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn acknowledgements_can_be_asked_for_at_once() {
    use leno::os::linux::net::TcpStreamExt;

    let (one, _other) = tcp_pair();
    for is_on in [false, true] {
        one.set_quickack(is_on).unwrap();
        assert_eq!(one.quickack().unwrap(), is_on);
    }
}
