//! The sources of a socket: one for each runtime in which a thread has waited for it.

#![forbid(unsafe_code)]

use std::io;
use std::sync::{Arc, OnceLock};

use super::engine::Target;
use super::source::Source;
use crate::kernel::Scheduler;

/// A list of sources, to which any OS thread may add one. The first is in place: a socket is used in one
/// runtime as a rule.
#[derive(Default)]
pub(super) struct Sources {
    first: OnceLock<Arc<Source>>,
    others: OnceLock<Box<Sources>>,
}

impl Sources {
    /// Returns the source of the runtime, if a thread of it has waited.
    #[inline]
    pub(super) fn of(&self, scheduler: &Scheduler) -> Option<&Source> {
        let runtime = scheduler.serial();
        self.iter().find(|source| source.serves(runtime))
    }

    /// Returns the source of the runtime. Adds the descriptor to the runtime if need be.
    ///
    /// # Errors
    ///
    /// If the system refuses it.
    pub(super) fn of_or_add(&self, scheduler: &Scheduler, target: Target) -> io::Result<&Source> {
        if let Some(source) = self.of(scheduler) {
            return Ok(source);
        }
        let (mut place, source) = (self, super::add(scheduler, target)?);
        loop {
            let first = place.first.get_or_init(|| source.clone());
            if Arc::ptr_eq(first, &source) {
                return Ok(first);
            }
            place = place.others.get_or_init(Box::default);
        }
    }

    #[inline]
    fn iter(&self) -> impl Iterator<Item = &Source> {
        let places = std::iter::successors(Some(self), |place| Some(&**place.others.get()?));
        places.map_while(|place| Some(&**place.first.get()?))
    }
}

/// The descriptor leaves all runtimes, before it is closed.
impl Drop for Sources {
    fn drop(&mut self) {
        if let Some(first) = self.first.get() {
            first.remove();
        }
    }
}
