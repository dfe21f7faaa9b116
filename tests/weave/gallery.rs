//! A gallery of known bugs, each written from its published description, and each
//! found: the programs that explorers of interleavings are measured by.
//!
//! Each is there twice, with its bug and without it, so that it is the bug that is
//! found and not something else. `docs/GALLERY.md` has them as a table, with how
//! many executions each strategy takes.
//!
//! Where nothing else is said, a program is one of SCTBench (Thomson, Donaldson,
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
    /// What the failure says, among other things.
    pub says: &'static str,
    pub search: Search,
    pub proof: Proof,
    /// Whether a deadline comes first is a choice.
    pub is_timed: bool,
}

/// How the bug is searched for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Search {
    All,
    Reduced,
    /// At random, since there are too many others before it.
    Sampled,
}

/// How it is seen that the right program is right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    All,
    /// One execution of each kind.
    Reduced,
    /// There are too many: some of them.
    Some,
}

/// Most programs are this.
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
    /// As the program is explored.
    pub fn explorer(&self) -> Explorer {
        let explorer = Explorer::new().preemptive();
        if self.is_timed { explorer.timed() } else { explorer }
    }

    /// Is this the failure that was looked for?
    pub fn is(&self, failure: &Failure) -> bool {
        failure.kind() == self.kind && failure.message().contains(self.says)
    }

    /// The bug is found, fails again in a replay, and is not in the right program.
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

    /// The schedule is printed, parsed and followed, as if pasted.
    fn fails_again(&self, failure: &Failure) {
        let text = failure.schedule().to_string();
        let again = AssertUnwindSafe(|| replay(text.as_str(), self.wrong));
        let payload = panic::catch_unwind(again).expect_err("it fails again");
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

/// A family of programs: a list of all, and a test for each.
macro_rules! bugs {
    ($($name:ident: $bug:expr,)*) => {
        pub static BUGS: &[Bug] = &[$(Bug { name: stringify!($name), ..$bug }),*];

        mod tests {
            $(#[test]
            fn $name() {
                let bug = super::BUGS.iter().find(|bug| bug.name == stringify!($name));
                bug.expect("it is in the list").is_found();
            })*
        }
    };
}
use bugs;

/// All of them, in the order of the table.
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
