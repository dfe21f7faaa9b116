//! Selects over the ends of green threads.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use leno::channel::{Select, bounded};
#[cfg(feature = "weave")]
use leno::weave::{Explorer, Shared};
use leno::{select, thread};

use super::{SECOND, later, sleep, story};
use crate::support::panic_text;
#[cfg(feature = "weave")]
use crate::weave::values;

#[test]
fn the_end_of_a_thread_is_joined() {
    story(|| {
        let (_sender, receiver) = bounded::<()>(0);
        for is_late in [true, false] {
            let handle = if is_late { later(|| 7) } else { leno::spawn(|| 7) };
            if !is_late {
                leno::yield_now();
            }
            let result = select! {
                recv(receiver) -> _ => unreachable!("nothing is sent"),
                join(handle) -> result => result,
            };
            assert_eq!(result.unwrap(), 7);
        }
        let panics = later(|| panic!("on purpose"));
        assert!(select! { join(panics) -> result => result.is_err() });
        let cancelled = leno::spawn(thread::park);
        cancelled.cancel();
        let result = select! { join(cancelled) -> result => result };
        assert!(result.unwrap_err().is::<thread::Cancelled>());
    });
}

#[test]
fn a_handle_that_is_not_chosen_is_kept() {
    story(|| {
        let (sender, receiver) = bounded(0);
        let worker = later(|| 'w');
        let scoped = leno::scope(|scope| {
            let waits = scope.spawn(|| sleep(3 * SECOND));
            scope.spawn(|| (1..=2).for_each(|n| sender.send(n).unwrap()));
            let mut sum = 0;
            let joined = loop {
                select! {
                    recv(receiver) -> n => sum += n.unwrap(),
                    join(worker) -> result => break result.unwrap(),
                    join(waits) => unreachable!("it takes longer"),
                    default(10 * SECOND) => unreachable!("the worker ends before"),
                }
            };
            assert_eq!((joined, sum), ('w', 3));
            assert!(!select! { join(waits) => true, default => false });
            assert!(!select! { join(waits) => true, default(SECOND) => false });
            select! { join(waits) -> result => result }
        });
        assert!(scoped.is_ok());
    });
}

#[test]
fn several_selects_wait_for_one_end() {
    story(|| {
        let worker = later(|| ());
        let (log, worker) = (RefCell::new(Vec::new()), &worker);
        leno::scope(|scope| {
            for number in 0..4 {
                let log = &log;
                scope.spawn(move || {
                    if number % 2 == 0 {
                        select! { join(worker) => {} }
                    } else {
                        let mut select = Select::new();
                        select.join(worker);
                        drop(select.select());
                    }
                    assert!(worker.is_finished());
                    log.borrow_mut().push(number);
                });
            }
            // One of them gives up before.
            let gives_up = scope.spawn(move || select! { join(worker) => {} });
            leno::yield_now();
            gives_up.cancel();
            assert!(gives_up.join().is_err());
        });
        assert_eq!(log.into_inner(), [0, 1, 2, 3]);
    });
}

#[test]
fn the_first_of_many_threads_is_found() {
    story(|| {
        let handles: Vec<_> = (1..=9).map(|n| leno::spawn(move || sleep(n * SECOND))).collect();
        let mut select = Select::new();
        handles.iter().rev().for_each(|handle| {
            select.join(handle);
        });
        for expected in (0..9).rev() {
            assert_eq!(select.ready(), expected);
            select.remove(expected);
        }
        assert!(select.try_ready().is_err());
    });
}

#[test]
fn ends_and_messages_are_chosen_fairly() {
    story(|| {
        let (sender, receiver) = bounded(1);
        sender.send(()).unwrap();
        let ended = leno::spawn(|| ());
        leno::yield_now();
        let mut hits = [[0; 2]; 2];
        for _ in 0..400 {
            hits[0][select! { join(ended) => 0, recv(receiver) -> _ => {
                sender.send(()).unwrap();
                1
            } }] += 1;
            let mut select = Select::new();
            select.join(&ended);
            select.recv(&receiver);
            hits[1][select.ready()] += 1;
        }
        assert!(hits.as_flattened().iter().all(|&hits| hits > 120), "{hits:?}");
    });
}

/// A waker that is woken at the end sends a message, and lets others run before the thread ends.
struct Meddles(Cell<Option<leno::channel::Sender<()>>>);

impl Wake for Meddles {
    fn wake(self: Arc<Self>) {
        self.0.take().expect("it is woken once").send(()).unwrap();
        (0..4).for_each(|_| leno::yield_now());
    }
}

// SAFETY: one OS thread uses it.
unsafe impl Send for Meddles {}
// SAFETY: as above.
unsafe impl Sync for Meddles {}

