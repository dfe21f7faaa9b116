//! What a debugger looks up by name: where the stacks of the process are, and
//! where things are in control blocks and schedulers.
//!
//! `src/debug/gdb.py` is the other side: it expects the words in this order.

use std::mem::{offset_of, size_of};
use std::sync::atomic::AtomicPtr;

use crate::kernel::control_block::{ControlBlock, State};
use crate::kernel::run_queue::{RunQueue, Runnable};
use crate::kernel::scheduler::Scheduler;
use crate::stack::debugger::{self, Entry};

/// To be raised whenever the words mean something else.
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

/// The name is the debugger's way in.
// SAFETY: no other symbol of the program has this name.
#[unsafe(no_mangle)]
pub(crate) static LENO_DEBUGGER_TABLE: Table = Table {
    version: VERSION,
    pools: &debugger::FIRST,
    fp_environment: cfg!(feature = "fp-env") as usize,
    waiting: State::Waiting as usize,
    finished: State::Finished as usize,
    stack: debugger::LAYOUT,
    control: [
        offset_of!(ControlBlock, context),
        offset_of!(ControlBlock, scheduler),
        offset_of!(ControlBlock, state),
        offset_of!(ControlBlock, number),
    ],
    scheduler: [
        offset_of!(Scheduler, current),
        offset_of!(Scheduler, main),
        offset_of!(Scheduler, queue),
        offset_of!(Scheduler, watched),
    ],
    queue: [
        offset_of!(RunQueue, entries),
        offset_of!(RunQueue, mask),
        offset_of!(RunQueue, head),
        offset_of!(RunQueue, tail),
        size_of::<Runnable>(),
        offset_of!(Runnable, context),
        offset_of!(Runnable, control),
    ],
};
