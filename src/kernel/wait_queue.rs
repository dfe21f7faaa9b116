//! Wait queues: the threads that wait for the same thing, first come, first served.
//!
//! ```text
//!   WaitQueue, in a lock or a channel          the frame that waits
//!   +-------+------+                         +----------------------+
//!   | first | last | ---------------------> | Node                 |
//!   +-------+------+                         |  previous, next      |
//!                                            |  list, control       |
//!                                            |  slot: what it gives |
//!                                            |        or is given   |
//!                                            +----------------------+
//! ```
//!
//! A node lies on the frame that waits, so waiting allocates nothing, and the node leaves
//! the queue when that frame ends, by return or by unwinding. A thread that waits for
//! several things at once has several nodes. If their number is known only when the
//! program runs, they are in a box, which the frame owns.
//!
//! **A wait ends once.** An event, the deadline or a cancellation ends it only if it
//! finds the thread waiting, and leaves it runnable; whatever comes later finds it no
//! longer waiting, and passes over its nodes. So a value is put into the slot of a node
//! only if its owner will find it there, and taken from one only if its owner will find
//! it gone. The node by which a wait was ended is marked as [chosen](CHOSEN).
//!
//! A wait for one thing is the common case, and half of what it costs is stores (a
//! message of a rendezvous took 180 instructions, some 30 of them stores). So a node has no
//! more fields than that needs.

use std::cell::Cell;
use std::iter;
use std::mem;
use std::ptr;

use super::control_block::{ControlBlock, State};
use super::scheduler::Scheduler;
use super::wait_reason::{Outcome, Wait};

/// A queue of waiting threads, each with a slot for a value of type `T` that it gives or is
/// given.
pub(crate) struct WaitQueue<T> {
    first: Cell<*const Node<T>>,
    /// Not kept up to date while the list is empty.
    last: Cell<*const Node<T>>,
}

struct Node<T> {
    previous: Cell<*const Node<T>>,
    next: Cell<*const Node<T>>,
    /// The list that the node is in. Null before and after, or [`CHOSEN`].
    list: Cell<*const WaitQueue<T>>,
    /// The thread that waits.
    control: *const ControlBlock,
    slot: Cell<Option<T>>,
}

/// Stands for the list of a node that has left it because the node was chosen. The mark
/// takes no store of its own, since a node that leaves its list has to say so anyway.
const CHOSEN: usize = 1;

/// How a wait in a list has ended.
pub(crate) struct Waited<R, T> {
    pub(crate) result: R,
    /// The value in the node's slot.
    pub(crate) slot: Option<T>,
    /// The wait was ended by way of this node.
    pub(crate) is_chosen: bool,
}

impl<T> WaitQueue<T> {
    pub(crate) const fn new() -> WaitQueue<T> {
        WaitQueue { first: Cell::new(ptr::null()), last: Cell::new(ptr::null()) }
    }

    /// Runs `wait` with a node of the current thread at the end of the list.
    #[inline(always)]
    pub(crate) fn enrolled<R>(
        &self,
        scheduler: &Scheduler,
        slot: Option<T>,
        wait: impl FnOnce() -> R,
    ) -> Waited<R, T> {
        let node = Node::new(scheduler, slot);
        self.link(&node);
        let result = wait();
        Waited { result, slot: node.slot.take(), is_chosen: node.is_chosen() }
        // The node leaves the list when it is dropped.
    }

    /// Runs `wait` with a node of the current thread at the end of each of these lists,
    /// for a number of lists that is known only at run time. Also returns the number beside the
    /// list with the chosen node, and the value in the node's slot.
    pub(crate) fn enrolled_in_all<R>(
        scheduler: &Scheduler,
        lists: &[(usize, &WaitQueue<T>)],
        slot: T,
        wait: impl FnOnce() -> R,
    ) -> (R, Option<(usize, T)>)
    where
        T: Copy,
    {
        // Not moved any more. They leave their lists when they are dropped.
        let nodes: Box<[Node<T>]> =
            lists.iter().map(|_| Node::new(scheduler, Some(slot))).collect();
        for (node, (_, list)) in nodes.iter().zip(lists) {
            list.link(node);
        }
        let result = wait();
        let chosen = nodes.iter().zip(lists).find(|(node, _)| node.is_chosen());
        (result, chosen.and_then(|(node, &(case, _))| Some((case, node.slot.get()?))))
    }

