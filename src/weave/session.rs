//! One OS thread that runs a program again and again under an engine.

use std::cell::RefCell;
use std::rc::Rc;

use super::engine::{Cut, Engine, Strategy, What, Wrong};
use super::panics::{self, Kept, Known};
use super::schedule::Rules;
use super::spare::{Spare, runtime_of};
use super::tree::Tree;
use crate::explore::Choice;
use crate::runtime::ControlledRuntime;

pub(super) struct Session {
    pub(super) engine: Rc<RefCell<Engine>>,
    _known: Known,
    /// `None` only while the session is dropped.
    runtime: Option<ControlledRuntime>,
    /// The choices of the first execution, to compare the second with.
    trail: Vec<Choice>,
    stack_bytes: Option<usize>,
    /// Of the next execution.
    index: u64,
    step: u64,
    /// The program is known to repeat itself.
    pub(super) is_verified: bool,
}

/// How an execution has ended.
pub(super) enum Ran<T> {
    Value(T),
    Wrong(Box<Wrong>),
    Cut(Cut),
}

impl Session {
    pub(super) fn new(
        rules: Rules,
        strategy: Strategy,
        max_steps: u64,
        stack_bytes: Option<usize>,
    ) -> Session {
        let spare = Spare::take(stack_bytes).unwrap_or_else(|| Spare::make(stack_bytes));
        let Spare { engine, runtime, trail, .. } = spare;
        let track = engine.borrow().track.clone();
        engine.replace(Engine::new(rules, strategy, max_steps, track));
        let (_known, runtime) = (Known::new(&engine), Some(runtime));
        Session {
            engine,
            _known,
            runtime,
            trail,
            stack_bytes,
            index: 0,
            step: 1,
            is_verified: false,
        }
    }

    /// Runs the program once.
    ///
    /// If the execution fails after the program has returned, the value is dropped when
    /// the execution is over, like every other value: outside the runtime, and while
    /// nothing unwinds.
    pub(super) fn run<T>(&mut self, program: &impl Fn() -> T) -> Ran<T> {
        let mut value = None;
        match self.run_once(&mut || value = Some(program())) {
            Ok(()) => Ran::Value(value.expect("a program that does not fail returns a value")),
            Err(failed) => match *failed {
                Failed::Wrong(wrong) => Ran::Wrong(wrong),
                Failed::Cut(cut) => Ran::Cut(cut),
            },
        }
    }

    /// As [`Session::run`]. It is not generic, so the compiler sees it, and all of the
    /// runtime that it calls, as one piece: a tenth of the time of a small execution.
    ///
    /// # Errors
    ///
    /// What has happened instead of a return. It is boxed, so that the common result comes
    /// back in a register.
    fn run_once(&mut self, program: &mut dyn FnMut()) -> Result<(), Box<Failed>> {
        let wants = self.engine.borrow_mut().begin(self.index);
        self.index += self.step;
        let kept = Kept::new();
        let runtime = self.runtime.as_ref().expect("a session has a runtime");
        let result = runtime.run(wants, program);
        drop(kept);
        if !runtime.is_as_new() {
            // A handle may still lead to that one.
            self.runtime = Some(runtime_of(&self.engine, self.stack_bytes));
        }
        let mut engine = self.engine.borrow_mut();
        engine.end();
        match result {
            Ok(()) if engine.cut.is_none() && engine.wrong.is_none() => Ok(()),
            result => failed(&mut engine, result),
        }
    }

    /// As [`Session::run`], but runs the same execution twice, and says so if it is
    /// not the same.
    pub(super) fn run_twice<T>(
        &mut self,
        program: &impl Fn() -> T,
        same: impl Fn(&T, &T) -> bool,
    ) -> Ran<T> {
        let first = self.run(program);
        if !matches!(first, Ran::Value(_)) {
            return first;
        }
        let steps = self.keep_trail();
        self.index -= self.step;
        let second = self.run(program);
        let (is_same, after) = self.compare_trail(steps);
        match (&first, &second) {
            (Ran::Value(one), Ran::Value(other)) if is_same => {
                if same(one, other) {
                    second
                } else {
                    Ran::Cut(Cut::OtherValue)
                }
            }
            (_, Ran::Cut(Cut::Differs { .. })) => second,
            _ => Ran::Cut(Cut::Differs { after }),
        }
    }

