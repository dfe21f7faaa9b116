//! Explorations by several OS threads.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use super::drive::{Ended, outside_of_runtimes};
use super::engine::{Engine, Strategy};
use super::explorer::Explorer;
use super::report::Report;
use super::session::Session;
use super::tree::Tree;
use crate::explore::Choice;

/// An [`Explorer`] whose executions are run by several OS threads; see
/// [`Explorer::workers`].
#[derive(Clone, Debug)]
#[must_use = "an explorer runs nothing until `explore` is called"]
pub struct Workers {
    explorer: Explorer,
    count: usize,
}

impl Explorer {
    /// Has `count` OS threads run the executions, each with a runtime of its own.
    /// The report is the same as with one, unless a bound ends the exploration.
    ///
    /// A reduced exploration is run by one: what it tries next depends on all that
    /// it has seen. Those that draw [`uniform`](Explorer::uniform)ly or by
    /// [`pct`](Explorer::pct) learn from the executions before, so several workers
    /// draw others than one does.
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let program = || {
    ///     leno::scope(|scope| {
    ///         for _ in 0..3 {
    ///             scope.spawn(leno::yield_now);
    ///         }
    ///     });
    /// };
    /// let report = Explorer::new().workers(2).explore(program);
    /// assert_eq!(report.executions(), 90);
    /// ```
    pub fn workers(self, count: usize) -> Workers {
        assert!(count > 0, "no workers do no work: ask for at least one");
        // One bar would show a part only, and several would be in each other's way.
        Workers {
            explorer: Explorer { shows_progress: count == 1 && self.shows_progress, ..self },
            count,
        }
    }
}

/// The part of the tree below some choices, and where in the order of all it
/// begins.
struct Part {
    below: Vec<Choice>,
}

/// What a worker has found in a part.
struct Piece<T> {
    start: Vec<u32>,
    report: Report<T>,
}

/// What the workers share.
struct Common<T> {
    parts: Mutex<Parts>,
    changed: Condvar,
    /// How many workers have nothing to do.
    hungry: AtomicUsize,
    executions: AtomicU64,
    pieces: Mutex<Vec<Piece<T>>>,
}

struct Parts {
    waiting: Vec<Part>,
    busy: usize,
    is_over: bool,
}

impl Workers {
    /// As [`Explorer::explore`].
    ///
    /// # Panics
    ///
    /// As [`Explorer::explore`].
    #[track_caller]
    pub fn explore<F, T>(&self, program: F) -> Report<T>
    where
        F: Fn() -> T + Sync,
        T: Ord + Send,
    {
        outside_of_runtimes("leno::weave::explore");
        match self.explorer.strategy() {
            _ if self.count == 1 => self.explorer.explore(program),
            Strategy::Tree(_) => self.explore_tree(&program),
            Strategy::Sampling(_) => self.sample(&program),
            Strategy::Reduced(_) | Strategy::Replay(_) => self.explorer.explore(program),
        }
    }

    fn explore_tree<T>(&self, program: &(impl Fn() -> T + Sync)) -> Report<T>
    where
        T: Ord + Send,
    {
        let root = Part { below: Vec::new() };
        let common = Common {
            parts: Mutex::new(Parts { waiting: vec![root], busy: 0, is_over: false }),
            changed: Condvar::new(),
            hungry: AtomicUsize::new(0),
            executions: AtomicU64::new(0),
            pieces: Mutex::new(Vec::new()),
        };
        thread::scope(|scope| {
            for _ in 0..self.count {
                scope.spawn(|| self.work(&common, program));
            }
        });
        let mut pieces = common.pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
        pieces.sort_by(|one, other| one.start.cmp(&other.start));
        let mut report = Report::new();
        report.is_complete = true;
        for Piece { report: mut piece, .. } in pieces {
            piece.begin_at(report.executions);
            report.is_complete &= piece.is_complete;
            report.merge(piece);
        }
        report.is_complete &= report.has_all();
        report
    }

