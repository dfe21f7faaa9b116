//! The bug that explorers miss, and that here only random sampling finds, after
//! millions of executions: a lock-free stack by Dmitry Vyukov, posted to the forum of
//! CHESS as a bug that needs five preemptions of three threads; SCTBench's `safestack`.
//!
//! The program is reduced like its version for stateless model checkers among the
//! benchmarks of Nidhugg: two of three threads pop, push and pop again, the third only
//! pops, and a thread gives up instead of retrying. A search over the states of a model
//! of it, which is not an exploration, shows that this is enough for two threads to pop
//! the same element, and that this takes seven preemptions.

use std::env;
use std::panic;

use leno::scope;
use leno::weave::{Explorer, Shared, replay};

use super::{Bug, PANIC};

pub static BUG: Bug = Bug {
    name: "safe_stack",
    wrong: || safe_stack([3, 3, 1]),
    right: || safe_stack([2, 1, 0]),
    says: "another thread has the same element",
    ..PANIC
};

/// The index of no element.
const NONE: i32 = -1;

struct SafeStack {
    /// The element below each, or `NONE` for an element outside the stack.
    next: [Shared<i32>; 3],
    head: Shared<i32>,
    count: Shared<i32>,
}

impl SafeStack {
    fn new() -> SafeStack {
        let next = [Shared::new(1), Shared::new(2), Shared::new(NONE)];
        SafeStack { next, head: Shared::new(0), count: Shared::new(3) }
    }

    fn next(&self, index: i32) -> &Shared<i32> {
        &self.next[usize::try_from(index).expect("an element")]
    }

    /// Pops an element. The last one is never popped, so no thread finds the stack
    /// empty. Returns `None` also if another thread is about to pop the same element.
    fn pop(&self) -> Option<i32> {
        while self.count.get() > 1 {
            let head = self.head.get();
            let below = self.next(head).replace(NONE);
            if below == NONE {
                break;
            }
            if self.head.compare_exchange(head, below).is_ok() {
                self.count.update(|count| *count -= 1);
                return Some(head);
            }
            self.next(head).set(below);
        }
        None
    }

    fn push(&self, index: i32) {
        let mut head = self.head.get();
        loop {
            self.next(index).set(head);
            match self.head.compare_exchange(head, index) {
                Ok(_) => break,
                Err(other) => head = other,
            }
        }
        self.count.update(|count| *count += 1);
    }
}

/// Runs three threads with this many operations each, of which the first and every
/// second one is a pop.
fn safe_stack(operations: [usize; 3]) {
    let stack = SafeStack::new();
    let owner = std::array::from_fn::<_, 3, _>(|_| Shared::new(None));
    let thread = |number: usize| {
        let mut element = NONE;
        for operation in 0..operations[number] {
            if operation % 2 == 1 {
                stack.push(element);
                continue;
            }
            let Some(popped) = stack.pop() else { return };
            element = popped;
            let owner = &owner[usize::try_from(element).expect("an element")];
            owner.set(Some(number));
            assert_eq!(owner.get(), Some(number), "another thread has the same element");
        }
    };
    scope(|scope| {
        for number in 0..3 {
            let thread = &thread;
            scope.spawn(move || thread(number));
        }
    });
}

/// The search over states has found this schedule, which shows the bug without a
/// search.
#[test]
fn a_known_schedule_shows_the_bug() {
    let schedule = "preemptive: C2 A9 B9 C1 A5 C4 A2 B10 A4";
    let failure = panic::catch_unwind(|| replay(schedule, BUG.wrong)).unwrap_err();
    let said = failure.downcast_ref::<String>().expect("a panic with a text");
    assert!(said.contains(BUG.says), "{said}");
}

/// Two threads cannot fail, which a full exploration shows.
#[test]
fn two_threads_do_not_fail() {
    let report = BUG.explorer().reduced().explore(BUG.right);
    assert!(report.failure().is_none() && report.is_complete(), "{report}");
}

/// Prints the executions that each strategy needs, up to `LENO_SAFE_STACK`.
/// `docs/GALLERY.md` has the results.
#[test]
#[ignore = "the duration is a choice"]
fn search_safe_stack() {
    let most = env::var("LENO_SAFE_STACK").map_or(100_000, |text| {
        text.parse().expect("LENO_SAFE_STACK is the number of executions of each strategy")
    });
    for (name, strategy) in STRATEGIES {
        let explorer = strategy(BUG.explorer()).max_executions(most);
        match explorer.first_failure(BUG.wrong) {
            Some((failure, executions)) => println!("{name}: {executions}\n{failure}"),
            None => println!("{name}: -"),
        }
    }
}

type Strategy = fn(Explorer) -> Explorer;

const STRATEGIES: [(&str, Strategy); 10] = [
    ("random, seed 1", |explorer| explorer.random(1)),
    ("random, seed 2", |explorer| explorer.random(2)),
    ("random, seed 3", |explorer| explorer.random(3)),
    ("uniform, seed 1", |explorer| explorer.uniform(1)),
    ("pct 3, seed 1", |explorer| explorer.pct(1, 3)),
    ("pct 5, seed 1", |explorer| explorer.pct(1, 5)),
    ("pct 8, seed 1", |explorer| explorer.pct(1, 8)),
    ("switches, at most 5", |explorer| explorer.max_switches(5)),
    ("exhaustive", |explorer| explorer),
    ("reduced", Explorer::reduced),
];
