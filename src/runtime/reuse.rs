//! Runtimes that are used again, for one controlled run after another.

#![forbid(unsafe_code)]

use super::instance::Runtime;
use crate::kernel::ControlBlock;

impl Runtime {
    pub(crate) fn main(&self) -> &ControlBlock {
        &self.main
    }

    /// Makes another runtime of this one, in which no thread runs.
    #[track_caller]
    pub(crate) fn renew(&mut self) {
        self.scheduler.uncancel(&self.main);
        self.main.retire();
        self.scheduler.forget(self.main.number());
        self.scheduler.take_new_serial();
        *self.main = ControlBlock::main(&self.scheduler);
    }
}
