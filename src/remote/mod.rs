//! What other OS threads do to a runtime, and how they wait for it.

pub(crate) mod future;
pub(crate) mod handle;
pub(crate) mod inbox;
pub(crate) mod join;
pub(crate) mod mailbox;
pub(crate) mod sync_shim;

pub(crate) use future::block_on;
pub use handle::{Ended, Handle};
pub use join::RemoteJoinHandle;
