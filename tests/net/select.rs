//! Selects over sockets and other descriptors.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::time::Duration;

use leno::channel::{Ready, Select, bounded};
use leno::io::Watched;
use leno::net::{TcpListener, TcpStream, UdpSocket};
use leno::os::unix::net::UnixStream;
use leno::{select, select_biased};

use crate::pairs::{join, kind, run, run_by_system, tcp_pair};
use crate::support::child;

const LONG: Duration = Duration::from_secs(100);

/// Lets all other green threads run until they wait.
pub fn let_others_wait() {
    for _ in 0..5 {
        leno::yield_now();
    }
}

#[test]
fn a_socket_or_a_channel_ends_the_wait() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let (sender, receiver) = bounded(1);
        let log = Rc::new(RefCell::new(Vec::new()));
        let selects = leno::spawn({
            let log = log.clone();
            move || {
                loop {
                    select! {
                        recv(receiver) -> message => match message {
                            Ok(message) => log.borrow_mut().push(message),
                            Err(_) => break,
                        },
                        readable(one) => {
                            let mut byte = [0];
                            one.read_exact(&mut byte).unwrap();
                            log.borrow_mut().push(byte[0]);
                        }
                    }
                }
            }
        });
        for (number, by_socket) in [true, false, false, true, true].into_iter().enumerate() {
            let_others_wait();
            match by_socket {
                true => other.write_all(&[number as u8]).unwrap(),
                false => sender.send(number as u8).unwrap(),
            }
            while log.borrow().len() == number {
                leno::sleep(Duration::from_millis(1));
            }
        }
        drop(sender);
        join(selects);
        assert_eq!(*log.borrow(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_listener_and_a_datagram_socket_become_readable() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, to) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
        let selects = leno::spawn(move || {
            let mut seen = (false, false);
            while seen != (true, true) {
                select! {
                    readable(listener) => {
                        listener.accept().unwrap();
                        seen.0 = true;
                    }
                    readable(socket) => {
                        assert_eq!(socket.recv(&mut [0; 9]).unwrap(), 3);
                        seen.1 = true;
                    }
                }
            }
        });
        let_others_wait();
        socket_to(to).send(b"abc").unwrap();
        let_others_wait();
        let _client = TcpStream::connect(address).unwrap();
        join(selects);
    });
}

/// Returns a socket that sends to this address.
fn socket_to(address: std::net::SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket
}

#[test]
fn a_full_socket_becomes_writable() {
    run(|| {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        while one.write(&[0; 1000]).is_ok() {}
        assert!(!select! { writable(one) => true, default => false });
        // The other direction is one of its own.
        assert!(!select! { readable(one) => true, default => false });
        let reader = leno::spawn(move || while other.read(&mut [0; 10_000]).unwrap() > 0 {});
        select! {
            readable(one) => unreachable!("nothing was written to it"),
            writable(one) => assert!(one.write(&[0]).is_ok()),
        }
        drop(one);
        join(reader);
    });
}

/// No report has come of what was written just now.
#[test]
fn a_default_case_looks_at_the_socket() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        for _ in 0..3 {
            assert!(!select! { readable(one) => true, default => false });
            assert!(to_read(&one).try_ready().is_err());
            other.write_all(b"x").unwrap();
            while to_read(&one).try_ready().is_err() {}
            assert!(select! { readable(one) => true, default => false });
            assert_eq!(one.read(&mut [0; 9]).unwrap(), 1);
        }
        // It has a source now, since a thread has waited.
        assert!(!select! { readable(one) => true, default(Duration::from_millis(1)) => false });
        other.write_all(b"x").unwrap();
        while !select! { readable(one) => true, default => false } {}
        assert_eq!(one.read(&mut [0; 9]).unwrap(), 1);
        drop(other);
        while !select! { readable(one) => true, default => false } {}
        assert_eq!(one.read(&mut [0; 9]).unwrap(), 0);
    });
    // Outside a runtime as well.
    let (one, mut other) = UnixStream::pair().unwrap();
    assert!(!select! { readable(one) => true, default => false });
    other.write_all(b"x").unwrap();
    assert!(select! { readable(one) => true, default => false });
}

