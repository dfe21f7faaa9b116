//! An order to all green threads of a master.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::convert::Infallible;

use crate::channel::{Receiver, Sender, bounded};

/// An order that is given once, to all that wait for it: a channel that is closed.
pub(super) struct Order {
    sender: RefCell<Option<Sender<Infallible>>>,
    /// Has an end when the order has been given.
    pub(super) given: Receiver<Infallible>,
}

impl Order {
    pub(super) fn new() -> Order {
        let (sender, given) = bounded(0);
        Order { sender: RefCell::new(Some(sender)), given }
    }

    pub(super) fn give(&self) {
        drop(self.sender.take());
    }

    pub(super) fn is_given(&self) -> bool {
        self.sender.borrow().is_none()
    }
}
