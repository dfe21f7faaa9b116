//! One object for several green threads, runtimes and OS threads.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::{Arc, mpsc};

use leno::net::{TcpListener, TcpStream, UdpSocket};

use crate::pairs::{ends, join, run, run_by_system, tcp_pair};
use crate::support::no_copies_of_descriptors;

fn is_shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}

#[test]
fn sockets_have_the_auto_traits_of_std() {
    is_shared::<TcpStream>();
    is_shared::<TcpListener>();
    is_shared::<UdpSocket>();
    is_shared::<leno::os::unix::net::UnixStream>();
    is_shared::<leno::os::unix::net::UnixListener>();
    is_shared::<leno::os::unix::net::UnixDatagram>();
    is_shared::<leno::net::Incoming<'_>>();
    is_shared::<leno::os::unix::net::Incoming<'_>>();
}

#[test]
fn sockets_are_shown_as_those_of_std() {
    // Sockets of the Unix domain show private types of std around the number of the descriptor.
    fn check<T: std::fmt::Debug + AsRawFd + Into<S>, S: std::fmt::Debug>(socket: T) {
        let (shown, number) = (format!("{socket:?}"), socket.as_raw_fd());
        let around = format!("FileDesc(OwnedFd {{ fd: {number} }})");
        assert_eq!(shown, format!("{:?}", socket.into()).replace(&around, &number.to_string()));
    }

    let (one, other) = tcp_pair();
    check::<_, std::net::TcpStream>(one);
    drop(other);
    check::<_, std::net::TcpListener>(TcpListener::bind("[::1]:0").unwrap());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(socket.local_addr().unwrap()).unwrap();
    check::<_, std::net::UdpSocket>(socket);
    let (one, _other) = leno::os::unix::net::UnixStream::pair().unwrap();
    check::<_, std::os::unix::net::UnixStream>(one);
    let socket = leno::os::unix::net::UnixDatagram::unbound().unwrap();
    check::<_, std::os::unix::net::UnixDatagram>(socket);
    let path = std::env::temp_dir().join(format!("leno-test-shown-{}", std::process::id()));
    let listener = leno::os::unix::net::UnixListener::bind(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    check::<_, std::os::unix::net::UnixListener>(listener);
}

/// Edge-triggered readiness is reported once, and both readers must hear of it.
#[test]
fn every_thread_that_reads_is_served() {
    run(|| {
        let (one, mut other) = tcp_pair();
        let one = Rc::new(one);
        let readers: Vec<_> = (0..10)
            .map(|_| {
                let one = one.clone();
                leno::spawn(move || (&*one).read(&mut [0; 1]).unwrap())
            })
            .collect();
        leno::yield_now();
        other.write_all(&[0; 10]).unwrap();
        assert!(readers.into_iter().all(|reader| join(reader) == 1));
    });
}

#[test]
fn threads_that_read_are_served_in_their_order() {
    run(|| {
        let socket = Rc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let readers: Vec<_> = (0..5)
            .map(|number| {
                let (socket, order) = (socket.clone(), order.clone());
                leno::spawn(move || {
                    let mut byte = [0];
                    socket.recv(&mut byte).unwrap();
                    order.borrow_mut().push((number, byte[0]));
                })
            })
            .collect();
        leno::yield_now();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0..5 {
            sender.send_to(&[number], socket.local_addr().unwrap()).unwrap();
        }
        readers.into_iter().for_each(join);
        assert_eq!(*order.borrow(), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    });
}

/// A thread that was chosen, and is cancelled before it runs, hands its turn on.
#[test]
fn a_cancelled_reader_keeps_no_other_waiting() {
    run(|| {
        for _ in 0..100 {
            let socket = Rc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
            let reader = |socket: &Rc<UdpSocket>| {
                let socket = socket.clone();
                leno::spawn(move || socket.recv(&mut [0]).unwrap())
            };
            let (first, second) = (reader(&socket), reader(&socket));
            leno::yield_now();
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            let address = socket.local_addr().unwrap();
            sender.send_to(b"x", address).unwrap();
            sender.send_to(b"x", address).unwrap();
            first.cancel();
            let _ = first.join();
            assert_eq!(join(second), 1);
        }
    });
}

#[test]
fn a_clone_keeps_the_connection_open() {
    run(|| {
        let (one, mut other) = tcp_pair();
        let clone = one.try_clone().unwrap();
        drop(one);
        (&clone).write_all(b"x").unwrap();
        assert_eq!(other.read(&mut [0; 9]).unwrap(), 1);
        drop(clone);
        assert_eq!(other.read(&mut [0; 9]).unwrap(), 0);
    });
}

#[test]
fn a_socket_moves_to_another_runtime() {
    let (mut one, mut other) = ends(|| leno::run(tcp_pair));
    for round in 0..3 {
        (one, other) = run_by_system(move || {
            let reader = leno::spawn(move || {
                let mut byte = [0];
                one.read_exact(&mut byte).unwrap();
                assert_eq!(byte, [round]);
                one
            });
            leno::yield_now();
            other.write_all(&[round]).unwrap();
            (join(reader), other)
        });
    }
}

/// The engine of the ended runtime keeps no socket open that it has known.
#[test]
fn a_socket_that_outlives_its_runtime_is_closed_at_once() {
    let _guard = no_copies_of_descriptors();
    ends(|| {
        for _ in 0..100 {
            let (one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
            other.set_nonblocking(true).unwrap();
            let one = leno::run(|| {
                let one = leno::os::unix::net::UnixStream::from(one);
                let limit = std::time::Duration::from_micros(100);
                assert!(leno::time::timeout(limit, || (&one).read(&mut [0])).is_err());
                one
            });
            drop(one);
            assert_eq!(other.read(&mut [0]).unwrap(), 0);
        }
    });
}

/// One runtime reads and another writes the same socket, at the same time.
#[test]
fn two_runtimes_share_a_socket() {
    let (one, other) = ends(tcp_pair);
    let shared = Arc::new(one);
    let (sender, echoed) = mpsc::channel();
    let threads = [
        std::thread::spawn({
            let shared = shared.clone();
            move || {
                run_by_system(move || {
                    let mut text = [0; 5];
                    (&*shared).read_exact(&mut text).unwrap();
                    sender.send(text).unwrap();
                })
            }
        }),
        std::thread::spawn(move || {
            run_by_system(move || {
                let bytes = vec![1; 10_000_000];
                (&*shared).write_all(&bytes).unwrap();
            })
        }),
        std::thread::spawn(move || {
            run_by_system(move || {
                let mut other = other;
                leno::sleep(std::time::Duration::from_millis(20));
                other.read_exact(&mut vec![0; 10_000_000]).unwrap();
                other.write_all(b"hello").unwrap();
            })
        }),
    ];
    assert_eq!(&echoed.recv().unwrap(), b"hello");
    for thread in threads {
        thread.join().unwrap();
    }
}

/// The socket is closed on another OS thread than that of the runtime which knows it.
#[test]
fn a_socket_is_dropped_on_another_os_thread() {
    run(|| {
        for _ in 0..100 {
            let (mut one, mut other) = tcp_pair();
            leno::spawn(move || {
                leno::yield_now();
                other.write_all(b"x").unwrap();
                std::thread::spawn(move || drop(other)).join().unwrap();
            });
            assert_eq!(one.read(&mut [0; 9]).unwrap(), 1);
            assert_eq!(one.read(&mut [0; 9]).unwrap(), 0);
            std::thread::spawn(move || drop(one)).join().unwrap();
        }
    });
}

/// The system gives the number of a closed descriptor to the next: an event of the old one must not
/// reach the new one.
#[test]
fn a_descriptor_number_is_used_again() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = leno::spawn(move || {
            for _ in 0..3_000 {
                let (mut stream, _) = listener.accept().unwrap();
                leno::spawn(move || {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    stream.write_all(&byte).unwrap();
                });
            }
        });
        for number in 0..3_000_u32 {
            let mut stream = TcpStream::connect(address).unwrap();
            if number % 3 == 0 {
                // It waits before the byte comes.
                let mut reading = stream.try_clone().unwrap();
                let reader = leno::spawn(move || reading.read_exact(&mut [0]).unwrap());
                leno::yield_now();
                stream.write_all(&[1]).unwrap();
                join(reader);
            } else {
                stream.write_all(&[number as u8]).unwrap();
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                assert_eq!(byte, [number as u8]);
            }
        }
        join(server);
    });
}