    /// Runs the first execution, if others depend on how that goes.
    pub(super) fn learn<T>(&mut self, program: &impl Fn() -> T) {
        let learns = match &self.engine.borrow().strategy {
            Strategy::Sampling(sampling) => sampling.learns(),
            _ => false,
        };
        if learns {
            let index = std::mem::take(&mut self.index);
            let _ = self.run(program);
            self.index = index;
        }
    }

    /// Keeps the choices of the last execution. Returns how many steps it had.
    fn keep_trail(&mut self) -> u64 {
        let engine = self.engine.borrow();
        let track = engine.track.borrow();
        self.trail.clear();
        self.trail.extend_from_slice(track.made());
        track.steps()
    }

    /// Returns `true` if the last execution had so many steps and the choices that were
    /// kept; and how many choices it had.
    fn compare_trail(&self, steps: u64) -> (bool, usize) {
        let engine = self.engine.borrow();
        let track = engine.track.borrow();
        (track.made() == self.trail && track.steps() == steps, track.made().len())
    }

    /// How many steps the last execution had.
    #[inline(always)]
    pub(super) fn steps(&self) -> u64 {
        self.engine.borrow().steps()
    }

    /// Which execution was the last: 0 is the first.
    #[inline(always)]
    pub(super) fn index(&self) -> u64 {
        self.index.saturating_sub(self.step)
    }

    /// Only every `step`-th execution is run, from the one with index `first`.
    pub(super) fn stride(&mut self, first: u64, step: u64) {
        self.index = first;
        self.step = step;
    }

    /// Explores only what is below the choices `above`.
    pub(super) fn go_below(&mut self, above: Vec<Choice>) {
        self.is_verified = !above.is_empty();
        let mut engine = self.engine.borrow_mut();
        let tree = Tree::below(above, &mut engine.track.borrow_mut());
        engine.strategy = Strategy::Tree(tree);
    }

    /// Goes to the next execution. False if there is none.
    pub(super) fn advance(&mut self) -> bool {
        let mut engine = self.engine.borrow_mut();
        let Engine { strategy, track, .. } = &mut *engine;
        match strategy {
            Strategy::Tree(tree) => tree.advance(&mut track.borrow_mut()),
            other => other.advance(),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A panic in a comparison or a destructor of values, or in leno itself, may have
        // left the engine in any state.
        if std::thread::panicking() {
            return;
        }
        if let Some(runtime) = self.runtime.take() {
            let (engine, trail) = (self.engine.clone(), std::mem::take(&mut self.trail));
            Spare { engine, runtime, trail, stack_bytes: self.stack_bytes }.leave();
        }
    }
}

/// How an execution has ended that has no value.
enum Failed {
    Wrong(Box<Wrong>),
    Cut(Cut),
}

#[cold]
#[inline(never)]
fn failed(engine: &mut Engine, result: Result<(), crate::explore::Cut>) -> Result<(), Box<Failed>> {
    if let Some(cut) = engine.cut.clone() {
        return Err(Box::new(Failed::Cut(cut)));
    }
    match (engine.wrong.take(), result) {
        (Some(wrong), _) => Err(Box::new(Failed::Wrong(wrong))),
        (None, Ok(())) => Ok(()),
        (None, Err(cut)) => Err(Box::new(Failed::Wrong(Box::new(of_main(&cut))))),
    }
}

/// What was wrong with the main green thread, if nobody has told.
fn of_main(cut: &crate::explore::Cut) -> Wrong {
    let said = match cut {
        crate::explore::Cut::Panicked(payload) => panics::said_by(1, payload),
        crate::explore::Cut::Stopped => {
            panics::Said { message: "the run was stopped".to_owned(), place: None }
        }
    };
    Wrong { what: What::Panic, message: said.message, place: said.place, thread: Some(1) }
}
