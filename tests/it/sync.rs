//! Locks and what else green threads wait for: as std's documentation has them,
//! in which order they are served, and what is left when somebody who waits is
//! cancelled or runs out of time.

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

use leno::thread::{Cancelled, JoinHandle};
use leno::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Words that several green threads write.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn write(&self, word: impl ToString) {
        self.0.borrow_mut().push(word.to_string());
    }

    /// What has been written since the last call.
    fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

/// Runs a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Runs it on a runtime whose time passes when everybody waits.
fn run<T>(f: impl FnOnce() -> T) -> T {
    leno::Builder::new().virtual_time().run(f)
}

/// Lets everybody go on as far as they can.
fn settle() {
    (0..20).for_each(|_| leno::yield_now());
}

/// Joins one that must have been cancelled.
#[track_caller]
fn assert_cancelled<T>(handle: JoinHandle<T>) {
    match handle.join() {
        Ok(_) => panic!("it was cancelled, and has returned"),
        Err(payload) => assert!(payload.is::<Cancelled>(), "it was cancelled, and has panicked"),
    }
}
