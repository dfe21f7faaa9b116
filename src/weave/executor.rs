//! Runs a program again and again on one OS thread, under one controller.

use std::cell::RefCell;
use std::rc::Rc;

use super::controller::ExplorationController;
use super::dfs::Dfs;
use super::failure::Failure;
use super::fault::{Abort, Fault, FaultKind};
use super::panics::{self, KeptPanics, ObservedPanics, PanicText};
use super::schedule::Rules;
use super::spare::{Spare, runtime_of};
use super::strategy::Strategy;
#[cfg(feature = "net")]
use crate::driver::io::MemoryNetwork;
use crate::explore::{Choice, ControlledRuntime, Cut};
use crate::kernel::try_scheduler;

pub(super) struct Executor {
    pub(super) controller: Rc<RefCell<ExplorationController>>,
    _observed: ObservedPanics,
    /// `None` only while the executor is dropped.
    runtime: Option<ControlledRuntime>,
    /// The choices of the first execution, to compare the second with.
    trail: Vec<Choice>,
    stack_bytes: Option<usize>,
    #[cfg(feature = "net")]
    network: Option<MemoryNetwork>,
    /// The index of the next execution.
    index: u64,
    /// The difference between the indices of consecutive executions.
    step: u64,
    /// The program is known to repeat itself.
    pub(super) is_verified: bool,
}

/// The end of an execution.
pub(super) enum ExecutionEnd<T> {
    Returned(T),
    Failed(Box<Fault>),
    Aborted(Abort),
}

/// The end of an execution that has no value.
enum NoValue {
    Failed(Box<Fault>),
    Aborted(Abort),
}

impl Executor {
    pub(super) fn new(
        rules: Rules,
        strategy: Strategy,
        max_steps: u64,
        stack_bytes: Option<usize>,
    ) -> Executor {
        let spare = Spare::take(stack_bytes).unwrap_or_else(|| Spare::make(stack_bytes));
        let Spare { controller, runtime, trail, .. } = spare;
        let path = controller.borrow().path.clone();
        controller.replace(ExplorationController::new(rules, strategy, max_steps, path));
        let _observed = ObservedPanics::new(controller.clone());
        Executor {
            controller,
            _observed,
            runtime: Some(runtime),
            trail,
            stack_bytes,
            #[cfg(feature = "net")]
            network: None,
            index: 0,
            step: 1,
            is_verified: false,
        }
    }

    /// Gives the executions a network in memory, or none.
    #[cfg(feature = "net")]
    pub(super) fn with_network(mut self, network: Option<MemoryNetwork>) -> Executor {
        self.network = network;
        self.set_network();
        self
    }

    #[cfg(feature = "net")]
    fn set_network(&self) {
        if let Some(runtime) = &self.runtime {
            runtime.set_network(self.network);
        }
    }

    /// Runs the program once.
    ///
    /// If the execution fails after the program has returned, the value is dropped when the
    /// execution is over, like every other value: outside the runtime, and while nothing unwinds.
    pub(super) fn run<T>(&mut self, program: &impl Fn() -> T) -> ExecutionEnd<T> {
        let mut value = None;
        match self.run_once(&mut || value = Some(program())) {
            Ok(()) => {
                ExecutionEnd::Returned(value.expect("a program that does not fail returns a value"))
            }
            Err(no_value) => match *no_value {
                NoValue::Failed(fault) => ExecutionEnd::Failed(fault),
                NoValue::Aborted(abort) => ExecutionEnd::Aborted(abort),
            },
        }
    }

    /// Runs the program once. This function is not generic, so the compiler sees it, and all of
    /// the runtime that it calls, as one piece: a tenth of the time of a small execution.
    ///
    /// # Errors
    ///
    /// The end of an execution that does not return. It is boxed, so that the common result comes
    /// back in a register.
    fn run_once(&mut self, program: &mut dyn FnMut()) -> Result<(), Box<NoValue>> {
        let events = self.controller.borrow_mut().begin(self.index);
        self.index += self.step;
        let kept = KeptPanics::new();
        let runtime = self.runtime.as_ref().expect("an executor has a runtime");
        let result = runtime.run(events, program);
        drop(kept);
        if !runtime.is_as_new() {
            // A handle may still lead to the old runtime.
            self.runtime = Some(runtime_of(&self.controller, self.stack_bytes));
            #[cfg(feature = "net")]
            self.set_network();
        }
        let mut controller = self.controller.borrow_mut();
        controller.end();
        match result {
            Ok(()) if controller.abort.is_none() && controller.fault.is_none() => Ok(()),
            result => no_value(&mut controller, result),
        }
    }

    /// Runs the same execution twice, to see whether the program repeats itself.
    pub(super) fn run_twice<T>(
        &mut self,
        program: &impl Fn() -> T,
        same: impl Fn(&T, &T) -> bool,
    ) -> ExecutionEnd<T> {
        let first = self.run(program);
        if !matches!(first, ExecutionEnd::Returned(_)) {
            return first;
        }
        let steps = self.keep_trail();
        self.index -= self.step;
        let second = self.run(program);
        let (is_same, after) = self.compare_trail(steps);
        match (&first, &second) {
            (ExecutionEnd::Returned(one), ExecutionEnd::Returned(other)) if is_same => {
                if same(one, other) { second } else { ExecutionEnd::Aborted(Abort::OtherValue) }
            }
            (_, ExecutionEnd::Aborted(Abort::Differs { .. })) => second,
            _ => ExecutionEnd::Aborted(Abort::Differs { after }),
        }
    }

