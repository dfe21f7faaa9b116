//! The allocations that an exploration leaves to the next one on its OS thread.
//!
//! A small exploration takes less time than making a runtime, a controller and a path: of the 27
//! allocations of an exploration 2 are left. What is left is empty, and the program of the next
//! exploration cannot tell it from new. An exploration that has grown large leaves nothing, so
//! that an OS thread keeps less than 256 KiB.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::controller::ExplorationController;
use super::dfs::Dfs;
use super::schedule::Rules;
use super::strategy::Strategy;
use crate::explore::{Choice, ChoicePath, ControlledRuntime};

/// A collection with room for more entries than this is not kept.
const MOST_ENTRIES: usize = 1 << 10;

pub(super) struct Spare {
    pub(super) controller: Rc<RefCell<ExplorationController>>,
    /// The runtime that the controller controls.
    pub(super) runtime: ControlledRuntime,
    /// Empty, for its allocation.
    pub(super) trail: Vec<Choice>,
    /// The stack size that the runtime was made with.
    pub(super) stack_bytes: Option<usize>,
}

thread_local! {
    // After all its green threads have ended, a runtime owns no stack, so the pool of stacks may
    // be dropped before this or after it.
    static SPARE: Cell<Option<Spare>> = const { Cell::new(None) };
}

impl Spare {
    /// Takes what the last exploration of this OS thread has left, if its runtime fits.
    pub(super) fn take(stack_bytes: Option<usize>) -> Option<Spare> {
        let mut spare = SPARE.try_with(Cell::take).unwrap_or_default()?;
        if spare.stack_bytes != stack_bytes {
            return None;
        }
        spare.runtime.renew();
        Some(spare)
    }

    /// Makes everything anew.
    pub(super) fn make(stack_bytes: Option<usize>) -> Spare {
        let path = Rc::new(RefCell::new(ChoicePath::new()));
        let controller = Rc::new(RefCell::new(idle_controller(path)));
        let runtime = runtime_of(&controller, stack_bytes);
        Spare { controller, runtime, trail: Vec::new(), stack_bytes }
    }

    /// Leaves this to the next exploration, unless it is large or something else refers to the
    /// runtime.
    pub(super) fn leave(mut self) {
        let path = self.controller.borrow().path.clone();
        self.runtime.clear();
        let is_small = self.trail.capacity().max(path.borrow().room()) <= MOST_ENTRIES;
        if !is_small || !self.runtime.can_be_reused(MOST_ENTRIES) {
            return;
        }
        self.trail.clear();
        // The strategy and a recording are freed here.
        self.controller.replace(idle_controller(path));
        // At the end of the OS thread, the variable may be destroyed.
        let _ = SPARE.try_with(|place| place.set(Some(self)));
    }
}

/// Returns a controller that explores nothing.
fn idle_controller(path: Rc<RefCell<ChoicePath>>) -> ExplorationController {
    ExplorationController::new(Rules::default(), Strategy::Dfs(Dfs::default()), 0, path)
}

/// Returns a runtime that the controller controls.
pub(super) fn runtime_of(
    controller: &Rc<RefCell<ExplorationController>>,
    stack_bytes: Option<usize>,
) -> ControlledRuntime {
    let path = controller.borrow().path.clone();
    ControlledRuntime::new(controller.clone(), path, stack_bytes)
}
