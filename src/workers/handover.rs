//! What a master hands over to a worker: an environment variable, and the descriptors that it names.

#![forbid(unsafe_code)]

use std::env;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::OnceLock;

use crate::sys::inherit;

/// The environment variable of a worker.
pub(super) const VARIABLE: &str = "LENO_WORKER";

/// What a worker gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handover {
    /// The number of the worker.
    pub(super) id: usize,
    /// The stream to the master.
    pub(super) control: RawFd,
    /// What tells this stream from other descriptors. The variable reaches the programs that a worker
    /// starts, the stream does not.
    pub(super) identity: u64,
    pub(super) listeners: Vec<RawFd>,
}

impl Handover {
    /// Returns the value of the variable.
    pub(super) fn to_text(&self) -> String {
        let Handover { id, control, identity, listeners } = self;
        let listeners: Vec<String> = listeners.iter().map(RawFd::to_string).collect();
        format!("{id} {control} {identity} {}", listeners.join(","))
    }

    fn parse(text: &str) -> Option<Handover> {
        let mut words = text.split(' ');
        let mut next = || words.next();
        let (id, control) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let (identity, listeners) = (next()?.parse().ok()?, next()?);
        let listeners = listeners.split(',').filter(|it| !it.is_empty()).map(str::parse);
        let listeners = listeners.collect::<Result<_, _>>().ok()?;
        Some(Handover { id, control, identity, listeners })
    }

    /// Returns what this process has got; `None` if it is not a worker.
    pub(super) fn of_this_process() -> Option<&'static Handover> {
        static HANDOVER: OnceLock<Option<Handover>> = OnceLock::new();
        let read = || {
            let handover = Handover::parse(&env::var(VARIABLE).ok()?)?;
            let identity = inherit::identity(handover.control).ok()?;
            // mistake: workers-inherit-role
            let is_ours = identity == handover.identity;
            is_ours.then_some(handover)
        };
        HANDOVER.get_or_init(read).as_ref()
    }

    /// Refuses to become a master where a worker was meant to be, which would start workers in turn, without
    /// an end.
    ///
    /// # Errors
    ///
    /// If the variable is set, though this process is not a worker.
    pub(super) fn refuse_master() -> io::Result<()> {
        if env::var_os(VARIABLE).is_none() {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{VARIABLE} is set, but the descriptors that it names are not open: a program between a master \
             and its workers must pass them on, and a worker that starts a program with workers of its own \
             must remove the variable (Command::env_remove)"
        )))
    }

    /// Takes over the descriptors: the stream to the master, and the listeners.
    ///
    /// # Panics
    ///
    /// If that was done before.
    pub(super) fn take(&self) -> (OwnedFd, Vec<OwnedFd>) {
        let all = [&[self.control][..], &self.listeners].concat();
        let Some(mut taken) = inherit::take_passed(&all) else {
            panic!("this process runs a worker already")
        };
        let listeners = taken.split_off(1);
        (taken.remove(0), listeners)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_it_was_written() {
        for listeners in [vec![], vec![5], vec![5, 9, 12]] {
            let handover = Handover { id: 3, control: 4, identity: 1 << 40, listeners };
            assert_eq!(Handover::parse(&handover.to_text()), Some(handover));
        }
    }

    #[test]
    fn other_text_names_no_worker() {
        for text in ["", "1", "1 2 3", "1 2 3 x", "a 2 3 ", "1 2 -3 4"] {
            assert_eq!(Handover::parse(text), None, "{text:?}");
        }
    }
}
