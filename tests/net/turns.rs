//! The turns of threads that a report has woken, and that something else happens to before they run.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use leno::io::Watched;
use leno::net::UdpSocket;
use leno::thread::JoinHandle;
use leno::time::Instant;

use crate::pairs::{join, kind, run_by_system, tcp_pair};

/// Sends datagrams to `address`, each with a number, while other threads wait for them. Returns when the
/// runtime has been told, before the threads run that are woken for them.
fn send_and_be_told_first(address: SocketAddr, count: u8) {
    let bell = UdpSocket::bind("127.0.0.1:0").unwrap();
    let of_bell = bell.local_addr().unwrap();
    let sender = Rc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
    let early = sender.clone();
    leno::spawn(move || early.send_to(b"x", of_bell).unwrap());
    // From here on the engine knows the sockets that are waited for, and the bell.
    bell.recv(&mut [0]).unwrap();
    leno::spawn(move || {
        // The engine reports in this order.
        sender.send_to(b"x", of_bell).unwrap();
        for number in 0..count {
            sender.send_to(&[number], address).unwrap();
        }
    });
    bell.recv(&mut [0]).unwrap();
}

/// Returns a socket with its address, and a descriptor of its own that reads without waiting.
fn socket_and_thief() -> (Rc<UdpSocket>, SocketAddr, std::net::UdpSocket) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let thief = std::net::UdpSocket::from(socket.try_clone().unwrap());
    (Rc::new(socket), address, thief)
}

/// Returns a thread that receives one datagram, and notes its name and the datagram's number.
fn receiver(socket: &Rc<UdpSocket>, name: char, order: &Order) -> JoinHandle<()> {
    let (socket, order) = (socket.clone(), order.clone());
    leno::spawn(move || {
        let mut number = [0];
        socket.recv(&mut number).unwrap();
        order.borrow_mut().push((name, number[0]));
    })
}

type Order = Rc<RefCell<Vec<(char, u8)>>>;

#[test]
fn a_new_call_goes_behind_those_that_wait() {
    run_by_system(|| {
        let (socket, address, _) = socket_and_thief();
        let order = Order::default();
        let waiting = ['a', 'b'].map(|name| receiver(&socket, name, &order));
        send_and_be_told_first(address, 3);
        let mut number = [0];
        socket.recv(&mut number).unwrap();
        assert_eq!((&*order.borrow(), number), (&vec![('a', 0), ('b', 1)], [2]));
        waiting.into_iter().for_each(join);
    });
}

/// It has been woken, so it makes its call, and the thread behind it is woken in its turn.
#[test]
fn a_thread_that_is_cancelled_after_its_wake_hands_its_turn_on() {
    run_by_system(|| {
        let (socket, address, _) = socket_and_thief();
        let order = Order::default();
        let [first, second] = ['a', 'b'].map(|name| receiver(&socket, name, &order));
        send_and_be_told_first(address, 2);
        first.cancel();
        join(second);
        let _ = first.join();
        assert_eq!(*order.borrow(), [('a', 0), ('b', 1)]);
    });
}

/// There is nothing left to return, so it does not wait again.
#[test]
fn a_thread_that_is_cancelled_after_a_wake_for_nothing_ends() {
    run_by_system(|| {
        let (socket, address, thief) = socket_and_thief();
        let receiving = receiver(&socket, 'a', &Order::default());
        send_and_be_told_first(address, 1);
        assert!(thief.recv(&mut [0]).is_ok(), "the thread has run before");
        receiving.cancel();
        assert!(receiving.join().is_err());
    });
}

/// The timeout is over before a pause that began after it and takes longer.
#[test]
fn a_timeout_goes_on_over_wakes_for_nothing() {
    let [half, whole, longer] = [100, 200, 290].map(Duration::from_millis);
    run_by_system(move || {
        let (start, order) = (Instant::now(), Rc::new(RefCell::new(Vec::new())));
        let (socket, address, thief) = socket_and_thief();
        socket.set_read_timeout(Some(whole)).unwrap();
        let reader = leno::spawn({
            let order = order.clone();
            move || {
                assert_eq!(kind(socket.recv(&mut [0])), ErrorKind::WouldBlock);
                order.borrow_mut().push("timeout");
            }
        });
        leno::yield_now();
        let pause = leno::spawn({
            let order = order.clone();
            move || {
                leno::sleep(longer);
                order.borrow_mut().push("pause");
            }
        });
        leno::sleep(half);
        send_and_be_told_first(address, 1);
        let is_stolen = thief.recv(&mut [0]).is_ok();
        let is_in_time = start.elapsed() < whole;
        join(reader);
        join(pause);
        assert!(is_stolen);
        // A machine that is slower than that shows nothing.
        assert!(!is_in_time || *order.borrow() == ["timeout", "pause"]);
    });
}

#[test]
fn an_error_wakes_every_thread_that_reads() {
    run_by_system(|| {
        let (one, other) = tcp_pair();
        let one = Rc::new(one);
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let one = one.clone();
                leno::spawn(move || (&*one).read(&mut [0]).map_err(|error| error.kind()))
            })
            .collect();
        leno::yield_now();
        socket2::SockRef::from(&other).set_linger(Some(Duration::ZERO)).unwrap();
        drop(other);
        let results: Vec<_> = readers.into_iter().map(join).collect();
        // The system tells the error once.
        assert_eq!(results, [Err(ErrorKind::ConnectionReset), Ok(0), Ok(0)]);
    });
}

/// The first thread is woken, and its call unwinds.
#[test]
fn a_call_that_unwinds_hands_its_turn_on() {
    run_by_system(|| {
        let (one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let one = Rc::new(Watched::new(one));
        let unwinding = leno::spawn({
            let one = one.clone();
            move || {
                let mut calls = 0;
                one.read_with(|mut one| {
                    calls += 1;
                    if calls == 2 {
                        resume_unwind(Box::new("a panic of the call"));
                    }
                    one.read(&mut [0])
                })
            }
        });
        let reading = leno::spawn({
            let one = one.clone();
            move || one.read_with(|mut one| one.read(&mut [0])).unwrap()
        });
        leno::yield_now();
        other.write_all(b"x").unwrap();
        assert!(unwinding.join().is_err());
        assert_eq!(join(reading), 1);
    });
}
