//! Selects that look again whenever something has changed.
//!
//! A waiting [`Select`](super::Select) neither gives nor takes a message. Every change that
//! may let one of its operations proceed wakes all selects that watch for it: a message in
//! the buffer, room in the buffer, a thread that begins to wait at the other end, the last
//! handle of the other end that is dropped. Two selects that watch the two ends of a channel
//! without a buffer would wait for each other. So a select that is about to watch looks for
//! one that watches the other end, and pairs with it: both have selected the operation, and
//! the first of them that completes it waits for the other (see [`super::pairs`]). An operation
//! that never waits, and a `select!`, pair with a watching select in the same way.

use std::cell::Cell;
use std::ops::Deref;

use super::deadline::Moment;
use crate::access::Part;
#[cfg(feature = "net")]
use crate::driver::io::Readiness;
use crate::kernel::{External, Scheduler, WaitFor, WaitQueue};
use crate::runtime::End;

/// An operation that a select may perform: a send or a receive, or what a call after the select does
/// that would not wait.
pub(crate) trait Operation {
    /// Looks at what changes without the runtime.
    fn look(&self) {}

    /// Returns `true` if the operation would not wait.
    fn is_ready(&self, begun: Part<'_>) -> bool;

    /// Returns the queue of the selects that watch the other end. A pairing is possible only
    /// if this end is not ready either, which means that the channel has no buffer.
    fn partners(&self, _begun: Part<'_>) -> Option<&WaitQueue<Watcher>> {
        None
    }

    /// Returns where a select watches until the operation could proceed. After the wait, the caller
    /// calls [`has_watched`](Operation::has_watched).
    fn watching(&self, scheduler: &Scheduler, begun: Part<'_>) -> Watching<'_>;

    /// Notes that the select does not watch any more.
    fn has_watched(&self, _scheduler: &Scheduler) {}

    /// Notes that the operation has woken the current thread, a select. Returns `true` if it can proceed
    /// still.
    fn has_woken(&self, _scheduler: &Scheduler) -> bool {
        true
    }

    /// Notes that the promise to complete the operation with another select is broken.
    fn break_promise(&self) {}

    /// Returns what a select waits for that wants this operation.
    fn wait_for(&self) -> WaitFor<'_>;
}

/// Where a select watches.
pub(crate) enum Watching<'a> {
    /// In this queue of a channel, to which it adds itself.
    Channel(&'a WaitQueue<Watcher>),
    /// In this queue of the threads that wait for an event.
    Event(&'a WaitQueue<()>),
    /// In none: the moment of a timer ends the wait.
    Timer(Moment),
    /// Where another OS thread finds it, which sends a message.
    Remote,
    /// In none: nothing would end the wait, so the operation counts as ready.
    Refused,
}

/// An operation of a [`Select`](super::Select).
#[derive(Clone)]
pub(crate) enum Choice<'a> {
    /// The end of a channel.
    Channel(&'a dyn Operation),
    End(End<'a>),
    /// The side of a channel between runtimes.
    Remote(RemoteSide<'a>),
    #[cfg(feature = "net")]
    Readiness(Readiness<'a>),
}

impl<'a> Deref for Choice<'a> {
    type Target = dyn Operation + 'a;

    fn deref(&self) -> &Self::Target {
        match self {
            Choice::Channel(operation) => *operation,
            Choice::End(end) => end,
            Choice::Remote(side) => side,
            #[cfg(feature = "net")]
            Choice::Readiness(readiness) => readiness,
        }
    }
}

/// A channel between runtimes, as a select sees it. `sends` tells the side.
pub(crate) trait RemoteChannel {
    /// Returns `true` if an operation would not wait.
    fn is_ready(&self, sends: bool) -> bool;

    /// Adds the current thread to those that a change of the channel wakes. Returns a number for
    /// [`leave`](RemoteChannel::leave); `None` if an operation would not wait.
    fn enroll(&self, scheduler: &Scheduler, sends: bool) -> Option<u64>;

    fn leave(&self, scheduler: &Scheduler, sends: bool, number: u64);

    /// Returns what a thread waits for.
    fn external(&self, sends: bool) -> External<'_>;
}

/// The wait of a select for one side of a channel between runtimes. It has no destructor, so what a
/// [`Select`](super::Select) borrows may be used while the select is there.
#[derive(Clone)]
pub(crate) struct RemoteSide<'a> {
    channel: &'a dyn RemoteChannel,
    external: External<'a>,
    sends: bool,
    /// While the select waits.
    number: Cell<Option<u64>>,
}

impl<'a> RemoteSide<'a> {
    pub(crate) fn new(channel: &'a dyn RemoteChannel, sends: bool) -> RemoteSide<'a> {
        RemoteSide { channel, external: channel.external(sends), sends, number: Cell::new(None) }
    }
}

impl Operation for RemoteSide<'_> {
    fn is_ready(&self, _begun: Part<'_>) -> bool {
        self.channel.is_ready(self.sends)
    }

    fn watching(&self, scheduler: &Scheduler, _begun: Part<'_>) -> Watching<'_> {
        self.number.set(self.channel.enroll(scheduler, self.sends));
        if self.number.get().is_none() { Watching::Refused } else { Watching::Remote }
    }

    fn has_watched(&self, scheduler: &Scheduler) {
        // mistake: shards-select-stays
        if let Some(number) = self.number.take() {
            self.channel.leave(scheduler, self.sends, number);
        }
    }

    fn wait_for(&self) -> WaitFor<'_> {
        WaitFor::External(&self.external)
    }
}

/// What a watching select has announced, or was told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watcher {
    /// It reports readiness, and may never perform the operation.
    Looks,
    /// It performs the operation when that is possible.
    Commits,
    /// Another select has chosen it as its partner.
    Paired,
}

impl dyn Operation + '_ {
    /// Returns `true` if the operation would not wait, or if a select watches the other end and
    /// will perform its part.
    pub(super) fn can_go_on(&self, begun: Part<'_>) -> bool {
        let has_partner = |partners: &WaitQueue<Watcher>| {
            !partners.is_clear() && partners.any(|other| *other == Watcher::Commits)
        };
        self.is_ready(begun) || self.partners(begun).is_some_and(has_partner)
    }

    /// Selects the operation together with the first of these selects.
    pub(super) fn pair(&self, begun: Part<'_>) {
        if let Some(partners) = self.partners(begun) {
            pair(partners);
        }
    }

    /// Wakes the selects that watch the other end, since a select that performs this part is about
    /// to watch. All of them report readiness: with one that performs its part, this one had paired.
    pub(super) fn is_about_to_watch(&self, begun: Part<'_>) {
        if let Some(partners) = self.partners(begun) {
            partners.wake_all();
        }
    }
}

/// Selects the operation together with the first of these selects that performs its part. Returns
/// `false` if there is none.
pub(super) fn pair(partners: &WaitQueue<Watcher>) -> bool {
    partners.exchange(Watcher::Paired, |other| *other == Watcher::Commits)
}
