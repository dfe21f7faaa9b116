//! Mistakes of sockets, planted in leno one at a time. The tests in `tests/net` run with each mistake. This
//! test fails if they do not find one.
//!
//! ```text
//! LENO_MUTANTS=net cargo test --test mutants
//! ```

use super::mistakes::{Mistake, mistake, try_mistakes};
use super::workshop::Kit;

pub const MISTAKES: &[Mistake] = &[
    mistake(
        "end-unnoticed",
        "side.is_closed.set(false)",
        "the end is forgotten after it was reported",
    ),
    mistake("end-drains", "true", "a short read after the end counts as drained"),
    mistake("turn-kept", "", "a thread that has read hands its turn to no other"),
    mistake("select-keeps-turn", "", "a select that is woken hands its turn to no other thread"),
    mistake("late-report-chosen", "true", "a late report ends a select"),
    mistake("select-uncounted", "", "a select that waits for a socket counts as none"),
    mistake("cancelled-call-made", "", "a cancelled thread still reads"),
    mistake("cancelled-waits-again", "", "a thread that is cancelled after its wake waits again"),
    mistake(
        "wait-uncounted",
        "waits.set(waits.get() + 1 - 1)",
        "a wait for a socket counts as none",
    ),
    mistake(
        "wait-for-thread-uncounted",
        "",
        "a wait for a lock that closes a cycle is not noticed",
    ),
    mistake("cycle-told-again", "true", "each look tells a cycle again"),
    mistake("deadline-in-cycle", "false", "a deadline does not break a cycle"),
    mistake("nonblocking-switches", "false", "a call that does not block lets others run"),
    mistake("no-turn-given", "", "a thread that streams lets no other run"),
    mistake("failure-connects", "{ drop(error); Ok(()) }", "a failed connection counts as made"),
    mistake("writer-ends-nothing", "false", "the dropped half of a stream does not end writing"),
    mistake("failure-waits", "", "the next attempt to connect waits after one has failed"),
    mistake(
        "abort-returned",
        "Err(error)",
        "a connection that is broken before it is accepted is an error",
    ),
    mistake("closed-unremoved", "", "a closed socket stays in the engine"),
    mistake(
        "result-lost",
        "{ if let Some(scheduler) = scheduler { scheduler.checkpoint(); } $ }",
        "a cancellation after a call takes what was read",
    ),
    mistake(
        "accepted-lost",
        "{ let it = accepted?; if let Some(it) = try_scheduler() { it.checkpoint(); } it }",
        "a cancellation after a connection was accepted closes it",
    ),
    mistake(
        "cancelled-after-turn",
        "{ scheduler.checkpoint(); $ }",
        "a thread that is cancelled after its wake hands its turn to no other",
    ),
    mistake("turn-kept-by-error", "", "a thread that has failed hands its turn to no other"),
    mistake("turn-kept-by-panic", "", "a call that unwinds hands its turn to no other"),
    mistake(
        "overtakes",
        "side_now.is_none_or(Side::is_ready)",
        "a new call goes before waiting ones",
    ),
    mistake("elapsed-drains", "{ side.is_drained(); $ }", "a report during a timeout is lost"),
    mistake(
        "interrupted-drains",
        "{ side.is_drained(); $ }",
        "a report during a cancellation is lost",
    ),
    mistake(
        "unawaited-report-lost",
        "side.is_ready.set(side.is_awaited())",
        "a report is lost for which no thread waits",
    ),
    mistake("full-drains", "true", "a stream that was read in full counts as drained"),
    mistake(
        "deadline-restarts",
        "self.timeout.and_then(|it| deadline_after(scheduler, it))",
        "each wake begins the timeout again",
    ),
    mistake("one-side", "&self.sides[0]", "the directions of a socket have one wait queue"),
    mistake("foreign-source-serves", "true", "a runtime waits by the engine of another"),
    mistake("fork-shares-engine", "false", "a forked child uses the engine of its parent"),
    mistake("limit-overtaken", "true", "an accept goes before those that wait for the limit"),
    mistake("limit-exceeded", "self.open <= self.most", "one connection too many is accepted"),
    mistake("limit-sleeps", "drop(woken)", "a closed connection wakes no accept at the limit"),
    mistake("permit-kept", "", "a closed connection counts as open"),
    mistake("limit-queue-kept", "", "a cancelled accept stays in the queue of the limit"),
    mistake("first-limit-misses", "$.filter(|_| false)", "a limit misses an accept that waits"),
    mistake("select-keeps-place", "", "a select stays in the queue of the limit"),
    mistake("select-unlimited", "is_ready", "a select finds a listener at its limit ready"),
    mistake("shortage-spins", "", "accepting spins while there is no descriptor"),
    mistake(
        "signal-sent",
        "real.send_with_flags(bytes, 0)?",
        "a write to a closed connection sends a signal",
    ),
    mistake("mode-kept", "Ok(())", "a socket that is given back does not block"),
    mistake(
        "accepted-survives-exec",
        "libc::SOCK_NONBLOCK",
        "a child process inherits connections",
    ),
    // Of io_uring only, which the machine must have.
    mistake("any-generation", "true", "a report for a closed socket reaches the next one"),
    mistake("last-report-unnoticed", "false", "a socket is not added again after the last report"),
    mistake("removal-left-out", "", "a socket closed on another OS thread stays in the engine"),
];

/// Mistakes of the engine of io_uring. They are found on a ring that needs none of the system's.
pub const RING: &[Mistake] = &[
    mistake("full-queue-drops", "", "a request without room in the queue is lost"),
    mistake("signal-ends-sending", "return", "a signal ends the sending of requests"),
    mistake("unsent-forgotten", "None", "what had no room is not sent"),
    mistake("rest-unsent", "true", "what one system call has left is not sent"),
    mistake("removal-unsubmitted", "", "a closed socket stays open until the next look"),
    mistake("overflow-unheard", "state.has_completions", "reports without room are not looked for"),
    mistake("requests-unheard", "is_queued || state.has_work", "requests wait for a report"),
    mistake("unflushed", "false", "a host sleeps before requests are sent"),
    mistake(
        "sleeps-unsent",
        "queues.ring.wait(nanos).map(drop)",
        "the runtime sleeps before requests are sent",
    ),
    mistake("shortage-unpaused", "", "the runtime spins while the system has no memory"),
    mistake("pauses-stay-long", "", "a new shortage begins with the longest pause"),
    mistake(
        "pauses-grow-for-ever",
        "self.pause = 2 * self.pause",
        "the pauses of a shortage have no bound",
    ),
    mistake("end-leaves-requests", "", "a runtime that has ended leaves its requests"),
    mistake("answers-reported", "false", "the answer to a removal is a report"),
    mistake(
        "end-by-itself-unheard",
        "$ || result == -libc::ECANCELED",
        "a request that the system ends is not made again",
    ),
    mistake("bell-ends", "false", "the inbox is not added again after its last report"),
    mistake("bell-rings-on", "is_awaited(scheduler)", "a host is called for a message it has read"),
    mistake("host-sleeps-unsent", "false", "a host sleeps although requests could not be sent"),
];

#[test]
fn every_mistake_of_the_ring_is_found() {
    try_mistakes("ring", &Kit::ring(), RING);
}

#[test]
fn every_mistake_of_sockets_is_found() {
    try_mistakes("net", &Kit::net(), MISTAKES);
}
