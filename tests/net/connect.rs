//! Connecting and accepting.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use leno::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket, lookup_host};
use socket2::{Domain, Socket, Type};

use crate::pairs::{ends, join, kind, run, run_by_system};
use crate::support::no_copies_of_descriptors;

/// Returns an address at which nothing listens while the socket lives, which has the address.
fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[test]
fn a_refused_connection_is_an_error() {
    run(|| {
        let (_socket, address) = refusing();
        assert_eq!(kind(TcpStream::connect(address)), ErrorKind::ConnectionRefused);
        let limit = Duration::from_secs(60);
        let refused = TcpStream::connect_timeout(&address, limit);
        assert_eq!(kind(refused), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn addresses_are_tried_in_turn() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let (_socket, refusing) = refusing();
        let stream = TcpStream::connect(&[refusing, refusing, good][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert_eq!(kind(TcpStream::connect(&[][..])), ErrorKind::InvalidInput);
    });
}

/// Returns a listener that accepts nothing, with room for one connection in its backlog.
fn with_backlog_of_one() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: the descriptor is open.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    listener
}

/// The system answers none of the connections that a listener with a full backlog gets, and refuses
/// those that are still being made when it is closed.
#[test]
fn a_connection_that_fails_later_is_an_error() {
    let _guard = no_copies_of_descriptors();
    run_by_system(|| {
        let listener = with_backlog_of_one();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> =
            (0..4).map(|_| leno::spawn(move || TcpStream::connect(address).map(drop))).collect();
        leno::sleep(Duration::from_millis(20));
        let waiting = clients.iter().filter(|client| !client.is_finished()).count();
        assert!(waiting > 0, "the backlog has room for all");
        drop(listener);
        let results: Vec<_> = clients.into_iter().map(join).collect();
        let refused = |result: &std::io::Result<()>| {
            result.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        };
        assert_eq!(results.iter().filter(|result| refused(result)).count(), waiting);
    });
}

/// A listener with a full backlog answers no connection.
#[test]
fn a_connection_is_given_up_after_its_time() {
    run_by_system(|| {
        let listener = with_backlog_of_one();
        let address = listener.local_addr().unwrap();
        let limit = Duration::from_millis(50);
        let mut connected = Vec::new();
        let error = loop {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(stream) => connected.push(stream),
                Err(error) => break error,
            }
            assert!(connected.len() < 100);
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let zero = TcpStream::connect_timeout(&address, Duration::ZERO);
        assert_eq!(kind(zero), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_name_is_looked_up_while_others_run() {
    run(|| {
        let listener = TcpListener::bind("localhost:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = leno::spawn(move || TcpStream::connect(("localhost", port)).map(drop));
        let (mut stream, _) = listener.accept().unwrap();
        join(client).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        let found: Vec<_> = lookup_host("localhost:7").unwrap().collect();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 7));
        assert!(!found.is_empty());
    });
}

#[test]
fn what_is_no_address_is_refused_with_words() {
    run(|| {
        for (text, part) in [
            ("localhost", "no port"),
            ("localhost:http", "invalid port"),
            ("localhost:70000", "invalid port"),
            ("", "no port"),
        ] {
            let error = text.to_socket_addrs().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(part), "{text:?}: {error}");
        }
        assert!(("no such host.invalid", 1).to_socket_addrs().is_err());
        for text in ["127.0.0.1:80", "[::1]:80", "[fe80::1%1]:80"] {
            assert_eq!(text.to_socket_addrs().unwrap().count(), 1, "{text}");
        }
        assert_eq!(("::1", 80).to_socket_addrs().unwrap().count(), 1);
    });
}

#[test]
fn an_address_in_use_is_refused() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let again = TcpListener::bind(listener.local_addr().unwrap());
        assert_eq!(kind(again), ErrorKind::AddrInUse);
    });
}

/// Several green threads accept from one listener; each connection is served once.
#[test]
fn several_threads_accept_in_turn() {
    run(|| {
        let listener = std::rc::Rc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        let acceptors: Vec<_> = (0..5)
            .map(|_| {
                let listener = listener.clone();
                leno::spawn(move || {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    byte[0]
                })
            })
            .collect();
        leno::yield_now();
        for number in 0..5 {
            TcpStream::connect(address).unwrap().write_all(&[number]).unwrap();
        }
        let mut served: Vec<_> = acceptors.into_iter().map(join).collect();
        served.sort_unstable();
        assert_eq!(served, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn connections_that_came_before_are_accepted() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();
        let accepted: Vec<_> = listener.incoming().take(50).map(Result::unwrap).collect();
        assert_eq!(clients.len(), accepted.len());
        for (client, server) in clients.iter().zip(&accepted) {
            assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
        }
    });
}

/// They saturate.
#[test]
fn the_longest_timeouts_are_taken() {
    let check = || {
        let limit = Duration::MAX;
        let (_socket, address) = refusing();
        let refused = TcpStream::connect_timeout(&address, limit);
        assert_eq!(kind(refused), ErrorKind::ConnectionRefused);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect_timeout(&address, limit).unwrap();
        client.set_read_timeout(Some(limit)).unwrap();
        client.set_write_timeout(Some(limit)).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(b"x").unwrap();
        });
        assert_eq!(client.read(&mut [0]).unwrap(), 1);
        let std: std::net::TcpStream = client.into();
        assert!(std.read_timeout().unwrap() > Some(Duration::from_secs(3_600)));
        server.join().unwrap();
    };
    run_by_system(check);
    ends(check);
}

#[test]
fn an_address_of_another_host_is_refused() {
    run_by_system(|| {
        let foreign = "192.0.2.1:9999";
        assert_eq!(kind(TcpListener::bind(foreign)), ErrorKind::AddrNotAvailable);
        assert_eq!(kind(UdpSocket::bind(foreign)), ErrorKind::AddrNotAvailable);
        // Neither an address nor a name.
        assert!(UdpSocket::bind("1200::AB00:1234::2552:7777:1313:34300").is_err());
    });
}

#[test]
fn every_form_of_an_address_is_taken() {
    fn addresses(form: impl ToSocketAddrs) -> Vec<SocketAddr> {
        form.to_socket_addrs().unwrap().collect()
    }

    run(|| {
        let v4: std::net::SocketAddrV4 = "77.88.21.11:53".parse().unwrap();
        let v6: std::net::SocketAddrV6 = "[2a02:6b8::1]:53".parse().unwrap();
        for found in [
            addresses(v4),
            addresses(SocketAddr::V4(v4)),
            addresses((*v4.ip(), 53)),
            addresses((std::net::IpAddr::V4(*v4.ip()), 53)),
            addresses(("77.88.21.11", 53)),
            addresses(("77.88.21.11".to_owned(), 53)),
            addresses("77.88.21.11:53"),
            addresses("77.88.21.11:53".to_owned()),
        ] {
            assert_eq!(found, [SocketAddr::V4(v4)]);
        }
        for found in [
            addresses(v6),
            addresses((*v6.ip(), 53)),
            addresses(("2a02:6b8::1", 53)),
            addresses("[2a02:6b8::1]:53"),
        ] {
            assert_eq!(found, [SocketAddr::V6(v6)]);
        }
        let both = [SocketAddr::V4(v4), SocketAddr::V6(v6)];
        assert_eq!(addresses(&both[..]), both);
    });
}
