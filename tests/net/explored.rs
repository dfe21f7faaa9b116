//! Explorations of programs with sockets, on a network in memory: every order of the calls, and every
//! moment of a cancellation, a deadline or a fault.

mod connections;
mod limit;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use leno::net::{MemoryNetwork, TcpListener, TcpStream, UdpSocket};
use leno::os::unix::net::{UnixDatagram, UnixStream};
use leno::weave::{Explorer, Report};

use crate::pairs::{join, tcp_pair};

/// Returns an explorer that switches before each call.
fn explorer(network: MemoryNetwork) -> Explorer {
    Explorer::new().preemptive().network(network).progress(false)
}

/// Explores a program reduced.
fn explore<T: Ord>(network: MemoryNetwork, program: impl Fn() -> T) -> Report<T> {
    let report = explorer(network).reduced().explore(program);
    assert!(report.failures().is_empty(), "{:?}", report.failures());
    assert!(report.is_complete());
    report
}

/// Explores a program in full and reduced. Both find the same results.
fn audit<T: Ord + Clone + Debug>(network: MemoryNetwork, program: impl Fn() -> T) -> Report<T> {
    let full = explorer(network).explore(&program);
    assert!(full.failures().is_empty(), "{:?}", full.failures());
    assert_eq!(results(&full), results(&explore(network, program)), "the reduction is wrong");
    full
}

/// Returns the results of an exploration.
fn results<T: Ord + Clone>(report: &Report<T>) -> BTreeSet<T> {
    report.outcomes().keys().cloned().collect()
}

/// Returns what was read, or `None` if the thread was cancelled.
fn joined<T: 'static>(handle: leno::thread::JoinHandle<T>) -> Option<T> {
    match handle.join() {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<leno::thread::Cancelled>() => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Returns a thread that reads one byte.
fn reader(stream: &Rc<UnixStream>) -> leno::thread::JoinHandle<u8> {
    let stream = stream.clone();
    leno::spawn(move || {
        let mut byte = [0];
        (&*stream).read_exact(&mut byte).unwrap();
        byte[0]
    })
}

/// Checks that of two threads that read one stream, each byte is read by one.
fn two_readers(network: MemoryNetwork) {
    let report = explore(network, || {
        let (one, mut other) = UnixStream::pair().unwrap();
        let one = Rc::new(one);
        let readers = [(); 2].map(|()| reader(&one));
        other.write_all(b"a").unwrap();
        other.write_all(b"b").unwrap();
        readers.map(join)
    });
    assert_eq!(results(&report), BTreeSet::from([*b"ab", *b"ba"]));
}

#[test]
fn two_readers_get_each_byte_once() {
    two_readers(MemoryNetwork::new());
}

#[test]
fn two_readers_with_late_reports_are_served() {
    two_readers(MemoryNetwork::new().late_reports());
}

/// Cancels one of two readers, at every moment: the other is served, and no byte is lost.
fn cancelled_reader(network: MemoryNetwork) {
    let report = audit(network, || {
        let (one, mut other) = UnixStream::pair().unwrap();
        let one = Rc::new(one);
        let [first, second] = [0, 1].map(|_| {
            let one = one.clone();
            leno::spawn(move || {
                let mut byte = [0];
                let count = (&*one).read(&mut byte).unwrap();
                (count, byte[0])
            })
        });
        let writer = leno::spawn(move || {
            other.write_all(b"a").unwrap();
            other
        });
        first.cancel();
        let first = joined(first);
        let mut other = join(writer);
        other.write_all(b"b").unwrap();
        let second = join(second);
        drop(other);
        let mut rest = Vec::new();
        (&*one).read_to_end(&mut rest).unwrap();
        let mut all: Vec<_> = first.into_iter().chain([second]).map(|(_, byte)| byte).collect();
        all.extend(rest);
        all.sort_unstable();
        assert_eq!(all, b"ab", "{first:?}, {second:?}");
        first.is_some()
    });
    assert_eq!(results(&report), BTreeSet::from([false, true]));
}

#[test]
fn a_reader_is_cancelled_at_every_moment() {
    cancelled_reader(MemoryNetwork::new());
}

#[test]
fn a_reader_with_late_reports_is_cancelled() {
    // The number of orders grows with each report.
    let network = MemoryNetwork::new().late_reports();
    let explorer = Explorer::new().network(network).progress(false);
    explorer.check(|| {
        let (one, mut other) = UnixStream::pair().unwrap();
        let one = Rc::new(one);
        let [first, second] = [(); 2].map(|()| reader(&one));
        leno::yield_now();
        other.write_all(b"a").unwrap();
        leno::yield_now();
        first.cancel();
        let first = joined(first);
        other.write_all(b"b").unwrap();
        let second = join(second);
        assert!(matches!((first, second), (None | Some(b'b'), b'a') | (Some(b'a'), b'b')));
    });
}

/// The deadline of a call comes at every moment of what it waits for.
#[test]
fn a_deadline_loses_no_byte() {
    let explorer = explorer(MemoryNetwork::new()).reduced().timed();
    let report = explorer.explore(|| {
        let (one, mut other) = UnixStream::pair().unwrap();
        one.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let writer = leno::spawn(move || {
            other.write_all(b"a").unwrap();
            other
        });
        let mut byte = [0];
        let early = match (&one).read(&mut byte) {
            Ok(count) => count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                0
            }
        };
        drop(join(writer));
        let mut rest = Vec::new();
        one.set_read_timeout(None).unwrap();
        (&one).read_to_end(&mut rest).unwrap();
        assert_eq!(early + rest.len(), 1);
        early
    });
    assert!(report.failures().is_empty(), "{:?}", report.failures());
    assert_eq!(results(&report), BTreeSet::from([0, 1]));
}

