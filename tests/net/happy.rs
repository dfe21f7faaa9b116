//! Connecting to the first of several addresses that answers.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use leno::net::{TcpListener, TcpStream};
use leno::time::timeout;
use socket2::{Domain, Socket, Type};

use crate::pairs::{ends, kind, run, run_by_system};
use crate::support::child;

/// An address of which nothing is heard: a listener with a full backlog.
struct Silent(SocketAddr, #[expect(dead_code, reason = "they are open")] StdListener, Vec<Socket>);

fn silent() -> Silent {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: the descriptor is open.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    let fill = || {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let _ = client.connect(&address.into());
        client
    };
    Silent(address, listener, (0..3).map(|_| fill()).collect())
}

/// Returns an address that nothing else gets, and its socket, which refuses connections.
fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[test]
fn a_silent_address_delays_a_connection_only() {
    run_by_system(|| {
        let (silent, (_refusing, refused)) = (silent(), refusing());
        assert!(!silent.2.is_empty());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        for addresses in [vec![silent.0, refused, good], vec![silent.0, silent.0, good], vec![good]]
        {
            let stream = TcpStream::connect_happy(&addresses[..]).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), good);
            assert_eq!(listener.accept().unwrap().1, stream.local_addr().unwrap());
        }
    });
}

#[test]
fn outside_a_runtime_the_os_thread_connects() {
    ends(|| {
        let (silent, (_refusing, refused)) = (silent(), refusing());
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let stream = TcpStream::connect_happy(&[silent.0, refused, good][..]).unwrap();
        let stream = StdStream::from(stream);
        assert_eq!(listener.accept().unwrap().1, stream.local_addr().unwrap());
    });
}

#[test]
fn the_most_telling_error_is_returned() {
    run(|| {
        let (_refusing, refused) = refusing();
        assert_eq!(kind(TcpStream::connect_happy(refused)), ErrorKind::ConnectionRefused);
        assert_eq!(kind(TcpStream::connect_happy(&[][..])), ErrorKind::InvalidInput);
        assert_eq!(kind(TcpStream::connect_happy("no port")), ErrorKind::InvalidInput);
    });
    run_by_system(|| {
        let (_refusing, refused) = refusing();
        // A stream cannot be connected to a group.
        let group = SocketAddr::from(([224, 0, 0, 1], 9));
        let unreachable = kind(TcpStream::connect_happy(group));
        assert_ne!(unreachable, ErrorKind::ConnectionRefused);
        for addresses in [[refused, group], [group, refused]] {
            let error = TcpStream::connect_happy(&addresses[..]);
            assert_eq!(kind(error), ErrorKind::ConnectionRefused);
        }
    });
}

/// In a process of its own, in which nothing else opens descriptors.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_race_leaves_no_descriptor() {
    child(|| {
        run_by_system(|| {
            let silent = silent();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let addresses = [silent.0, silent.0, listener.local_addr().unwrap()];
            let count = || fs::read_dir("/proc/self/fd").unwrap().count();
            let race = move |patience| {
                timeout(patience, || TcpStream::connect_happy(&addresses[..]).map(drop)).is_ok()
            };
            // The engine has its descriptors then.
            race(Duration::from_millis(1));
            let before = count();
            // Attempts begin after 0, 250 and 500 ms.
            assert!(!race(Duration::ZERO));
            assert!(!race(Duration::from_millis(20)));
            assert!(!race(Duration::from_millis(300)));
            assert!(race(Duration::from_secs(60)));
            let racing = leno::spawn(move || race(Duration::from_secs(60)));
            leno::yield_now();
            racing.cancel();
            assert!(racing.join().is_err());
            assert_eq!(count(), before);
        });
    })
    .assert_survived();
}
