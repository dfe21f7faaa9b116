//! The explorations of which a page is made.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::collect::{Collection, MOST_VALUE, Outcome};
use super::{Page, Scope};
use crate::draw::shortened;
use crate::explore::Choice;
use crate::weave::executor::{ExecutionEnd, Executor};
use crate::weave::failure::{Failure, FailureKind};
use crate::weave::fault::Abort;
use crate::weave::options::{Coverage, Options};
use crate::weave::run_loop::{LoopEnd, run_loop};
use crate::weave::schedule::Schedule;
use crate::weave::story::{Story, noting_end, recorded};

/// The limits of the search around a failing execution.
const MOST_AROUND: u64 = 2_000;
const MOST_TIME_AROUND: Duration = Duration::from_secs(1);

/// Returns the story of the last execution, and begins the next recording.
fn told(executor: &Executor, failure: Option<Failure>) -> Story {
    let mut controller = executor.controller.borrow_mut();
    let (recording, threads) = recorded(&mut controller);
    controller.recording = Some(Box::default());
    Story::new(controller.schedule(), failure, recording, threads)
}

/// The executions of an exploration while it goes on.
struct Gathering {
    all: Collection,
    /// The story that is told first, its outcome and its last node.
    first: Option<(Story, u32, u32)>,
    last_node: u32,
}

impl Gathering {
    fn new() -> Gathering {
        Gathering { all: Collection::new(), first: None, last_node: super::tree::ROOT }
    }

    fn fails(&self, outcome: u32) -> bool {
        self.all.outcomes[outcome as usize].failure.is_some()
    }

    /// Adds the last execution, which has this outcome.
    fn add(&mut self, executor: &Executor, outcome: u32, failure: Option<Failure>) {
        if executor.controller.borrow().recording.is_none() {
            let controller = executor.controller.borrow();
            let path = controller.path.borrow();
            self.last_node = self.all.add_cut(path.made(), outcome);
            return;
        }
        let fails = failure.is_some();
        let story = told(executor, failure);
        self.last_node = self.all.add(&story, outcome);
        let is_first = match &self.first {
            None => true,
            Some((_, first, _)) => fails && !self.fails(*first),
        };
        if is_first {
            self.first = Some((story, outcome, self.last_node));
        }
        if self.all.is_full() {
            executor.controller.borrow_mut().recording = None;
        }
    }
}

impl Gathering {
    /// Returns the place of the step from which every continuation of the first story fails.
    fn lost(&self) -> Option<usize> {
        let (_, outcome, node) = self.first.as_ref()?;
        let lost = || self.all.tree.lost(*node, |outcome| self.fails(outcome));
        self.fails(*outcome).then(lost).flatten()
    }
}

/// Explores the program, and returns the page of its executions.
pub(in crate::weave) fn page<T: Ord + Debug>(options: &Options, program: &impl Fn() -> T) -> Page {
    let mut executor = options.executor();
    let controller = executor.controller.clone();
    controller.borrow_mut().recording = Some(Box::default());
    let program = noting_end(&controller, program);
    let mut gathering = Gathering::new();
    let mut values: BTreeMap<T, u32> = BTreeMap::new();
    let same = |one: &T, other: &T| one == other;
    let end = run_loop(options, &mut executor, &program, same, |executor, end| {
        if matches!(end, ExecutionEnd::Aborted(Abort::Redundant)) {
            return ControlFlow::Continue(());
        }
        match executor.failure_of(end) {
            Ok(value) => {
                let known = values.get(&value).copied();
                let outcome = gathering.all.outcome(known, || Outcome {
                    failure: None,
                    label: label(&value),
                    count: 0,
                    schedule: executor.controller.borrow().schedule().to_string(),
                });
                values.entry(value).or_insert(outcome);
                gathering.add(executor, outcome, None);
            }
            Err(failure) => {
                let outcome = gathering.all.failure((*failure).clone());
                // What such an execution has done is not what the schedule does.
                if failure.kind() != FailureKind::NotRepeatable {
                    gathering.add(executor, outcome, Some(*failure));
                }
            }
        }
        ControlFlow::Continue(())
    });
    let is_exhausted = end == LoopEnd::Exhausted;
    if !is_exhausted {
        gathering.all.tree.open(gathering.last_node);
    }
    let is_bounded = options.max_switches.is_some();
    let scope = match options.coverage {
        Coverage::All if is_bounded => Scope::Bounded,
        Coverage::All => Scope::All,
        Coverage::Reduced if is_bounded => Scope::Bounded,
        Coverage::Reduced => Scope::Reduced,
        Coverage::Sampled(..) => Scope::Sampled,
    };
    let lost = gathering.lost().filter(|_| scope == Scope::All);
    let Gathering { all, first, .. } = gathering;
    let order: Vec<u32> = values.into_values().collect();
    let story = first.map(|(story, ..)| story.lost_at(lost));
    Page::new(options, all, &order, story, scope, is_exhausted)
}

