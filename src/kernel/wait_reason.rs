//! What a green thread waits for, in the words of a report.
//!
//! A [`Wait`] lies on the frame that waits. Nothing in it is needed for waking:
//! it is there for those who ask why a program hangs.

//!
//! Some of these types are public, since the hidden trait behind `select!` names
//! them. Nobody outside can reach them.

#![forbid(unsafe_code)]

use std::cell::{Cell, OnceCell};
use std::iter;
use std::panic::Location;

use crate::access::access::{Tag, make_known};
use crate::kernel::control_block::ControlBlock;
use crate::kernel::scope_members::ScopeMembers;

/// What a green thread waits for, and since which line.
pub(crate) struct Wait<'a> {
    pub(crate) what: WaitFor<'a>,
    pub(crate) at: &'static Location<'static>,
    /// When it began, in nanoseconds of the runtime's coarse clock.
    pub(crate) since: Cell<u64>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// Somebody has woken it.
    Woken,
    /// The deadline has come first.
    Elapsed,
    /// The green thread is to be unwound. Whoever waited takes back what it lent
    /// out, and then calls [`interrupted`](super::interrupted).
    Interrupted,
}

#[derive(Clone, Copy)]
pub(crate) enum WaitFor<'a> {
    Unpark,
    Sleep,
    /// A future's waker.
    Future,
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
    Any(&'a Needs<'a>),
}

// The tag lies in the free values of a `Want`, so two stores write down a wait for a
// resource. With a tag and a `str` of its own they were four.
const _: () = assert!(size_of::<WaitFor<'_>>() == 2 * size_of::<usize>());

/// What is wanted of a resource: room in a channel.
#[derive(Clone, Copy)]
pub struct Need<'a> {
    pub(crate) what: Want,
    pub(crate) resource: &'a Resource,
}

/// The part of a resource that is wanted; its words are looked up for a report only.
#[derive(Clone, Copy)]
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

/// A list of needs, each on the frame that enrolled for it. The innermost is the
/// last.
pub struct Listed<'a> {
    pub(crate) need: Option<Need<'a>>,
    pub(crate) others: Option<&'a Listed<'a>>,
}

/// What a wait for any of several is for.
#[derive(Clone, Copy)]
pub(crate) enum Needs<'a> {
    Listed(&'a Listed<'a>),
    All(&'a [Need<'a>]),
}

/// What reports say of a lock, a channel or anything else that is waited for.
pub struct Resource {
    kind: &'static str,
    made_at: &'static Location<'static>,
    name: OnceCell<Box<str>>,
    holder: Cell<Option<Holder>>,
    pub(crate) tag: Tag,
}

/// Who holds a lock: the number of the green thread, and since where.
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

impl WaitFor<'_> {
    /// It waits for nobody: it sleeps, or is a host with nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, WaitFor::Sleep | WaitFor::Stalled)
    }
}

impl<'a> Needs<'a> {
    /// All of them, in no particular order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Need<'a>> {
        let (listed, all) = match self {
            Needs::Listed(listed) => (Some(listed), &[][..]),
            Needs::All(all) => (None, all),
        };
        let listed = iter::successors(listed, |listed| listed.others);
        listed.filter_map(|listed| listed.need).chain(all.iter().copied())
    }

    /// The one that it is for, if there are no others.
    pub(crate) fn only(self) -> Option<Need<'a>> {
        match self {
            Needs::Listed(Listed { need, others: None }) => *need,
            Needs::All([need]) => Some(*need),
            Needs::Listed(_) | Needs::All(_) => None,
        }
    }

    /// In the order in which they were written.
    pub(crate) fn as_written(self) -> Vec<Need<'a>> {
        let mut needs: Vec<Need<'a>> = self.iter().collect();
        if let Needs::Listed(_) = self {
            needs.reverse();
        }
        needs
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
}

impl Resource {
    /// Something of a kind (`"mutex"`), made by the caller.
    #[track_caller]
    pub(crate) const fn new(kind: &'static str) -> Resource {
        Resource {
            kind,
            made_at: Location::caller(),
            name: OnceCell::new(),
            holder: Cell::new(None),
            tag: Tag::new(),
        }
    }

    /// As [`Resource::new`], and whoever directs the run knows of it from now on: it
    /// is the same in every execution, whoever uses it first.
    #[track_caller]
    #[inline(always)]
    pub(crate) fn known(kind: &'static str) -> Resource {
        let resource = Resource::new(kind);
        make_known(&resource.tag);
        resource
    }

    /// Names it. The first name stays.
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

    /// Says who holds it.
    #[inline(always)]
    pub(crate) fn set_holder(&self, holder: Option<Holder>) {
        self.holder.set(holder);
    }

    pub(crate) fn holder(&self) -> Option<Holder> {
        self.holder.get()
    }
}
