//! The options of sockets.

#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, Ipv6Addr};

/// An option of a socket, with a number as its value; 0 and 1 stand for off and on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