    /// Explores parts until there are none.
    fn work<T>(&self, common: &Common<T>, program: &impl Fn() -> T)
    where
        T: Ord,
    {
        while let Some(part) = common.next_part() {
            let mut busy = Busy { common, is_over: true };
            let start: Vec<u32> = part.below.iter().map(|choice| choice.taken).collect();
            let whole = Strategy::Tree(Tree::default());
            let mut session = self.explorer.session(whole, self.explorer.rules);
            session.go_below(part.below);
            let mut report = Report::new();
            let most = self.explorer.most_executions();
            let ended = self.explorer.drive(
                &mut session,
                program,
                |one: &T, other| one == other,
                |session, ran| {
                    report.add(session, ran);
                    common.share(session);
                    if common.executions.fetch_add(1, Ordering::Relaxed) + 1 >= most {
                        return ControlFlow::Break(());
                    }
                    ControlFlow::Continue(())
                },
            );
            report.is_complete = ended == Ended::All;
            busy.is_over = ended == Ended::Early;
            common.keep(Piece { start, report });
        }
    }

    fn sample<T>(&self, program: &(impl Fn() -> T + Sync)) -> Report<T>
    where
        T: Ord + Send,
    {
        let most = self.explorer.most_executions();
        let share = |worker: u64| {
            let count = self.count as u64;
            let own = most / count + u64::from(worker < most % count);
            let explorer = Explorer { max_executions: Some(own), ..self.explorer.clone() };
            let mut session = explorer.session(explorer.strategy(), explorer.rules);
            session.stride(worker, count);
            if worker > 0 {
                session.learn(program);
            }
            let mut report = Report::new();
            if own > 0 {
                explorer.drive(
                    &mut session,
                    program,
                    |one: &T, other| one == other,
                    |session, ran| {
                        report.add(session, ran);
                        ControlFlow::Continue(())
                    },
                );
            }
            report
        };
        thread::scope(|scope| {
            let all: Vec<_> = (0..self.count as u64)
                .map(|worker| {
                    let share = &share;
                    scope.spawn(move || share(worker))
                })
                .collect();
            let mut report = Report::new();
            for worker in all {
                match worker.join() {
                    Ok(part) => report.merge(part),
                    Err(payload) => std::panic::resume_unwind(payload),
                }
            }
            report
        })
    }
}

/// A worker explores a part. If it panics, which only a destructor or a comparison
/// of a value can do, the others must not wait for it.
struct Busy<'a, T> {
    common: &'a Common<T>,
    is_over: bool,
}

impl<T> Drop for Busy<'_, T> {
    fn drop(&mut self) {
        let mut parts = self.common.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.busy -= 1;
        parts.is_over |= self.is_over;
        self.common.changed.notify_all();
    }
}

impl<T> Common<T> {
    /// A part that nobody explores yet. Waits while others may still share theirs.
    fn next_part(&self) -> Option<Part> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if parts.is_over {
                return None;
            }
            if let Some(part) = parts.waiting.pop() {
                parts.busy += 1;
                return Some(part);
            }
            if parts.busy == 0 {
                return None;
            }
            self.hungry.fetch_add(1, Ordering::Relaxed);
            parts = self.changed.wait(parts).unwrap_or_else(PoisonError::into_inner);
            self.hungry.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Gives a part of what is left to others, if they have nothing to do.
    fn share(&self, session: &Session) {
        if self.hungry.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut engine = session.engine.borrow_mut();
        let Engine { strategy: Strategy::Tree(tree), track, .. } = &mut *engine else { return };
        let shared = tree.split(&mut track.borrow_mut());
        if shared.is_empty() {
            return;
        }
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.waiting.extend(shared.into_iter().map(|below| Part { below }));
        self.changed.notify_all();
    }

    fn keep(&self, piece: Piece<T>) {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
    }
}
