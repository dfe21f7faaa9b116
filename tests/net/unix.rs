//! Sockets of the Unix domain.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leno::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

use crate::pairs::{join, kind, run, run_by_system};
use crate::support::no_copies_of_descriptors;

/// A path for a socket, which is removed at the end.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new() -> SocketPath {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("leno-test-{}-{number}", std::process::id());
        SocketPath(std::env::temp_dir().join(name))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_stream_is_accepted_at_a_path() {
    run(|| {
        let path = SocketPath::new();
        let listener = UnixListener::bind(&path.0).unwrap();
        assert_eq!(kind(UnixListener::bind(&path.0)), ErrorKind::AddrInUse);
        let server = leno::spawn(move || {
            let (mut stream, peer) = listener.accept().unwrap();
            assert!(peer.is_unnamed());
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        leno::yield_now();
        let mut client = UnixStream::connect(&path.0).unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path.0));
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(join(server), "hello");
    });
}

#[test]
fn a_path_without_a_listener_refuses() {
    let _guard = no_copies_of_descriptors();
    run(|| {
        let path = SocketPath::new();
        assert_eq!(kind(UnixStream::connect(&path.0)), ErrorKind::NotFound);
        drop(UnixListener::bind(&path.0).unwrap());
        assert_eq!(kind(UnixStream::connect(&path.0)), ErrorKind::ConnectionRefused);
    });
}

/// The system has no report for room in a backlog.
#[test]
fn connecting_waits_for_room_in_the_backlog() {
    run_by_system(|| {
        let path = SocketPath::new();
        let listener = UnixListener::bind(&path.0).unwrap();
        // SAFETY: the descriptor is open.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let clients: Vec<_> = (0..10)
            .map(|_| {
                let path = path.0.clone();
                leno::spawn(move || UnixStream::connect(path).unwrap().write_all(b"x").unwrap())
            })
            .collect();
        leno::sleep(Duration::from_millis(30));
        assert!(clients.iter().any(|client| !client.is_finished()), "the backlog has no limit");
        for stream in listener.incoming().take(10) {
            assert_eq!(stream.unwrap().read(&mut [0; 9]).unwrap(), 1);
        }
        clients.into_iter().for_each(join);
    });
}

#[test]
fn both_ends_of_a_pair_wait() {
    run(|| {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let reader = leno::spawn(move || {
            let mut bytes = Vec::new();
            one.read_to_end(&mut bytes).unwrap();
            bytes.len()
        });
        leno::yield_now();
        other.write_all(&vec![0; 10_000_000]).unwrap();
        drop(other);
        assert_eq!(join(reader), 10_000_000);
    });
}

#[test]
fn datagrams_wait_for_room_and_for_a_message() {
    run(|| {
        let (one, other) = UnixDatagram::pair().unwrap();
        let sender = leno::spawn(move || {
            for number in 0..2_000_u32 {
                one.send(&number.to_ne_bytes()).unwrap();
            }
        });
        for _ in 0..10 {
            leno::yield_now();
        }
        assert!(!sender.is_finished(), "all have room");
        for number in 0..2_000_u32 {
            let mut bytes = [0; 4];
            assert_eq!(other.recv(&mut bytes).unwrap(), 4);
            assert_eq!(bytes, number.to_ne_bytes());
        }
        join(sender);
    });
}

#[test]
fn a_sender_without_a_name_is_unnamed() {
    run(|| {
        let path = SocketPath::new();
        let receiver = UnixDatagram::bind(&path.0).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"abc", &path.0).unwrap();
        let (count, from) = receiver.recv_from(&mut [0; 9]).unwrap();
        assert!(count == 3 && from.is_unnamed(), "{from:?}");
    });
}

