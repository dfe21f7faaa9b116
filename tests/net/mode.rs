//! The modes of descriptors, and conversions from and to the sockets of std.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use leno::net::{TcpListener, TcpStream, UdpSocket};

use crate::pairs::{join, kind, run, run_by_system, tcp_pair};

/// Returns `true` if calls on the descriptor do not block.
fn does_not_block(socket: &impl AsFd) -> bool {
    // SAFETY: the descriptor is open, and the command takes no argument.
    let flags = unsafe { libc::fcntl(socket.as_fd().as_raw_fd(), libc::F_GETFL) };
    flags & libc::O_NONBLOCK != 0
}

/// Returns `true` if the descriptor is closed in a program that this one executes.
fn is_closed_by_exec(socket: &impl AsFd) -> bool {
    // SAFETY: the descriptor is open, and the command takes no argument.
    let flags = unsafe { libc::fcntl(socket.as_fd().as_raw_fd(), libc::F_GETFD) };
    flags & libc::FD_CLOEXEC != 0
}

#[test]
fn calls_fail_in_place_of_waiting_if_asked() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(kind(listener.accept()), ErrorKind::WouldBlock);
        let (mut one, mut other) = tcp_pair();
        let clone = one.try_clone().unwrap();
        clone.set_nonblocking(true).unwrap();
        assert_eq!(kind(one.read(&mut [0])), ErrorKind::WouldBlock);
        assert_eq!(kind(one.write_all(&vec![0; 100_000_000])), ErrorKind::WouldBlock);
        other.write_all(b"x").unwrap();
        // No thread lets the runtime look for what has become ready.
        while one.read(&mut [0]).is_err() {}
        one.set_nonblocking(false).unwrap();
        let reader = leno::spawn(move || one.read(&mut [0]).unwrap());
        leno::yield_now();
        other.write_all(b"x").unwrap();
        assert_eq!(join(reader), 1);
    });
}

/// As the pool of an HTTP client does, which asks under a lock whether a connection is open.
#[test]
fn calls_that_do_not_block_may_be_made_under_a_lock() {
    run(|| {
        let (one, _other) = tcp_pair();
        one.set_nonblocking(true).unwrap();
        let one = Mutex::new(one);
        leno::scope(|scope| {
            let ask = || {
                for _ in 0..100 {
                    // A thread that waited here would stop its own OS thread.
                    let mut one = one.try_lock().expect("no other thread runs meanwhile");
                    assert_eq!(kind(one.read(&mut [0])), ErrorKind::WouldBlock);
                }
            };
            scope.spawn(ask);
            scope.spawn(ask);
        });
    });
}

#[test]
fn calls_that_do_not_block_are_no_cancellation_points() {
    run(|| {
        let (one, mut other) = tcp_pair();
        let one = Arc::new(Mutex::new(one));
        let reader = leno::spawn({
            let one = one.clone();
            move || {
                leno::thread::current().cancel();
                let mut one = one.lock().unwrap();
                one.set_nonblocking(true).unwrap();
                assert_eq!(kind(one.read(&mut [0])), ErrorKind::WouldBlock);
                assert_eq!(one.write(b"x").unwrap(), 1);
                drop(one);
                leno::yield_now();
            }
        });
        assert!(reader.join().unwrap_err().is::<leno::thread::Cancelled>());
        assert!(!one.is_poisoned());
        assert_eq!(other.read(&mut [0]).unwrap(), 1);
    });
}

#[test]
fn descriptors_are_closed_by_exec() {
    run_by_system(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let (one, other) = leno::os::unix::net::UnixStream::pair().unwrap();
        assert!(is_closed_by_exec(&listener) && is_closed_by_exec(&client));
        assert!(is_closed_by_exec(&server));
        assert!(is_closed_by_exec(&one) && is_closed_by_exec(&other));
        assert!(is_closed_by_exec(&UdpSocket::bind("127.0.0.1:0").unwrap()));
    });
}

