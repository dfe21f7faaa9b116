//! The cell for the state that green threads share.
//!
//! An exploration with partial-order reduction is sound only if it learns of every access
//! to shared state. So each primitive keeps its state in an [`Observed`], and code reaches
//! that state only through a method that names the access:
//!
//! | method | the access | in an explored run |
//! | --- | --- | --- |
//! | [`begin`](Observed::begin) | begins an operation that may wait | reported; other threads may run first; a cancellation point |
//! | [`note`](Observed::note), [`note_at`](Observed::note_at) | is an operation that never waits | reported; other threads may run first |
//! | [`also`](Observed::also) | is a further part of an operation that has begun | reported; no other thread runs first |
//! | [`within`](Observed::within) | is part of an operation on several objects | reported by [`Begun::on_all`] |
//! | [`unreported`](Observed::unreported) | needs no report, for the reason that it gives | nothing |
//!
//! Each returns an [`Accessed`], by which the fields are in reach. A wait consumes it, since
//! other threads run during the wait: what comes after the wait is another access, which has
//! to be named as well.
//!
//! `tests/tidy/access.rs` lists every use of `unreported`.

#![forbid(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

use super::report::{
    Reported, also, begin_on_all, begin_resource, created, is_eventful, is_reported, note_resource,
    report_location,
};
use crate::kernel::wait_queue::Waited;
use crate::kernel::{
    Access, Holder, Need, Object, Outcome, Resource, Scheduler, Wait, WaitFor, WaitQueue, Want,
};

/// State that green threads share, with what reports say of it.
pub(crate) struct Observed<T> {
    resource: Resource,
    state: T,
}

// An operation leaves the state consistent before code of the program runs, which could panic.
impl<T> UnwindSafe for Observed<T> {}
impl<T> RefUnwindSafe for Observed<T> {}

/// One access to the state in an [`Observed`].
///
/// Neither `Copy` nor `Clone`, so that none is left after a wait has consumed it.
pub(crate) struct Accessed<'a, T> {
    observed: &'a Observed<T>,
}

/// An operation on several objects, which has been reported for all of them. A wait consumes
/// it.
pub(crate) struct Begun(());

/// A proof that an operation on several objects has begun and has not waited yet. It has no
/// size, so that passing it costs nothing.
///
/// Public, since the hidden trait behind `select!` names it. Nothing outside can reach it.
#[derive(Clone, Copy)]
pub struct Part<'a>(PhantomData<&'a Begun>);

impl<T> Observed<T> {
    /// Puts `state` into a cell. `kind` is what reports call the primitive: `"mutex"`.
    #[track_caller]
    pub(crate) const fn new(kind: &'static str, state: T) -> Observed<T> {
        Observed { resource: Resource::new(kind), state }
    }

