//! What green threads do to what they share, told to whoever directs the run.
//!
//! Every operation of a lock, a channel or the like begins with a call of
//! [`operation`] or [`note`], before it looks at anything. In a run that nobody
//! directs that is the test of one byte. Otherwise it may be a place where others
//! run first, and the director learns which operations could not be exchanged
//! with each other.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::panic::Location;

use crate::kernel::current::try_scheduler;
use crate::kernel::scheduler::{Scheduler, chore};
use crate::kernel::scope_members::ScopeMembers;
use crate::kernel::wait_reason::Resource;

/// How an operation uses an object. Two operations on the same object can be
/// exchanged if both only read, or if both commute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    Read,
    Write,
    /// As adding to a sum does: the order among these makes no difference.
    Commute,
    /// A look at whether all that commute is over, before a wait for that. If it is
    /// the first thing in a step, it makes no difference: to find that all is over
    /// is the same as to wait and to go on at once.
    Look,
    /// A wait for all that commute is over. It comes after them, whatever the
    /// schedule.
    Await,
}

/// What is operated on.
#[derive(Clone, Copy)]
pub(crate) enum Object<'a> {
    /// A lock, a channel or the like.
    Resource(&'a Resource),
    /// Whether a lock is poisoned.
    Poison(&'a Resource),
    /// How many green threads of a scope run.
    Scope(&'a ScopeMembers),
    /// Whether the green thread with this number has ended.
    End(u64),
    /// Its token for `park`.
    Token(u64),
    /// Whether it is to be unwound.
    Unwinding(u64),
    /// The numbers that green threads get.
    Numbers,
    /// The time, and who waits for it.
    Clock,
}

/// The number of an object in one execution, made when it is first used.
#[derive(Default)]
pub(crate) struct Tag(Cell<u64>);

impl Tag {
    pub(crate) const fn new() -> Tag {
        Tag(Cell::new(0))
    }

    /// Its number in the execution; `next` is asked if it has none.
    fn number(&self, execution: u32, next: impl FnOnce() -> u32) -> u32 {
        let tag = self.0.get();
        if tag >> 32 == u64::from(execution) {
            return tag as u32;
        }
        let number = next();
        self.set(execution, number);
        number
    }

    pub(crate) fn set(&self, execution: u32, number: u32) {
        self.0.set(u64::from(execution) << 32 | u64::from(number));
    }
}

impl Object<'_> {
    /// Tells it from all others of the execution. The same execution gives the
    /// same numbers.
    ///
    /// The number of a resource ends with 32 bits. If the highest of them is set,
    /// they say who has made it, and as the how many-th, which is the same in every
    /// execution. Otherwise they say as the how many-th it was used, which depends
    /// on the schedule; but what comes before them is where it was made: two that
    /// differ there are two in every execution.
    pub(crate) fn number(&self, execution: u32, next: impl FnOnce() -> u32) -> u64 {
        let of_kind = |kind: u64, number: u64| kind << 60 | number;
        match self {
            Object::Resource(resource) => of_resource(resource, execution, next),
            Object::Poison(resource) => of_kind(7, of_resource(resource, execution, next)),
            Object::Scope(scope) => of_kind(8, scope.first.get()),
            Object::End(number) => of_kind(1, *number),
            Object::Token(number) => of_kind(2, *number),
            Object::Unwinding(number) => of_kind(3, *number),
            Object::Numbers => 5 << 60,
            Object::Clock => 6 << 60,
        }
    }
}

/// Where an operation is, if somebody is told of it. A guard keeps this, so that
/// its destructor need not ask whether anybody is.
pub(crate) type Told = Option<&'static Location<'static>>;

/// The number of a resource: where it was made, and as the how many-th it was used.
fn of_resource(resource: &Resource, execution: u32, next: impl FnOnce() -> u32) -> u64 {
    let at = resource.made_at();
    let place = u64::from(at.line().wrapping_mul(0x0001_0193) ^ at.column());
    let number = resource.tag.number(execution, next);
    (place & 0x0fff_ffff) << 32 | u64::from(number)
}

/// An operation begins that is a cancellation point: unwinds if the green thread
/// is to be unwound.
#[inline(always)]
#[track_caller]
pub(crate) fn operation(object: Object<'_>, access: Access, verb: &'static str) -> Told {
    if let Some(scheduler) = try_scheduler()
        && scheduler.chores.get() & (chore::UNWIND | chore::OPERATIONS) != 0
    {
        scheduler.begin(object, access, verb, Location::caller())
    } else {
        None
    }
}

/// Does it make a difference whether [`operation`] is called now? For those who
/// would do more with what it gives.
#[inline(always)]
pub(crate) fn is_eventful() -> bool {
    try_scheduler()
        .is_some_and(|scheduler| scheduler.chores.get() & (chore::UNWIND | chore::OPERATIONS) != 0)
}

/// As [`operation`], of one that writes several objects.
#[inline(always)]
#[track_caller]
pub(crate) fn operation_on_all<'a>(objects: impl Iterator<Item = Object<'a>>, verb: &'static str) {
    if let Some(scheduler) = try_scheduler()
        && scheduler.chores.get() & (chore::UNWIND | chore::OPERATIONS) != 0
    {
        let mut objects = objects;
        scheduler.begin_on_all(&mut objects, verb, Location::caller());
    }
}