/// A stream has room for two bytes, and calls carry fewer than they could.
#[test]
fn short_transfers_keep_the_order_of_bytes() {
    let network = MemoryNetwork::new().capacity(2).short_transfers();
    let report = audit(network, || {
        let (one, mut other) = UnixStream::pair().unwrap();
        let writer = leno::spawn(move || other.write_all(b"abc").unwrap());
        let mut text = String::new();
        { &one }.read_to_string(&mut text).unwrap();
        join(writer);
        text
    });
    assert_eq!(results(&report), BTreeSet::from(["abc".to_owned()]));
    assert!(report.executions() > 10);
}

/// Reports come late, and bytes one at a time: no report is needed twice.
#[test]
fn a_report_is_never_repeated() {
    let network = MemoryNetwork::new().short_transfers().late_reports();
    let report = Explorer::new().network(network).progress(false).explore(|| {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let writer = leno::spawn(move || other.write_all(&[7; 3]).unwrap());
        let mut bytes = [0; 3];
        one.read_exact(&mut bytes).unwrap();
        join(writer);
        bytes
    });
    assert!(report.failures().is_empty(), "{:?}", report.failures());
    assert_eq!(results(&report), BTreeSet::from([[7; 3]]));
}

/// A connection is reset at any of its calls: the reader has a beginning of the bytes, and an error.
#[test]
fn a_reset_at_each_call_is_an_error() {
    let report = audit(MemoryNetwork::new().resets(1), || {
        let (mut one, mut other) = tcp_pair();
        let writer = leno::spawn(move || {
            let result = other.write_all(b"a").and_then(|()| other.write_all(b"b"));
            result.map_err(|error| error.kind())
        });
        let mut bytes = Vec::new();
        let read = one.read_to_end(&mut bytes).map_err(|error| error.kind());
        let written = join(writer);
        assert!(b"ab".starts_with(&bytes), "{bytes:?}");
        assert!(read.is_err() || written.is_err() || bytes == b"ab");
        (bytes, read.is_ok(), written.is_ok())
    });
    let results = results(&report);
    assert!(results.contains(&(b"ab".to_vec(), true, true)));
    assert!(results.contains(&(Vec::new(), false, true)), "{results:?}");
    assert!(results.contains(&(b"a".to_vec(), false, true)), "{results:?}");
}

