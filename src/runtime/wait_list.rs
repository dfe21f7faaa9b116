//! Lists of those who wait for the same thing, first come, first served.
//!
//! ```text
//!   WaitList, in a lock or a channel          the frame that waits
//!   +-------+------+                         +----------------------+
//!   | first | last | ---------------------> | Node                 |
//!   +-------+------+                         |  previous, next      |
//!                                            |  slot: what it gives |
//!                                            |        or is given   |
//!                                            |  case, control       |
//!                                            |  waiter -----------+ |
//!                                            +--------------------|-+
//!                                            | Waiter  <----------+ |
//!                                            |  control, chosen     |
//!                                            +----------------------+
//! ```
//!
//! A node lies on the frame that waits, so waiting allocates nothing, and leaves
//! the list when that frame does, by return or by unwinding. One who waits for
//! several things at once has several nodes and one waiter; as many as are known only
//! when the program runs are in a box, which the frame owns.
//!
//! **A wait ends once.** Whoever ends it, by an event, the deadline or a
//! cancellation, finds the green thread waiting and leaves it runnable; everybody
//! later finds it no longer waiting, and passes over its nodes. So a value is put
//! into the slot of a node only if its owner will find it there, and taken from
//! one only if its owner will find it gone.

use std::cell::Cell;
use std::iter;
use std::ptr;

use super::control::{Control, State};
use super::scheduler::Scheduler;
use super::wait::{Outcome, Wait};

/// Those who wait, each with a value of type `T` to give or to be given.
pub(crate) struct WaitList<T> {
    first: Cell<*const Node<T>>,
    last: Cell<*const Node<T>>,
}

struct Node<T> {
    previous: Cell<*const Node<T>>,
    next: Cell<*const Node<T>>,
    /// Null when it is in no list.
    list: Cell<*const WaitList<T>>,
    /// Of the waiter, so that whoever ends the wait need not go there first: each
    /// step on the way is one that the processor waits for.
    control: *const Control,
    waiter: *const Waiter,
    case: usize,
    slot: Cell<Option<T>>,
}

/// One wait of the current green thread.
pub(crate) struct Waiter {
    control: *const Control,
    /// The case of the node by which it was woken.
    chosen: Cell<usize>,
}

impl Waiter {
    /// For the current green thread.
    #[inline(always)]
    pub(crate) fn new(scheduler: &Scheduler) -> Waiter {
        Waiter { control: scheduler.current(), chosen: Cell::new(usize::MAX) }
    }

    /// Waits until one of the nodes is chosen, or until `deadline`.
    #[inline(always)]
    pub(crate) fn block(
        &self,
        scheduler: &Scheduler,
        wait: &Wait<'_>,
        deadline: Option<u64>,
    ) -> Outcome {
        scheduler.block(wait, deadline)
    }

    /// The case of the node that was chosen.
    pub(crate) fn chosen(&self) -> usize {
        self.chosen.get()
    }
}

impl<T> WaitList<T> {
    pub(crate) const fn new() -> WaitList<T> {
        WaitList { first: Cell::new(ptr::null()), last: Cell::new(ptr::null()) }
    }

    /// Runs `wait` with a node of `waiter` at the end of the list. Gives what is
    /// in the node's slot afterwards as well.
    #[inline(always)]
    pub(crate) fn enrolled<R>(
        &self,
        waiter: &Waiter,
        case: usize,
        slot: Option<T>,
        wait: impl FnOnce() -> R,
    ) -> (R, Option<T>) {
        let node = Node::new(waiter, case, slot);
        self.link(&node);
        let result = wait();
        (result, node.slot.take())
        // The node leaves the list when it is dropped.
    }

    /// Runs `wait` with a node of `waiter` at the end of each of these lists. The
    /// number beside a list is the case. For as many as nobody knows beforehand. Gives
    /// what is in the slot of the node that was chosen as well.
    pub(crate) fn enrolled_in_all<R>(
        waiter: &Waiter,
        lists: &[(usize, &WaitList<T>)],
        slot: T,
        wait: impl FnOnce() -> R,
    ) -> (R, Option<T>)
    where
        T: Copy,
    {
        let node = |&(case, _): &(usize, _)| Node::new(waiter, case, Some(slot));
        // Not moved any more. They leave their lists when they are dropped.
        let nodes: Box<[Node<T>]> = lists.iter().map(node).collect();
        for (node, (_, list)) in nodes.iter().zip(lists) {
            list.link(node);
        }
        let result = wait();
        let chosen = nodes.iter().find(|node| node.case == waiter.chosen());
        (result, chosen.and_then(|node| node.slot.get()))
    }

    /// Waits in this list until somebody chooses the node, or until `deadline`.
    ///
    /// As [`WaitList::enrolled`], but without a closure: nobody can say of one that it
    /// is to be inlined, and a function that is left by a switch returns to where the
    /// processor does not expect it.
    #[inline(always)]
    pub(crate) fn wait(
        &self,
        scheduler: &Scheduler,
        slot: Option<T>,
        wait: &Wait<'_>,
        deadline: Option<u64>,
    ) -> (Outcome, Option<T>) {
        let waiter = Waiter::new(scheduler);
        let node = Node::new(&waiter, 0, slot);
        self.link(&node);
        let outcome = waiter.block(scheduler, wait, deadline);
        (outcome, node.slot.take())
    }

    /// Puts a node at the end, which must leave the list before it is moved.
    #[inline(always)]
    fn link(&self, node: &Node<T>) {
        let last = self.last.get();
        node.previous.set(last);
        node.list.set(self);
        // SAFETY: the last node is linked, so its frame is there.
        match unsafe { last.as_ref() } {
            Some(last) => last.next.set(node),
            None => self.first.set(node),
        }
        self.last.set(node);
    }