/// An operation begins that never waits.
#[inline(always)]
#[track_caller]
pub(crate) fn note(object: Object<'_>, access: Access, verb: &'static str) -> Told {
    let at = Location::caller();
    if let Some(scheduler) = try_scheduler()
        && scheduler.chores.get() & chore::OPERATIONS != 0
    {
        scheduler.operate(object, access, verb, at);
        Some(at)
    } else {
        None
    }
}

/// Here, if somebody wants to be told of operations. For those who then call a
/// function of its own, so that all others need no frame for the telling.
#[inline(always)]
#[track_caller]
pub(crate) fn asked() -> Told {
    let scheduler = try_scheduler()?;
    (scheduler.chores.get() & chore::OPERATIONS != 0).then_some(Location::caller())
}

/// As [`note`], for a destructor, which does not know its caller. Others run first
/// as if it were here.
#[inline(always)]
pub(crate) fn note_at(
    object: Object<'_>,
    access: Access,
    verb: &'static str,
    at: &'static Location<'static>,
) -> Told {
    if let Some(scheduler) = try_scheduler()
        && scheduler.chores.get() & chore::OPERATIONS != 0
    {
        scheduler.operate_elsewhere(object, access, verb, at);
        Some(at)
    } else {
        None
    }
}

/// Tells what the operation that was noted last has read or left behind.
#[inline(always)]
pub(crate) fn tell_value(value: &dyn Fn() -> String) {
    if let Some(scheduler) = try_scheduler()
        && scheduler.chores.get() & chore::OPERATIONS != 0
    {
        scheduler.tell_value(value);
    }
}

/// An object is made: tells it from all others from now on.
#[inline(always)]
pub(crate) fn make_known(tag: &Tag) {
    if let Some(scheduler) = try_scheduler()
        && scheduler.chores.get() & chore::OPERATIONS != 0
    {
        scheduler.make_known(tag);
    }
}

/// A wait begins for something that others do once and for all.
#[inline(always)]
#[track_caller]
pub(crate) fn look(object: Object<'_>, verb: &'static str) {
    if let Some(scheduler) = try_scheduler()
        && scheduler.chores.get() & chore::OPERATIONS != 0
    {
        scheduler.look(object, verb, Location::caller());
    }
}

/// As [`note`], of an operation that has begun already: nobody runs in between.
#[inline(always)]
#[track_caller]
pub(crate) fn also(object: Object<'_>, access: Access) {
    if let Some(scheduler) = try_scheduler()
        && scheduler.chores.get() & chore::OPERATIONS != 0
    {
        scheduler.operate_on(object, access);
    }
}

impl Scheduler {
    #[cold]
    #[inline(never)]
    fn begin(
        &self,
        object: Object<'_>,
        access: Access,
        verb: &'static str,
        at: &'static Location<'static>,
    ) -> Told {
        self.operate(object, access, verb, at);
        self.checkpoint();
        (self.chores.get() & chore::OPERATIONS != 0).then_some(at)
    }

    #[cold]
    #[inline(never)]
    fn begin_on_all(
        &self,
        objects: &mut dyn Iterator<Item = Object<'_>>,
        verb: &'static str,
        at: &'static Location<'static>,
    ) {
        if let Some(first) = objects.next() {
            self.operate(first, Access::Write, verb, at);
        }
        objects.for_each(|other| self.tell_operation(other, Access::Write, verb, Some(at)));
        self.checkpoint();
    }
}
