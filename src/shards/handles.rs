//! The functions that create a channel between runtimes.

use std::sync::Arc;

use super::channel::Channel;
use super::receiver::Receiver;
use super::sender::Sender;

/// Creates a channel between runtimes that holds at most `capacity` messages.
///
/// A message takes a lock for a moment. It wakes the OS thread of the other side, with a system call, only
/// if a thread waits there. For messages within a runtime, [`leno::channel`](crate::channel) is faster.
///
/// While a green thread waits in such a channel, its runtime sleeps if no other thread can run, and
/// reports no deadlock: another runtime may act. This is so even if both ends are in one runtime. An end of
/// which all other ends are dropped waits for nothing, so dropping them ends such a wait.
/// [`Builder::report_silence`](crate::Builder::report_silence) reports waits that last. With virtual time,
/// a deadline elapses when every green thread waits, whatever other runtimes do.
///
/// Such a channel cannot be explored by `leno::weave`: its operations panic there.
///
/// # Panics
///
/// If `capacity` is 0.
///
/// # Examples
///
/// ```
/// use leno::shards::{Shards, bounded};
///
/// let shards = Shards::new(2);
/// let (sender, receiver) = bounded(10);
/// shards.spawn_on(0, move || (1..=100).for_each(|n| sender.send(n).unwrap()));
/// let sum = shards.spawn_on(1, move || receiver.iter().sum::<i32>());
/// assert_eq!(sum.join().unwrap(), 5050);
/// ```
#[must_use]
#[track_caller]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a channel between runtimes has room for at least one message");
    channel(capacity)
}

/// Creates a channel between runtimes that holds any number of messages; see [`bounded`].
///
/// # Examples
///
/// ```
/// let (sender, receiver) = leno::shards::unbounded();
/// std::thread::spawn(move || sender.send("hello"));
/// assert_eq!(leno::run(|| receiver.recv()), Ok("hello"));
/// ```
#[must_use]
#[track_caller]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    channel(usize::MAX)
}

#[track_caller]
fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel::new(capacity));
    (Sender { channel: channel.clone() }, Receiver { channel })
}
