//! Channels, with the interface of crossbeam-channel.
//!
//! A message goes directly into the frame of the first thread that waits to receive, and
//! into the buffer only if no thread waits. Senders and receivers are served first come,
//! first served.
//!
//! Both halves can be cloned. A channel is disconnected when all senders or all receivers
//! have been dropped; the messages in its buffer can still be received.
//!
//! # Examples
//!
//! ```
//! use leno::channel;
//!
//! leno::run(|| {
//!     let (sender, receiver) = channel::bounded(2);
//!     leno::spawn(move || (1..=3).for_each(|n| sender.send(n).unwrap()));
//!     assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3]);
//! });
//! ```

#![deny(unsafe_code)]

mod deadline;
mod error;
mod events;
mod handles;
mod iter;
mod pairs;
mod partner;
mod readiness;
mod receiver;
#[allow(unsafe_code)]
mod ring;
mod search;
mod select;
mod select_arms;
mod select_cases;
mod select_macro;
mod selected;
mod sender;
mod state;
mod timer;

pub use crate::{select, select_biased};
pub(crate) use deadline::Deadline;
pub use error::{
    ReadyTimeoutError, RecvError, RecvTimeoutError, SelectTimeoutError, SendError,
    SendTimeoutError, TryReadyError, TryRecvError, TrySelectError, TrySendError,
};
pub use events::Join;
#[cfg(feature = "net")]
pub use events::Ready;
pub use handles::{after, at, bounded, never, tick, unbounded};
pub(crate) use iter::message_iterators;
pub(crate) use readiness::{Choice, Operation, RemoteChannel, RemoteSide, Watching};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use select::Select;
pub(crate) use select_macro::{Case, Round, Tried};
pub use selected::SelectedOperation;
pub use sender::Sender;

/// What the expansion of [`select!`](crate::select!) uses.
#[doc(hidden)]
pub mod __select {
    pub use crate::channel::deadline::{Deadline, IntoDeadline};
    pub use crate::channel::events::join;
    #[cfg(feature = "net")]
    pub use crate::channel::events::{readable, writable};
    pub use crate::channel::select_cases::{RecvCase, SendCase};
    pub use crate::channel::select_macro::{Case, select};
}