    /// Waits in this list until the node is chosen, or until `deadline`.
    ///
    /// As [`WaitQueue::enrolled`], but without a closure: a closure cannot be declared as
    /// inlined, and a function that is left by a switch returns to where the processor
    /// does not expect it.
    #[inline(always)]
    pub(crate) fn wait(
        &self,
        scheduler: &Scheduler,
        slot: Option<T>,
        wait: &Wait<'_>,
        deadline: Option<u64>,
    ) -> (Outcome, Option<T>) {
        let offers = slot.is_some();
        let node = Node::new(scheduler, slot);
        self.link(&node);
        let outcome = scheduler.block(wait, deadline);
        let slot = node.slot.take();
        // A value was taken or given, and that has unlinked the node: the caller's look at
        // the slot takes the place of one at the list.
        // mistake: elapsed-node-stays
        if slot.is_some() != offers {
            debug_assert!(!node.is_linked());
            mem::forget(node);
        }
        (outcome, slot)
    }

    /// Puts a node at the end, which must leave the list before it is moved.
    #[inline(always)]
    fn link(&self, node: &Node<T>) {
        node.list.set(self);
        if self.is_clear() {
            self.first.set(node);
        } else {
            let last = self.last.get();
            node.previous.set(last);
            // SAFETY: the list is not empty, so `last` is linked, and its frame is there.
            unsafe { (*last).next.set(node) };
        }
        self.last.set(node);
    }

    /// Returns the first node of a thread that still waits. Unlinks the nodes before it: their
    /// waits are over.
    #[inline(always)]
    fn front(&self) -> Option<&Node<T>> {
        loop {
            // SAFETY: a linked node is on a frame that exists: a node leaves the queue before its
            // frame ends. Nothing switches while this module uses the reference.
            // mistake: last-first
            let node = unsafe { self.first.get().as_ref() }?;
            // SAFETY: the thread of a linked node has not ended.
            let waits = unsafe { (*node.control).state() == State::Waiting };
            // mistake: gives-after-wait
            if waits {
                return Some(node);
            }
            node.unlink();
        }
    }

    /// Unlinks the first node, which is going to be [chosen](Node::choose).
    #[inline(always)]
    fn unlink_front(&self, node: &Node<T>) {
        let next = node.next.get();
        node.mark_as_chosen();
        self.first.set(next);
        // SAFETY: a linked node is on a frame that exists.
        if let Some(next) = unsafe { next.as_ref() } {
            next.previous.set(ptr::null());
        }
    }

    /// Returns `true` if there is no node. If there is one, its wait may be over all the
    /// same: this only tells whether there may be anything to be done.
    #[inline(always)]
    pub(crate) fn is_clear(&self) -> bool {
        self.first.get().is_null()
    }

