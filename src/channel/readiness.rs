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

use super::deadline::Moment;
use crate::access::{Object, Part};
use crate::kernel::{Need, WaitQueue};

/// An operation that a select may perform: a send or a receive.
pub(super) trait Operation {
    /// Returns the channel or timer, for a report.
    fn object(&self) -> Object<'_>;

    /// Returns `true` if the operation would not wait.
    fn is_ready(&self, begun: Part<'_>) -> bool;

    /// Returns the queue of the selects that watch the other end. A pairing is possible only
    /// if this end is not ready either, which means that the channel has no buffer.
    fn partners(&self, begun: Part<'_>) -> Option<&WaitQueue<Watcher>>;

    /// Returns the queue of the selects that watch until the operation could proceed, to
    /// which the caller adds one. Returns the moment instead for a timer, which needs no
    /// watching.
    fn watching(&self, begun: Part<'_>) -> Result<&WaitQueue<Watcher>, Moment>;

    /// Notes that the promise to complete the operation with another select is broken.
    fn break_promise(&self);

    /// Returns what a select waits for that wants this operation.
    fn need(&self) -> Need<'_>;
}

/// What a watching select has announced, or was told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Watcher {
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
