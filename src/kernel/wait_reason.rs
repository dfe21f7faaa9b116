//! What a green thread waits for, in the words of a report; and the resources that are waited
//! for.
//!
//! A [`Wait`] lies on the frame that waits. Waking needs nothing of it: reports read it.
//!
//! Some of these types are public, since the hidden trait behind `select!` names them. They
//! cannot be reached from outside the crate.

#![forbid(unsafe_code)]

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::iter;
use std::panic::Location;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use super::control_block::ControlBlock;
use super::wait_queue::WaitQueue;

/// What a green thread waits for, and since which line.
pub(crate) struct Wait<'a> {
    what: WaitFor<'a>,
    at: &'static Location<'static>,
    /// The time at which it began, in nanoseconds of the runtime's coarse clock.
    since: Cell<u64>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// What was waited for has come.
    Woken,
    /// The deadline has come first.
    Elapsed,
    /// The green thread is to be unwound. The caller takes back what it has lent out, and then
    /// calls `cancel::interrupted`.
    Interrupted,
}

#[derive(Clone, Copy)]
pub(crate) enum WaitFor<'a> {
    Unpark,
    Sleep,
    /// A future's waker. For the end of a closure on another OS thread: whether the closure has
    /// begun.
    Future(Option<&'a AtomicBool>),
    /// The end of a green thread.
    Join(&'a ControlBlock),
    /// The end of all green threads of a scope.
    Scope(&'a ScopeMembers),
    /// The end of all green threads of the runtime.
    AllEnded,
    /// The host of the runtime waits until no green thread can run.
    Stalled,
    Resource(Need<'a>),
    /// Any of several.
    Any(&'a Alternatives<'a>),
    /// Something outside the runtime, such as a socket.
    External(&'a External<'a>),
}

/// An operation on something outside the runtime, in the words of reports.
#[derive(Clone)]
pub(crate) struct External<'a> {
    /// What the thread does: "reads".
    verb: &'static str,
    /// What it waits for: "bytes from".
    wanted: &'static str,
    object: &'a dyn fmt::Display,
    /// By which an exploration knows the object, if it is not outside after all.
    resource: Option<Rc<Resource>>,
    /// Another OS thread wakes the green thread, by a message.
    ends_by_message: bool,
}

impl<'a> External<'a> {
    #[cfg(feature = "net")]
    pub(crate) fn new(
        verb: &'static str,
        wanted: &'static str,
        object: &'a dyn fmt::Display,
        resource: Option<Rc<Resource>>,
    ) -> External<'a> {
        External { verb, wanted, object, resource, ends_by_message: false }
    }

    /// Returns the operation as one of which another OS thread may tell by a message, too.
    #[cfg(feature = "net")]
    pub(crate) fn ended_by_message(self) -> External<'a> {
        External { ends_by_message: true, ..self }
    }

    /// Returns an operation of which another OS thread tells by a message.
    pub(crate) fn by_message(
        verb: &'static str,
        wanted: &'static str,
        object: &'a dyn fmt::Display,
    ) -> External<'a> {
        External { verb, wanted, object, resource: None, ends_by_message: true }
    }

    pub(crate) fn ends_by_message(&self) -> bool {
        self.ends_by_message
    }

    #[cfg_attr(
        not(any(feature = "debug", feature = "weave")),
        expect(dead_code, reason = "no trace")
    )]
    pub(crate) fn verb(&self) -> &'static str {
        self.verb
    }

    pub(crate) fn wanted(&self) -> &'static str {
        self.wanted
    }

    pub(crate) fn object(&self) -> &'a dyn fmt::Display {
        self.object
    }

    pub(crate) fn resource(&self) -> Option<&Resource> {
        self.resource.as_deref()
    }
}

// The tag lies in the free values of a `Want`, so two stores write down a wait for a
// resource. With a tag and a `str` of its own they were four.
const _: () = assert!(size_of::<WaitFor<'_>>() == 2 * size_of::<usize>());

/// What a thread wants of a resource, for example room in a channel.
#[derive(Clone, Copy)]
pub struct Need<'a> {
    pub(crate) what: Want,
    pub(crate) resource: &'a Resource,
}

