//! Typical mistakes of runtimes, planted in leno one at a time. The oracle of `tests/it/oracle_runtime` is
//! built and run with each mistake. This test fails if the oracle does not find one.
//!
//! ```text
//! LENO_MUTANTS=runtime cargo test --test mutants
//! ```

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::workshop::{Build, Kit, Outcome, Workshop};
use super::{TURN, Target, asked_for, sampled, say, target, try_in, workshops};

/// The number of programs of each kind. Most mistakes are found within a few hundred.
const PROGRAMS: &str = "20000";

/// A file, a text in it, the text with the mistake, and a description of the mistake.
pub(super) struct Mutant {
    file: &'static str,
    before: &'static str,
    after: &'static str,
    what: &'static str,
}

pub(super) const fn mutant(
    file: &'static str,
    before: &'static str,
    after: &'static str,
    what: &'static str,
) -> Mutant {
    Mutant { file, before, after, what }
}

const WAIT_LIST: &str = "src/kernel/wait_queue.rs";
const UNWIND: &str = "src/cancel/unwind.rs";
const WAITING: &str = "src/kernel/block.rs";
const DEADLINE: &str = "src/cancel/scope.rs";
const SCHEDULER: &str = "src/kernel/scheduler.rs";
const CHANNEL: &str = "src/channel/state.rs";
const RING: &str = "src/channel/ring.rs";
const SELECT: &str = "src/channel/select_macro.rs";
const MUTEX: &str = "src/sync/mutex.rs";
const CLAIM: &str = "src/sync/claim.rs";
const RWLOCK: &str = "src/sync/rwlock.rs";
const CONDVAR: &str = "src/sync/condvar.rs";
const SEMAPHORE: &str = "src/sync/semaphore.rs";

