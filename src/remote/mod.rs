//! What other OS threads do to a runtime, and how green threads wait for them.

mod future;
mod handle;
pub(crate) mod inbox;
mod join;
mod mailbox;
#[cfg(feature = "net")]
pub(crate) mod pool;
pub(crate) mod sync_shim;
pub(crate) mod waiter;

pub(crate) use future::{
    Futures, announce_end, awaited_outside, block_on, selects_on_end, wake_at_end,
};
pub use handle::{Ended, Handle};
#[cfg(feature = "unblock")]
pub(crate) use inbox::hold_time;
pub(crate) use inbox::unpark;
pub use join::RemoteJoinHandle;
pub(crate) use join::promise;

use crate::kernel::Scheduler;

/// Returns `true` if something outside the runtime can make a green thread runnable.
pub(crate) fn can_be_reached(scheduler: &Scheduler) -> bool {
    future::is_awaited_outside(scheduler)
        || inbox::may_get_mail(scheduler)
        || inbox::holds_time(scheduler)
        || inbox::awaits_others(scheduler)
}
