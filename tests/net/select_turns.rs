//! Several threads that select and read on one socket.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use leno::channel::{Receiver, Select, bounded};
use leno::net::{TcpListener, TcpStream};
use leno::os::unix::net::UnixStream;
use leno::select;

use crate::pairs::{join, run, tcp_pair};
use crate::select::{let_others_wait, to_read};

#[test]
fn all_selects_on_a_socket_are_woken() {
    run(|| {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let accepted = Rc::new(Cell::new(0));
        let (stop, stopped) = bounded::<()>(0);
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (listener, accepted, stopped) =
                    (listener.clone(), accepted.clone(), stopped.clone());
                leno::spawn(move || accept_until(&listener, &stopped, &accepted, number % 2 == 0))
            })
            .collect();
        let address = listener.local_addr().unwrap();
        let_others_wait();
        let clients: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
        while accepted.get() < clients.len() {
            leno::sleep(Duration::from_millis(1));
        }
        drop(stop);
        threads.into_iter().for_each(join);
    });
}

/// Accepts connections by `select!` or by a `Select`, until the channel is disconnected.
fn accept_until(
    listener: &TcpListener,
    stopped: &Receiver<()>,
    accepted: &Cell<usize>,
    by_macro: bool,
) {
    // Several selects learn of one connection.
    listener.set_nonblocking(true).unwrap();
    loop {
        let is_readable = if by_macro {
            select! { readable(listener) => true, recv(stopped) -> _ => false }
        } else {
            let mut select = Select::new();
            let index = select.readable(listener);
            select.recv(stopped);
            let selected = select.select();
            if selected.index() == index { true } else { selected.recv(stopped).is_ok() }
        };
        if !is_readable {
            return;
        }
        match listener.accept() {
            Ok(_) => accepted.set(accepted.get() + 1),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

#[test]
fn a_select_hands_its_turn_to_a_reader() {
    run(|| {
        for by_macro in [true, false] {
            let (one, mut other) = tcp_pair();
            let one = Rc::new(one);
            let selects = leno::spawn({
                let one = one.clone();
                move || {
                    let one = &*one;
                    // It reads nothing.
                    if by_macro {
                        select! { readable(one) => {} }
                    } else {
                        to_read(one).ready();
                    }
                }
            });
            let_others_wait();
            let reads = leno::spawn({
                let one = one.clone();
                move || (&mut &*one).read(&mut [0; 9]).unwrap()
            });
            let_others_wait();
            other.write_all(b"abc").unwrap();
            assert_eq!(join(reads), 3);
            join(selects);
        }
    });
}

/// Another alternative may become ready between the report of the socket and the thread's turn.
#[test]
fn a_select_that_chooses_another_case_hands_its_turn_on() {
    run(|| {
        for other_first in [true, false] {
            let (one, mut to_one) = UnixStream::pair().unwrap();
            let (mut other, mut to_other) = UnixStream::pair().unwrap();
            let (sender, receiver) = bounded(1);
            let one = Rc::new(one);
            let sends = leno::spawn(move || {
                other.read_exact(&mut [0]).unwrap();
                sender.send(()).unwrap();
            });
            let selects = leno::spawn({
                let one = one.clone();
                move || {
                    let mut select = Select::new_biased();
                    let index = select.recv(&receiver);
                    select.readable(&*one);
                    let selected = select.select();
                    if selected.index() == index {
                        selected.recv(&receiver).unwrap();
                    } else {
                        drop(selected);
                    }
                    receiver
                }
            });
            let_others_wait();
            let reads = leno::spawn({
                let one = one.clone();
                move || (&mut &*one).read(&mut [0; 9]).unwrap()
            });
            let_others_wait();
            if other_first {
                to_other.write_all(b"x").unwrap();
            }
            to_one.write_all(b"abc").unwrap();
            if !other_first {
                to_other.write_all(b"x").unwrap();
            }
            assert_eq!(join(reads), 3);
            join(sends);
            join(selects);
        }
    });
}

#[test]
fn random_selects_lose_no_byte() {
    run(|| {
        const BYTES: usize = 2_000;
        let (one, mut other) = UnixStream::pair().unwrap();
        let (one, read) = (Rc::new(one), Rc::new(Cell::new(0)));
        one.set_nonblocking(true).unwrap();
        let (ticks, ticked) = bounded::<()>(0);
        let readers: Vec<_> = (0..4)
            .map(|number| {
                let (one, read, ticked) = (one.clone(), read.clone(), ticked.clone());
                leno::spawn(move || {
                    let one = &*one;
                    while read.get() < BYTES {
                        let patience = Duration::from_millis(number + 1);
                        select! {
                            readable(one) => {}
                            recv(ticked) -> _ => {}
                            default(patience) => {}
                        }
                        if let Ok(count) = (&mut &*one).read(&mut [0; 3]) {
                            read.set(read.get() + count);
                        }
                    }
                })
            })
            .collect();
        let ticker = leno::spawn(move || {
            while ticks.send_timeout((), Duration::from_millis(20)).is_ok() {
                leno::yield_now();
            }
        });
        for _ in 0..BYTES / 10 {
            other.write_all(&[0; 10]).unwrap();
            leno::yield_now();
        }
        readers.into_iter().for_each(join);
        assert_eq!(read.get(), BYTES);
        join(ticker);
    });
}
