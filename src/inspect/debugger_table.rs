//! What a debugger looks up by name: where the stacks of the process are, and where fields are in
//! control blocks and schedulers.
//!
//! `src/debug/gdb.py` is the other side: it expects the words in this order.

use std::sync::atomic::AtomicPtr;

use crate::kernel::{State, control_block, run_queue, scheduler};
use crate::stack::debugger::{self, Entry};

/// The version of the table, to be raised whenever its words change their meaning.
const VERSION: usize = 1;

#[repr(C)]
pub(crate) struct Table {
    version: usize,
    pools: &'static AtomicPtr<Entry>,
    fp_environment: usize,
    waiting: usize,
    finished: usize,
    stack: [usize; 13],
    control: [usize; 4],
    scheduler: [usize; 4],
    queue: [usize; 7],
}

/// The table. A debugger finds it by its name.
// SAFETY: no other symbol of the program has this name.
#[unsafe(no_mangle)]
pub(crate) static LENO_DEBUGGER_TABLE: Table = Table {
    version: VERSION,
    pools: &debugger::FIRST,
    fp_environment: cfg!(feature = "fp-env") as usize,
    waiting: State::Waiting as usize,
    finished: State::Finished as usize,
    stack: debugger::LAYOUT,
    control: control_block::LAYOUT,
    scheduler: scheduler::LAYOUT,
    queue: run_queue::LAYOUT,
};