#[test]
fn a_select_that_begins_during_the_end_is_woken() {
    story(|| {
        let (sender, receiver) = bounded(1);
        let mut worker = later(|| ());
        let waker = Waker::from(Arc::new(Meddles(Cell::new(Some(sender)))));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut worker).poll(&mut context).is_pending());
        let selects = || {
            let mut select = Select::new();
            select.join(&worker);
            let index = select.recv(&receiver);
            let selected = select.select();
            assert_eq!(selected.index(), index, "the message comes before the end");
            selected.recv(&receiver).unwrap();
            assert!(!worker.is_finished());
            select.remove(index);
            select.ready()
        };
        assert_eq!(selects(), 0);
        assert!(worker.is_finished());
    });
}

#[test]
fn an_awaited_handle_cannot_be_selected() {
    story(|| {
        let mut handle = leno::spawn(|| ());
        leno::block_on(&mut handle).unwrap();
        let text = panic_text(|| {
            Select::new().join(&handle);
        });
        assert!(text.contains("has been awaited already"), "{text}");
    });
}

#[test]
fn a_deadlock_report_names_each_alternative() {
    let text = panic_text(|| {
        story(|| {
            let (_sender, receiver) = bounded::<()>(0);
            let worker = thread::Builder::new().name("worker".into()).spawn(thread::park).unwrap();
            select! { recv(receiver) -> _ => {}, join(worker) => {} }
        });
    });
    for line in ["any of these", "- a message from a channel", "- the end of 'worker'"] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_select_with_one_end_is_part_of_a_cycle() {
    let text = panic_text(|| {
        story(|| {
            let handle = Rc::new(Cell::new(None::<thread::JoinHandle<()>>));
            let first = leno::spawn({
                let handle = handle.clone();
                move || {
                    let second = handle.take().unwrap();
                    select! { join(second) => {} }
                }
            });
            handle.set(Some(leno::spawn(move || {
                let mut select = Select::new();
                select.join(&first);
                select.ready();
            })));
        });
    });
    assert!(text.contains("cycle: #2 -> #3 -> #2"), "{text}");
}

/// Returns what two threads have left when a select has seen the end of one of them.
#[cfg(feature = "weave")]
fn after_one_end(by_macro: bool) -> (usize, i32) {
    let cells = Rc::new([0, 0].map(Shared::new));
    let spawn = |place: usize| {
        let cells = cells.clone();
        leno::spawn(move || cells[place].set(7))
    };
    let handles = [spawn(0), spawn(1)];
    let first = if by_macro {
        select! { join(handles[0]) => 0, join(handles[1]) => 1 }
    } else {
        let mut select = Select::new();
        handles.iter().for_each(|handle| {
            select.join(handle);
        });
        select.ready()
    };
    (first, cells[first].get())
}

#[cfg(feature = "weave")]
#[test]
fn ends_are_explored_in_every_order() {
    for by_macro in [true, false] {
        for explorer in [Explorer::new(), Explorer::new().preemptive()] {
            let outcomes = [explorer.clone(), explorer.reduced()].map(|explorer| {
                let report = explorer.explore(|| after_one_end(by_macro));
                assert!(report.is_complete() && report.failures().is_empty(), "{report}");
                values(&report)
            });
            assert_eq!(outcomes, [[(0, 7), (1, 7)]; 2]);
        }
    }
}

/// Waits for the end of one thread in two ways, beside a message.
#[cfg(feature = "weave")]
fn ends_beside_messages() -> (bool, bool) {
    let (sender, receiver) = bounded(1);
    let worker = leno::spawn(|| ());
    let sends = leno::spawn(move || sender.send(()).unwrap());
    let worker = &worker;
    leno::scope(|scope| {
        let one = scope.spawn(|| select! { join(worker) => true, recv(receiver) -> _ => false });
        let other = scope.spawn(|| {
            let mut select = Select::new();
            select.join(worker);
            let index = select.recv(&receiver);
            select.ready() != index && worker.is_finished()
        });
        let outcome = (one.join().unwrap(), other.join().unwrap());
        sends.join().unwrap();
        outcome
    })
}

#[cfg(feature = "weave")]
#[test]
fn ends_beside_messages_are_the_same_in_reduced_explorations() {
    let [all, reduced] = [Explorer::new(), Explorer::new().reduced()].map(|explorer| {
        let report = explorer.explore(ends_beside_messages);
        assert!(report.is_complete() && report.failures().is_empty(), "{report}");
        values(&report)
    });
    assert_eq!(all, reduced);
    assert!(all.contains(&(true, true)) && all.contains(&(false, true)), "{all:?}");
}
