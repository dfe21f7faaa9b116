//! A gallery of known bugs, each written from its published description and each found:
//! the programs by which explorers of interleavings are measured.
//!
//! Each program exists with its bug and without it, which shows that the explorer finds
//! the bug and nothing else. `docs/GALLERY.md` is the table of the programs, with the
//! number of executions that each strategy needs.
//!
//! Unless another source is named, a program is one of SCTBench (Thomson, Donaldson,
//! Betts, "Concurrency testing using controlled schedulers: an empirical study",
//! TOPC 2016), and there of the family `CS`, the concurrent software benchmarks of
//! ESBMC (Cordeiro and Fischer, "Verifying multi-threaded software using SMT-based
//! context-bounded model checking", ICSE 2011).

mod crossed;
mod go;
mod libraries;
mod locked;
mod pct;
mod safe_stack;
mod table;
mod unlocked;
mod waiting;
mod work_stealing;

use std::panic::{self, AssertUnwindSafe};

use leno::weave::{Explorer, Failure, FailureKind, replay};

/// A program with a known bug.
pub struct Bug {
    pub name: &'static str,
    pub wrong: fn(),
    /// The same program without the bug.
    pub right: fn(),
    pub kind: FailureKind,
    /// A part of the failure's message.
    pub says: &'static str,
    pub search: Search,
    pub proof: Proof,
    /// Whether the order of a deadline and other events is a choice of the explorer.
    pub is_timed: bool,
}

/// The strategy that searches for the bug.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Search {
    All,
    Reduced,
    /// At random, since too many executions come before the failure.
    Sampled,
}

/// The exploration that shows the absence of the bug in the right program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    All,
    /// One execution of each equivalence class.
    Reduced,
    /// A part of the executions, since there are too many.
    Some,
}

/// The values that most programs share.
pub const PANIC: Bug = Bug {
    name: "",
    wrong: || {},
    right: || {},
    kind: FailureKind::Panic,
    says: "",
    search: Search::All,
    proof: Proof::All,
    is_timed: false,
};

pub const DEADLOCK: Bug = Bug { kind: FailureKind::Deadlock, says: "deadlock", ..PANIC };

impl Bug {
    /// Returns the explorer for this program.
    pub fn explorer(&self) -> Explorer {
        let explorer = Explorer::new().preemptive();
        if self.is_timed { explorer.timed() } else { explorer }
    }

    /// Returns `true` if `failure` is the expected one.
    pub fn is(&self, failure: &Failure) -> bool {
        failure.kind() == self.kind && failure.message().contains(self.says)
    }

    /// Asserts that the bug is found, fails again in a replay, and is not in the right
    /// program.
    fn is_found(&self) {
        let explorer = match self.search {
            Search::All => self.explorer(),
            Search::Reduced => self.explorer().reduced(),
            Search::Sampled => self.explorer().portfolio(7),
        };
        let found = explorer.max_executions(100_000).first_failure(self.wrong);
        let (failure, executions) = found.unwrap_or_else(|| panic!("{} is not found", self.name));
        assert!(self.is(&failure), "{}, in execution {executions}: {failure}", self.name);
        self.fails_again(&failure);
        self.right_is_right();
    }

    /// Replays the printed schedule, as if it was pasted.
    fn fails_again(&self, failure: &Failure) {
        let text = failure.schedule().to_string();
        let again = AssertUnwindSafe(|| replay(text.as_str(), self.wrong));
        let payload = panic::catch_unwind(again).expect_err("the replay fails");
        let said = payload.downcast_ref::<String>().expect("a panic with a text");
        assert!(said.contains(failure.message()), "{}\nsays, replayed:\n{said}", failure.message());
    }

    fn right_is_right(&self) {
        let explorer = match self.proof {
            Proof::All => self.explorer(),
            Proof::Reduced => self.explorer().reduced(),
            Proof::Some => self.explorer().portfolio(11).max_executions(300),
        };
        let report = explorer.explore(self.right);
        let failure = report.failure().map(ToString::to_string);
        assert_eq!(failure, None, "{} without its bug", self.name);
        assert_eq!(report.is_complete(), self.proof != Proof::Some);
    }
}

/// Defines a family of programs: a list of them, and a test for each.
macro_rules! bugs {
    ($($name:ident: $bug:expr,)*) => {
        pub static BUGS: &[Bug] = &[$(Bug { name: stringify!($name), ..$bug }),*];

        mod tests {
            $(#[test]
            fn $name() {
                let bug = super::BUGS.iter().find(|bug| bug.name == stringify!($name));
                bug.expect("the bug is in the list").is_found();
            })*
        }
    };
}
use bugs;

/// Returns all programs in the order of the table.
fn all() -> impl Iterator<Item = &'static Bug> {
    let families = [
        locked::BUGS,
        waiting::BUGS,
        crossed::BUGS,
        unlocked::BUGS,
        libraries::BUGS,
        work_stealing::BUGS,
        pct::BUGS,
        go::BUGS,
    ];
    families.into_iter().flatten()
}
