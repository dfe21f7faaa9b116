//! Small programs of which a reduction has missed something, or had to try too
//! much.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::rc::Rc;

use leno::channel;
use leno::sync::{Condvar, Mutex};
use leno::thread::{self, Thread};
use leno::time::{self, Duration};
use leno::weave::{Explorer, FailureKind, Report, Shared};

use crate::interpret;
use crate::program::{CHANNELS, Ending, Logs, Op, Program};

/// Explores in full and reduced, and gives the executions of the latter.
#[track_caller]
fn reduced<T: Ord + Debug>(explorer: &Explorer, program: impl Fn() -> T) -> u64 {
    let full = explorer.explore(&program);
    let reduced = explorer.clone().reduced().explore(&program);
    assert!(full.is_complete() && reduced.is_complete());
    let ends = |report: &Report<T>| -> BTreeSet<String> {
        let failures = report.failures().iter().map(|failure| failure.message().to_owned());
        let first = |text: String| text.lines().next().unwrap_or_default().to_owned();
        let values = report.outcomes().keys().map(|value| format!("{value:?}"));
        values.chain(failures.map(first)).collect()
    };
    assert_eq!(ends(&full), ends(&reduced), "\nfull: {full}\nreduced: {reduced}");
    assert!(reduced.executions() <= full.executions());
    reduced.executions()
}

fn both_ways() -> [Explorer; 2] {
    [Explorer::new(), Explorer::new().preemptive()]
}

#[test]
fn the_first_of_two_panics() {
    for explorer in both_ways() {
        reduced(&explorer, || {
            let one = thread::spawn(|| panic!("one"));
            let other = thread::spawn(|| panic!("other"));
            let _: [thread::Result<()>; 2] = [one.join(), other.join()];
        });
    }
}

/// What a panic says is told as what that green thread has said.
#[test]
fn two_who_unwind_at_once() {
    let report = Explorer::new().preemptive().explore(|| {
        let mutexes: [Mutex<()>; 2] = Default::default();
        leno::scope(|scope| {
            for (number, mutex) in mutexes.iter().enumerate() {
                let body = move || {
                    let _guard = mutex.lock();
                    panic!("number {number}");
                };
                thread::Builder::new()
                    .name(format!("n{number}"))
                    .spawn_scoped(scope, body)
                    .unwrap();
            }
        });
    });
    let counts: Vec<u64> = report.failures().iter().map(|failure| failure.count()).collect();
    assert_eq!(counts, [3, 3]);
    for failure in report.failures() {
        let who = failure.to_string();
        assert_eq!(who.starts_with("'n0'"), failure.message() == "number 0", "{who}");
    }
}

#[test]
fn the_panic_of_the_main_one_is_the_first_if_it_comes_first() {
    for explorer in both_ways() {
        reduced(&explorer, || {
            let _other = thread::spawn(|| panic!("other"));
            leno::yield_now();
            panic!("main");
        });
    }
    let report = Explorer::new().explore(|| {
        let _other = thread::spawn(|| panic!("other"));
        panic!("main");
    });
    assert_eq!(report.failure().unwrap().message(), "main");
}

/// A token that nobody has taken was there in the next execution.
#[test]
fn nothing_is_left_for_the_next_execution() {
    for explorer in both_ways() {
        let report = explorer.explore(|| {
            let main = thread::current();
            let has_begun = Rc::new(Shared::new(false));
            let flag = has_begun.clone();
            thread::spawn(move || {
                flag.set(true);
                main.unpark();
                main.unpark();
            });
            thread::park();
            has_begun.get()
        });
        assert_eq!(report.outcomes().keys().copied().collect::<Vec<_>>(), [true]);
    }
}

#[test]
fn objects_that_each_uses_first_in_its_own_order() {
    reduced(&Explorer::new().preemptive(), || {
        let cells = [Shared::new(0), Shared::new(0), Shared::new(0)];
        leno::scope(|scope| {
            let reader = scope.spawn(|| (cells[1].get(), cells[0].get()));
            scope.spawn(|| cells[1].set(cells[2].get() + 1));
            reader.join().unwrap()
        })
    });
}

