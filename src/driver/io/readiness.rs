//! What is said of the readiness of sockets.

#![forbid(unsafe_code)]

/// The two directions of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
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
