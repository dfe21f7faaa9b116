//! Cancellation, deadlines and timeouts: nothing is lost.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;

use leno::net::{TcpListener, TcpStream, UdpSocket};
use leno::time::{Duration, timeout};

use crate::pairs::{join, kind, run, run_by_system, tcp_pair};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_read_that_waits_can_be_cancelled() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let mut clone = one.try_clone().unwrap();
        let reader = leno::spawn(move || clone.read(&mut [0; 9]));
        leno::yield_now();
        reader.cancel();
        assert!(reader.join().is_err());
        // What comes later is for the next.
        other.write_all(b"abc").unwrap();
        assert_eq!(one.read(&mut [0; 9]).unwrap(), 3);
    });
}

#[test]
fn every_call_that_waits_can_be_cancelled() {
    type Call = fn(&TcpListener, &TcpStream, &UdpSocket);
    let calls: [(&str, Call); 8] = [
        ("accept", |listener, _, _| drop(listener.accept())),
        ("read", |_, mut stream, _| drop(stream.read(&mut [0]))),
        ("read_vectored", |_, mut stream, _| {
            drop(stream.read_vectored(&mut [std::io::IoSliceMut::new(&mut [0])]))
        }),
        ("peek", |_, stream, _| drop(stream.peek(&mut [0]))),
        ("write_all", |_, mut stream, _| drop(stream.write_all(&vec![0; 100_000_000]))),
        ("recv", |_, _, socket| drop(socket.recv(&mut [0]))),
        ("recv_from", |_, _, socket| drop(socket.recv_from(&mut [0]))),
        ("peek_from", |_, _, socket| drop(socket.peek_from(&mut [0]))),
    ];
    run(move || {
        for (name, call) in calls {
            let returned = Rc::new(Cell::new(false));
            let waiting = leno::spawn({
                let returned = returned.clone();
                move || {
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    let (stream, _other) = tcp_pair();
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    call(&listener, &stream, &socket);
                    returned.set(true);
                }
            });
            leno::sleep(SHORT);
            waiting.cancel();
            assert!(waiting.join().is_err(), "{name}");
            assert!(!returned.get(), "{name} has returned");
        }
    });
}

#[test]
fn a_cancelled_thread_reads_nothing() {
    run(|| {
        let (one, mut other) = tcp_pair();
        other.write_all(b"abc").unwrap();
        let mut clone = one.try_clone().unwrap();
        assert_eq!(one.peek(&mut [0; 9]).unwrap(), 3);
        let reader = leno::spawn(move || {
            leno::thread::shield(leno::yield_now);
            clone.read(&mut [0; 9])
        });
        leno::yield_now();
        // It can run, and is not waiting.
        reader.cancel();
        assert!(reader.join().is_err());
        assert_eq!((&one).read(&mut [0; 9]).unwrap(), 3);
    });
}

/// The bytes have come, and then the cancellation: the read returns them.
#[test]
fn bytes_that_came_before_a_cancellation_are_read() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let got = Rc::new(Cell::new(0));
        let reader = leno::spawn({
            let got = got.clone();
            let mut clone = one.try_clone().unwrap();
            move || {
                leno::thread::shield(|| leno::yield_now());
                got.set(clone.read(&mut [0; 9]).unwrap());
                leno::yield_now();
                unreachable!("it is cancelled");
            }
        });
        leno::yield_now();
        let waiting = leno::spawn(|| ());
        join(waiting);
        other.write_all(b"abc").unwrap();
        leno::sleep(SHORT);
        reader.cancel();
        assert!(reader.join().is_err());
        let left = 3 - got.get();
        if left > 0 {
            assert_eq!(one.read(&mut [0; 9]).unwrap(), left);
        }
    });
}

/// Each byte of a stream is received once, whatever is cancelled.
#[test]
fn random_cancellations_lose_no_byte() {
    const BYTES: usize = 20_000;
    run(|| {
        let (one, mut other) = tcp_pair();
        let received = Rc::new(std::cell::RefCell::new(Vec::new()));
        let one = Rc::new(one);
        let sender = leno::spawn(move || {
            let bytes: Vec<u8> = (0..BYTES).map(|index| (index % 251) as u8).collect();
            let mut random = 12_345_u64;
            for chunk in bytes.chunks(7) {
                other.write_all(chunk).unwrap();
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                for _ in 0..random >> 62 {
                    leno::yield_now();
                }
            }
        });
        let mut cancelled = 0;
        while received.borrow().len() < BYTES {
            let reader = leno::spawn({
                let (one, received) = (one.clone(), received.clone());
                move || {
                    let mut buffer = [0; 16];
                    loop {
                        let count = (&*one).read(&mut buffer).unwrap();
                        received.borrow_mut().extend_from_slice(&buffer[..count]);
                        if count == 0 || received.borrow().len() == BYTES {
                            return;
                        }
                    }
                }
            });
            for _ in 0..3 {
                leno::yield_now();
            }
            reader.cancel();
            cancelled += usize::from(reader.join().is_err());
        }
        join(sender);
        assert!(cancelled > 100, "{cancelled} cancellations test little");
        let received = received.borrow();
        assert!(received.iter().enumerate().all(|(index, &byte)| byte == (index % 251) as u8));
    });
}

