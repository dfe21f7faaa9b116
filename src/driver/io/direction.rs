//! The directions of sockets, and what a call tells of their readiness.

#![forbid(unsafe_code)]

/// The two directions of a socket.
///
/// Public, since a trait of sockets names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
}

/// What a call that has succeeded tells of the readiness.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Drained {
    /// A stream has answered with fewer bytes than were asked for, so it is drained.
    Short,
    Unknown,
}