/// What comes before a scope's end and what comes after it are one step if all have
/// ended, and two if not.
#[test]
fn what_a_scope_separates() {
    for explorer in both_ways() {
        reduced(&explorer, || {
            let cells = [Shared::new(0), Shared::new(0)];
            leno::scope(|scope| {
                let reader = scope.spawn(|| (cells[0].get(), cells[1].get()));
                leno::scope(|inner| {
                    inner.spawn(|| {});
                    leno::yield_now();
                    cells[0].set(1);
                });
                cells[1].set(1);
                reader.join().unwrap()
            })
        });
    }
}

#[test]
fn what_is_done_before_a_scope_ends_does_not_come_after_its_threads() {
    for explorer in both_ways() {
        reduced(&explorer, || {
            let cells = [Shared::new(0), Shared::new(0)];
            leno::scope(|scope| {
                let reader = scope.spawn(|| (cells[0].get(), cells[1].get()));
                leno::scope(|inner| {
                    inner.spawn(|| cells[1].set(1));
                    leno::yield_now();
                    cells[0].set(1);
                });
                reader.join().unwrap()
            })
        });
    }
}

/// What a step uses must not depend on what it is not seen to use.
#[test]
fn a_wait_while_others_are_unwound() {
    for explorer in both_ways() {
        reduced(&explorer, || {
            let threads = Rc::new(RefCell::new(Vec::new()));
            let cancels = |which: usize| {
                let threads: Rc<RefCell<Vec<Thread>>> = threads.clone();
                move || {
                    let thread = threads.borrow()[which].clone();
                    thread.cancel();
                }
            };
            let all = [thread::spawn(cancels(2)), thread::spawn(cancels(0)), thread::spawn(|| {})];
            threads.replace(all.iter().map(|handle| handle.thread().clone()).collect());
            leno::yield_now();
            all.map(|handle| handle.join().is_ok())
        });
    }
}

/// A program that the audit has come across.
fn program(ending: Ending, started: usize, bodies: &[&[Op]]) -> impl Fn() -> Logs + use<> {
    let bodies = bodies.iter().map(|body| body.to_vec()).collect();
    let program = Program { bodies, started, ending, capacities: [None; CHANNELS], permits: 0 };
    interpret::closure(&program, false)
}

/// A step that comes before what it was after may be another, and so depend on what
/// it did not depend on.
#[test]
fn a_step_that_is_another_if_it_comes_first() {
    use Op::{Cancel, Yield};
    for explorer in both_ways() {
        reduced(
            &explorer,
            program(
                Ending::Join,
                3,
                &[&[Yield, Yield, Cancel(1)], &[Cancel(3)], &[Cancel(1)], &[Yield]],
            ),
        );
    }
}

/// A step that was tried elsewhere and sleeps is not tried if it becomes another and
/// so has nothing to do with what it had to do with.
#[test]
fn a_step_that_sleeps_and_wakes_as_another() {
    use Op::{Add, Cancel, Get, Yield};
    for explorer in both_ways() {
        reduced(
            &explorer,
            program(Ending::Scope, 3, &[&[Yield], &[Get(0)], &[Yield, Add(0)], &[Cancel(1)]]),
        );
    }
}

/// If those who yield let others go first, a step that only finds that it has to wait
/// is a turn all the same.
#[test]
fn a_turn_that_does_nothing() {
    use Op::{Exchange, IsFinished, Within, Yield};
    let main: &[Op] = &[Within(2, vec![Yield]), IsFinished(1)];
    let bodies: [&[Op]; 3] = [main, &[Yield, Yield], &[Exchange(1, 1)]];
    for explorer in both_ways() {
        reduced(&explorer.fair(), program(Ending::Scope, 1, &bodies));
    }
}

/// Whoever ends a wait for any of several channels ends it for all of them: who comes
/// by another one finds nobody waiting.
#[test]
fn two_who_send_to_a_select() {
    for explorer in both_ways() {
        reduced(&explorer, || {
            let channels = [0, 1].map(|_| channel::bounded(0));
            leno::scope(|scope| {
                let sent = channels
                    .each_ref()
                    .map(|(sender, _)| scope.spawn(move || sender.try_send(()).is_ok()));
                let [(_, one), (_, other)] = &channels;
                let received = leno::select! {
                    recv(one) -> _ => 0,
                    recv(other) -> _ => 1,
                    default(Duration::from_millis(1)) => 2,
                };
                (received, sent.map(|sent| sent.join().unwrap()))
            })
        });
    }
}

