//! Those who look again whenever something has changed.
//!
//! A [`Select`](super::Select) does not give and is not given anything while it waits.
//! Whatever may let one of its operations go on wakes all who watch for that: a message
//! that goes into the buffer, room in it, somebody who begins to wait at the other
//! end, the last one there who goes. Two that watch opposite ends of a channel without
//! a buffer would wait for each other; so one that is about to watch looks for one that
//! does already, and they are a pair: both have selected that operation, and whoever
//! completes it first waits for the other.

use super::core::Deadline as Moment;
use super::ends::{Flavor, Receiver, Sender};
use crate::kernel::{Need, Resource, WaitQueue, Want};

/// What a select may do: send to a channel, or receive from one.
pub(super) trait Operation {
    fn resource(&self) -> &Resource;

    /// Could it go on without waiting?
    fn is_ready(&self) -> bool;

    /// Those who watch the other end. If this could not go on either, there is no buffer.
    fn partners(&self) -> Option<&WaitQueue<Watcher>>;

    /// Returns the list of the selects that watch until the operation could go on, to
    /// which the caller adds one. Returns the moment instead for a timer, which needs no
    /// watching.
    fn watching(&self) -> Result<&WaitQueue<Watcher>, Moment>;

    fn need(&self) -> Need<'_>;
}

/// What one who watches has said of itself, or was told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Watcher {
    /// It looks, and may do nothing.
    Looks,
    /// It goes on with the operation if it can.
    Commits,
    /// Another select has chosen it as its partner.
    Paired,
}

impl dyn Operation + '_ {
    /// Does another select watch the other end, and will do its part?
    pub(super) fn has_partner(&self) -> bool {
        let partners = self.partners().filter(|partners| !partners.is_clear());
        partners.is_some_and(|partners| partners.any(|other| *other == Watcher::Commits))
    }

    /// Chooses the first of them.
    pub(super) fn pair(&self) {
        if let Some(partners) = self.partners() {
            partners.exchange(Watcher::Paired, |other| *other == Watcher::Commits);
        }
    }
}

impl<T> Operation for Sender<T> {
    fn resource(&self) -> &Resource {
        &self.channel.resource
    }

    fn is_ready(&self) -> bool {
        self.channel.can_send()
    }

    fn partners(&self) -> Option<&WaitQueue<Watcher>> {
        Some(&self.channel.watching_messages)
    }

    fn watching(&self) -> Result<&WaitQueue<Watcher>, Moment> {
        Ok(self.channel.watch_room())
    }

    fn need(&self) -> Need<'_> {
        self.channel.room()
    }
}

impl<T> Operation for Receiver<T> {
    fn resource(&self) -> &Resource {
        Receiver::resource(self)
    }

    fn is_ready(&self) -> bool {
        self.can_receive()
    }

    fn partners(&self) -> Option<&WaitQueue<Watcher>> {
        match &self.flavor {
            Flavor::Channel(channel) => Some(&channel.watching_room),
            Flavor::Timer(_) => None,
        }
    }

    fn watching(&self) -> Result<&WaitQueue<Watcher>, Moment> {
        match &self.flavor {
            Flavor::Channel(channel) => Ok(channel.watch_messages()),
            Flavor::Timer(timer) => Err(timer.deadline()),
        }
    }

    fn need(&self) -> Need<'_> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.message(),
            Flavor::Timer(timer) => Need { what: Want::Itself, resource: &timer.resource },
        }
    }
}