/// A thread is woken for a datagram that another call takes, and is cancelled before it runs.
#[test]
fn a_cancellation_after_the_wake_is_not_lost() {
    run_by_system(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let thief = std::net::UdpSocket::from(socket.try_clone().unwrap());
        for round in 0..2_000 {
            let mut reading = Some(socket.try_clone().unwrap());
            let reader = leno::spawn(move || reading.take().unwrap().recv(&mut [0]));
            leno::yield_now();
            thief.send_to(b"x", address).unwrap();
            // The runtime looks at the socket in one of these turns.
            for _ in 0..round % 200 {
                leno::yield_now();
            }
            let is_stolen = thief.recv(&mut [0]).is_ok();
            reader.cancel();
            assert!(reader.join().is_err() || !is_stolen);
        }
    });
}

#[test]
fn a_cancelled_accept_loses_no_connection() {
    run(|| {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        let served = Rc::new(Cell::new(0));
        let mut clients = Vec::new();
        for _ in 0..200 {
            let acceptor = leno::spawn({
                let (listener, served) = (listener.clone(), served.clone());
                move || loop {
                    let (mut stream, _) = listener.accept().unwrap();
                    served.set(served.get() + 1);
                    leno::spawn(move || stream.write_all(b"x").unwrap());
                }
            });
            leno::yield_now();
            clients.push(TcpStream::connect(address).unwrap());
            acceptor.cancel();
            let _ = acceptor.join();
        }
        let last = leno::spawn({
            let (listener, served) = (listener.clone(), served.clone());
            move || {
                while served.get() < 200 {
                    let (mut stream, _) = listener.accept().unwrap();
                    served.set(served.get() + 1);
                    stream.write_all(b"x").unwrap();
                }
            }
        });
        for mut client in clients {
            client.read_exact(&mut [0]).unwrap();
        }
        join(last);
    });
}

#[test]
fn a_deadline_ends_a_read() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        assert!(timeout(SHORT, || one.read(&mut [0; 9])).is_err());
        other.write_all(b"abc").unwrap();
        assert_eq!(timeout(Duration::from_secs(60), || one.read(&mut [0; 9])).unwrap().unwrap(), 3);
    });
}

#[test]
fn timeouts_fail_as_those_of_std() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        one.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(one.read_timeout().unwrap(), Some(SHORT));
        let error = one.read(&mut [0; 9]).unwrap_err();
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (ErrorKind::WouldBlock, Some(libc::EAGAIN))
        );
        assert_eq!(kind(one.peek(&mut [0; 9])), ErrorKind::WouldBlock);
        one.set_write_timeout(Some(SHORT)).unwrap();
        assert_eq!(kind(one.write_all(&vec![0; 100_000_000])), ErrorKind::WouldBlock);
        assert_eq!(kind(one.set_read_timeout(Some(Duration::ZERO))), ErrorKind::InvalidInput);
        // It is still usable.
        other.write_all(b"abc").unwrap();
        assert_eq!(one.read(&mut [0; 9]).unwrap(), 3);
        one.set_read_timeout(None).unwrap();
        assert_eq!(one.read_timeout().unwrap(), None);
    });
}

#[test]
fn deadlines_hold_while_bytes_trickle() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let slow = leno::spawn(move || {
            for _ in 0..1_000 {
                if other.write_all(b"x").is_err() {
                    return;
                }
                leno::sleep(Duration::from_millis(5));
            }
        });
        let mut many = [0; 1_000_000];
        assert!(timeout(Duration::from_millis(100), || one.read_exact(&mut many)).is_err());
        drop(one);
        join(slow);
    });
}

#[test]
fn a_runtime_is_dropped_with_a_thousand_waits() {
    crate::pairs::ends(|| {
        let runtime = leno::Runtime::new();
        let dropped = Rc::new(Cell::new(0));
        struct Count(Rc<Cell<usize>>);
        impl Drop for Count {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let socket = Rc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        for _ in 0..1_000 {
            let (count, socket) = (Count(dropped.clone()), socket.clone());
            let wait = move || {
                let _count = count;
                let _ = socket.recv(&mut [0]);
            };
            drop(leno::thread::Builder::new().spawn_on(&runtime, wait).unwrap());
        }
        assert!(runtime.run_until_stalled());
        drop(runtime);
        assert_eq!(dropped.get(), 1_000);
    });
}

#[test]
fn a_thread_that_streams_meets_deadlines_and_lets_others_run() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let source = leno::spawn(move || while other.write_all(&[1; 65_536]).is_ok() {});
        let turns = Rc::new(Cell::new(0));
        let other_thread = leno::spawn({
            let turns = turns.clone();
            move || loop {
                turns.set(turns.get() + 1);
                leno::yield_now();
            }
        });
        let result = timeout(Duration::from_millis(100), || {
            let mut buffer = [0; 65_536];
            while one.read(&mut buffer).unwrap() > 0 {}
        });
        assert!(result.is_err());
        assert!(turns.get() > 10);
        other_thread.cancel();
        drop(one);
        join(source);
    });
}

#[test]
fn a_thread_that_never_waits_lets_others_run() {
    run(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let turns = Rc::new(Cell::new(0));
        let counter = leno::spawn({
            let turns = turns.clone();
            move || loop {
                turns.set(turns.get() + 1);
                leno::yield_now();
            }
        });
        for _ in 0..1_000 {
            socket.send_to(b"x", address).unwrap();
        }
        assert!(turns.get() >= 10, "{} turns", turns.get());
        counter.cancel();
    });
}