const MUTANTS: &[Mutant] = &[
    // Waits and wake-ups.
    mutant(
        WAIT_LIST,
        "            if waits {\n                return Some(node);",
        "            if waits || true {\n                return Some(node);",
        "one whose wait is over is given something all the same",
    ),
    mutant(
        WAIT_LIST,
        "let node = unsafe { self.first.get().as_ref() }?;",
        "let node = unsafe { self.first.get().as_ref().map(|_| &*self.last.get()) }?;",
        "who came last is served first",
    ),
    mutant(
        WAIT_LIST,
        "let Some(node) = self.front() else { return Err(value) };",
        "let first = self.first.get();\n        \
         let Some(node) = self.front().filter(|&node| ptr::eq(node, first)) else {\n            \
         return Err(value);\n        };",
        "nobody is given a value if the wait of the first is over",
    ),
    mutant(
        WAIT_LIST,
        "let node = self.front()?;\n        self",
        "let first = self.first.get();\n        \
         let node = self.front().filter(|&node| ptr::eq(node, first))?;\n        self",
        "an unlock wakes nobody if the first who waited was cancelled",
    ),
    mutant(
        WAIT_LIST,
        "let node = self.front();\n",
        "let first = self.first.get();\n        \
         let node = self.front().filter(|&node| ptr::eq(node, first));\n",
        "a notification is lost on one whose wait is over",
    ),
    mutant(
        WAIT_LIST,
        "        if slot.is_some() != offers {\n",
        "        if slot.is_some() != offers || outcome == Outcome::Elapsed {\n",
        "the node of a wait that has run out of time stays in its list",
    ),
    mutant(
        SELECT,
        "            self.chosen.set(Some(index));",
        "            self.chosen.set(Some(0));",
        "a select takes another case for the one that was chosen",
    ),
    mutant(
        SCHEDULER,
        "        let waits = control.state() == State::Waiting;\n        if waits {",
        "        let waits = control.state() == State::Waiting;\n        \
         if waits || control.state() == State::Runnable {",
        "a thread that has been woken is woken again",
    ),
    mutant(
        SCHEDULER,
        "        control.set_outcome(outcome);\n",
        "        let _ = outcome;\n        control.set_outcome(Outcome::Woken);\n",
        "an interrupted or elapsed wait counts as woken",
    ),
    // Deadlines.
    mutant(
        WAITING,
        "            && outcome != Outcome::Elapsed\n",
        "            && outcome == Outcome::Elapsed\n",
        "a timer that is no longer wanted ends a later wait",
    ),
    mutant(
        WAITING,
        "            self.give_turn(wait);\n            Outcome::Elapsed",
        "            Outcome::Elapsed",
        "a wait without time left gives no other thread a turn",
    ),
    mutant(
        "src/timer/heap.rs",
        "(self.deadline, self.age) < (other.deadline, other.age)",
        "(self.deadline, other.age) < (other.deadline, self.age)",
        "of two timers of one moment, the younger one fires first",
    ),
    mutant(
        UNWIND,
        ".is_some_and(|unwinding| unwinding.scope() == Some(number))",
        ".is_some_and(|unwinding| number > 0 && unwinding.scope().is_some())",
        "the deadline of an outer scope is taken for that of the inner one",
    ),
    mutant(
        UNWIND,
        "scopes.iter().find(due).map(|scope| Extent::Scope(scope.number))",
        "scopes.iter().rfind(due).map(|scope| Extent::Scope(scope.number))",
        "of several elapsed scopes, the inner one ends",
    ),
    mutant(
        UNWIND,
        "    if let Some(timer) = scope.timer {\n        \
         clock::observe(scheduler, Access::Write);\n        \
         timers::stop(scheduler, timer);\n    }\n",
        "",
        "the timer of a scope that has been left goes on",
    ),
    // Cancellation.
    mutant(
        UNWIND,
        "    if control.state() == State::Waiting\n        && !control.is_frame_borrowed()",
        "    if control.state() != State::Finished\n        && !control.is_frame_borrowed()",
        "a cancellation tries to end a wait that is over",
    ),
    mutant(
        UNWIND,
        "(reasons & reason::CANCELLED != 0 && shields == 0)",
        "reasons & reason::CANCELLED != 0",
        "a shield does not hold off a cancellation",
    ),
    mutant(
        UNWIND,
        "scope.elapsed && scope.shields == shields",
        "scope.elapsed && scope.shields <= shields",
        "a shield does not hold off a deadline around it",
    ),
    mutant(
        UNWIND,
        "scope.elapsed && scope.shields == shields",
        "scope.elapsed && shields == 0",
        "a shield holds off a deadline inside it",
    ),
    mutant(
        UNWIND,
        "        && !control.is_in_flight()\n",
        "",
        "a destructor that waits during an unwinding is unwound again",
    ),
    mutant(
        "src/kernel/thread_info.rs",
        "        self.in_flight.store(false, Ordering::Relaxed);\n",
        "",
        "a thread that has caught the unwinding is never unwound again",
    ),
    mutant(
        "src/kernel/current.rs",
        "panics::suspended() == 0 || own() > 0",
        "panics::suspended() == 0",
        "a panic is not noticed while other threads wait in the middle of one",
    ),
    mutant(
        "src/kernel/block.rs",
        "        control.cancel_flags().set_panicking(own > 0);\n",
        "        let _ = control;\n",
        "a thread that waits in the middle of its own panic is unwound",
    ),
    mutant(
        DEADLINE,
        "    control.cancel_flags().shield();\n    // A thread",
        "    // A thread",
        "a cancellation keeps a notified thread from its mutex",
    ),
    mutant(
        "src/runtime/spawn.rs",
        "        scheduler.checkpoint();\n        match scheduler.wait_for_end",
        "        match scheduler.wait_for_end",
        "a cancelled thread goes on to wait in join",
    ),
    // Channels and select.
    mutant(
        CHANNEL,
        "Outcome::Elapsed => Err(SendTimeoutError::Timeout(value)),",
        "Outcome::Elapsed => Ok(drop(value)),",
        "a message is dropped at the deadline of its sender",
    ),
    mutant(
        CHANNEL,
        "            state.receiving.wake_all();",
        "            state.receiving.wake_one();",
        "when all senders are gone, one receiver is woken",
    ),
    mutant(
        CHANNEL,
        "            state.sending.wake_all();",
        "            state.sending.wake_one();",
        "when all receivers are gone, one sender is woken",
    ),
    mutant(
        CHANNEL,
        "match self.sending.take() {\n            Some(next)",
        "match None {\n            Some(next)",
        "who waits to send is not woken when there is room",
    ),
    mutant(
        CHANNEL,
        "length < self.limit",
        "length <= self.limit",
        "a channel holds one message more than it may",
    ),
    mutant(
        CHANNEL,
        "        let Err(value) = self.receiving.give(value) else { return Ok(()) };\n",
        "",
        "a message goes to the buffer though somebody waits for it",
    ),
    mutant(
        CHANNEL,
        "        self.buffer.close_put();\n        wake_all(&self.watching_room);",
        "        wake_all(&self.watching_room);",
        "the shortcut of senders stays open when a thread begins to wait to receive",
    ),
    mutant(
        CHANNEL,
        "        self.buffer.close_take();\n        wake_all(&self.watching_messages);",
        "        wake_all(&self.watching_messages);",
        "the shortcut of receivers stays open when a thread begins to wait to send",
    ),
    mutant(
        CHANNEL,
        "Some(next) => self.buffer.push(next),",
        "Some(next) => {\n                self.buffer.push(next);\n                \
         self.buffer.open_take();\n            }",
        "the shortcut of receivers is opened while a second thread waits to send",
    ),
    mutant(
        RING,
        "        self.close_put();\n        self.close_take();\n",
        "",
        "the shortcut of senders stays open when the last receiver goes",
    ),
    mutant(
        RING,
        "limit.min(self.slot_count())",
        "self.slot_count()",
        "the shortcut of senders fills the ring beyond the capacity",
    ),
    mutant(
        RING,
        "self.slot(head.wrapping_add(index)).read()",
        "self.slot(index).read()",
        "messages change their order when the ring grows in the middle",
    ),
    mutant(
        SELECT,
        "            && self.deadline.get().is_none_or(|deadline| moment < deadline)\n",
        "            && self.deadline.get().is_none()\n",
        "a timer among the cases does not come before the deadline",
    ),
    mutant(
        SELECT,
        "        self.message.set(waited.slot);",
        "        drop(waited.slot);",
        "a message that a select did not send is taken for sent",
    ),
    // Locks.
    mutant(
        MUTEX,
        "    lock.set_holder(lock.waiting.take());",
        "    lock.set_holder(None);\n    lock.waiting.take();",
        "a mutex is not handed over: somebody else may take it first",
    ),
    mutant(
        CLAIM,
        "is_free_for(lock, claim) && no_thread_waits",
        "is_free_for(lock, claim)",
        "a reader overtakes a writer that waits",
    ),
    mutant(
        RWLOCK,
        "admit(self.lock.note(Access::Write, \"give up\"));",
        "self.lock.note(Access::Write, \"give up\");",
        "readers wait on behind a writer that has given up",
    ),
    mutant(
        SEMAPHORE,
        "self.state.note(Access::Write, \"give up\").grant();",
        "self.state.note(Access::Write, \"give up\");",
        "permits lie unused behind one that has given up",
    ),
    mutant(
        SEMAPHORE,
        "left.filter(|_| count == 0 || self.waiting.is_empty())",
        "left",
        "who asks for few permits overtakes those who wait for more",
    ),
    mutant(
        SEMAPHORE,
        ".saturating_add(self.count));",
        ".saturating_add(if crate::thread::panicking() { 0 } else { self.count }));",
        "permits are lost when their holder is cancelled",
    ),
    mutant(
        CONDVAR,
        "        scheduler.checkpoint();\n",
        "",
        "one that has been cancelled goes on to wait for a notification",
    ),
    mutant(
        CONDVAR,
        "self.waiting.note(Access::Write, \"notify all\").wake_all();",
        "self.waiting.note(Access::Write, \"notify all\").wake_one();",
        "all are notified, and one is woken",
    ),
    mutant(
        "src/sync/poison.rs",
        "if is_panicking() && !before.0 {",
        "if std::thread::panicking() && !before.0 {",
        "the panic of somebody else poisons a lock",
    ),
];