/// The part of a resource that is wanted. Its words are looked up for reports only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// The thing itself, as a mutex.
    Itself,
    Share,
    Permit,
    Permits,
    Room,
    Receiver,
    Message,
    Notification,
    Completion,
    End,
    Others,
}

/// One of several things that a thread waits for.
#[derive(Clone, Copy)]
pub struct Alternative<'a>(pub(crate) WaitFor<'a>);

/// A list of alternatives, each on the frame that enrolled for it.
pub struct Listed<'a> {
    /// The alternative, and its place among all as they are written in the program.
    pub(crate) alternative: Option<(usize, Alternative<'a>)>,
    pub(crate) others: Option<&'a Listed<'a>>,
}

/// The alternatives of a wait for any of several.
#[derive(Clone, Copy)]
pub(crate) enum Alternatives<'a> {
    Listed(&'a Listed<'a>),
    All(&'a [Alternative<'a>]),
}

/// A lock, a channel or another primitive, as reports name it.
pub struct Resource {
    kind: &'static str,
    made_at: &'static Location<'static>,
    name: OnceCell<Box<str>>,
    holder: Cell<Option<Holder>>,
    /// The threads that hold a share of it, for reports. Allocated with the first.
    shares: OnceCell<Box<RefCell<Shares>>>,
    /// The number by which an exploration knows it.
    tag: Cell<u64>,
}

/// The threads that hold shares of a resource.
#[derive(Default)]
struct Shares {
    holders: Vec<Option<Holder>>,
    /// The places in `holders` that are free.
    free: Vec<usize>,
}

/// The holder of a lock: the number of the green thread, and the line since which it holds.
#[derive(Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) number: u64,
    pub(crate) at: &'static Location<'static>,
}

impl Want {
    /// Returns the words before the name of the resource. There are none for the thing
    /// itself.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Want::Itself => "",
            Want::Share => "a share of",
            Want::Permit => "a permit of",
            Want::Permits => "permits of",
            Want::Room => "room in",
            Want::Receiver => "a receiver of",
            Want::Message => "a message from",
            Want::Notification => "a notification of",
            Want::Completion => "the completion of",
            Want::End => "the end of",
            Want::Others => "the others at",
        }
    }
}

impl<'a> WaitFor<'a> {
    /// Returns the need of a resource.
    pub(crate) fn need(self) -> Option<Need<'a>> {
        match self {
            WaitFor::Resource(need) => Some(need),
            _ => None,
        }
    }
}

impl Need<'_> {
    /// Returns `true` if both are the same part of the same resource.
    pub(crate) fn is_same(self, other: Need<'_>) -> bool {
        ptr::eq(self.resource, other.resource) && self.what == other.what
    }
}

impl<'a> Alternatives<'a> {
    /// Returns all alternatives, in no particular order.
    pub(crate) fn iter(self) -> impl Iterator<Item = WaitFor<'a>> {
        let (listed, all) = match self {
            Alternatives::Listed(listed) => (Some(listed), &[][..]),
            Alternatives::All(all) => (None, all),
        };
        let listed = iter::successors(listed, |listed| listed.others);
        let listed = listed.filter_map(|listed| listed.alternative);
        listed.map(|(_, alternative)| alternative).chain(all.iter().copied()).map(|it| it.0)
    }

    /// Returns the alternative, if there is only one.
    pub(crate) fn only(self) -> Option<WaitFor<'a>> {
        let mut all = self.iter();
        all.next().filter(|_| all.next().is_none())
    }

    /// Returns the alternatives in the order in which they are written in the program.
    pub(crate) fn as_written(self) -> Vec<WaitFor<'a>> {
        let Alternatives::Listed(listed) = self else { return self.iter().collect() };
        let listed = iter::successors(Some(listed), |listed| listed.others);
        let mut all: Vec<_> = listed.filter_map(|listed| listed.alternative).collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, alternative)| alternative.0).collect()
    }
}