    /// Returns `true` if no thread waits.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_null() || self.front().is_none()
    }

    /// Returns the nodes of the threads that wait. Nothing may switch during the iteration.
    fn waiting(&self) -> impl Iterator<Item = &Node<T>> {
        // SAFETY: a linked node is on a frame that exists.
        let all = iter::successors(unsafe { self.first.get().as_ref() }, |node| unsafe {
            node.next.get().as_ref()
        });
        // SAFETY: the thread of a linked node has not ended.
        all.filter(|node| unsafe { (*node.control).state() == State::Waiting })
    }

    /// Unlinks nodes that were not chosen and of which the wait is over, and takes the values out of
    /// their slots, by which their threads learn of it. Returns the number of these nodes: all,
    /// or at least `enough`. It looks from both ends, where such nodes are as a rule, and at all
    /// nodes only if too few are found there.
    pub(crate) fn unlink_ended(&self, enough: usize) -> usize {
        let count = Cell::new(0);
        let unlink_if_ended = |node: &Node<T>| {
            // SAFETY: the thread of a linked node has not ended.
            let is_over = unsafe { (*node.control).state() } != State::Waiting;
            if is_over {
                node.unlink();
                drop(node.slot.take());
                count.set(count.get() + 1);
            }
            is_over
        };
        for end in [&self.first, &self.last] {
            // SAFETY: a linked node is on a frame that exists. The last node is linked if any is.
            while !self.is_clear() && unsafe { unlink_if_ended(&*end.get()) } {}
        }
        let mut next = self.first.get();
        // SAFETY: as above. The next node is read before this one may be unlinked.
        while let Some(node) = unsafe { next.as_ref() }
            && count.get() < enough
        {
            next = node.next.get();
            unlink_if_ended(node);
        }
        count.get()
    }

    /// Returns `true` if a waiting thread has a value in its slot that `matches`, which must not
    /// switch.
    pub(crate) fn any(&self, matches: impl Fn(&T) -> bool) -> bool {
        self.waiting().any(|node| {
            let value = node.slot.take();
            let found = value.as_ref().is_some_and(&matches);
            node.slot.set(value);
            found
        })
    }

    /// Finds the first waiting thread with a value in its slot that `matches`, replaces that by
    /// `value`, and wakes the thread. Returns `false` if there is none.
    pub(crate) fn exchange(&self, value: T, matches: impl Fn(&T) -> bool) -> bool
    where
        T: Copy,
    {
        let found = self.waiting().find(|node| node.slot.get().as_ref().is_some_and(&matches));
        if let Some(node) = found {
            node.unlink();
            node.mark_as_chosen();
            node.slot.set(Some(value));
            node.choose();
        }
        found.is_some()
    }

    /// Wakes the first waiting thread. Returns `false` if there is none.
    #[inline(always)]
    pub(crate) fn wake_one(&self) -> bool {
        // mistake: wakes-only-first
        let node = self.front();
        if let Some(node) = node {
            self.unlink_front(node);
            node.choose();
        }
        node.is_some()
    }

    /// Wakes all waiting threads. Returns their number.
    pub(crate) fn wake_all(&self) -> usize {
        let mut count = 0;
        while self.wake_one() {
            count += 1;
        }
        count
    }

    /// Puts `value` into the slot of the first waiting thread, and wakes it.
    ///
    /// # Errors
    ///
    /// Returns the value if no thread waits.
    #[inline(always)]
    pub(crate) fn give(&self, value: T) -> Result<(), T> {
        // mistake: gives-only-to-first
        let Some(node) = self.front() else { return Err(value) };
        self.unlink_front(node);
        // The slot of a thread that waits for a value is empty: nothing is dropped.
        let previous = node.slot.replace(Some(value));
        node.choose();
        drop(previous);
        Ok(())
    }

    /// Takes the value out of the slot of the first waiting thread, and wakes it.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<T> {
        // mistake: takes-only-from-first
        let node = self.front()?;
        self.unlink_front(node);
        let value = node.slot.take();
        node.choose();
        value
    }

    /// Returns the value in the slot of the first waiting thread.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<T>
    where
        T: Copy,
    {
        self.front()?.slot.get()
    }
}

impl<T> Default for WaitQueue<T> {
    fn default() -> WaitQueue<T> {
        WaitQueue::new()
    }
}

impl<T> Node<T> {
    /// Returns a node of the current thread that is in no list.
    #[inline(always)]
    fn new(scheduler: &Scheduler, slot: Option<T>) -> Node<T> {
        Node {
            previous: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            list: Cell::new(ptr::null()),
            control: scheduler.current(),
            slot: Cell::new(slot),
        }
    }

    #[inline(always)]
    fn mark_as_chosen(&self) {
        self.list.set(ptr::without_provenance(CHOSEN));
    }

    fn is_chosen(&self) -> bool {
        self.list.get().addr() == CHOSEN
    }

    fn is_linked(&self) -> bool {
        self.list.get().addr() > CHOSEN
    }

    /// Ends the wait, which is not over. The node has been unlinked and marked.
    #[inline(always)]
    fn choose(&self) {
        // SAFETY: the node is on the stack of the thread, which waits, so both exist.
        unsafe {
            let control = &*self.control;
            control.scheduler().end_wait(control, Outcome::Woken);
        }
    }

    #[inline(always)]
    fn unlink(&self) {
        let list = self.list.get();
        if !self.is_linked() {
            return;
        }
        self.list.set(ptr::null());
        // SAFETY: a linked node is on a frame that borrows the queue, and its neighbours are on
        // frames that exist: each leaves the queue before its frame ends.
        unsafe {
            let list = &*list;
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