/// Neither a descriptor that is missing nor a cancelled `accept` loses a connection.
#[test]
fn every_connection_is_accepted_once() {
    let report = explore(MemoryNetwork::new().shortages(1), || {
        let listener = match TcpListener::bind("127.0.0.1:80") {
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                TcpListener::bind("127.0.0.1:80").unwrap()
            }
            Ok(listener) => listener,
        };
        let listener = Rc::new(listener);
        let acceptors = [0, 1].map(|_| {
            let listener = listener.clone();
            leno::spawn(move || listener.accept().unwrap().1.port())
        });
        let ports = [0, 1].map(|_| {
            let connect = || TcpStream::connect("127.0.0.1:80");
            connect().or_else(|_| connect()).unwrap().local_addr().unwrap().port()
        });
        let mut accepted = acceptors.map(join);
        accepted.sort_unstable();
        assert_eq!(accepted, ports);
    });
    assert!(report.executions() > 10);
}

#[test]
fn a_cancelled_accept_leaves_the_connection_to_others() {
    let report = audit(MemoryNetwork::new(), || {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:80").unwrap());
        let [first, second] = [0, 1].map(|_| {
            let listener = listener.clone();
            leno::spawn(move || listener.accept().map(drop).unwrap())
        });
        let client = leno::spawn(|| TcpStream::connect("127.0.0.1:80").unwrap());
        first.cancel();
        let first = joined(first);
        let _client = join(client);
        if first.is_some() {
            second.cancel();
            assert_eq!(joined(second), None);
        } else {
            join(second);
        }
        first.is_some()
    });
    assert_eq!(results(&report), BTreeSet::from([false, true]));
}

#[test]
fn an_end_comes_after_all_bytes() {
    let report = audit(MemoryNetwork::new(), || {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let writer = leno::spawn(move || {
            other.write_all(b"ab").unwrap();
            drop(other);
        });
        let mut counts = Vec::new();
        loop {
            match one.read(&mut [0; 9]).unwrap() {
                0 => break,
                count => counts.push(count),
            }
        }
        join(writer);
        counts
    });
    assert_eq!(results(&report), BTreeSet::from([vec![2]]));
}

#[test]
fn a_shutdown_ends_a_read_in_every_order() {
    let report = audit(MemoryNetwork::new(), || {
        let (one, _other) = UnixStream::pair().unwrap();
        let clone = one.try_clone().unwrap();
        let reader = leno::spawn(move || { &clone }.read(&mut [0]).unwrap());
        one.shutdown(std::net::Shutdown::Read).unwrap();
        join(reader)
    });
    assert_eq!(results(&report), BTreeSet::from([0]));
}

/// A half is dropped while the other waits, and the peer answers, in every order.
#[test]
fn halves_of_a_stream_end_in_every_order() {
    let report = audit(MemoryNetwork::new(), || {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut reader, mut writer) = leno::io::split(one);
        let writing = leno::spawn(move || writer.write_all(b"ab").unwrap());
        let reading = leno::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        let mut text = String::new();
        { &other }.read_to_string(&mut text).unwrap();
        { &other }.write_all(text.as_bytes()).unwrap();
        drop(other);
        join(writing);
        join(reading)
    });
    assert_eq!(results(&report), BTreeSet::from(["ab".to_owned()]));
}

#[test]
fn datagrams_arrive_whole_and_in_order() {
    let report = explore(MemoryNetwork::new(), || {
        let receiver = UdpSocket::bind("127.0.0.1:80").unwrap();
        let senders = ["ab", "c"].map(|text| {
            leno::spawn(move || {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.send_to(text.as_bytes(), "127.0.0.1:80").unwrap();
            })
        });
        let received = [0, 1].map(|_| {
            let mut bytes = [0; 9];
            let count = receiver.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        });
        senders.into_iter().for_each(join);
        received
    });
    let texts = |one: &str, other: &str| [one.to_owned(), other.to_owned()];
    assert_eq!(results(&report), BTreeSet::from([texts("ab", "c"), texts("c", "ab")]));
}

#[test]
fn a_pair_of_datagram_sockets_is_explored() {
    let report = audit(MemoryNetwork::new(), || {
        let (one, other) = UnixDatagram::pair().unwrap();
        let sender = leno::spawn(move || other.send(b"abc").unwrap());
        let count = one.recv(&mut [0; 9]).unwrap();
        (count, join(sender))
    });
    assert_eq!(results(&report), BTreeSet::from([(3, 3)]));
}

