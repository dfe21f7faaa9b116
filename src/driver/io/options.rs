//! The options of sockets.

#![forbid(unsafe_code)]

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::socket::Socket;

/// An option of a socket, with a number as its value; 0 and 1 stand for off and on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    NoDelay,
    #[cfg(target_os = "linux")]
    QuickAck,
    /// The time to live of IPv4, or the limit of hops of IPv6.
    Ttl,
    Broadcast,
    MulticastLoopV4,
    MulticastTtlV4,
    MulticastLoopV6,
}

/// A group of multicast, and the interface by which it is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Group<'a> {
    V4(&'a Ipv4Addr, &'a Ipv4Addr),
    V6(&'a Ipv6Addr, u32),
}

impl Socket {
    /// Sets an option.
    pub(crate) fn set(&self, choice: Choice, value: u32) -> io::Result<()> {
        let (socket, is_on) = (self.real(), value != 0);
        match choice {
            Choice::NoDelay => socket.set_tcp_nodelay(is_on),
            #[cfg(target_os = "linux")]
            Choice::QuickAck => socket.set_tcp_quickack(is_on),
            Choice::Ttl => socket.set_ttl_v4(value),
            Choice::Broadcast => socket.set_broadcast(is_on),
            Choice::MulticastLoopV4 => socket.set_multicast_loop_v4(is_on),
            Choice::MulticastTtlV4 => socket.set_multicast_ttl_v4(value),
            Choice::MulticastLoopV6 => socket.set_multicast_loop_v6(is_on),
        }
    }

    /// Returns the value of an option.
    pub(crate) fn get(&self, choice: Choice) -> io::Result<u32> {
        let socket = self.real();
        match choice {
            Choice::NoDelay => socket.tcp_nodelay().map(u32::from),
            #[cfg(target_os = "linux")]
            Choice::QuickAck => socket.tcp_quickack().map(u32::from),
            Choice::Ttl => socket.ttl_v4(),
            Choice::Broadcast => socket.broadcast().map(u32::from),
            Choice::MulticastLoopV4 => socket.multicast_loop_v4().map(u32::from),
            Choice::MulticastTtlV4 => socket.multicast_ttl_v4(),
            Choice::MulticastLoopV6 => socket.multicast_loop_v6().map(u32::from),
        }
    }

    /// Joins a group.
    pub(crate) fn join(&self, group: Group<'_>) -> io::Result<()> {
        match group {
            Group::V4(group, interface) => self.real().join_multicast_v4(group, interface),
            Group::V6(group, interface) => self.real().join_multicast_v6(group, interface),
        }
    }

    /// Leaves a group.
    pub(crate) fn leave(&self, group: Group<'_>) -> io::Result<()> {
        match group {
            Group::V4(group, interface) => self.real().leave_multicast_v4(group, interface),
            Group::V6(group, interface) => self.real().leave_multicast_v6(group, interface),
        }
    }
}