/// One that has just been woken may start others, who then run first.
#[test]
fn one_that_is_started_by_one_that_was_woken() {
    use Op::{Add, Cancel, Get, Join, Spawn, Within};
    let others: [&[Op]; 2] = [&[Cancel(2), Add(2)], &[Cancel(2), Cancel(1)]];
    let first: &[Op] = &[Add(0), Within(3, vec![]), Spawn(4), Join(4)];
    for explorer in both_ways() {
        reduced(
            &explorer,
            program(Ending::Scope, 2, &[&[], first, &[Get(0)], others[0], others[1]]),
        );
    }
    let report = Explorer::new().preemptive().explore(|| {
        let cell = Rc::new(Shared::new(0));
        let other = cell.clone();
        thread::spawn(move || other.set(1));
        cell.get()
    });
    assert_eq!(report.outcomes().len(), 2);
}

/// A timer that is no longer wanted is taken out by somebody's step, and might have
/// come before.
#[test]
fn a_deadline_that_does_not_come() {
    for explorer in both_ways() {
        reduced(&explorer.timed(), || {
            let start = time::Instant::now();
            let main = thread::current();
            thread::spawn(move || main.unpark());
            thread::park_timeout(Duration::from_millis(1));
            start.elapsed()
        });
    }
}

#[test]
fn a_deadline_scope_that_is_left_in_time() {
    for explorer in both_ways() {
        reduced(&explorer.timed(), || {
            let main = thread::current();
            thread::spawn(move || main.unpark());
            time::timeout(Duration::from_millis(1), thread::park).is_ok()
        });
    }
}

/// A token that comes before the one that was woken goes on is lost, and one that
/// comes after it is not.
#[test]
fn a_second_token() {
    for explorer in both_ways() {
        reduced(&explorer, || {
            let is_parked = Rc::new(Shared::new(false));
            let start = time::Instant::now();
            let flag = is_parked.clone();
            let parked = thread::spawn(move || {
                flag.set(true);
                thread::park();
                leno::yield_now();
                thread::park_timeout(Duration::from_millis(1));
            });
            let thread = parked.thread().clone();
            let waker = thread::spawn(move || {
                let was_parked = is_parked.get();
                thread.unpark();
                leno::yield_now();
                thread.unpark();
                was_parked
            });
            parked.join().unwrap();
            (waker.join().unwrap(), start.elapsed())
        });
    }
}

/// One that waits for another by yielding has executions without end, unless it lets
/// the other go first.
#[test]
fn a_loop_that_waits_by_yielding() {
    for explorer in [Explorer::new().fair(), Explorer::new().preemptive()] {
        let executions = reduced(&explorer, || {
            let is_set = Shared::new(false);
            leno::scope(|scope| {
                scope.spawn(|| {
                    while !is_set.get() {
                        leno::yield_now();
                    }
                });
                scope.spawn(|| is_set.set(true));
            });
        });
        assert!(executions <= 3, "{executions}");
    }
}

/// As many can run as before, and do the same, but they are not the same.
#[test]
fn a_program_that_does_not_repeat_itself() {
    let count = Cell::new(0);
    let report = Explorer::new().explore(|| {
        count.set(count.get() + 1);
        if count.get() > 4 {
            thread::spawn(|| {}).join().unwrap();
        }
        leno::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    leno::yield_now();
                    leno::yield_now();
                });
            }
        });
    });
    assert_eq!(report.failure().unwrap().kind(), FailureKind::NotRepeatable);
}

/// One that was notified, and has not gone on when the execution is given up, does
/// not wait for its lock.
#[test]
fn an_execution_that_is_given_up_after_a_notification() {
    let report = Explorer::new().max_steps(2).explore(|| {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let mut guard = None;
        leno::scope(|scope| {
            scope.spawn(|| drop(condvar.wait(mutex.lock().unwrap())));
            leno::yield_now();
            guard = Some(mutex.lock());
            condvar.notify_one();
        });
    });
    let kinds = report.failures().iter().map(|failure| failure.kind());
    assert!(kinds.into_iter().any(|kind| kind == FailureKind::Endless), "{report:?}");
}
