//! Typical mistakes of runtimes, planted in leno one at a time. The oracle of `tests/it/oracle_runtime`
//! runs with each mistake. This test fails if the oracle does not find one.
//!
//! ```text
//! LENO_MUTANTS=runtime cargo test --test mutants
//! ```

use super::mistakes::{Mistake, mistake, try_mistakes};
use super::workshop::Kit;

/// The number of programs of each kind. Most mistakes are found within a few hundred.
const PROGRAMS: &str = "20000";

pub const MISTAKES: &[Mistake] = &[
    // Waits and wake-ups.
    mistake(
        "gives-after-wait",
        "true",
        "a thread whose wait is over is given a value all the same",
    ),
    mistake(
        "last-first",
        "unsafe { self.first.get().as_ref().map(|_| &*self.last.get()) }?",
        "the thread that came last is served first",
    ),
    mistake(
        "gives-only-to-first",
        "let first = self.first.get(); $.filter(|&node| ptr::eq(node, first))",
        "no thread is given a value if the wait of the first one is over",
    ),
    mistake(
        "takes-only-from-first",
        "let first = self.first.get(); Some($).filter(|&node| ptr::eq(node, first))?",
        "an unlock wakes no thread if the wait of the first one is over",
    ),
    mistake(
        "wakes-only-first",
        "let first = self.first.get(); $.filter(|&node| ptr::eq(node, first))",
        "a notification is lost on a thread whose wait is over",
    ),
    mistake(
        "elapsed-node-stays",
        "$ || outcome == Outcome::Elapsed",
        "the node of an elapsed wait stays in its queue",
    ),
    mistake(
        "first-case-chosen",
        "self.chosen.set(Some(0))",
        "a select takes its first case for the chosen one",
    ),
    mistake(
        "wakes-twice",
        "$ || control.state() == State::Runnable",
        "a thread that has been woken is woken again",
    ),
    mistake(
        "always-woken",
        "control.set_outcome(Outcome::Woken)",
        "an interrupted or elapsed wait counts as woken",
    ),
    // Deadlines.
    mistake(
        "timer-goes-on",
        "outcome == Outcome::Elapsed",
        "the timer of a wait that has ended earlier ends a later wait",
    ),
    mistake("elapsed-without-turn", "", "a wait without time left gives no other thread a turn"),
    mistake(
        "younger-timer-first",
        "(self.deadline, other.age) < (other.deadline, self.age)",
        "of two timers of the same moment, the younger one fires first",
    ),
    mistake(
        "ends-in-any-scope",
        "unwinding.is_some_and(|unwinding| number > 0 && unwinding.scope().is_some())",
        "the deadline of an outer scope is taken for that of the inner one",
    ),
    mistake(
        "innermost-scope-ends",
        "scopes.iter().rfind(due).map(|scope| Extent::Scope(scope.number))",
        "of several elapsed scopes, the inner one ends",
    ),
    mistake("scope-timer-goes-on", "None", "the timer of a scope that has been left goes on"),
    // Cancellation.
    mistake("cancelled-wait-goes-on", "false", "a cancelled thread goes on to wait"),
    mistake(
        "cancellation-unshielded",
        "reasons & (reason::FORCED | reason::CANCELLED) != 0",
        "a shield does not hold off a cancellation",
    ),
    mistake(
        "deadline-unshielded",
        "scope.elapsed && scope.shields <= shields",
        "a shield does not hold off a deadline around it",
    ),
    mistake(
        "deadline-shielded",
        "scope.elapsed && shields == 0",
        "a shield holds off a deadline inside it",
    ),
    mistake(
        "destructor-unwound",
        "true",
        "a destructor that waits during an unwinding is unwound again",
    ),
    mistake(
        "in-flight-for-ever",
        "$ && control.state_or_default::<Cancellation>().attempts.get() == 0",
        "a thread that has caught the unwinding is never unwound again",
    ),
    mistake(
        "own-panic-unnoticed",
        "panics::suspended() == 0",
        "a panic is not noticed while other threads wait in the middle of one",
    ),
    mistake(
        "panicking-unwound",
        "",
        "a thread that waits in the middle of its own panic is unwound",
    ),
    mistake(
        "relock-unshielded",
        "control.cancel_flags().unshield(); let outcome = $; control.cancel_flags().shield(); outcome",
        "a cancellation keeps a notified thread from its mutex",
    ),
    mistake("cancelled-join-waits", "", "a cancelled thread goes on to wait in join"),
    // Channels and select.
    mistake(
        "message-dropped-at-deadline",
        "Ok(drop(value))",
        "a message is dropped at the deadline of its sender",
    ),
    mistake(
        "one-receiver-woken",
        "state.receiving.wake_one()",
        "when all senders are gone, one receiver is woken",
    ),
    mistake(
        "one-sender-woken",
        "state.sending.wake_one()",
        "when all receivers are gone, one sender is woken",
    ),
    mistake(
        "room-wakes-no-sender",
        "None",
        "a thread that waits to send is not woken when there is room",
    ),
    mistake(
        "one-message-too-many",
        "length <= self.limit",
        "a channel holds one message more than its capacity",
    ),
    mistake(
        "receiver-passed-over",
        "Err(value)",
        "a message goes to the buffer though a thread waits for it",
    ),
    mistake(
        "put-stays-open",
        "",
        "the shortcut of senders stays open when a thread begins to wait to receive",
    ),
    mistake(
        "take-stays-open",
        "",
        "the shortcut of receivers stays open when a thread begins to wait to send",
    ),
    mistake(
        "take-opens-early",
        "$; self.buffer.open_take()",
        "the shortcut of receivers is opened while a second thread waits to send",
    ),
    mistake(
        "put-open-without-receiver",
        "",
        "the shortcut of senders stays open when the last receiver goes",
    ),
    mistake(
        "put-beyond-capacity",
        "self.put_limit.set(self.slot_count())",
        "the shortcut of senders fills the ring beyond the capacity",
    ),
    mistake(
        "growth-reorders",
        "*slot = unsafe { self.slot(index).read() }",
        "messages change their order when the ring grows in the middle",
    ),
    mistake(
        "timer-after-deadline",
        "self.deadline.get().is_none()",
        "a timer among the cases does not come before the deadline",
    ),
    mistake(
        "unsent-counts-as-sent",
        "drop(waited.slot)",
        "a message that a select did not send is taken for sent",
    ),
    // Locks.
    mistake(
        "mutex-not-handed-over",
        "lock.set_holder(None); lock.waiting.take()",
        "a mutex is not handed over: another thread may take it first",
    ),
    mistake(
        "reader-overtakes",
        "is_free_for(lock, claim)",
        "a reader overtakes a writer that waits",
    ),
    mistake(
        "readers-wait-on",
        "self.lock.note(Access::Write, \"give up\")",
        "readers wait on behind a writer that has given up",
    ),
    mistake(
        "permits-unused",
        "self.state.note(Access::Write, \"give up\")",
        "permits lie unused behind a thread that has given up",
    ),
    mistake(
        "few-overtake-many",
        "left",
        "a thread that asks for few permits overtakes those that wait for more",
    ),
    mistake(
        "permits-lost",
        "if !crate::thread::panicking() { $ }",
        "permits are lost when their holder is cancelled",
    ),
    mistake(
        "cancelled-notification-awaited",
        "",
        "a cancelled thread goes on to wait for a notification",
    ),
    mistake(
        "one-notified",
        "self.waiting.note(Access::Write, \"notify all\").wake_one()",
        "all threads are notified, and one is woken",
    ),
    mistake(
        "poisoned-by-other-panic",
        "std::thread::panicking() && !before.0",
        "the panic of another thread poisons a lock",
    ),
];

#[test]
fn every_mistake_in_the_runtime_is_found() {
    try_mistakes("runtime", &Kit::oracle(PROGRAMS), MISTAKES);
}