/// Builds the oracle with a mistake in a workshop, and runs it.
fn judge(workshop: &Workshop, target: &Target, mutant: &Mutant) -> Outcome {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(package.join(mutant.file)).expect("the file is there");
    let mutated = source.replacen(mutant.before, mutant.after, 1);
    workshop.write(mutant.file, &mutated).expect("the copy can be written");
    let tried = workshop.try_out(target, Build { fp_env: false, optimised: false });
    workshop.write(mutant.file, &source).expect("the copy can be written");
    tried.expect("cargo runs").0
}

/// Tests all mistakes of one kind.
pub(super) fn try_mistakes(name: &str, kit: &Kit, mutants: &[Mutant]) {
    if !asked_for(name) {
        return say(&format!("not asked for: set LENO_MUTANTS=1 to try the mutants of the {name}"));
    }
    let _turn = TURN.lock();
    let start = Instant::now();
    let workshops = workshops(name, kit);
    let mut target = target(std::env::consts::ARCH);
    let build = Build { fp_env: false, optimised: false };
    let (outcome, took) = workshops[0].try_out(&target, build).expect("cargo runs");
    assert_eq!(outcome, Outcome::Passed, "leno as it is");
    target.timeout = 4 * took + Duration::from_secs(3);
    let mutants: Vec<&Mutant> = sampled(name, mutants.iter().collect());
    let outcomes =
        try_in(&workshops, &mutants, |workshop, mutant| judge(workshop, &target, mutant));
    let mut missed = 0;
    for (mutant, outcome) in mutants.iter().zip(&outcomes) {
        let (verdict, by) = match outcome {
            Outcome::Failed(by) => ("found", &**by),
            Outcome::Passed => ("NOT FOUND", ""),
            Outcome::DoesNotBuild(why) => ("DOES NOT BUILD", &**why),
        };
        missed += usize::from(verdict != "found");
        say(&format!("{verdict:14} {}: {} ({by})", mutant.file, mutant.what));
    }
    let found = mutants.len() - missed;
    say(&format!("{name}: found {found} of {} in {:?}", mutants.len(), start.elapsed()));
    assert_eq!(missed, 0, "the oracle does not find every mistake");
}

/// Checks that the text of each mistake occurs exactly once in its file.
pub(super) fn check_that_they_fit(mutants: &[Mutant]) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let changed: Vec<String> = mutants
        .iter()
        .filter_map(|mutant| {
            let source = fs::read_to_string(package.join(mutant.file)).expect("the file is there");
            let places = source.matches(mutant.before).count();
            let text = format!("{} has {places} times:\n{}", mutant.file, mutant.before);
            (places != 1).then_some(text)
        })
        .collect();
    assert!(changed.is_empty(), "mistakes that do not fit:\n{}", changed.join("\n"));
}

#[test]
fn every_mistake_in_the_runtime_is_found() {
    try_mistakes("runtime", &Kit::oracle(PROGRAMS), MUTANTS);
}

#[test]
fn the_mistakes_fit_the_sources() {
    check_that_they_fit(MUTANTS);
}