/// Two pairs of a request and its answer that have nothing in common are one schedule for a reduced
/// exploration.
#[test]
fn independent_streams_are_not_mixed() {
    let exchange = || {
        let (mut client, mut server) = UnixStream::pair().unwrap();
        let answer = move || {
            let mut byte = [0];
            server.read_exact(&mut byte).unwrap();
            server.write_all(&byte).unwrap();
        };
        let ask = move || {
            client.write_all(b"a").unwrap();
            client.read_exact(&mut [0]).unwrap();
        };
        (answer, ask)
    };
    let one = explore(MemoryNetwork::new(), || {
        let (answer, ask) = exchange();
        [leno::spawn(answer), leno::spawn(ask)].into_iter().for_each(join);
    });
    let two = explore(MemoryNetwork::new(), || {
        let ((first, second), (third, fourth)) = (exchange(), exchange());
        let threads = [leno::spawn(first), leno::spawn(third)];
        let others = [leno::spawn(second), leno::spawn(fourth)];
        threads.into_iter().chain(others).for_each(join);
    });
    assert_eq!(two.executions(), one.executions() * one.executions());
}

#[test]
fn a_wait_without_a_writer_is_a_deadlock() {
    let explorer = Explorer::new().network(MemoryNetwork::new()).progress(false);
    let report = explorer.explore(|| {
        let (mut one, _other) = UnixStream::pair().unwrap();
        let _ = one.read(&mut [0]);
    });
    let text = report.failure().unwrap().to_string();
    assert!(text.contains("bytes from UnixStream (unnamed) (in memory)"), "{text}");
}

/// Selects over a socket and a channel, both of which become ready, in every order.
#[test]
fn a_select_misses_neither_a_socket_nor_a_channel() {
    let report = audit(MemoryNetwork::new(), || {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let (sender, receiver) = leno::channel::bounded(1);
        let writer = leno::spawn(move || other.write_all(b"a").map(|()| other).unwrap());
        let sending = leno::spawn(move || sender.send(()).map(|()| sender).unwrap());
        let mut order = String::new();
        for _ in 0..2 {
            leno::select! {
                readable(one) => {
                    assert_eq!(one.read(&mut [0]).unwrap(), 1);
                    order.push('s');
                }
                recv(receiver) -> message => {
                    message.unwrap();
                    order.push('c');
                }
            }
        }
        drop((join(writer), join(sending)));
        order
    });
    assert_eq!(results(&report), BTreeSet::from(["cs".to_owned(), "sc".to_owned()]));
}

/// Runs a client and a server, of which neither expects that the connection is reset.
fn echo() {
    let listener = TcpListener::bind("127.0.0.1:80").unwrap();
    let server = leno::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        stream.write_all(&byte).unwrap();
    });
    let mut stream = TcpStream::connect("127.0.0.1:80").unwrap();
    stream.write_all(b"a").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    join(server);
}

#[test]
fn a_story_tells_calls_and_faults_and_how_to_replay_them() {
    let explorer = || explorer(MemoryNetwork::new().resets(1)).reduced();
    let text = crate::support::panic_text(|| explorer().check(echo));
    for words in [
        "bind the network",
        "connect the network",
        "write stream",
        "read stream",
        "reset stream",
        "127.0.0.1:49152",
        "accept the network",
        "leno::weave::Explorer::new().network(leno::net::MemoryNetwork::new().resets(1)).replay(",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let report = explorer().explore(echo);
    let schedule = report.failure().unwrap().schedule().clone();
    let again = crate::support::panic_text(|| explorer().replay(schedule, echo));
    assert!(again.contains("ConnectionReset"), "{again}");
}

/// Selects, in another runtime, over a socket in memory: it is ready, and the call tells why.
#[test]
fn a_select_in_another_runtime_is_refused_by_the_call() {
    let builder = || leno::Builder::new().engine(leno::net::Engine::Memory(MemoryNetwork::new()));
    let (mut one, _other) = builder().run(|| UnixStream::pair().unwrap());
    leno::run(|| {
        leno::select! { readable(one) => assert!(one.read(&mut [0]).is_err()) }
    });
}
