//! Whole runtimes on a ring that fails, delays, reorders and ends requests by itself: each conversation
//! comes to its end, each closed socket is closed in the system, and the runtime does not sleep while it
//! has something to send. All is in one OS thread, so a lost report or request is a sleep without end, which
//! the ring refuses.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::net::UnixStream;
use crate::net::Engine;
use crate::remote::Handle;
use crate::runtime::{Builder, Runtime};
use crate::sys::poller::uring::fake::{Fault, Kernel, Plan, kernel, plan};
use crate::sys::process::FORKS;
use crate::thread::{self, spawn};

/// The token of the inbox.
const BELL: u64 = u64::MAX;

fn runtime() -> Runtime {
    Builder::new().engine(Engine::Uring).build()
}

/// Asks so many questions of one byte, and reads the answers.
fn ask(mut stream: UnixStream, questions: u8) {
    for question in 0..questions {
        stream.write_all(&[question]).unwrap();
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [question, question]);
    }
}

/// Answers each byte with two, until the other side is closed.
fn answer(mut stream: UnixStream) {
    let mut question = [0];
    while stream.read(&mut question).unwrap() == 1 {
        stream.write_all(&[question[0]; 2]).unwrap();
    }
}

fn converse(pairs: usize, questions: u8) {
    let pairs = (0..pairs).map(|_| UnixStream::pair().unwrap());
    let threads: Vec<_> = pairs
        .flat_map(|(one, other)| [spawn(move || ask(one, questions)), spawn(move || answer(other))])
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Calls `arrival` on another OS thread while the runtime sleeps.
fn arrive(arrival: impl FnOnce() + Send + 'static) {
    kernel().borrow_mut().arrive(|| std::thread::spawn(arrival).join().unwrap());
}

/// Waits for what other OS threads do: one closes a socket, and one sends a closure.
fn hear_from_outside() {
    let (one, other) = UnixStream::pair().unwrap();
    let reader = spawn(move || answer(other));
    // The runtime knows both.
    one.set_read_timeout(Some(Duration::from_nanos(1))).unwrap();
    let _ = (&one).read(&mut [0]);
    arrive(move || drop(one));
    reader.join().unwrap();
    let (one, other) = UnixStream::pair().unwrap();
    let handle = Handle::current();
    arrive(move || drop(handle.spawn(move || ask(one, 1))));
    spawn(move || answer(other)).join().unwrap();
}

/// Runs conversations on a ring with this plan.
fn run(settings: Plan) {
    let _no_child = FORKS.read();
    plan(settings);
    let behind: Rc<RefCell<Kernel>> = runtime().run(|| {
        converse(1, 1);
        for pairs in [3, 2, 4] {
            converse(pairs, 3);
            hear_from_outside();
        }
        let kernel = kernel();
        kernel.borrow_mut().set_faults(VecDeque::new());
        converse(1, 2);
        let tokens = kernel.borrow().tokens();
        assert!(tokens.iter().all(|&token| token == BELL), "closed sockets are open: {tokens:x?}");
        kernel
    });
    assert_eq!(behind.borrow().tokens(), [], "the end of the runtime leaves requests");
}

const RESULTS: [i32; 3] = [-libc::ECANCELED, -libc::ENOMEM, libc::POLLIN as i32];

#[test]
fn conversations_come_to_their_end_on_a_small_ring() {
    run(Plan { requests: 1, completions: 1, ..Plan::default() });
    run(Plan::default());
}

/// In one system call each.
#[test]
fn a_request_that_ends_by_itself_is_made_again() {
    for at in 0..60 {
        for place in 0..3 {
            for result in RESULTS {
                let before = std::iter::repeat_n(None, at);
                let faults = before.chain([Some(Fault::Ends(place, result))]).collect();
                run(Plan { faults, ..Plan::default() });
            }
        }
    }
}

#[test]
fn a_host_comes_again_for_what_could_not_be_sent() {
    let _no_child = FORKS.read();
    let faults = std::iter::repeat_n(Some(Fault::Fails(libc::EAGAIN)), 100).collect();
    plan(Plan { faults, requests: 1, ..Plan::default() });
    let runtime = runtime();
    let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
    let one = UnixStream::from(one);
    let reader = thread::Builder::new().spawn_on(&runtime, move || answer(one)).unwrap();
    let _ = runtime.as_fd();
    assert!(runtime.run_until_stalled());
    assert_eq!(runtime.next_deadline(), Some(Duration::ZERO));
    kernel().borrow_mut().set_faults(VecDeque::new());
    assert!(runtime.run_until_stalled());
    assert_eq!(runtime.next_deadline(), None);
    assert_eq!(kernel().borrow().tokens(), [0, BELL]);
    drop(other);
    assert!(!runtime.run_until_stalled());
    drop(reader);
}

/// The descriptor of a ring is readable until its reports have been taken.
#[test]
fn a_host_is_not_called_again_for_a_message_it_has_read() {
    plan(Plan::default());
    let runtime = runtime();
    let _ = runtime.as_fd();
    let handle = runtime.handle();
    for _ in 0..3 {
        assert!(!runtime.run_until_stalled());
        let handle = handle.clone();
        std::thread::spawn(move || drop(handle.spawn(|| ()))).join().unwrap();
        assert!(!runtime.run_until_stalled());
        assert!(kernel().borrow().is_idle(), "the host is called again");
    }
}

fn any_fault() -> impl Strategy<Value = Option<Fault>> {
    let error =
        proptest::sample::select(&[libc::EAGAIN, libc::EBUSY, libc::EINTR, libc::ENOMEM][..]);
    prop_oneof![
        3 => Just(None),
        2 => error.prop_map(|error| Some(Fault::Fails(error))),
        1 => (0..4usize).prop_map(|most| Some(Fault::Submits(most))),
        1 => (0..4usize).prop_map(|most| Some(Fault::Completes(most))),
        1 => (0..8usize, proptest::sample::select(&RESULTS[..]))
            .prop_map(|(place, result)| Some(Fault::Ends(place, result))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conversations_come_to_their_end_in_bad_weather(
        faults in vec(any_fault(), 0..400),
        order in vec(0..8usize, 0..400),
        requests in 1..6usize,
        completions in 1..6usize,
    ) {
        let (faults, order) = (faults.into(), order.into());
        run(Plan { requests, completions, faults, order, ..Plan::default() });
    }
}
