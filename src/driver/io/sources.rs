//! The sources of a socket: one for each runtime in which a thread has waited for it.

#![forbid(unsafe_code)]

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, OnceLock};

use super::source::Source;
use crate::kernel::Scheduler;

/// A list of sources, to which any OS thread may add one.
#[derive(Default)]
pub(super) struct Sources(OnceLock<Box<Link>>);

struct Link {
    source: Arc<Source>,
    next: Sources,
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
    pub(super) fn of_or_add(
        &self,
        scheduler: &Scheduler,
        descriptor: BorrowedFd<'_>,
    ) -> io::Result<&Source> {
        if let Some(source) = self.of(scheduler) {
            return Ok(source);
        }
        let (mut place, source) = (self, super::add(scheduler, descriptor)?);
        loop {
            let link = place.0.get_or_init(|| {
                Box::new(Link { source: source.clone(), next: Sources::default() })
            });
            if Arc::ptr_eq(&link.source, &source) {
                return Ok(&link.source);
            }
            place = &link.next;
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Source> {
        let links = std::iter::successors(self.0.get(), |link| link.next.0.get());
        links.map(|link| &*link.source)
    }
}

/// The descriptor leaves all runtimes, before it is closed.
impl Drop for Sources {
    fn drop(&mut self) {
        if let Some(link) = self.0.get() {
            link.source.remove();
        }
    }
}