impl<'a> Wait<'a> {
    #[track_caller]
    #[inline(always)]
    pub(crate) fn new(what: WaitFor<'a>) -> Wait<'a> {
        Wait::at(what, Location::caller())
    }

    #[inline(always)]
    pub(crate) fn at(what: WaitFor<'a>, at: &'static Location<'static>) -> Wait<'a> {
        Wait { what, at, since: Cell::new(0) }
    }

    pub(crate) fn what(&self) -> WaitFor<'a> {
        self.what
    }

    #[inline(always)]
    pub(crate) fn line(&self) -> &'static Location<'static> {
        self.at
    }

    /// Returns the place of the time at which the wait began, in nanoseconds of the runtime's coarse
    /// clock.
    #[inline(always)]
    pub(crate) fn since(&self) -> &Cell<u64> {
        &self.since
    }
}

impl Resource {
    /// Returns a resource of a kind (`"mutex"`) that the caller creates.
    #[track_caller]
    pub(crate) const fn new(kind: &'static str) -> Resource {
        Resource {
            kind,
            made_at: Location::caller(),
            name: OnceCell::new(),
            holder: Cell::new(None),
            shares: OnceCell::new(),
            tag: Cell::new(0),
        }
    }

    /// Returns the place of the number by which an exploration knows the resource.
    #[cfg_attr(
        not(feature = "weave"),
        expect(dead_code, reason = "only an exploration numbers it")
    )]
    pub(crate) fn tag(&self) -> &Cell<u64> {
        &self.tag
    }

    /// Sets the name, if there is none yet.
    pub(crate) fn set_name(&self, name: String) {
        let _ = self.name.set(name.into_boxed_str());
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.get().map(|name| &**name)
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    pub(crate) fn made_at(&self) -> &'static Location<'static> {
        self.made_at
    }

    /// Sets the holder.
    #[inline(always)]
    pub(crate) fn set_holder(&self, holder: Option<Holder>) {
        self.holder.set(holder);
    }

    pub(crate) fn holder(&self) -> Option<Holder> {
        self.holder.get()
    }

    /// Notes that a thread holds a share. Returns the place of the note.
    pub(crate) fn add_share(&self, holder: Holder) -> usize {
        let Shares { holders, free } = &mut *self.shares.get_or_init(Box::default).borrow_mut();
        let place = free.pop().unwrap_or(holders.len());
        match holders.get_mut(place) {
            Some(free) => *free = Some(holder),
            None => holders.push(Some(holder)),
        }
        place
    }

    /// Takes back the note at this place.
    pub(crate) fn remove_share(&self, place: usize) {
        if let Some(shares) = self.shares.get() {
            let Shares { holders, free } = &mut *shares.borrow_mut();
            holders[place] = None;
            free.push(place);
        }
    }

    /// Returns all threads that hold it, or a share of it.
    pub(crate) fn holders(&self) -> Vec<Holder> {
        let shares = self.shares.get().map(|shares| shares.borrow().holders.clone());
        self.holder().into_iter().chain(shares.into_iter().flatten().flatten()).collect()
    }
}

/// What the green threads of a scope share, in the frame that waits for them.
pub(crate) struct ScopeMembers {
    running: Cell<usize>,
    /// The number of the first green thread that was spawned in the scope, in a controlled
    /// run: an exploration knows the scope by it.
    number: Cell<u64>,
    waiter: WaitQueue<()>,
    /// The number of threads that have panicked without a `join` that returned the panic.
    unseen_panics: Cell<usize>,
}

impl ScopeMembers {
    pub(crate) const fn new() -> ScopeMembers {
        ScopeMembers {
            running: Cell::new(0),
            number: Cell::new(0),
            waiter: WaitQueue::new(),
            unseen_panics: Cell::new(0),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.get() > 0
    }

    pub(super) fn one_started(&self) {
        self.running.set(self.running.get() + 1);
    }

    #[inline(always)]
    pub(super) fn one_ended(&self, panicked: bool) {
        if panicked {
            self.unseen_panics.set(self.unseen_panics.get() + 1);
        }
        self.running.set(self.running.get() - 1);
        if self.running.get() == 0 {
            self.waiter.wake_one();
        }
    }

    /// Notes that a `join` has returned a panic.
    pub(super) fn panic_seen(&self) {
        self.unseen_panics.set(self.unseen_panics.get() - 1);
    }

    pub(crate) fn has_unseen_panics(&self) -> bool {
        self.unseen_panics.get() > 0
    }

    /// Returns the place of the number by which an exploration knows the scope; 0 before the first
    /// spawn.
    pub(crate) fn number(&self) -> &Cell<u64> {
        &self.number
    }

    pub(super) fn waiter(&self) -> &WaitQueue<()> {
        &self.waiter
    }
}