/// Returns the words for a value that the program has returned.
fn label<T: Debug>(value: &T) -> String {
    match format!("{value:?}") {
        text if text == "()" => "does not fail".to_owned(),
        text => shortened(&text, MOST_VALUE),
    }
}

/// Returns the page of one execution.
pub(super) fn of_story(story: &Story) -> Page {
    let mut all = Collection::new();
    let schedule = story.schedule().to_string();
    let outcome = match story.failure() {
        Some(failure) => all.failure(failure.clone()),
        None => {
            all.outcome(None, || Outcome { failure: None, label: label(&()), count: 0, schedule })
        }
    };
    all.add(story, outcome);
    Page::new(&Options::new(), all, &[0], Some(story.clone()), Scope::One, false)
}

/// A failing execution, and those around it.
pub(in crate::weave) struct Surroundings {
    pub(in crate::weave) page: Page,
    /// The place of the step from which every continuation fails.
    pub(in crate::weave) lost: Option<usize>,
}

/// Explores the executions that have the beginning of this failing one, the longest beginnings first.
/// Returns `None` if the execution does not fail again.
pub(in crate::weave) fn around<T>(
    options: &Options,
    failing: &Schedule,
    program: &impl Fn() -> T,
) -> Option<Surroundings> {
    let mut gathering = Gathering::new();
    let made = {
        let mut executor = options.replay_executor(failing, false);
        let (end, made) = run_recorded(&mut executor, program);
        add_around(&mut gathering, &executor, end)?;
        made
    };
    if !gathering.fails(0) {
        return None;
    }
    let mut executor = options.dfs_executor(failing.rules);
    let until = Instant::now() + MOST_TIME_AROUND;
    let is_whole = explore_around(&mut gathering, &mut executor, &made, program, until);
    if let Some(depth) = is_whole.err() {
        // Of the choices on the way, those after `depth` are explored completely.
        let unexplored = gathering.all.tree.known_by_choices(&made[..depth]);
        gathering.all.tree.open(unexplored);
    }
    let lost = gathering.lost();
    let Gathering { all, first, .. } = gathering;
    let order = (0..all.outcomes.len() as u32)
        .filter(|&outcome| all.outcomes[outcome as usize].failure.is_none())
        .collect::<Vec<u32>>();
    let story = first.map(|(story, ..)| story.lost_at(lost));
    let scope = if is_whole.is_ok() { Scope::All } else { Scope::Around };
    let page = Page::new(options, all, &order, story, scope, is_whole.is_ok());
    Some(Surroundings { page, lost })
}

/// Explores the other alternatives of each choice, the last choice first.
///
/// # Errors
///
/// The number of choices below which not all executions were explored.
fn explore_around<T>(
    gathering: &mut Gathering,
    executor: &mut Executor,
    made: &[Choice],
    program: &impl Fn() -> T,
    until: Instant,
) -> Result<(), usize> {
    for depth in (0..made.len()).rev() {
        for taken in (0..made[depth].of).filter(|&taken| taken != made[depth].taken) {
            let mut above = made[..=depth].to_vec();
            // mistake: page-same-around
            above[depth].taken = taken;
            above[depth].forget_thread();
            executor.go_below(above);
            loop {
                if gathering.all.executions >= MOST_AROUND || Instant::now() >= until {
                    return Err(depth);
                }
                let (end, _) = run_recorded(executor, program);
                if add_around(gathering, executor, end).is_none() || gathering.all.is_full() {
                    return Err(depth);
                }
                if !executor.advance() {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Runs the program once, and records it. Returns the choices, too.
fn run_recorded<T>(
    executor: &mut Executor,
    program: &impl Fn() -> T,
) -> (ExecutionEnd<T>, Vec<Choice>) {
    let controller = executor.controller.clone();
    controller.borrow_mut().recording = Some(Box::default());
    let end = executor.run(&noting_end(&controller, program));
    let made = controller.borrow().path.borrow().made().to_vec();
    (end, made)
}

/// Adds an execution. Returns `None` if none can follow.
fn add_around<T>(
    gathering: &mut Gathering,
    executor: &Executor,
    end: ExecutionEnd<T>,
) -> Option<()> {
    if matches!(&end, ExecutionEnd::Aborted(abort) if abort.ends_exploration()) {
        return None;
    }
    let (outcome, failure) = match executor.failure_of(end) {
        Ok(_) => {
            let passed =
                gathering.all.outcomes.iter().position(|outcome| outcome.failure.is_none());
            let passed = passed.map(|index| index as u32);
            let outcome = gathering.all.outcome(passed, || Outcome {
                failure: None,
                label: label(&()),
                count: 0,
                schedule: executor.controller.borrow().schedule().to_string(),
            });
            (outcome, None)
        }
        Err(failure) => (gathering.all.failure((*failure).clone()), Some(*failure)),
    };
    gathering.add(executor, outcome, failure);
    Some(())
}
