//! The readiness of a descriptor, as an alternative of a select.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::io;

use super::call::{Call, Operation, Subject};
use super::limit::Limit;
use super::refuse_if_controlled;
use super::slot::io;
use super::source::Side;
use super::sources::Sources;
use crate::kernel::{External, Scheduler, WaitFor, WaitQueue, try_scheduler};
use crate::remote::inbox::count_awaiting;
use crate::sys;

/// One direction of a descriptor. A select only learns that a call would not block: it takes
/// nothing, so nothing is lost if it ends in another way.
///
/// Public, since a trait of sockets names it. Nothing outside can use it.
#[derive(Clone)]
pub struct Readiness<'a> {
    subject: Subject<'a>,
    sources: &'a Sources,
    operation: &'static Operation,
    external: External<'a>,
    /// What the last look has found.
    is_ready: Cell<bool>,
    /// Of a listener.
    limit: Option<&'a Limit>,
    /// The place in the queue of the limit, while a select waits there.
    number: Cell<Option<u64>>,
}

impl<'a> Readiness<'a> {
    /// Returns the readiness for a call.
    pub(super) fn of(call: &Call<'a>) -> Readiness<'a> {
        let &Call { object, subject, sources, operation, .. } = call;
        let external = operation.on(object, subject);
        let (is_ready, number) = (Cell::new(false), Cell::new(None));
        Readiness { subject, sources, operation, external, is_ready, limit: None, number }
    }

    /// Returns the readiness for an accept that needs a permit, too.
    pub(super) fn limited(self, limit: &'a Limit) -> Readiness<'a> {
        Readiness { external: self.external.ended_by_message(), limit: Some(limit), ..self }
    }

    /// Returns `true` if an accept would get a permit at once.
    fn is_permitted(&self) -> bool {
        self.limit.is_none_or(|limit| limit.is_turn(self.number.get()))
    }

    /// Adds a select to the queue of the limit, if an accept would get no permit. The caller calls
    /// [`leave_limit`](Readiness::leave_limit) after the wait.
    ///
    /// # Errors
    ///
    /// If the system has no more descriptors.
    pub(crate) fn enroll_with_limit(&self, scheduler: &Scheduler) -> io::Result<bool> {
        let Some(limit) = self.limit else { return Ok(false) };
        let waits = limit.enroll(scheduler, &self.number)?;
        if waits && self.subject.in_memory().is_none() {
            count_awaiting(scheduler, 1);
        }
        Ok(waits)
    }

    /// Notes that the select waits for the limit no longer.
    pub(crate) fn leave_limit(&self, scheduler: &Scheduler) {
        if let (Some(limit), number @ Some(_)) = (self.limit, self.number.take()) {
            if self.subject.in_memory().is_none() {
                count_awaiting(scheduler, -1);
            }
            // mistake: select-keeps-place
            limit.leave(number);
        }
    }

    /// Looks whether a call would not block, which takes a system call but for signals. In an exploration none would:
    /// it is refused.
    pub(crate) fn look(&self) -> bool {
        let scheduler = try_scheduler();
        let operation = self.operation;
        let is_ready = match self.subject.in_memory() {
            _ if refuse_if_controlled(scheduler).is_err() => true,
            _ if matches!(self.subject, Subject::Ready) => true,
            Some(socket) => socket.is_ready(operation.direction),
            None => match self.subject {
                // The descriptor may be readable because of a signal that has been taken.
                // mistake: taken-signal-chosen
                Subject::Signals(receiver) => receiver.is_pending(),
                subject => {
                    sys::wakeup::wait_for(subject.descriptor(), operation.is_read(), Some(0))
                }
            },
        };
        if let Some(side) = scheduler.and_then(|scheduler| self.side(scheduler)) {
            side.has_been_looked_at(is_ready);
        }
        // mistake: select-unlimited
        let is_ready = is_ready && self.is_permitted();
        self.is_ready.set(is_ready);
        is_ready
    }

    /// Looks again after a report. io_uring may report late: what has been written before was read since,
    /// and the next call would wait. A network in memory reports what is so.
    pub(crate) fn is_still_ready(&self) -> bool {
        if self.subject.in_memory().is_some() { self.is_permitted() } else { self.look() }
    }

    /// Returns what the last look has found.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.get()
    }

    fn side(&self, scheduler: &Scheduler) -> Option<&'a Side> {
        let source = self.sources.of(scheduler)?;
        Some(source.side(scheduler, self.operation.direction))
    }

    /// Returns what a select waits for.
    pub(crate) fn wait_for(&self) -> WaitFor<'_> {
        WaitFor::External(&self.external)
    }

    /// Returns the queue of the threads that wait, to which the caller adds a select after a look that
    /// has found nothing.
    ///
    /// # Errors
    ///
    /// If the system does not report the descriptor.
    pub(crate) fn waiting(&self, scheduler: &Scheduler) -> io::Result<&'a WaitQueue<()>> {
        let source = self.sources.of_or_add(scheduler, self.subject.target())?;
        source.ensure_added()?;
        Ok(source.side(scheduler, self.operation.direction).waiting())
    }

    /// Hands the turn of a select that was woken by this on to the next thread: it may make no call.
    pub(crate) fn hand_on(&self, scheduler: &Scheduler) {
        if let Some(side) = self.side(scheduler) {
            side.hand_on();
        }
    }
}

/// Counts `selects` more threads that wait for descriptors, or fewer if negative.
pub(crate) fn count_waits(scheduler: &Scheduler, selects: isize) {
    let waits = &io(scheduler).waits;
    // mistake: select-uncounted
    waits.set(waits.get().wrapping_add_signed(selects));
}