    /// The first node whose owner still waits. Those before it leave the list:
    /// their waits are over.
    #[inline(always)]
    fn front(&self) -> Option<&Node<T>> {
        loop {
            // SAFETY: linked nodes are on frames that are there, and so are their
            // waiters and green threads. Nobody switches while the reference is
            // in use, as this module sees to.
            let node = unsafe { self.first.get().as_ref() }?;
            // SAFETY: as above.
            let waits = unsafe { (*node.control).state.get() == State::Waiting };
            if waits {
                return Some(node);
            }
            node.unlink();
        }
    }

    /// As [`Node::unlink`], for the first.
    #[inline(always)]
    fn unlink_front(&self, node: &Node<T>) {
        let next = node.next.get();
        node.list.set(ptr::null());
        self.first.set(next);
        // SAFETY: linked nodes are on frames that are there.
        match unsafe { next.as_ref() } {
            Some(next) => next.previous.set(ptr::null()),
            None => self.last.set(ptr::null()),
        }
    }

    /// Is there no node? If there is one, it may still be that nobody waits. For
    /// those who only want to know whether there is anything to be done.
    #[inline(always)]
    pub(crate) fn is_clear(&self) -> bool {
        self.first.get().is_null()
    }

    /// Does nobody wait?
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_null() || self.front().is_none()
    }

    /// The nodes of those who wait. Nobody may switch while they are gone through.
    fn waiting(&self) -> impl Iterator<Item = &Node<T>> {
        // SAFETY: linked nodes are on frames that are there.
        let all = iter::successors(unsafe { self.first.get().as_ref() }, |node| unsafe {
            node.next.get().as_ref()
        });
        // SAFETY: and so are their green threads.
        all.filter(|node| unsafe { (*node.control).state.get() == State::Waiting })
    }

    /// How many wait. It goes through all of them.
    pub(crate) fn len(&self) -> usize {
        self.waiting().count()
    }

    /// Is there one who waits with such a value in its slot? `is_it` must not switch.
    pub(crate) fn any(&self, is_it: impl Fn(&T) -> bool) -> bool {
        self.waiting().any(|node| {
            let value = node.slot.take();
            let found = value.as_ref().is_some_and(&is_it);
            node.slot.set(value);
            found
        })
    }

    /// Puts `value` into the slot of the first in whose slot is such a value, and wakes
    /// it. False if there is none.
    pub(crate) fn exchange(&self, value: T, is_it: impl Fn(&T) -> bool) -> bool
    where
        T: Copy,
    {
        let found = self.waiting().find(|node| node.slot.get().as_ref().is_some_and(&is_it));
        if let Some(node) = found {
            node.unlink();
            node.slot.set(Some(value));
            node.choose();
        }
        found.is_some()
    }

    /// Wakes the first. False if nobody waits.
    #[inline(always)]
    pub(crate) fn wake_one(&self) -> bool {
        let node = self.front();
        if let Some(node) = node {
            self.unlink_front(node);
            node.choose();
        }
        node.is_some()
    }

    /// Wakes all, and says how many.
    pub(crate) fn wake_all(&self) -> usize {
        let mut count = 0;
        while self.wake_one() {
            count += 1;
        }
        count
    }

    /// Puts `value` into the slot of the first, and wakes it.
    ///
    /// # Errors
    ///
    /// Gives the value back if nobody waits.
    #[inline(always)]
    pub(crate) fn give(&self, value: T) -> Result<(), T> {
        let Some(node) = self.front() else { return Err(value) };
        self.unlink_front(node);
        // The slot of one who is given something is empty: nothing is dropped.
        let previous = node.slot.replace(Some(value));
        node.choose();
        drop(previous);
        Ok(())
    }

    /// Takes the value out of the slot of the first, and wakes it.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<T> {
        let node = self.front()?;
        self.unlink_front(node);
        let value = node.slot.take();
        node.choose();
        value
    }

    /// What the first holds in its slot.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<T>
    where
        T: Copy,
    {
        self.front()?.slot.get()
    }
}

impl<T> Default for WaitList<T> {
    fn default() -> WaitList<T> {
        WaitList::new()
    }
}

impl<T> Node<T> {
    /// One that is in no list.
    #[inline(always)]
    fn new(waiter: &Waiter, case: usize, slot: Option<T>) -> Node<T> {
        Node {
            previous: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            list: Cell::new(ptr::null()),
            control: waiter.control,
            waiter,
            case,
            slot: Cell::new(slot),
        }
    }

    /// Ends the wait, which is not over.
    #[inline(always)]
    fn choose(&self) {
        // SAFETY: the green thread has the node on its stack, and the waiter is on the
        // same frame as the node, or above it. The scheduler is there as long as any of
        // its green threads waits.
        unsafe {
            let control = &*self.control;
            (*self.waiter).chosen.set(self.case);
            (*control.scheduler).end_wait(control, Outcome::Woken);
        }
    }

    #[inline(always)]
    fn unlink(&self) {
        // SAFETY: a node in a list borrows the list, and its neighbours are on
        // frames that are there: each leaves the list before its frame goes.
        unsafe {
            let Some(list) = self.list.replace(ptr::null()).as_ref() else { return };
            let (previous, next) = (self.previous.get(), self.next.get());
            match previous.as_ref() {
                Some(previous) => previous.next.set(next),
                None => list.first.set(next),
            }
            match next.as_ref() {
                Some(next) => next.previous.set(previous),
                None => list.last.set(previous),
            }
        }
    }
}

impl<T> Drop for Node<T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.unlink();
    }
}
