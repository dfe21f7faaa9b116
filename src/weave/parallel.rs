//! Explorations by several OS threads.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use super::controller::ExplorationController;
use super::executor::{Executor, assert_outside_runtimes};
use super::options::{Coverage, Options};
use super::report::Report;
use super::run_loop::{self, LoopEnd};
use super::strategy::Strategy;
use crate::explore::Choice;

/// An [`Explorer`](super::Explorer) that runs executions on several OS threads; made by
/// [`Explorer::workers`](super::Explorer::workers).
///
/// # Examples
///
/// ```
/// use leno::weave::{Explorer, Workers};
///
/// let workers: Workers = Explorer::new().workers(2);
/// assert_eq!(workers.explore(|| ()).executions(), 1);
/// ```
#[derive(Clone, Debug)]
#[must_use = "an explorer runs nothing until `explore` is called"]
pub struct Workers {
    options: Options,
    count: usize,
}

/// The choices that lead to a subtree of executions that is still to be explored.
struct Subtree {
    above: Vec<Choice>,
}

/// The result of one subtree. Subtrees are ordered by `start`.
struct SubtreeReport<T> {
    start: Vec<u32>,
    report: Report<T>,
}

/// The state that the workers share.
struct Pool<T> {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// The number of workers without a subtree.
    idle: AtomicUsize,
    executions: AtomicU64,
    reports: Mutex<Vec<SubtreeReport<T>>>,
}

struct Queue {
    waiting: Vec<Subtree>,
    busy: usize,
    is_over: bool,
}

impl Workers {
    pub(super) fn new(options: Options, count: usize) -> Workers {
        // The bar of one worker would show a part only, and several would overwrite each other.
        let shows_progress = count == 1 && options.shows_progress;
        Workers { options: Options { shows_progress, ..options }, count }
    }

    /// Runs the program under every schedule of the explorer, as
    /// [`Explorer::explore`](super::Explorer::explore) does.
    ///
    /// # Panics
    ///
    /// Inside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Explorer;
    ///
    /// let report = Explorer::new().random(1).max_executions(100).workers(2).explore(|| ());
    /// assert_eq!(report.executions(), 100);
    /// ```
    #[track_caller]
    pub fn explore<F, T>(&self, program: F) -> Report<T>
    where
        F: Fn() -> T + Sync,
        T: Ord + Send,
    {
        assert_outside_runtimes("leno::weave::explore");
        match self.options.coverage {
            _ if self.count == 1 => run_loop::explore(&self.options, &program),
            Coverage::Sampled(..) => self.sample(&program),
            Coverage::Reduced if self.options.max_switches.is_none() => {
                run_loop::explore(&self.options, &program)
            }
            Coverage::All | Coverage::Reduced => self.explore_all(&program),
        }
    }

    /// Explores all executions, by depth-first search.
    fn explore_all<T>(&self, program: &(impl Fn() -> T + Sync)) -> Report<T>
    where
        T: Ord + Send,
    {
        let root = Subtree { above: Vec::new() };
        let pool = Pool {
            queue: Mutex::new(Queue { waiting: vec![root], busy: 0, is_over: false }),
            changed: Condvar::new(),
            idle: AtomicUsize::new(0),
            executions: AtomicU64::new(0),
            reports: Mutex::new(Vec::new()),
        };
        thread::scope(|scope| {
            for _ in 0..self.count {
                scope.spawn(|| self.work(&pool, program));
            }
        });
        let mut reports = pool.reports.into_inner().unwrap_or_else(PoisonError::into_inner);
        reports.sort_by(|one, other| one.start.cmp(&other.start));
        let mut whole = Report::new();
        whole.is_complete = true;
        for SubtreeReport { mut report, .. } in reports {
            report.begin_at(whole.executions);
            whole.is_complete &= report.is_complete;
            whole.merge(report);
        }
        whole.is_complete &= whole.has_all();
        whole
    }

    /// Explores subtrees until there are none.
    fn work<T: Ord>(&self, pool: &Pool<T>, program: &impl Fn() -> T) {
        while let Some(subtree) = pool.next_subtree() {
            let mut busy = BusyWorker { pool, is_over: true };
            let start: Vec<u32> = subtree.above.iter().map(|choice| choice.taken).collect();
            let mut executor = self.options.executor();
            executor.go_below(subtree.above);
            let mut report = Report::new();
            let most = self.options.most_executions();
            let after_each = |executor: &Executor| {
                pool.share(executor);
                if pool.executions.fetch_add(1, Ordering::Relaxed) + 1 >= most {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            let end = run_loop::fill_report(
                &self.options,
                &mut executor,
                program,
                &mut report,
                after_each,
            );
            report.is_complete = end == LoopEnd::Exhausted;
            busy.is_over = end == LoopEnd::Early;
            pool.keep(SubtreeReport { start, report });
        }
    }

    /// Draws executions, each worker its share.
    fn sample<T>(&self, program: &(impl Fn() -> T + Sync)) -> Report<T>
    where
        T: Ord + Send,
    {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.count as u64)
                .map(|worker| scope.spawn(move || self.sample_share(worker, program)))
                .collect();
            let mut report = Report::new();
            for worker in workers {
                match worker.join() {
                    Ok(part) => report.merge(part),
                    Err(payload) => std::panic::resume_unwind(payload),
                }
            }
            report
        })
    }

    /// Draws every `count`-th execution, from the index `worker` on.
    fn sample_share<T: Ord>(&self, worker: u64, program: &impl Fn() -> T) -> Report<T> {
        let most = self.options.most_executions();
        let count = self.count as u64;
        let share = most / count + u64::from(worker < most % count);
        let options = Options { max_executions: Some(share), ..self.options.clone() };
        let mut executor = options.executor();
        executor.stride(worker, count);
        if worker > 0 {
            executor.learn(program);
        }
        let mut report = Report::new();
        if share > 0 {
            let after_each = |_: &Executor| ControlFlow::Continue(());
            run_loop::fill_report(&options, &mut executor, program, &mut report, after_each);
        }
        report
    }
}

/// Guard of a worker that explores a subtree. If the worker panics, which only a destructor or a
/// comparison of a value can do, the other workers must not wait for it.
struct BusyWorker<'a, T> {
    pool: &'a Pool<T>,
    is_over: bool,
}

impl<T> Drop for BusyWorker<'_, T> {
    fn drop(&mut self) {
        let mut queue = self.pool.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.busy -= 1;
        queue.is_over |= self.is_over;
        self.pool.changed.notify_all();
    }
}

impl<T> Pool<T> {
    /// Returns a subtree that no worker explores yet; `None` if the exploration is over. Waits
    /// while busy workers may still share parts of theirs.
    fn next_subtree(&self) -> Option<Subtree> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if queue.is_over {
                return None;
            }
            if let Some(subtree) = queue.waiting.pop() {
                queue.busy += 1;
                return Some(subtree);
            }
            if queue.busy == 0 {
                return None;
            }
            self.idle.fetch_add(1, Ordering::Relaxed);
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            self.idle.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Splits off a part of what is left to the executor, if a worker is idle.
    fn share(&self, executor: &Executor) {
        if self.idle.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut controller = executor.controller.borrow_mut();
        let ExplorationController { strategy: Strategy::Dfs(dfs), path, .. } = &mut *controller
        else {
            return;
        };
        let shared = dfs.split(&mut path.borrow_mut());
        if shared.is_empty() {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.extend(shared.into_iter().map(|above| Subtree { above }));
        self.changed.notify_all();
    }

    fn keep(&self, report: SubtreeReport<T>) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
    }
}