#[test]
fn datagrams_are_sent_to_a_path() {
    run(|| {
        let (path, other) = (SocketPath::new(), SocketPath::new());
        let receiver = UnixDatagram::bind(&path.0).unwrap();
        let sender = UnixDatagram::bind(&other.0).unwrap();
        assert_eq!(sender.send_to(b"abc", &path.0).unwrap(), 3);
        let mut bytes = [0; 9];
        let (count, from) = receiver.recv_from(&mut bytes).unwrap();
        assert_eq!((count, from.as_pathname()), (3, Some(&*other.0)));
        sender.connect(&path.0).unwrap();
        assert_eq!(sender.send(b"de").unwrap(), 2);
        assert_eq!(receiver.recv(&mut bytes).unwrap(), 2);
        receiver.shutdown(Shutdown::Both).unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_addresses_need_no_file() {
    use std::os::linux::net::SocketAddrExt;

    run(|| {
        let name = format!("leno-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_abstract_name(), Some(name.as_bytes()));
        let client = leno::spawn(move || UnixStream::connect_addr(&address).map(drop));
        listener.accept().unwrap();
        join(client).unwrap();
    });
}

#[test]
fn an_address_without_a_name_is_refused() {
    run(|| {
        let unnamed: SocketAddr = UnixStream::pair().unwrap().0.local_addr().unwrap();
        assert_eq!(kind(UnixStream::connect_addr(&unnamed)), ErrorKind::InvalidInput);
        let too_long = "x".repeat(200);
        assert_eq!(kind(UnixListener::bind(too_long)), ErrorKind::InvalidInput);
    });
}

/// The system takes a path of 108 bytes, without an end, of which std makes no address.
#[cfg(target_os = "linux")]
#[test]
fn a_peer_with_the_longest_path_is_served() {
    run_by_system(|| {
        let path = SocketPath::new();
        let listener = UnixListener::bind(&path.0).unwrap();
        let name = |kind: &str| {
            let mut name = path.0.as_os_str().to_owned();
            name.push("-".repeat(108 - kind.len() - name.len()));
            name.push(kind);
            SocketPath(name.into())
        };
        let (stream, datagram) = (name("s"), name("d"));
        let bound = |kind, path: &SocketPath| {
            let socket = socket2::Socket::new(socket2::Domain::UNIX, kind, None).unwrap();
            let bytes = path.0.as_os_str().as_encoded_bytes();
            // SAFETY: all zeros is a value of this type.
            let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
            address.sun_family = libc::AF_UNIX as _;
            for (to, from) in address.sun_path.iter_mut().zip(bytes) {
                *to = *from as _;
            }
            let length = size_of_val(&address) as _;
            // SAFETY: the address is live, and of this length.
            let bound =
                unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
            assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
            OwnedFd::from(socket)
        };
        let client = bound(socket2::Type::STREAM, &stream);
        let server = socket2::SockAddr::unix(&path.0).unwrap();
        socket2::SockRef::from(&client).connect(&server).unwrap();
        let mut client = UnixStream::from(client);
        client.write_all(b"x").unwrap();
        let (mut accepted, peer) = listener.accept().unwrap();
        assert!(peer.is_unnamed(), "{peer:?} {client:?} {accepted:?}");
        assert_eq!(accepted.read(&mut [0; 9]).unwrap(), 1);

        let sender = UnixDatagram::from(bound(socket2::Type::DGRAM, &datagram));
        let other = SocketPath::new();
        let receiver = UnixDatagram::bind(&other.0).unwrap();
        sender.send_to(b"abc", &other.0).unwrap();
        let (count, from) = receiver.recv_from(&mut [0; 9]).unwrap();
        assert!(count == 3 && from.is_unnamed(), "{from:?}");
    });
}

#[test]
fn a_datagram_is_answered_at_the_address_of_its_sender() {
    run(|| {
        let (path, other) = (SocketPath::new(), SocketPath::new());
        let server = UnixDatagram::bind(&path.0).unwrap();
        let client = UnixDatagram::bind(&other.0).unwrap();
        client.send_to_addr(b"question", &server.local_addr().unwrap()).unwrap();
        let mut bytes = [0; 9];
        let (_, from) = server.recv_from(&mut bytes).unwrap();
        server.send_to_addr(b"one", &from).unwrap();
        server.connect_addr(&from).unwrap();
        server.send(b"other").unwrap();
        assert_eq!(client.recv(&mut bytes).unwrap(), 3);
        assert_eq!(client.recv(&mut bytes).unwrap(), 5);
        // Another peer can be set.
        let third = SocketPath::new();
        let third_end = UnixDatagram::bind(&third.0).unwrap();
        server.connect(&third.0).unwrap();
        server.send(b"x").unwrap();
        let (count, from) = third_end.recv_from(&mut bytes).unwrap();
        assert_eq!((count, from.as_pathname()), (1, Some(&*path.0)));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn datagrams_have_abstract_addresses_of_any_length() {
    use leno::os::linux::net::SocketAddrExt;

    run(|| {
        let name = |length| format!("{:x<length$}", format!("leno-{}-", std::process::id()));
        let [one, other] = [40, 107].map(name);
        let address = |name| SocketAddr::from_abstract_name(name).unwrap();
        let receiver = UnixDatagram::bind_addr(&address(&one)).unwrap();
        let sender = UnixDatagram::bind_addr(&address(&other)).unwrap();
        sender.send_to_addr(b"abc", &address(&one)).unwrap();
        let (count, from) = receiver.recv_from(&mut [0; 9]).unwrap();
        assert_eq!((count, from.as_abstract_name()), (3, Some(other.as_bytes())));
        // Not by a path.
        let path = format!("\0{one}");
        assert_eq!(kind(UnixStream::connect(&path)), ErrorKind::InvalidInput);
        assert_eq!(kind(sender.send_to(b"abc", &path)), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_listener_is_iterated_over_as_that_of_std() {
    run(|| {
        let path = SocketPath::new();
        let listener = UnixListener::bind(&path.0).unwrap();
        assert_eq!(listener.incoming().size_hint(), (usize::MAX, None));
        let client = UnixStream::connect(&path.0).unwrap();
        let stream = (&listener).into_iter().next().unwrap().unwrap();
        assert_eq!(stream.local_addr().unwrap().as_pathname(), Some(&*path.0));
        drop(client);
    });
}
