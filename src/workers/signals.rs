//! The signals of masters and workers.

#![forbid(unsafe_code)]

use std::io;

use crate::signal::{Signal, Signals};

/// The signals that stop a program.
const STOP: [Signal; 2] = [Signal::TERM, Signal::INT];
/// The signals that replace the workers of a master. A worker ignores them.
const REPLACE: [Signal; 2] = [Signal::HUP, Signal::USR2];

/// Begins to receive the signals, in place of what they do by default.
///
/// # Errors
///
/// If the process has no more descriptors.
pub(super) fn receive() -> io::Result<Signals> {
    Signals::new([STOP, REPLACE].concat())
}

/// Returns `true` if the signal stops a program.
pub(super) fn stops(signal: Signal) -> bool {
    STOP.contains(&signal)
}
