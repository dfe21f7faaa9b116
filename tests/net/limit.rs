//! The limit of a listener: how many of the connections that it has accepted are open at once.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use leno::channel::{Select, bounded};
use leno::net::{Engine, MemoryNetwork, TcpListener, TcpStream};
use leno::os::unix::net::{UnixListener, UnixStream};
use leno::select;
use leno::thread::JoinHandle;

use crate::pairs::{ends, join, kind, look_at_engine, run, run_by_system};
use crate::select::let_others_wait;
use crate::shortage::use_up_descriptors;
use crate::support::{assert_cancelled, child, panic_text};

/// Returns a listener with a limit, and clients that wait to be accepted.
fn listener(most: usize, clients: usize) -> (Arc<TcpListener>, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_max_connections(most).unwrap();
    let address = listener.local_addr().unwrap();
    let clients = (0..clients).map(|_| TcpStream::connect(address).unwrap());
    let clients = clients.collect();
    (Arc::new(listener), clients)
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().unwrap().0
}

/// Returns a thread that accepts, and comes to wait.
fn acceptor(listener: &Arc<TcpListener>) -> JoinHandle<TcpStream> {
    let listener = listener.clone();
    let thread = leno::spawn(move || accept(&listener));
    let_others_wait();
    look_at_engine();
    thread
}

#[test]
fn an_accept_at_the_limit_waits_for_a_close() {
    run(|| {
        let (listener, _clients) = listener(2, 3);
        let (one, other) = (accept(&listener), accept(&listener));
        let waiting = acceptor(&listener);
        assert!(!waiting.is_finished());
        drop(one);
        let third = join(waiting);
        let waiting = acceptor(&listener);
        assert!(!waiting.is_finished());
        waiting.cancel();
        assert_cancelled(waiting);
        drop((other, third));
    });
}

#[test]
fn a_connection_is_open_until_its_last_clone_is_dropped() {
    run(|| {
        let (listener, _clients) = listener(1, 2);
        let first = accept(&listener);
        let clone = first.try_clone().unwrap();
        let waiting = acceptor(&listener);
        drop(first);
        let_others_wait();
        assert!(!waiting.is_finished(), "a clone is open");
        drop(clone);
        join(waiting);
    });
}

