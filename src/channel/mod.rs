//! Channels, with the interface of crossbeam-channel.
//!
//! A value goes from the one who sends to the one who waits for it without a
//! detour: into its frame. Only if nobody waits does it go into the buffer. Both
//! ends are served in the order in which they came.
//!
//! Both ends can be cloned. A channel is disconnected when all senders or all
//! receivers are gone; what is in its buffer can still be received.
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
mod handles;
mod iter;
mod readiness;
#[allow(unsafe_code)]
mod ring;
mod select;
mod select_macro;
mod state;
mod timer;

pub use crate::{select, select_biased};
pub use error::{
    ReadyTimeoutError, RecvError, RecvTimeoutError, SelectTimeoutError, SendError,
    SendTimeoutError, TryReadyError, TryRecvError, TrySelectError, TrySendError,
};
pub use handles::{Receiver, Sender, bounded, unbounded};
pub use iter::{IntoIter, Iter, TryIter};
pub use select::{Select, SelectedOperation};
pub use timer::{after, at, never, tick};

/// What the expansion of [`select!`](crate::select!) uses.
#[doc(hidden)]
pub mod __select {
    pub use crate::channel::deadline::{Deadline, IntoDeadline};
    pub use crate::channel::select_macro::{Case, RecvCase, SendCase, select};
}
