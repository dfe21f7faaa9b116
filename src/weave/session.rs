//! One OS thread that runs a program again and again under an engine.

use std::cell::RefCell;
use std::rc::Rc;

use super::engine::{Cut, Engine, Strategy, What, Wrong};
use super::panics::{self, Kept};
use super::tree::Tree;
use crate::runtime::{self, Choice, Runtime};

pub(super) struct Session {
    pub(super) engine: Rc<RefCell<Engine>>,
    runtime: Runtime,
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
    Wrong(Wrong),
    Cut(Cut),
}

impl Session {
    pub(super) fn new(engine: Engine, stack_bytes: Option<usize>) -> Session {
        let engine = Rc::new(RefCell::new(engine));
        let runtime = runtime_of(&engine, stack_bytes);
        Session { engine, runtime, stack_bytes, index: 0, step: 1, is_verified: false }
    }

    /// Runs the program once.
    pub(super) fn run<T>(&mut self, program: &impl Fn() -> T) -> Ran<T> {
        let wants = {
            let mut engine = self.engine.borrow_mut();
            engine.begin(self.index);
            engine.wants()
        };
        self.index += self.step;
        let kept = Kept::new(&self.engine);
        let result = self.runtime.run_directed(wants, program);
        drop(kept);
        if !self.runtime.is_as_new() {
            // Others may still have a handle of that one.
            self.runtime = runtime_of(&self.engine, self.stack_bytes);
        }
        let mut engine = self.engine.borrow_mut();
        engine.end();
        if let Some(cut) = engine.cut.clone() {
            return Ran::Cut(cut);
        }
        let wrong = engine.wrong.take();
        match (wrong, result) {
            (Some(wrong), _) => Ran::Wrong(wrong),
            (None, Ok(value)) => Ran::Value(value),
            (None, Err(cut)) => Ran::Wrong(of_main(&cut)),
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
        let (trail, steps) = self.trail();
        self.index -= self.step;
        let second = self.run(program);
        match (&first, &second) {
            (Ran::Value(one), Ran::Value(other)) if self.trail() == (trail, steps) => {
                if same(one, other) { second } else { Ran::Cut(Cut::OtherValue) }
            }
            (_, Ran::Cut(Cut::Differs { .. })) => second,
            _ => Ran::Cut(Cut::Differs { after: self.trail().0.len() }),
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

    fn trail(&self) -> (Vec<Choice>, u64) {
        let engine = self.engine.borrow();
        let track = engine.track.borrow();
        (track.made().to_vec(), track.steps())
    }

    /// Which execution was the last: 0 is the first.
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
            Strategy::Reduced(reduction) => reduction.advance(),
            Strategy::Sampling(_) => true,
            Strategy::Replay(_) => false,
        }
    }
}

/// A runtime that the engine directs.
fn runtime_of(engine: &Rc<RefCell<Engine>>, stack_bytes: Option<usize>) -> Runtime {
    let track = engine.borrow().track.clone();
    Runtime::directed(engine.clone(), track, stack_bytes)
}

/// What was wrong with the main green thread, if nobody has told.
fn of_main(cut: &runtime::Cut) -> Wrong {
    let said = match cut {
        runtime::Cut::Panicked(payload) => panics::said_by(1, payload),
        runtime::Cut::Stopped => {
            panics::Said { message: "the run was stopped".to_owned(), place: None }
        }
    };
    Wrong { what: What::Panic, message: said.message, place: said.place, thread: Some(1) }
}