#[test]
fn a_socket_of_std_blocks_again_when_it_is_given_back() {
    run_by_system(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(!does_not_block(&listener));
        let listener = TcpListener::from(listener);
        assert!(does_not_block(&listener));
        let client = leno::spawn(move || TcpStream::connect(address).unwrap());
        let (stream, _) = listener.accept().unwrap();
        let listener: std::net::TcpListener = listener.into();
        assert!(!does_not_block(&listener));
        for end in [stream, join(client)] {
            let std: std::net::TcpStream = end.into();
            assert!(!does_not_block(&std));
        }
    });
}

#[test]
fn modes_and_timeouts_go_along() {
    run_by_system(|| {
        let limit = Some(Duration::from_millis(20));
        let (client, mut server) = tcp_pair();
        let std: std::net::TcpStream = client.into();
        std.set_read_timeout(limit).unwrap();
        let mut client = TcpStream::from(std);
        assert_eq!(client.read_timeout().unwrap(), limit);
        assert_eq!(kind(client.read(&mut [0])), ErrorKind::WouldBlock);
        client.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let std: std::net::TcpStream = client.into();
        assert_eq!(std.write_timeout().unwrap(), Some(Duration::from_secs(1)));
        std.set_nonblocking(true).unwrap();
        std.set_read_timeout(None).unwrap();
        let mut client = TcpStream::from(std);
        assert_eq!(kind(client.read(&mut [0])), ErrorKind::WouldBlock);
        let std: std::net::TcpStream = client.into();
        assert!(does_not_block(&std));
        server.write_all(b"x").unwrap();
    });
}

#[test]
fn a_descriptor_is_taken_over_and_given_up() {
    run_by_system(|| {
        let (one, mut other) = tcp_pair();
        let number = one.as_raw_fd();
        let raw = one.into_raw_fd();
        assert_eq!(number, raw);
        // SAFETY: the descriptor was given up above.
        let mut one = unsafe { TcpStream::from_raw_fd(raw) };
        let reader = leno::spawn(move || {
            one.read_exact(&mut [0]).unwrap();
            OwnedFd::from(one)
        });
        leno::yield_now();
        other.write_all(b"xy").unwrap();
        let mut std = std::net::TcpStream::from(join(reader));
        assert!(!does_not_block(&std));
        assert_eq!(std.read(&mut [0; 9]).unwrap(), 1);
    });
}

#[test]
fn a_descriptor_with_clones_is_duplicated() {
    run_by_system(|| {
        let (one, mut other) = tcp_pair();
        let mut clone = one.try_clone().unwrap();
        let std = std::net::TcpStream::from(one);
        assert_ne!(std.as_raw_fd(), clone.as_raw_fd());
        assert!(does_not_block(&std), "the clone would block the OS thread");
        let reader = leno::spawn(move || clone.read(&mut [0; 9]).unwrap());
        leno::yield_now();
        other.write_all(b"abc").unwrap();
        assert_eq!(join(reader), 3);
        drop(std);
    });
}

/// A duplicate keeps the socket open, and its events must reach no source that is gone.
#[test]
fn a_duplicate_outlives_the_object() {
    run_by_system(|| {
        let (one, mut other) = tcp_pair();
        let duplicate = one.as_fd().try_clone_to_owned().unwrap();
        let reader = leno::spawn(move || {
            let mut one = one;
            one.read_exact(&mut [0]).unwrap();
        });
        leno::yield_now();
        other.write_all(b"x").unwrap();
        join(reader);
        other.write_all(b"yz").unwrap();
        leno::sleep(Duration::from_millis(10));
        let mut again = TcpStream::from(duplicate);
        again.set_nonblocking(false).unwrap();
        assert_eq!(again.read(&mut [0; 9]).unwrap(), 2);
        let reader = leno::spawn(move || again.read(&mut [0; 9]).unwrap());
        leno::yield_now();
        other.write_all(b"x").unwrap();
        assert_eq!(join(reader), 1);
    });
}