    /// Creates a cell as [`Observed::new`], for a primitive that has the same number in every
    /// execution of an exploration, whichever thread uses it first.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn known(kind: &'static str, state: T) -> Observed<T> {
        Observed { resource: created(kind), state }
    }

    /// Begins an operation that may wait. A cancellation point: unwinds if the current
    /// thread is to be unwound.
    ///
    /// Costs the test of one byte in a run that is not explored.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn begin(&self, access: Access, verb: &'static str) -> Accessed<'_, T> {
        self.begin_for_guard(access, verb).0
    }

    /// Begins an operation as [`Observed::begin`]. Returns the caller's line as well if the
    /// operation was reported. A guard keeps it, so that its destructor need not ask again.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn begin_for_guard(
        &self,
        access: Access,
        verb: &'static str,
    ) -> (Accessed<'_, T>, Reported) {
        let reported = if is_eventful() {
            begin_resource(&self.resource, access, verb, Location::caller())
        } else {
            None
        };
        (Accessed { observed: self }, reported)
    }

    /// Begins an operation as [`Observed::begin_for_guard`]. If the operation is reported, `record`
    /// is called as well, out of line, so that a run without reports does not test for it.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn begin_recorded(
        &self,
        access: Access,
        verb: &'static str,
        record: impl FnOnce(),
    ) -> (Accessed<'_, T>, Reported) {
        #[cold]
        #[inline(never)]
        fn begin(
            resource: &Resource,
            access: Access,
            verb: &'static str,
            at: &'static Location<'static>,
            record: impl FnOnce(),
        ) -> Reported {
            let reported = begin_resource(resource, access, verb, at);
            if reported.is_some() {
                record();
            }
            reported
        }
        let reported = if is_eventful() {
            begin(&self.resource, access, verb, Location::caller(), record)
        } else {
            None
        };
        (Accessed { observed: self }, reported)
    }

    /// Reports an operation that never waits. Costs the test of one byte in a run that is
    /// not explored.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn note(&self, access: Access, verb: &'static str) -> Accessed<'_, T> {
        self.note_for_guard(access, verb).0
    }

    /// Reports an operation as [`Observed::note`]. Returns the caller's line as well if the
    /// operation was reported.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn note_for_guard(
        &self,
        access: Access,
        verb: &'static str,
    ) -> (Accessed<'_, T>, Reported) {
        let reported = report_location();
        if let Some(at) = reported {
            note_resource(&self.resource, access, verb, at, true);
        }
        (Accessed { observed: self }, reported)
    }

    /// Reports an operation of a destructor, which does not know its caller. The threads
    /// that run first take their turn at `at`.
    #[inline(always)]
    pub(crate) fn note_at(
        &self,
        access: Access,
        verb: &'static str,
        at: &'static Location<'static>,
    ) -> Accessed<'_, T> {
        if is_reported() {
            note_resource(&self.resource, access, verb, at, false);
        }
        Accessed { observed: self }
    }

    /// Reports an operation as [`Observed::note_at`], at the line that made the primitive.
    #[inline(always)]
    pub(crate) fn note_where_made(&self, access: Access, verb: &'static str) -> Accessed<'_, T> {
        self.note_at(access, verb, self.resource.made_at())
    }

    /// Reports an operation as [`Observed::note_at`], at the line where its holder acquired the
    /// lock.
    pub(crate) fn note_where_held(&self, access: Access, verb: &'static str) -> Accessed<'_, T> {
        let holder = self.resource.holder();
        self.note_at(access, verb, holder.map_or(self.resource.made_at(), |holder| holder.at))
    }

    /// Reports a further access of an operation that has begun. No other thread runs first.
    #[inline(always)]
    pub(crate) fn also(&self, access: Access) -> Accessed<'_, T> {
        also(self.object(), access);
        Accessed { observed: self }
    }

    /// Returns the access that `begun`, an operation on this object and others, has
    /// reported.
    #[inline(always)]
    pub(crate) fn within(&self, _begun: Part<'_>) -> Accessed<'_, T> {
        Accessed { observed: self }
    }

    /// Returns the access without a report. `reason` says why no exploration can miss the
    /// access.
    #[inline(always)]
    pub(crate) fn unreported(&self, reason: &'static str) -> Accessed<'_, T> {
        let _ = reason;
        Accessed { observed: self }
    }

    /// Returns the state, to which no other thread has access.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.state
    }

    /// Returns the object, for a report.
    #[inline(always)]
    pub(crate) fn object(&self) -> Object<'_> {
        Object::Resource(&self.resource)
    }

    /// Returns the poison flag of this lock, for a report.
    #[inline(always)]
    pub(crate) fn poison_object(&self) -> Object<'_> {
        Object::Poison(&self.resource)
    }

    /// Returns what a thread waits for that wants `what` of this primitive.
    #[inline(always)]
    pub(crate) fn need(&self, what: Want) -> Need<'_> {
        Need { what, resource: &self.resource }
    }

    /// Notes for reports that a thread holds a share. Returns the place of the note.
    pub(crate) fn add_share(&self, holder: Holder) -> usize {
        self.resource.add_share(holder)
    }

    /// Takes back the note at this place.
    pub(crate) fn remove_share(&self, place: usize) {
        self.resource.remove_share(place);
    }

    /// Names the primitive for reports. The first name stays.
    pub(crate) fn set_name(&self, name: String) {
        self.resource.set_name(name);
    }
}

impl<'a, T> Accessed<'a, T> {
    /// Returns the thread that holds the primitive, and the line where it acquired it.
    #[inline(always)]
    pub(crate) fn holder(&self) -> Option<Holder> {
        self.observed.resource.holder()
    }

    /// Makes `holder` the holder of the primitive.
    #[inline(always)]
    pub(crate) fn set_holder(&self, holder: Option<Holder>) {
        self.observed.resource.set_holder(holder);
    }

    /// Waits in the wait queue that `queue` selects, until another thread ends the wait, or
    /// until `deadline`. Returns how the wait ended, and what is in the waiter's slot then.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn wait<V>(
        self,
        queue: impl FnOnce(&'a T) -> &'a WaitQueue<V>,
        what: Want,
        scheduler: &Scheduler,
        slot: Option<V>,
        deadline: Option<u64>,
    ) -> (Outcome, Option<V>)
    where
        V: 'a,
    {
        let wait = Wait::new(WaitFor::Resource(self.observed.need(what)));
        // Only a lock or an initialisation is waited for until a particular thread acts.
        if matches!(what, Want::Itself | Want::Share | Want::Completion) {
            scheduler.count_wait_for_threads();
        }
        queue(&self.observed.state).wait(scheduler, slot, &wait, deadline)
    }

    /// Runs `wait` with a node of the current thread at the end of the wait queue that
    /// `queue` selects.
    #[inline(always)]
    pub(crate) fn enrolled<V, R>(
        self,
        queue: impl FnOnce(&'a T) -> &'a WaitQueue<V>,
        scheduler: &Scheduler,
        slot: Option<V>,
        wait: impl FnOnce() -> R,
    ) -> Waited<R, V>
    where
        V: 'a,
    {
        queue(&self.observed.state).enrolled(scheduler, slot, wait)
    }

    /// Returns the wait queue that `queue` selects, for a wait in several queues at once.
    #[inline(always)]
    pub(crate) fn queue<V>(
        self,
        queue: impl FnOnce(&'a T) -> &'a WaitQueue<V>,
    ) -> &'a WaitQueue<V> {
        queue(&self.observed.state)
    }
}

impl<T> Deref for Accessed<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.observed.state
    }
}

impl Begun {
    /// Begins an operation that may wait, and that writes all of `objects`. A cancellation
    /// point.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn on_all<'a>(
        objects: impl Iterator<Item = Object<'a>>,
        verb: &'static str,
    ) -> Begun {
        begin_on_all(objects, verb);
        Begun(())
    }

    /// Returns the proof for an access to one of the objects.
    #[inline(always)]
    pub(crate) fn part(&self) -> Part<'_> {
        Part(PhantomData)
    }
}
