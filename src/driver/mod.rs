//! How a runtime waits for what is outside its run queue: timers, other OS threads, signals.

pub(crate) mod idle;
#[cfg(feature = "net")]
pub(crate) mod io;
mod poll;
pub(crate) mod prefetch;

pub(crate) use idle::{note_stall, pass_virtual_time, patience, sleep};
pub(crate) use poll::poll;

use std::os::fd::BorrowedFd;

use crate::kernel::Scheduler;
use crate::remote::inbox::inbox;

/// Returns the descriptor that is readable while there is something for the runtime to look at.
///
/// # Panics
///
/// If the system has no more descriptors.
pub(crate) fn descriptor(scheduler: &Scheduler) -> BorrowedFd<'_> {
    let descriptor = inbox(scheduler).descriptor();
    #[cfg(feature = "net")]
    let descriptor = io::descriptor_with(scheduler, descriptor);
    descriptor
}
