//! Locks and other primitives that green threads wait for: the behaviour that std
//! documents, the order of service, and the state after a waiter is cancelled or times
//! out.

mod atomic;
mod condvar;
mod meeting;
mod moments;
mod mpsc;
mod mutex;
mod once;
mod poison;
mod report;
mod rwlock;
mod semaphore;

use std::cell::RefCell;
use std::rc::Rc;

use crate::support::{OnDrop, SECOND, assert_cancelled, in_virtual_time as run};

/// A list of words that several green threads write.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn write(&self, word: impl ToString) {
        self.0.borrow_mut().push(word.to_string());
    }

    /// Returns the words written since the last call.
    fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

/// Yields until every other green thread waits.
fn settle() {
    (0..20).for_each(|_| leno::yield_now());
}
