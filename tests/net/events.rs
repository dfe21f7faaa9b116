//! Reports of readiness: late ones, and very many.

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;

use leno::io::Watched;
use leno::os::unix::net::UnixStream;

use crate::pairs::{join, look_at_engine, run_by_system};
use crate::support::child;

/// Returns connected pairs of which the engine knows the first halves. No thread waits for them.
fn known_pairs(count: usize) -> Vec<(UnixStream, UnixStream)> {
    let pairs: Vec<_> = (0..count).map(|_| UnixStream::pair().unwrap()).collect();
    let waiting: Vec<_> = pairs
        .iter()
        .map(|(one, _)| {
            let one = one.try_clone().unwrap();
            leno::spawn(move || (&one).read(&mut [0]))
        })
        .collect();
    look_at_engine();
    for thread in waiting {
        thread.cancel();
        assert!(thread.join().is_err());
    }
    pairs
}

/// The closed sockets had reports that the runtime has not seen yet. A new socket in the same place
/// would take one for its own, and make a call for nothing.
#[test]
fn a_report_for_a_closed_socket_reaches_no_other() {
    run_by_system(|| {
        let (mut closed, another) = (known_pairs(50), known_pairs(1));
        for (_, other) in &mut closed {
            other.write_all(b"x").unwrap();
        }
        // The engine learns of the bytes here. It reports them before anything that comes later.
        drop(another);
        drop(closed);
        let pairs: Vec<_> =
            (0..51).map(|_| std::os::unix::net::UnixStream::pair().unwrap()).collect();
        let (calls, mut others) = (Rc::new(Cell::new(0)), Vec::new());
        let readers: Vec<_> = pairs
            .into_iter()
            .map(|(one, other)| {
                one.set_nonblocking(true).unwrap();
                others.push(other);
                let (one, calls) = (Watched::new(one), calls.clone());
                leno::spawn(move || {
                    let read = |mut one: &std::os::unix::net::UnixStream| {
                        calls.set(calls.get() + 1);
                        one.read(&mut [0])
                    };
                    assert_eq!(one.read_with(read).unwrap(), 1);
                })
            })
            .collect();
        look_at_engine();
        for other in &mut others {
            other.write_all(b"x").unwrap();
        }
        let count = readers.len();
        readers.into_iter().for_each(join);
        // The first call would have blocked.
        assert_eq!(calls.get(), 2 * count);
    });
}

/// Makes more reports than the engine has room for, without a look at it. Then waits for all sockets
/// twice, with a thread that runs all the time, so that the runtime is never idle.
pub fn overflow_the_engine(rounds: usize) {
    const SOCKETS: usize = 100;
    let (pairs, mut others) = (known_pairs(SOCKETS), known_pairs(rounds));
    let (ones, mut writers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    while let Some(other) = others.pop() {
        for writer in &mut writers {
            writer.write_all(b"x").unwrap();
        }
        // The engine learns of the bytes here.
        drop(other);
    }
    let halfway = Rc::new(Cell::new(0));
    let readers: Vec<_> = ones
        .into_iter()
        .map(|mut one| {
            let halfway = halfway.clone();
            leno::spawn(move || {
                one.read_exact(&mut vec![0; rounds]).unwrap();
                halfway.set(halfway.get() + 1);
                one.read_exact(&mut [0]).unwrap();
            })
        })
        .collect();
    while halfway.get() < SOCKETS {
        leno::yield_now();
    }
    for writer in &mut writers {
        writer.write_all(b"x").unwrap();
    }
    while !readers.iter().all(leno::thread::JoinHandle::is_finished) {
        leno::yield_now();
    }
    readers.into_iter().for_each(join);
}

#[test]
fn more_reports_than_the_engine_has_room_for_are_heard() {
    run_by_system(|| overflow_the_engine(60));
}

/// In a process of its own: children that other tests start have copies of all descriptors.
#[test]
fn a_socket_of_a_running_runtime_is_closed_at_once() {
    child(|| {
        run_by_system(|| {
            for _ in 0..100 {
                let (one, other) = known_pairs(1).remove(0);
                other.set_nonblocking(true).unwrap();
                drop(one);
                assert_eq!((&other).read(&mut [0]).unwrap(), 0);
            }
        });
    })
    .assert_survived();
}