/// Returns a select with a read.
pub fn to_read(stream: &impl Ready) -> Select<'_> {
    let mut select = Select::new();
    select.readable(stream);
    select
}

#[test]
fn a_read_after_a_select_need_not_wait() {
    run(|| {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        // The runtime knows the socket, and that it is drained.
        assert!(!select! { readable(one) => true, default(Duration::from_millis(1)) => false });
        other.write_all(b"x").unwrap();
        let runs = leno::spawn(|| ());
        assert!(select! { readable(one) => true, default => false });
        assert_eq!(one.read(&mut [0; 9]).unwrap(), 1);
        assert!(!runs.is_finished(), "the read has waited");
        join(runs);
    });
}

#[test]
fn a_select_that_ends_in_another_way_takes_nothing() {
    run(|| {
        let (one, mut other) = tcp_pair();
        let timed_out = select! {
            readable(one) => false,
            default(Duration::from_millis(1)) => true,
        };
        assert!(timed_out);
        let one = Rc::new(one);
        for unwinds in [false, true] {
            let (sender, receiver) = bounded::<()>(1);
            let selects = leno::spawn({
                let one = one.clone();
                move || {
                    let one = &*one;
                    select! { readable(one) => {}, recv(receiver) -> _ => {} }
                }
            });
            let_others_wait();
            if unwinds {
                selects.cancel();
            } else {
                sender.send(()).unwrap();
            }
            assert_eq!(selects.join().is_err(), unwinds);
        }
        other.write_all(b"abc").unwrap();
        let mut text = [0; 3];
        (&mut &*one).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"abc");
    });
}

#[test]
fn ready_sockets_are_chosen_fairly() {
    run(|| {
        let pairs = [(); 3].map(|()| UnixStream::pair().unwrap());
        for (_, other) in &pairs {
            (&mut &*other).write_all(b"x").unwrap();
        }
        let [one, other, third] = pairs.each_ref().map(|(one, _)| one);
        let mut hits = [[0; 3]; 2];
        for _ in 0..300 {
            hits[0][select! { readable(one) => 0, readable(other) => 1, readable(third) => 2 }] +=
                1;
            let mut select = Select::new();
            for (one, _) in &pairs {
                select.readable(one);
            }
            hits[1][select.ready()] += 1;
        }
        assert!(hits.as_flattened().iter().all(|&hits| hits > 50), "{hits:?}");
        let first = select_biased! { readable(one) => 0, readable(other) => 1 };
        assert_eq!(first, 0);
    });
}

#[test]
fn a_foreign_descriptor_is_selected() {
    run_by_system(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        let (reader, writer) = (Watched::new(reader), Watched::new(writer));
        select! {
            readable(reader) => unreachable!("the pipe is empty"),
            writable(writer) => writer.get_ref().write_all(b"x").unwrap(),
        }
        select! { readable(reader) => reader.get_ref().read_exact(&mut [0]).unwrap() }
        let closes = leno::spawn(move || drop(writer));
        select! { readable(reader) => assert_eq!(reader.get_ref().read(&mut [0]).unwrap(), 0) }
        join(closes);
        // A file is always ready.
        let file = Watched::new(std::fs::File::open("/proc/self/exe").unwrap());
        assert!(select! { readable(file) => true, default => false });
    });
}

/// As every wait for a descriptor: a virtual clock stands still.
#[test]
fn a_case_on_a_socket_holds_virtual_time() {
    let is_read = crate::pairs::ends(|| {
        leno::Builder::new().virtual_time().run(|| {
            let (mut one, other) = tcp_pair();
            let other: std::net::TcpStream = other.into();
            let writes = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                (&mut &other).write_all(b"x").unwrap();
                other
            });
            let is_read = select! {
                readable(one) => one.read(&mut [0; 9]).is_ok(),
                default(LONG) => false,
            };
            drop(writes.join());
            is_read
        })
    });
    assert!(is_read);
}