    /// Runs the first execution if later ones depend on how it goes.
    pub(super) fn learn<T>(&mut self, program: &impl Fn() -> T) {
        let learns = match &self.controller.borrow().strategy {
            Strategy::Other(strategy) => strategy.learns(),
            Strategy::Dfs(_) => false,
        };
        if learns {
            let index = std::mem::take(&mut self.index);
            let _ = self.run(program);
            self.index = index;
        }
    }

    /// Keeps the choices of the last execution. Returns the number of its steps.
    fn keep_trail(&mut self) -> u64 {
        let controller = self.controller.borrow();
        let path = controller.path.borrow();
        self.trail.clear();
        self.trail.extend_from_slice(path.made());
        path.steps()
    }

    /// Returns `true` if the last execution had this number of steps and the choices of the
    /// trail; and the number of its choices.
    fn compare_trail(&self, steps: u64) -> (bool, usize) {
        let controller = self.controller.borrow();
        let path = controller.path.borrow();
        (path.made() == self.trail && path.steps() == steps, path.made().len())
    }

    /// Returns the number of steps of the last execution.
    #[inline(always)]
    pub(super) fn steps(&self) -> u64 {
        self.controller.borrow().steps()
    }

    /// Returns the index of the last execution; 0 is the first.
    #[inline(always)]
    pub(super) fn index(&self) -> u64 {
        self.index.saturating_sub(self.step)
    }

    /// Runs only every `step`-th execution, from the index `first` on.
    pub(super) fn stride(&mut self, first: u64, step: u64) {
        self.index = first;
        self.step = step;
    }

    /// Explores only what is below the choices `above`.
    pub(super) fn go_below(&mut self, above: Vec<Choice>) {
        self.is_verified = !above.is_empty();
        let mut controller = self.controller.borrow_mut();
        let dfs = Dfs::below(above, &mut controller.path.borrow_mut());
        controller.strategy = Strategy::Dfs(dfs);
    }

    /// Advances to the next execution. Returns `false` if there is none.
    pub(super) fn advance(&mut self) -> bool {
        self.controller.borrow_mut().advance()
    }

    /// Returns the value of an execution, or its failure.
    pub(super) fn failure_of<T>(&self, end: ExecutionEnd<T>) -> Result<T, Box<Failure>> {
        let controller = self.controller.borrow();
        match end {
            ExecutionEnd::Returned(value) => Ok(value),
            ExecutionEnd::Failed(fault) => {
                let label = |number| controller.names.label(number).to_string();
                let thread = fault.thread.map(label);
                let mut failure = Failure::of_fault(*fault, controller.schedule(), thread);
                failure.first = self.index();
                Err(Box::new(failure))
            }
            ExecutionEnd::Aborted(abort) => {
                let failure = Failure::of_abort(&abort, controller.schedule(), controller.steps());
                Err(Box::new(failure.expect("a redundant execution is no failure")))
            }
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // A panic in a comparison or a destructor of values, or in leno itself, may have left the
        // controller in any state.
        if std::thread::panicking() {
            return;
        }
        if let Some(runtime) = self.runtime.take() {
            let (controller, trail) = (self.controller.clone(), std::mem::take(&mut self.trail));
            Spare { controller, runtime, trail, stack_bytes: self.stack_bytes }.leave();
        }
    }
}

#[cold]
#[inline(never)]
fn no_value(
    controller: &mut ExplorationController,
    result: Result<(), Cut>,
) -> Result<(), Box<NoValue>> {
    if let Some(abort) = controller.abort.clone() {
        return Err(Box::new(NoValue::Aborted(abort)));
    }
    match (controller.fault.take(), result) {
        (Some(fault), _) => Err(Box::new(NoValue::Failed(fault))),
        (None, Ok(())) => Ok(()),
        (None, Err(cut)) => Err(Box::new(NoValue::Failed(Box::new(fault_of_main(&cut))))),
    }
}

/// Returns the fault of the main green thread, for a run that ended without a report of one.
fn fault_of_main(cut: &Cut) -> Fault {
    let text = match cut {
        Cut::Panicked(payload) => panics::text_of(1, payload),
        Cut::Stopped => PanicText { message: "the run was stopped".to_owned(), place: None },
    };
    Fault { kind: FaultKind::Panic, message: text.message, place: text.place, thread: Some(1) }
}

/// Asserts that this OS thread has no runtime.
///
/// # Panics
///
/// Inside a runtime.
#[track_caller]
pub(super) fn assert_outside_runtimes(function: &str) {
    assert!(
        try_scheduler().is_none(),
        "{function} was called inside a runtime: it runs the program on runtimes of its own, so \
         call it outside leno::run"
    );
}
