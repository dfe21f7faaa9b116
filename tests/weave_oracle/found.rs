//! Small programs for which a reduction has missed an end, or has explored too much.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::rc::Rc;

use leno::channel;
use leno::sync::{Condvar, Mutex};
use leno::thread::{self, Thread};
use leno::time::{self, Duration};
use leno::weave::{Explorer, FailureKind, Report, Shared};

use crate::interpret::{self, CellKind};
use crate::program::{CHANNELS, Ending, Logs, Op, Program};

/// Explores in full and reduced, and returns the number of reduced executions.
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
fn two_panics_have_two_orders() {
    for explorer in both_ways() {
        reduced(&explorer, || {
            let one = thread::spawn(|| panic!("one"));
            let other = thread::spawn(|| panic!("other"));
            let _: [thread::Result<()>; 2] = [one.join(), other.join()];
        });
    }
}

/// The report names the green thread of each panic.
#[test]
fn concurrent_panics_are_told_apart() {
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
        let text = failure.to_string();
        assert_eq!(text.starts_with("'n0'"), failure.message() == "number 0", "{text}");
    }
}

#[test]
fn a_panic_of_the_main_thread_may_come_first() {
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

/// An unused unpark token was left over in the next execution.
#[test]
fn no_token_is_left_for_the_next_execution() {
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
fn objects_may_be_first_used_in_different_orders() {
    reduced(&Explorer::new().preemptive(), || {
        let cells = [Shared::new(0), Shared::new(0), Shared::new(0)];
        leno::scope(|scope| {
            let reader = scope.spawn(|| (cells[1].get(), cells[0].get()));
            scope.spawn(|| cells[1].set(cells[2].get() + 1));
            reader.join().unwrap()
        })
    });
}

/// The code before the end of a scope and the code after it are one step if all its
/// threads have ended, and two steps if not.
#[test]
fn a_scope_end_may_separate_steps() {
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
fn code_in_a_scope_may_precede_its_threads() {
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

/// The objects of a step must not depend on objects that the step is not known to use.
#[test]
fn a_wait_during_the_unwinding_of_others() {
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

/// Returns a program that the audit has generated.
fn program(ending: Ending, started: usize, bodies: &[&[Op]]) -> impl Fn() -> Logs + use<> {
    let bodies = bodies.iter().map(|body| body.to_vec()).collect();
    let program = Program { bodies, started, ending, capacities: [None; CHANNELS], permits: 0 };
    interpret::closure(&program, CellKind::Shared)
}

/// A step that moves to an earlier position may become another step, with other
/// dependences.
#[test]
fn a_step_may_change_when_it_comes_first() {
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

/// A step in a sleep set is not run again. If it becomes another step with other
/// dependences, it must be.
#[test]
fn a_sleeping_step_may_change() {
    use Op::{Add, Cancel, Exchange, Get, Store, Yield};
    for explorer in both_ways() {
        reduced(
            &explorer,
            program(Ending::Scope, 3, &[&[Yield], &[Get(0)], &[Yield, Add(0)], &[Cancel(1)]]),
        );
        let second: &[Op] = &[Cancel(2), Exchange(0, 2)];
        reduced(&explorer, program(Ending::Join, 2, &[&[Cancel(1)], &[Store(0)], second]));
    }
}

/// In a fair exploration, a step that only finds that it has to wait is still a turn.
#[test]
fn a_turn_may_do_nothing() {
    use Op::{Exchange, IsFinished, Within, Yield};
    let main: &[Op] = &[Within(2, vec![Yield]), IsFinished(1)];
    let bodies: [&[Op]; 3] = [main, &[Yield, Yield], &[Exchange(1, 1)]];
    for explorer in both_ways() {
        reduced(&explorer.fair(), program(Ending::Scope, 1, &bodies));
    }
}

/// A message on one channel ends a select for all its channels, so a sender on another
/// channel finds no waiting receiver.
#[test]
fn two_senders_race_for_a_select() {
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

/// A green thread that was just woken may start others, which then run first.
#[test]
fn a_woken_thread_may_start_others() {
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

/// A timer is removed by the step of another thread, and could have fired before it.
#[test]
fn a_cancelled_timer_could_have_fired() {
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
fn a_deadline_of_a_left_scope_could_have_fired() {
    for explorer in both_ways() {
        reduced(&explorer.timed(), || {
            let main = thread::current();
            thread::spawn(move || main.unpark());
            time::timeout(Duration::from_millis(1), thread::park).is_ok()
        });
    }
}

/// A second token is lost if it comes before the woken thread continues, and counts if
/// it comes afterwards.
#[test]
fn a_second_token_may_be_lost() {
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

/// A loop that waits by yielding has endless executions, unless a yield lets other
/// threads go first.
#[test]
fn a_yield_loop_has_finite_fair_executions() {
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

/// The same number of green threads can run and takes the same steps, but they are
/// other threads.
#[test]
fn an_unrepeatable_program_is_detected() {
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

/// A notified green thread that has not continued when the execution is abandoned must
/// not wait for its lock.
#[test]
fn an_execution_may_be_abandoned_after_a_notification() {
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
