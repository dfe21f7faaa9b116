//! Channels, select, time, locks and cancellation against an oracle: random
//! programs run on leno and on a model of it, a state machine that shares no code
//! with it. Everything that can be observed must be the same, in the same order
//! and at the same moment of virtual time: who got what, when each value was
//! dropped, and how each green thread ended.
//!
//! `LENO_TEST_SEED` works as in `oracle_coroutine`, and `LENO_TEST_PROGRAMS` says
//! how many programs there are. That the programs are good enough is shown by
//! `tests/mutants/runtime.rs`, a list of mistakes that they find.

mod fairness;
mod generate;
mod interpret;
mod model;
mod tally;

use std::cell::RefCell;

use proptest::test_runner::TestCaseError;

use crate::oracle_coroutine::{scaled, seeded_runner};
use tally::Tally;

/// A duration that is never over.
const NEVER: u64 = u64::MAX;
const MUTEXES: usize = 2;

/// The green thread 0 is the main one, which starts the others.
#[derive(Clone, Debug)]
struct Program {
    /// Of each channel; `None` for any number.
    capacities: Vec<Option<usize>>,
    permits: usize,
    threads: Vec<Body>,
    /// Who is next, each time that several can run; `None` for who came first.
    choices: Option<Vec<usize>>,
}

#[derive(Clone, Debug)]
struct Body {
    /// Of which channels it has a sender, and of which a receiver.
    sends: Vec<bool>,
    receives: Vec<bool>,
    operations: Vec<Op>,
}

#[derive(Clone, Debug)]
enum Op {
    Yield,
    Sleep {
        millis: u64,
    },
    Park(Patience),
    Unpark {
        which: usize,
    },
    Cancel {
        which: usize,
    },
    Join {
        which: usize,
    },
    /// Drops the join handle.
    Detach {
        which: usize,
    },
    IsFinished {
        which: usize,
    },
    Panic,
    /// Keeps something until the block is left.
    Keep(Keep),
    Send {
        channel: usize,
        patience: Patience,
    },
    Receive {
        channel: usize,
        patience: Patience,
    },
    Select {
        cases: Vec<Case>,
        patience: Patience,
    },
    DropSender {
        channel: usize,
    },
    DropReceiver {
        channel: usize,
    },
    /// Catches whatever unwinds out of the operations. If it lingers, it yields
    /// before it drops the payload.
    Catch {
        lingers: bool,
        operations: Vec<Op>,
    },
    /// A deadline scope.
    Timeout {
        millis: u64,
        operations: Vec<Op>,
    },
    Shield(Vec<Op>),
    /// Holds a lock while it carries out the operations.
    Hold {
        lock: Lock,
        patience: Patience,
        operations: Vec<Op>,
    },
    Notify {
        all: bool,
    },
    AddPermits(usize),
    CloseSemaphore,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Patience {
    /// Not at all: `try_..`, or a `default`.
    None,
    Millis(u64),
    /// The function without a deadline.
    Endless,
}

/// Of a channel that a green thread has no end of, it takes the next one.
#[derive(Clone, Copy, Debug)]
enum Case {
    Send {
        channel: usize,
    },
    Receive {
        channel: usize,
    },
    /// A timer that is made for this.
    After {
        millis: u64,
    },
}

#[derive(Clone, Copy, Debug)]
enum Keep {
    Value,
    /// Yields in its destructor.
    Yielding,
    /// Sleeps in its destructor.
    Sleeping {
        millis: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    Mutex(usize),
    /// The first mutex, after a notification of the condvar. The patience is for
    /// the notification.
    Notification,
    Read,
    Write,
    Permits(usize),
}

/// What can be observed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// A green thread did something, so many milliseconds after the start.
    Did {
        who: usize,
        at: u64,
        what: What,
    },
    /// Values are numbered in the order of their making.
    Dropped {
        value: u32,
    },
    /// So many could run, and one of them was chosen.
    Chose {
        among: usize,
    },
    RunEnded(Outcome),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Started,
    WentOn,
    Slept,
    Unparked,
    Joined(Outcome),
    IsFinished(bool),
    NothingThere,
    Panicking {
        value: u32,
    },
    Caught(Outcome),
    Dropping {
        value: u32,
    },
    Sent {
        channel: usize,
        result: Result<(), Failure>,
    },
    Received {
        channel: usize,
        result: Result<u32, Failure>,
    },
    /// Of the cases that there were, or the default.
    Chosen(Option<usize>),
    /// A timer's moment.
    Moment {
        millis: u64,
    },
    InTime,
    Elapsed,
    Unshielded,
    Held {
        lock: Lock,
        result: Result<Poisoned, Failure>,
    },
    Notified {
        timed_out: bool,
        poisoned: Poisoned,
    },
}

type Poisoned = bool;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    WouldBlock,
    Timeout,
    Disconnected,
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Value(u32),
    Panic(u32),
    /// It was cancelled, or unwound for a deadline or a deadlock.
    Unwound,
    Deadlock,
}

fn compare(name: &str, chosen: bool) {
    let cases = scaled(60_000);
    let (mut runner, repeat) = seeded_runner(name, cases);
    let tally = RefCell::new(Tally::default());
    let result = runner.run(&generate::programs(chosen), |program| {
        let predicted = model::predict(&program);
        let trace = interpret::run(&program);
        tally.borrow_mut().add(&trace);
        match trace == predicted {
            true => Ok(()),
            false => Err(TestCaseError::fail(difference(&trace, &predicted))),
        }
    });
    if let Err(error) = result {
        panic!("{repeat}\n{error}");
    }
    let tally = tally.into_inner();
    println!("  {tally:?}");
    tally.check(cases as usize);
}

fn difference(trace: &[Event], predicted: &[Event]) -> String {
    let common = trace.iter().zip(predicted).take_while(|(one, other)| one == other).count();
    let text = |events: &[Event]| -> String {
        events.iter().map(|event| format!("    {event:?}\n")).collect()
    };
    format!(
        "both:\n{}leno:\n{}model:\n{}",
        text(&trace[..common]),
        text(&trace[common..]),
        text(&predicted[common..])
    )
}

#[test]
fn random_programs_run_as_the_model_says() {
    compare("runtime, first come, first served", false);
}

#[test]
fn random_programs_in_random_orders_run_as_the_model_says() {
    compare("runtime, in any order", true);
}
