//! What an exploration leaves to the next one on its OS thread.
//!
//! A small exploration takes less time than making a runtime, an engine and a track:
//! of the 27 allocations of an exploration 2 are left. What is left is empty, and the
//! program of the next exploration cannot tell it from new. An exploration that has
//! grown large leaves nothing, so that an OS thread keeps less than 256 KiB.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::engine::{Engine, Strategy};
use super::schedule::Rules;
use super::tree::Tree;
use crate::explore::{Choice, ChoicePath};
use crate::runtime::ControlledRuntime;

/// Nothing is left that has room for more entries than this.
const MOST_ENTRIES: usize = 1 << 10;

pub(super) struct Spare {
    pub(super) engine: Rc<RefCell<Engine>>,
    /// The engine directs it.
    pub(super) runtime: ControlledRuntime,
    /// Empty, for its allocation.
    pub(super) trail: Vec<Choice>,
    /// The size of stacks that the runtime was made with.
    pub(super) stack_bytes: Option<usize>,
}

thread_local! {
    // A runtime whose green threads have ended owns no stack, so the pool of stacks may
    // be dropped before this or after it.
    static SPARE: Cell<Option<Spare>> = const { Cell::new(None) };
}

impl Spare {
    /// Takes what the last exploration of this OS thread has left, if its runtime fits.
    pub(super) fn take(stack_bytes: Option<usize>) -> Option<Spare> {
        let mut spare = SPARE.try_with(Cell::take).ok()??;
        if spare.stack_bytes != stack_bytes {
            return None;
        }
        spare.runtime.renew();
        Some(spare)
    }

    /// Makes everything anew.
    pub(super) fn make(stack_bytes: Option<usize>) -> Spare {
        let track = Rc::new(RefCell::new(ChoicePath::new()));
        let engine = Rc::new(RefCell::new(idle_engine(track)));
        let runtime = runtime_of(&engine, stack_bytes);
        Spare { engine, runtime, trail: Vec::new(), stack_bytes }
    }

    /// Leaves this to the next exploration, unless it is large or something else refers
    /// to the runtime.
    pub(super) fn leave(mut self) {
        let track = self.engine.borrow().track.clone();
        let is_small = self.trail.capacity().max(track.borrow().room()) <= MOST_ENTRIES;
        if !is_small || !self.runtime.can_be_reused(MOST_ENTRIES) {
            return;
        }
        self.trail.clear();
        // The strategy and a recording are freed here.
        self.engine.replace(idle_engine(track));
        // At the end of the OS thread, the place may be gone.
        let _ = SPARE.try_with(|place| place.set(Some(self)));
    }
}

/// An engine that explores nothing.
fn idle_engine(track: Rc<RefCell<ChoicePath>>) -> Engine {
    Engine::new(Rules::default(), Strategy::Tree(Tree::default()), 0, track)
}

/// A runtime that the engine directs.
pub(super) fn runtime_of(
    engine: &Rc<RefCell<Engine>>,
    stack_bytes: Option<usize>,
) -> ControlledRuntime {
    let track = engine.borrow().track.clone();
    ControlledRuntime::new(engine.clone(), track, stack_bytes)
}
