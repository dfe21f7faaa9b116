//! Datagrams.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use leno::net::UdpSocket;

use crate::pairs::{join, kind, run, run_by_system};
use crate::support::no_copies_of_descriptors;

fn pair() -> (UdpSocket, UdpSocket) {
    let one = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    (one, other)
}

#[test]
fn datagrams_keep_their_bounds() {
    run(|| {
        let (one, other) = pair();
        let receiver = leno::spawn(move || {
            let mut bytes = [0; 4];
            [0; 3].map(|_| other.recv(&mut bytes).unwrap())
        });
        leno::yield_now();
        for text in ["ab", "", "abcdef"] {
            one.send(text.as_bytes()).unwrap();
        }
        // What has no room is lost.
        assert_eq!(join(receiver), [2, 0, 4]);
    });
}

#[test]
fn the_sender_is_named() {
    run(|| {
        let (one, other) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
        let (one, other) = (one.unwrap(), other.unwrap());
        let address = one.local_addr().unwrap();
        let receiver = leno::spawn(move || {
            let mut bytes = [0; 9];
            let peeked = one.peek_from(&mut bytes).unwrap();
            assert_eq!(peeked, one.recv_from(&mut bytes).unwrap());
            peeked
        });
        leno::yield_now();
        other.send_to(b"hello", address).unwrap();
        assert_eq!(join(receiver), (5, other.local_addr().unwrap()));
    });
}

#[test]
fn a_datagram_that_is_too_large_is_refused() {
    run(|| {
        let (one, _other) = pair();
        let error = one.send(&[0; 100_000]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        assert_eq!(one.send(b"x").unwrap(), 1);
    });
}

#[test]
fn a_refused_datagram_is_told_to_the_next_call() {
    let _guard = no_copies_of_descriptors();
    run(|| {
        let (one, other) = pair();
        let receiver = leno::spawn({
            let one = one.try_clone().unwrap();
            move || kind(one.recv(&mut [0]))
        });
        leno::yield_now();
        drop(other);
        one.send(b"x").unwrap();
        assert_eq!(join(receiver), ErrorKind::ConnectionRefused);
        assert!(one.take_error().unwrap().is_none());
    });
}

#[test]
fn options_are_those_of_the_socket() {
    run_by_system(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        socket.set_broadcast(true).unwrap();
        socket.set_ttl(7).unwrap();
        socket.set_multicast_ttl_v4(8).unwrap();
        socket.set_multicast_loop_v4(false).unwrap();
        let std: std::net::UdpSocket = socket.try_clone().unwrap().into();
        assert!(std.broadcast().unwrap());
        assert_eq!(std.ttl().unwrap(), 7);
        assert_eq!(std.multicast_ttl_v4().unwrap(), 8);
        assert!(!std.multicast_loop_v4().unwrap());
        assert_eq!((socket.broadcast().unwrap(), socket.ttl().unwrap()), (true, 7));
        assert_eq!(kind(socket.peer_addr()), ErrorKind::NotConnected);
        assert!(socket.send(b"x").is_err());
        assert_eq!(kind(socket.send_to(b"x", &[][..])), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_group_of_ipv4_is_joined_and_left() {
    run_by_system(|| {
        let group = Ipv4Addr::new(239, 7, 7, 7);
        let receiver = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        receiver.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
        receiver.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
        assert!(receiver.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_err());
    });
}

#[test]
fn sending_waits_for_no_receiver() {
    run(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = socket.local_addr().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        // More than the receiver's buffer: the rest is dropped by the system.
        for _ in 0..2_000 {
            sender.send_to(&[0; 1_000], address).unwrap();
        }
        assert_eq!(socket.recv(&mut [0; 1_000]).unwrap(), 1_000);
    });
}

#[test]
fn a_socket_may_be_its_own_peer() {
    run(|| {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let socket = UdpSocket::bind(address).unwrap();
            socket.connect(socket.local_addr().unwrap()).unwrap();
            socket.send(b"hello").unwrap();
            let mut bytes = [0; 9];
            // A peek takes nothing, however often.
            for _ in 0..3 {
                assert_eq!(socket.peek(&mut bytes).unwrap(), 5);
            }
            let received = socket.recv_from(&mut bytes).unwrap();
            assert_eq!(received, (5, socket.local_addr().unwrap()));
            assert_eq!(&bytes[..5], b"hello");
        }
    });
}
