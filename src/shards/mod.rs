//! Many cores: one runtime for each of several OS threads, and channels between them.
//!
//! Green threads never leave their runtime, so a runtime uses one core. [`Shards`] are runtimes on OS
//! threads of their own. Closures and values that are [`Send`] go from one to another: by
//! [`Shards::spawn_on`], [`Shards::map`], or a channel ([`bounded`], [`unbounded`]), the ends of which wait
//! in green threads, and on OS threads without a runtime.
//!
//! A listener is shared by its clones: each shard accepts from its own, and one of them gets a connection.
//!
//! # Examples
//!
//! A computation on all cores:
//!
//! ```
//! use leno::shards::Shards;
//!
//! let is_prime = |n: u32| n >= 2 && (2..n).all(|divisor| n % divisor != 0);
//! let shards = Shards::per_core();
//! let counts = shards.map((0..10).map(|n| n * 100), move |from| {
//!     (from..from + 100).filter(|&n| is_prime(n)).count()
//! });
//! assert_eq!(counts.iter().sum::<usize>(), 168);
//! shards.shutdown();
//! ```

#![forbid(unsafe_code)]

mod channel;
mod handles;
mod map;
mod queue;
mod receiver;
mod select;
mod sender;
mod set;

pub(crate) use crate::remote::sync_shim;
pub use handles::{bounded, unbounded};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use sender::Sender;
pub use set::Shards;
