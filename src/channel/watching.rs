//! Those who look again whenever something has changed.
//!
//! A [`Select`](super::Select) does not give and is not given anything while it waits.
//! Whatever may let one of its operations go on wakes all who watch for that: a message
//! that goes into the buffer, room in it, somebody who begins to wait at the other
//! end, the last one there who goes. Two that watch opposite ends of a channel without
//! a buffer would wait for each other; so one that is about to watch looks for one that
//! does already, and sends or receives: that wakes the other.

use super::core::Deadline as Moment;
use super::ends::{Flavor, Receiver, Sender};
use crate::runtime::{Need, Resource, WaitList};

/// What a select may do: send to a channel, or receive from one.
pub(super) trait Operation {
    fn resource(&self) -> &Resource;

    /// Could it go on without waiting?
    fn is_ready(&self) -> bool;

    /// Does another select watch the other end, and will do its part?
    fn has_partner(&self) -> bool;

    /// Those who watch until it could go on; nobody does for a timer, whose moment
    /// comes by itself.
    fn watching(&self) -> Result<&WaitList<Watcher>, Moment>;

    fn need(&self) -> Need<'_>;
}

/// One who looks when it is woken.
#[derive(Clone, Copy)]
pub(super) struct Watcher {
    /// It goes on with the operation if it can.
    pub(super) commits: bool,
}

impl WaitList<Watcher> {
    fn has_partner(&self) -> bool {
        !self.is_clear() && self.any(|watcher| watcher.commits)
    }
}

impl<T> Operation for Sender<T> {
    fn resource(&self) -> &Resource {
        &self.channel.resource
    }

    fn is_ready(&self) -> bool {
        self.channel.can_send()
    }

    fn has_partner(&self) -> bool {
        self.channel.is_rendezvous() && self.channel.watching_messages.has_partner()
    }

    fn watching(&self) -> Result<&WaitList<Watcher>, Moment> {
        Ok(&self.channel.watching_room)
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

    fn has_partner(&self) -> bool {
        match &self.flavor {
            Flavor::Channel(channel) => {
                channel.is_rendezvous() && channel.watching_room.has_partner()
            }
            Flavor::Timer(_) => false,
        }
    }

    fn watching(&self) -> Result<&WaitList<Watcher>, Moment> {
        match &self.flavor {
            Flavor::Channel(channel) => Ok(&channel.watching_messages),
            Flavor::Timer(timer) => Err(timer.deadline()),
        }
    }

    fn need(&self) -> Need<'_> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.message(),
            Flavor::Timer(timer) => Need { what: "", resource: &timer.resource },
        }
    }
}
