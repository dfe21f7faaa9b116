//! An engine without a kernel: sockets that reach each other in memory.
//!
//! It drives the same sources and calls as the system's engines, and an exploration can repeat what it
//! does. A call of one socket changes the state of the network, and the changes are reported to the
//! sources before the call returns, or later if the network has late reports.
//!
//! ```text
//!   MemorySocket   a handle: makes calls, chooses faults
//!   delivery       reports changes to the sources; tells explorations what a call uses
//!   restart        begins an execution of an exploration
//!   Network        the state, shared with the engine
//!   State          sockets, names, pipes, datagrams
//! ```
//!
//! An exploration knows each direction of a stream as an object, and all else as one: connections that are
//! made and accepted, datagrams, addresses.

#![forbid(unsafe_code)]

mod datagrams;
pub(super) mod delivery;
pub(super) mod ids;
pub(super) mod ledger;
mod names;
pub(super) mod network;
mod pipe;
#[cfg(feature = "weave")]
pub(super) mod restart;
pub(super) mod settings;
pub(super) mod socket;
pub(super) mod state;
