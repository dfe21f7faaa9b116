//! Model-based tests of channels, select, time, locks and cancellation: random
//! programs run on leno and on a model, a state machine that shares no code with
//! leno. All observable behaviour must be the same, in the same order and at the same
//! virtual time: received messages, dropped values, and the end of each green thread.
//!
//! `LENO_TEST_SEED` works as in `oracle_coroutine`, and `LENO_TEST_PROGRAMS` is the
//! number of programs. `tests/mutants/runtime.rs`, a list of mistakes that the
//! programs find, shows that they are good enough.

mod fairness;
mod generate;
mod interpret;
mod model;
pub(crate) mod programs;
mod tally;

use programs::run_programs;

/// A duration that never elapses.
const NEVER: u64 = u64::MAX;
const MUTEXES: usize = 2;

/// A program. Thread 0 is the main thread, which spawns the others.
#[derive(Clone, Debug)]
struct Program {
    /// The capacity of each channel; `None` for an unbounded one.
    capacities: Vec<Option<usize>>,
    permits: usize,
    threads: Vec<Body>,
    /// The choice of the next thread whenever several are ready; `None` for the order
    /// of the run queue.
    choices: Option<Vec<usize>>,
}

#[derive(Clone, Debug)]
struct Body {
    /// Whether the thread has a sender of each channel, and a receiver.
    sends: Vec<bool>,
    receives: Vec<bool>,
    operations: Vec<Op>,
}

#[derive(Clone, Debug)]
enum Op {
    Yield,
    Sleep { millis: u64 },
    Park(Patience),
    Unpark { which: usize },
    Cancel { which: usize },
    Join { which: usize },
    // Drops the join handle.
    Detach { which: usize },
    IsFinished { which: usize },
    Panic,
    // Keeps a value until the end of the block.
    Keep(Keep),
    Send { channel: usize, patience: Patience },
    Receive { channel: usize, patience: Patience },
    Select { cases: Vec<Case>, patience: Patience },
    DropSender { channel: usize },
    DropReceiver { channel: usize },
    // Catches every unwinding out of the operations.
    Catch { then: Fate, operations: Vec<Op> },
    // Runs the operations in a deadline scope.
    Timeout { millis: u64, operations: Vec<Op> },
    Shield(Vec<Op>),
    // Runs the operations while holding a lock.
    Hold { lock: Lock, patience: Patience, operations: Vec<Op> },
    Notify { all: bool },
    AddPermits(usize),
    CloseSemaphore,
}

/// What happens to a payload that was caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Dropped,
    // Dropped after a yield.
    Lingers,
    // Dropped after the run.
    Kept,
    Forgotten,
}

/// The deadline of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Patience {
    // `try_..`, or a select with a `default`.
    None,
    Millis(u64),
    // A function without a deadline.
    Endless,
}

/// A case of a select. If the thread has no end of the channel, it uses the next
/// channel.
#[derive(Clone, Copy, Debug)]
enum Case {
    Send { channel: usize },
    Receive { channel: usize },
    // Receives from a new timer.
    After { millis: u64 },
}

#[derive(Clone, Copy, Debug)]
enum Keep {
    Value,
    // Yields in its destructor.
    Yielding,
    // Sleeps in its destructor.
    Sleeping { millis: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    Mutex(usize),
    /// The first mutex, after a notification of the condvar. The deadline is that of
    /// the notification.
    Notification,
    Read,
    Write,
    Permits(usize),
}

/// An observable event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    // The act of a green thread, `at` milliseconds after the start.
    Did { thread: usize, at: u64, what: What },
    // The drop of a value. Values are numbered in the order of their creation.
    Dropped { value: u32 },
    // The choice of one ready thread among this number.
    Chose { among: usize },
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
    Panicking { value: u32 },
    Caught(Outcome, Fate),
    Dropping { value: u32 },
    Sent { channel: usize, result: Result<(), Failure> },
    Received { channel: usize, result: Result<u32, Failure> },
    // The index of the chosen case, or the default.
    Chosen(Option<usize>),
    // The moment that a timer sent.
    Moment { millis: u64 },
    InTime,
    Elapsed,
    Unshielded,
    Held { lock: Lock, result: Result<Poisoned, Failure> },
    Notified { timed_out: bool, poisoned: Poisoned },
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
    // Cancelled, or unwound by a deadline or a deadlock.
    Unwound,
    Deadlock,
}

fn compare(name: &str, chosen: bool) {
    let programs = generate::programs(chosen);
    let (programs, tally) = run_programs(name, 60_000, &programs, |program, tally| {
        let predicted = model::predict(program);
        let trace = interpret::run(program);
        tally::add(tally, &trace);
        if trace == predicted { Ok(()) } else { Err(difference(&trace, &predicted)) }
    });
    tally::check(&tally, programs);
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
fn random_programs_match_the_model() {
    compare("runtime, first come, first served", false);
}

#[test]
fn random_programs_in_random_orders_match_the_model() {
    compare("runtime, in any order", true);
}
