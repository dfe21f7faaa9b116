//! Explorations of connections that are made late, never, or broken before they are accepted.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};

use leno::net::{MemoryNetwork, TcpListener, TcpStream};
use leno::thread::JoinHandle;
use leno::time::{Duration, Instant};
use leno::weave::Report;

use super::{audit, explore, explorer, joined, results};
use crate::pairs::join;

/// The second refuses, unless its answer comes later or never.
const ADDRESSES: [&str; 3] = ["127.0.0.1:80", "[::1]:81", "127.0.0.2:80"];

fn connect() -> std::io::Result<TcpStream> {
    let addresses = ADDRESSES.map(|text| text.parse().unwrap());
    TcpStream::connect_happy(&addresses[..])
}

fn listeners() -> [TcpListener; 2] {
    [ADDRESSES[0], ADDRESSES[2]].map(|address| TcpListener::bind(address).unwrap())
}

/// Checks that of the connections that the listeners got, none but this one is open.
fn all_others_are_closed(listeners: &[TcpListener], open: Option<&TcpStream>) {
    let local = open.map(|stream| stream.local_addr().unwrap());
    let mut count = 0;
    for listener in listeners {
        listener.set_nonblocking(true).unwrap();
        while let Ok((mut accepted, peer)) = listener.accept() {
            if Some(peer) == local {
                count += 1;
            } else {
                assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
            }
        }
    }
    assert_eq!(count, usize::from(open.is_some()));
}

/// Explores a program in which each moment is a possible deadline.
fn timed<T: Ord>(network: MemoryNetwork, program: impl Fn() -> T) -> Report<T> {
    let report = explorer(network).reduced().timed().explore(program);
    assert!(report.failures().is_empty(), "{:?}", report.failures());
    assert!(report.is_complete());
    report
}

/// One address refuses, one may never answer, and all may answer later.
#[test]
fn the_first_answer_wins_in_every_order() {
    let network = MemoryNetwork::new().late_connections().unanswered(1);
    let report = timed(network, || {
        let listeners = listeners();
        let stream = connect().unwrap();
        all_others_are_closed(&listeners, Some(&stream));
        stream.peer_addr().unwrap().to_string()
    });
    let both = [ADDRESSES[0], ADDRESSES[2]].map(str::to_owned);
    assert_eq!(results(&report), BTreeSet::from(both));
    assert!(report.executions() > 10);
}

/// The time that an attempt has does not pass here.
#[test]
fn a_failure_and_nothing_else_begins_the_next_attempt() {
    let report = explore(MemoryNetwork::new().late_connections(), || {
        let listeners = listeners();
        let start = Instant::now();
        let refused_first =
            [ADDRESSES[1], ADDRESSES[0], ADDRESSES[2]].map(|it| it.parse().unwrap());
        let stream = TcpStream::connect_happy(&refused_first[..]).unwrap();
        all_others_are_closed(&listeners[..1], Some(&stream));
        listeners[1].set_nonblocking(true).unwrap();
        assert!(listeners[1].accept().is_err());
        start.elapsed()
    });
    assert_eq!(results(&report), BTreeSet::from([Duration::ZERO]));
}

#[test]
fn all_addresses_refuse_in_every_order() {
    let report = timed(MemoryNetwork::new().late_connections(), || connect().unwrap_err().kind());
    assert_eq!(results(&report), BTreeSet::from([ErrorKind::ConnectionRefused]));
}

#[test]
fn a_race_is_cancelled_at_every_moment() {
    let network = MemoryNetwork::new().late_connections().unanswered(1);
    let report = explore(network, || {
        let listeners = listeners();
        let racing: JoinHandle<TcpStream> = leno::spawn(|| connect().unwrap());
        racing.cancel();
        let stream = joined(racing);
        all_others_are_closed(&listeners, stream.as_ref());
        stream.is_some()
    });
    assert_eq!(results(&report), BTreeSet::from([false, true]));
}

#[test]
fn a_connection_that_is_answered_late_is_made() {
    let report = audit(MemoryNetwork::new().late_connections(), || {
        let listener = TcpListener::bind("127.0.0.1:80").unwrap();
        let server = leno::spawn(move || {
            let mut byte = [0];
            listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
            byte
        });
        TcpStream::connect("127.0.0.1:80").unwrap().write_all(b"a").unwrap();
        let refused = TcpStream::connect("127.0.0.1:81").unwrap_err().kind();
        (join(server), refused)
    });
    assert_eq!(results(&report), BTreeSet::from([(*b"a", ErrorKind::ConnectionRefused)]));
}

/// Accepting passes over it, with no error, to the next one.
#[test]
fn a_connection_that_breaks_before_it_is_accepted() {
    let report = audit(MemoryNetwork::new().aborts(1), || {
        let listener = TcpListener::bind("127.0.0.1:80").unwrap();
        let server = leno::spawn(move || listener.accept().unwrap().0.write_all(b"a").unwrap());
        let mut broken = 0;
        loop {
            let mut byte = [0];
            let mut stream = TcpStream::connect("127.0.0.1:80").unwrap();
            match stream.read_exact(&mut byte) {
                Ok(()) => break assert_eq!(byte, *b"a"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
            broken += 1;
        }
        join(server);
        broken
    });
    assert_eq!(results(&report), BTreeSet::from([0, 1]));
}