#[test]
fn a_dump_names_each_alternative() {
    run_by_system(|| {
        let (one, other) = tcp_pair();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_sender, receiver) = bounded::<()>(0);
        receiver.set_name("orders");
        let expected = [
            "any of these".to_owned(),
            format!("- bytes from TcpStream {} (fd {})", one.peer_addr().unwrap(), one.as_raw_fd()),
            format!(
                "- a connection to TcpListener {} (fd {})",
                listener.local_addr().unwrap(),
                listener.as_raw_fd()
            ),
            "- a message from channel 'orders'".to_owned(),
            "- the end of #2".to_owned(),
        ];
        let worker = leno::spawn(leno::thread::park);
        let thread = worker.thread().clone();
        let selects = leno::spawn(move || {
            select! {
                readable(one) => {}
                readable(listener) => {}
                recv(receiver) -> _ => {}
                join(worker) -> result => result.unwrap(),
            }
        });
        leno::yield_now();
        let dump = leno::debug::dump().to_string();
        for line in expected {
            assert!(dump.contains(&line), "{line}\n{dump}");
        }
        assert!(dump.contains("select.rs"), "{dump}");
        thread.unpark();
        join(selects);
        drop(other);
    });
}

#[test]
fn an_exploration_refuses_a_socket_in_a_select() {
    let (one, _other) = UnixStream::pair().unwrap();
    let report = leno::weave::Explorer::new().explore(|| {
        let mut select = Select::new();
        select.readable(&one);
        assert_eq!(select.ready(), 0);
        select! { readable(one) => kind((&mut &one).read(&mut [0])) }
    });
    let outcomes: Vec<_> = report.outcomes().keys().copied().collect();
    assert_eq!(outcomes, [ErrorKind::Unsupported]);
}

#[test]
fn a_refused_descriptor_is_ready_and_its_call_tells_why() {
    child(|| {
        leno::run(|| {
            let (mut one, _other) = UnixStream::pair().unwrap();
            let (_sender, receiver) = bounded::<()>(0);
            let limit = libc::rlimit { rlim_cur: 3, rlim_max: 3 };
            // SAFETY: the limit is a live struct.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
            // There is no descriptor for the engine.
            let is_ready = select! {
                recv(receiver) -> _ => false,
                readable(one) => true,
                recv(receiver) -> _ => false,
            };
            assert!(is_ready);
            let mut select = Select::new();
            select.recv(&receiver);
            let index = select.readable(&one);
            assert_eq!(select.select().index(), index);
            assert_eq!(one.read(&mut [0]).unwrap_err().raw_os_error(), Some(libc::EMFILE));
        });
    })
    .assert_survived();
}

/// Otherwise the runtime would wait for the socket for ever.
#[test]
fn a_deadlock_is_found_after_a_select_on_a_socket() {
    for by_macro in [true, false] {
        let text = crate::pairs::ends(move || {
            crate::support::panic_text(|| {
                leno::run(|| {
                    let (one, _other) = UnixStream::pair().unwrap();
                    if by_macro {
                        select! { readable(one) => {}, default(Duration::from_millis(1)) => {} }
                    } else {
                        assert!(to_read(&one).ready_timeout(Duration::from_millis(1)).is_err());
                    }
                    leno::thread::park();
                });
            })
        });
        assert!(text.contains("deadlock"), "{text}");
    }
}

/// io_uring reports what was written, though it has been read meanwhile.
#[test]
fn a_late_report_ends_no_select() {
    run_by_system(|| {
        let (one, mut other) = UnixStream::pair().unwrap();
        let waits = |time| select! { readable(one) => false, default(time) => true };
        // From now on the engine knows the socket.
        assert!(waits(Duration::from_millis(1)));
        other.write_all(b"x").unwrap();
        let reader = one.as_fd().try_clone_to_owned().unwrap();
        let mut reader = std::os::unix::net::UnixStream::from(reader);
        assert_eq!(reader.read(&mut [0; 2]).unwrap(), 1);
        assert!(waits(Duration::from_millis(20)));
        other.write_all(b"x").unwrap();
        assert!(!waits(LONG));
    });
}
