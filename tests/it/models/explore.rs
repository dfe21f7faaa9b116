//! Exploration of every execution of every small program of a family.

use std::cell::{Cell, RefCell};
use std::env;
use std::fmt::Debug;
use std::panic::{self, AssertUnwindSafe};

use leno::weave::{self, Explorer, FailureKind};

use super::super::oracle_coroutine::{is_emulated, share};
use super::super::support::{caught, text_of};

/// The errors that an execution finds after a deadlock. Its green threads are unwound
/// then, so that a panic reaches no thread.
#[derive(Default)]
pub struct Checks {
    after_deadlock: RefCell<Option<String>>,
    /// Whether the story is printed.
    prints: Cell<bool>,
}

impl Checks {
    pub fn after_deadlock(&self, check: impl FnOnce()) {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(check)) {
            self.after_deadlock.borrow_mut().get_or_insert(text_of(payload));
        }
    }

    pub fn print(&self) -> bool {
        self.prints.get()
    }
}

/// The explorer, and the number of programs and executions so far.
pub struct Totals {
    explorer: Explorer,
    checks_deadlocks: bool,
    programs: u64,
    executions: u64,
    most: u64,
}

impl Totals {
    /// Explores all executions with switches only where leno switches.
    pub fn new() -> Totals {
        Totals::of(Explorer::new(), true)
    }

    /// Explores one execution of each equivalence class, with a possible preemption
    /// before each operation. A redundant execution is abandoned and ends like a
    /// deadlock, so that the checks after a deadlock are skipped.
    pub fn preemptive() -> Totals {
        Totals::of(Explorer::new().preemptive().reduced(), false)
    }

    fn of(explorer: Explorer, checks_deadlocks: bool) -> Totals {
        let explorer = explorer.stack_size(64 * 1024).progress(false);
        Totals { explorer, checks_deadlocks, programs: 0, executions: 0, most: 0 }
    }

    /// Runs all executions of a program, each of which checks itself. A deadlock is a
    /// failure only if those checks fail.
    pub fn explore(&mut self, program: &dyn Debug, run: impl Fn(&Checks)) {
        let checks = Checks::default();
        let report = self.explorer.explore(|| run(&checks));
        let is_wrong = |failure: &&weave::Failure| failure.kind() != FailureKind::Deadlock;
        if let Some(failure) = report.failures().iter().find(is_wrong) {
            checks.prints.set(true);
            let _ = caught(|| weave::replay(failure.schedule(), || run(&checks)));
            panic!("the program: {program:?}\n{failure}");
        }
        if self.checks_deadlocks
            && let Some(text) = checks.after_deadlock.take()
        {
            panic!("the program: {program:?}\nafter a deadlock: {text}");
        }
        assert!(report.is_complete(), "{program:?}");
        self.programs += 1;
        self.executions += report.executions();
        self.most = self.most.max(report.executions());
    }

    pub fn print(&self, family: &str) {
        eprintln!(
            "{family}: {} programs, {} executions, at most {} of one program",
            self.programs, self.executions, self.most
        );
    }
}

/// The size of the programs. `LENO_MODELS=large` selects programs that take too long
/// for CI.
#[derive(Clone, Copy)]
pub enum Bounds {
    Small,
    Large,
}

impl Bounds {
    pub fn wanted() -> Bounds {
        match env::var("LENO_MODELS").as_deref() {
            Ok("large") => Bounds::Large,
            Ok(other) => panic!("LENO_MODELS is {other:?}; it can be \"large\", or be left out"),
            Err(_) => Bounds::Small,
        }
    }

    pub fn pick<T>(self, small: T, large: T) -> T {
        match self {
            Bounds::Small => small,
            Bounds::Large => large,
        }
    }
}

/// Returns all lists of 1 to `longest` letters.
pub fn lists<T: Clone>(alphabet: &[T], longest: usize) -> Vec<Vec<T>> {
    let mut all: Vec<Vec<T>> = Vec::new();
    let mut last = vec![Vec::new()];
    for _ in 0..longest {
        let longer = |list: &Vec<T>| {
            let list = list.clone();
            alphabet.iter().map(move |letter| {
                let mut longer = list.clone();
                longer.push(letter.clone());
                longer
            })
        };
        last = last.iter().flat_map(longer).collect();
        all.extend(last.iter().cloned());
    }
    all
}

/// Returns all programs of 2 to `threads` green threads with these lists and at most
/// `total` operations. Returns a part of them if `LENO_TEST_SHARE` is set, and one in seven in a very
/// slow build.
pub fn programs<T: Clone>(lists: &[Vec<T>], threads: usize, total: usize) -> Vec<Vec<Vec<T>>> {
    let slowness = if is_very_slow() { 7 } else { 1 };
    // An odd stride meets each operation at each place, since the programs are in order.
    let stride = share().map_or(slowness, |share| slowness.max(share as usize | 1));
    all_programs(lists, threads, total).into_iter().step_by(stride).collect()
}

/// Returns the programs without those that differ from another only in the order of
/// their threads, since every schedule is explored.
fn all_programs<T: Clone>(lists: &[Vec<T>], threads: usize, total: usize) -> Vec<Vec<Vec<T>>> {
    let mut all = Vec::new();
    let mut chosen = Vec::new();
    extend(lists, 0, threads, total, &mut chosen, &mut all);
    all
}

fn extend<T: Clone>(
    lists: &[Vec<T>],
    first: usize,
    threads: usize,
    total: usize,
    chosen: &mut Vec<Vec<T>>,
    all: &mut Vec<Vec<Vec<T>>>,
) {
    if chosen.len() >= 2 {
        all.push(chosen.clone());
    }
    if chosen.len() == threads {
        return;
    }
    for (index, list) in lists.iter().enumerate().skip(first) {
        if list.len() <= total {
            chosen.push(list.clone());
            extend(lists, index, threads, total - list.len(), chosen, all);
            chosen.pop();
        }
    }
}

/// Returns the programs of three green threads, cut to the number of operations
/// beside each program, to two operations in a slow build, or uncut (four operations)
/// in large bounds. A very slow build has only the first program.
pub fn three_by_four<T: Copy>(
    bounds: Bounds,
    programs: &[([[T; 4]; 3], usize)],
) -> Vec<Vec<Vec<T>>> {
    let small = |wanted: usize| if is_slow() { wanted.min(2) } else { wanted };
    let cut = |&(threads, wanted): &([[T; 4]; 3], usize)| {
        let longest = bounds.pick(small(wanted), 4);
        threads.map(|list| list[..longest].to_vec()).to_vec()
    };
    let count = if is_very_slow() { 1 } else { programs.len() };
    programs.iter().take(count).map(cut).collect()
}

fn is_slow() -> bool {
    cfg!(debug_assertions) || is_emulated()
}

/// Returns `true` in builds that explore only a part. Optimised builds without a sanitizer explore
/// everything.
fn is_very_slow() -> bool {
    cfg!(debug_assertions) && is_emulated() || cfg!(feature = "sanitizer")
}

#[test]
fn programs_are_counted_without_their_order() {
    let lists = lists(&['a', 'b'], 2);
    assert_eq!(lists.len(), 6);
    // 21 pairs with repetition, and 56 triples.
    assert_eq!(all_programs(&lists, 3, 6).len(), 21 + 56);
    // aa, ab, bb.
    assert_eq!(all_programs(&lists, 3, 2).len(), 3);
}