#[test]
fn an_accept_that_does_not_block_fails_at_the_limit() {
    run(|| {
        let (listener, _clients) = listener(1, 2);
        let first = accept(&listener);
        listener.set_nonblocking(true).unwrap();
        assert_eq!(kind(listener.accept()), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        drop(first);
        drop(accept(&listener));
        listener.set_nonblocking(true).unwrap();
        // No client is left: the permit is given back.
        assert_eq!(kind(listener.accept()), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        accept(&listener);
    });
}

#[test]
fn a_limit_of_no_connections_is_refused() {
    run(|| {
        let (listener, _clients) = listener(7, 0);
        assert_eq!(kind(listener.set_max_connections(0)), ErrorKind::InvalidInput);
        assert_eq!(listener.max_connections(), Some(7));
        assert_eq!(listener.try_clone().unwrap().max_connections(), Some(7));
        assert_eq!(TcpListener::bind("127.0.0.1:0").unwrap().max_connections(), None);
    });
}

#[test]
fn threads_at_the_limit_go_on_in_order() {
    run(|| {
        let (listener, _clients) = listener(1, 6);
        let order = Rc::new(RefCell::new(Vec::new()));
        let first = accept(&listener);
        let threads = [0, 1, 2, 3].map(|number| {
            let (listener, order) = (listener.clone(), order.clone());
            let thread = leno::spawn(move || {
                let stream = accept(&listener);
                order.borrow_mut().push(number);
                let_others_wait();
                drop(stream);
            });
            let_others_wait();
            thread
        });
        let overtaking = leno::spawn({
            let (listener, order) = (listener.clone(), order.clone());
            move || {
                drop(accept(&listener));
                order.borrow_mut().push(4);
            }
        });
        // It comes to accept before the first of those that wait has run.
        drop(first);
        join(overtaking);
        threads.into_iter().for_each(join);
        assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_cancelled_thread_passes_its_turn_on() {
    run(|| {
        for cancels_first in [true, false] {
            let (listener, _clients) = listener(1, 2);
            let open = accept(&listener);
            let [one, other] = [(); 2].map(|()| acceptor(&listener));
            if cancels_first {
                one.cancel();
                let_others_wait();
                drop(open);
            } else {
                // It is cancelled after its wake.
                drop(open);
                one.cancel();
            }
            assert_cancelled(one);
            join(other);
        }
    });
}

#[test]
fn an_accept_without_a_connection_gives_its_permit_back() {
    run(|| {
        let (listener, _) = listener(1, 0);
        let waiting = acceptor(&listener);
        let other = acceptor(&listener);
        waiting.cancel();
        assert_cancelled(waiting);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        join(other);
    });
}

#[test]
fn a_deadline_ends_the_wait_at_the_limit() {
    run(|| {
        let (listener, _clients) = listener(1, 2);
        let first = accept(&listener);
        let elapsed = leno::time::timeout(Duration::from_millis(5), || accept(&listener));
        assert!(elapsed.is_err());
        drop(first);
        accept(&listener);
    });
}

#[test]
fn a_higher_limit_lets_threads_go_on() {
    run(|| {
        let (listener, _clients) = listener(1, 4);
        let first = accept(&listener);
        let threads = [(); 3].map(|()| acceptor(&listener));
        listener.set_max_connections(3).unwrap();
        let [one, two, three] = threads;
        let open = (join(one), join(two));
        let_others_wait();
        assert!(!three.is_finished());
        // A lower limit closes none.
        listener.set_max_connections(1).unwrap();
        drop(first);
        drop(open.0);
        let_others_wait();
        assert!(!three.is_finished(), "one is open");
        drop(open.1);
        join(three);
    });
}

#[test]
fn a_limit_counts_the_connection_of_an_accept_that_waits() {
    run(|| {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let waiting = acceptor(&listener);
        listener.set_max_connections(1).unwrap();
        let address = listener.local_addr().unwrap();
        let _clients = [(); 2].map(|()| TcpStream::connect(address).unwrap());
        let open = join(waiting);
        listener.set_nonblocking(true).unwrap();
        assert_eq!(kind(listener.accept()), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        drop(open);
        accept(&listener);
    });
}

#[test]
fn a_close_elsewhere_wakes_the_acceptor() {
    run_by_system(|| {
        let (listener, _clients) = listener(1, 3);
        let open = accept(&listener);
        let waiting = acceptor(&listener);
        let os_thread = std::thread::spawn(move || drop(open));
        let open = join(waiting);
        os_thread.join().unwrap();
        let waiting = acceptor(&listener);
        let os_thread = std::thread::spawn(move || {
            leno::run(move || {
                let_others_wait();
                drop(open);
            });
        });
        join(waiting);
        os_thread.join().unwrap();
    });
}

#[test]
fn an_os_thread_waits_at_the_limit() {
    ends(|| {
        let (listener, _clients) = listener(1, 3);
        let open = accept(&listener);
        let os_thread = std::thread::spawn({
            let listener = listener.clone();
            move || accept(&listener)
        });
        leno::run(move || drop(open));
        let open = os_thread.join().unwrap();
        // A green thread and an OS thread wait for the same limit.
        let os_thread = std::thread::spawn(move || {
            leno::run(|| accept(&listener));
        });
        drop(open);
        os_thread.join().unwrap();
    });
}

#[test]
fn a_descriptor_that_is_given_up_does_not_count() {
    run_by_system(|| {
        let (listener, _clients) = listener(1, 2);
        let given: std::net::TcpStream = accept(&listener).into();
        let again = accept(&listener);
        drop((given, again));
    });
}

#[test]
fn without_a_descriptor_an_accept_at_the_limit_fails() {
    child(|| {
        // In the runtime, a connection that waits would make the descriptor.
        let (listener, _clients) = listener(1, 2);
        leno::run(|| {
            let open = accept(&listener);
            let files = use_up_descriptors();
            // It would wait for other OS threads, too, and there is no descriptor for that.
            assert_eq!(listener.accept().unwrap_err().raw_os_error(), Some(libc::EMFILE));
            drop((files, open));
            accept(&listener);
        });
    })
    .assert_survived();
}

#[test]
fn incoming_obeys_the_limit() {
    run(|| {
        let (listener, _clients) = listener(1, 3);
        let mut served = 0;
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            served += 1;
            if served == 3 {
                break;
            }
            leno::spawn(move || drop(stream));
        }
    });
}

#[test]
fn a_unix_listener_has_a_limit() {
    run_by_system(|| {
        let name = format!("leno-limit-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listener = Arc::new(UnixListener::bind(&path).unwrap());
        listener.set_max_connections(1).unwrap();
        let _clients = [(); 2].map(|()| UnixStream::connect(&path).unwrap());
        std::fs::remove_file(path).unwrap();
        let (open, _) = listener.accept().unwrap();
        let waiting = leno::spawn(move || drop(listener.accept().unwrap()));
        let_others_wait();
        assert!(!waiting.is_finished());
        drop(open);
        join(waiting);
    });
}

#[test]
fn a_select_finds_a_listener_at_its_limit_not_ready() {
    run(|| {
        let (listener, _clients) = listener(1, 3);
        let open = accept(&listener);
        let mut dynamic = Select::new();
        dynamic.readable(&*listener);
        assert!(dynamic.try_ready().is_err());
        select! {
            readable(*listener) => panic!("it is at its limit"),
            default => {}
        }
        let (sender, receiver) = bounded::<()>(1);
        let closes = leno::spawn(move || drop(open));
        select! {
            readable(*listener) => {}
            recv(receiver) -> _ => panic!("nothing was sent"),
        }
        join(closes);
        let open = accept(&listener);
        let closes = leno::spawn(move || drop(open));
        assert_eq!(dynamic.ready(), 0);
        join(closes);
        let open = accept(&listener);
        // A select that ends in another way leaves the queue.
        let waiting = acceptor(&listener);
        leno::spawn(move || sender.send(()).unwrap());
        select! {
            readable(*listener) => panic!("it is at its limit"),
            recv(receiver) -> _ => {}
        }
        waiting.cancel();
        assert_cancelled(waiting);
        let_others_wait();
        drop(open);
        listener.set_nonblocking(true).unwrap();
        assert_eq!(kind(listener.accept()), ErrorKind::WouldBlock, "no client is left");
    });
}

#[test]
fn a_close_elsewhere_ends_a_select() {
    run_by_system(|| {
        let (listener, _clients) = listener(1, 2);
        let (_stop, stopped) = bounded::<()>(1);
        let open = accept(&listener);
        let closes = std::thread::spawn(move || drop(open));
        select! {
            readable(*listener) => drop(accept(&listener)),
            recv(stopped) -> _ => panic!("nothing was sent"),
        }
        closes.join().unwrap();
    });
}

#[test]
fn a_select_at_the_limit_passes_its_turn_on() {
    run(|| {
        let (listener, _clients) = listener(1, 2);
        let open = accept(&listener);
        let (stop, stopped) = bounded::<()>(1);
        let selects = leno::spawn({
            let listener = listener.clone();
            move || {
                select! {
                    readable(*listener) => {}
                    recv(stopped) -> _ => {}
                }
            }
        });
        let_others_wait();
        let waiting = acceptor(&listener);
        stop.send(()).unwrap();
        drop(open);
        join(waiting);
        join(selects);
    });
}

#[test]
fn reports_name_the_limit() {
    let memory = Engine::Memory(MemoryNetwork::new());
    let text = panic_text(|| {
        leno::Builder::new().engine(memory).run(|| {
            let (listener, _clients) = listener(1, 2);
            let open = accept(&listener);
            accept(&listener);
            drop(open);
        });
    });
    assert!(text.contains("one of 1 connection of TcpListener 127.0.0.1:"), "{text}");
    assert!(text.contains("deadlock"), "{text}");
}

#[cfg(feature = "debug")]
#[test]
fn a_report_of_those_that_wait_names_the_limit() {
    run(|| {
        let (listener, _clients) = listener(3, 4);
        let open = [(); 3].map(|()| accept(&listener));
        let waiting = acceptor(&listener);
        let report = leno::debug::stalled(Duration::ZERO).expect("one waits").to_string();
        let line = report.lines().find(|line| line.contains("one of 3 connections of"));
        let line = line.expect(&report);
        assert!(line.contains(" at tests/net/limit.rs:"), "{report}");
        drop(open);
        join(waiting);
    });
}

#[test]
fn a_server_with_a_limit_serves_all_clients() {
    ends(|| {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        listener.set_max_connections(3).unwrap();
        let address = listener.local_addr().unwrap();
        let clients = std::thread::spawn(move || {
            let ask = move |number: u8| {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.write_all(&[number]).unwrap();
                let mut answer = [0];
                stream.read_exact(&mut answer).unwrap();
                answer[0]
            };
            let threads: Vec<_> =
                (0..40).map(|number| std::thread::spawn(move || ask(number))).collect();
            threads.into_iter().map(|it| u32::from(it.join().unwrap())).sum::<u32>()
        });
        // Its end waits for the threads that answer.
        leno::run(|| {
            let open = Rc::new(std::cell::Cell::new(0));
            let acceptors = [(); 4].map(|()| {
                let (listener, open) = (listener.clone(), open.clone());
                leno::spawn(move || {
                    for _ in 0..10 {
                        let mut stream = accept(&listener);
                        open.set(open.get() + 1);
                        assert!(open.get() <= 3);
                        let open = open.clone();
                        leno::spawn(move || {
                            let mut byte = [0];
                            stream.read_exact(&mut byte).unwrap();
                            stream.write_all(&byte).unwrap();
                            open.set(open.get() - 1);
                            drop(stream);
                        });
                    }
                })
            });
            acceptors.into_iter().for_each(join);
        });
        assert_eq!(clients.join().unwrap(), (0..40).sum());
    });
}
