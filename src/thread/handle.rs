//! Handles to green threads.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use crate::cancel::cancel_thread;
use crate::kernel::{ThreadId, ThreadInfo};
use crate::remote::unpark;

/// A handle to a green thread, by which it can be identified, unparked and cancelled.
///
/// A handle may outlive its green thread.
///
/// # Examples
///
/// ```
/// use leno::thread;
///
/// leno::run(|| {
///     let main = thread::current();
///     leno::spawn(move || main.unpark());
///     thread::park();
/// });
/// ```
#[derive(Clone)]
pub struct Thread {
    state: Rc<ThreadInfo>,
}

impl Thread {
    /// Returns a handle to the thread with this state.
    pub(super) fn new(state: &Rc<ThreadInfo>) -> Thread {
        Thread { state: state.clone() }
    }

    /// Returns the id, which no other green thread of this process has or had.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::run(|| assert_eq!(leno::thread::current().id().number(), 1));
    /// ```
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.state.id()
    }

    /// Returns the name that [`Builder::name`](super::Builder::name) set; "main" for the
    /// closure of [`leno::run`](crate::run).
    ///
    /// # Examples
    ///
    /// ```
    /// leno::run(|| {
    ///     assert_eq!(leno::thread::current().name(), Some("main"));
    ///     assert_eq!(leno::spawn(|| ()).thread().name(), None);
    /// });
    /// ```
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.state.name()
    }

    /// Ends the green thread's current [`park`](super::park), or makes its next one return at
    /// once. Has no effect if the thread has ended.
    ///
    /// # Examples
    ///
    /// See [`park`](super::park).
    #[track_caller]
    pub fn unpark(&self) {
        unpark(&self.state);
    }

    /// Cancels the green thread; see [`JoinHandle::cancel`](super::JoinHandle::cancel). Has no
    /// effect if the thread has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::thread;
    ///
    /// leno::run(|| {
    ///     let handle = thread::spawn(thread::park);
    ///     handle.thread().cancel();
    ///     assert!(handle.join().is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        cancel_thread(&self.state);
    }
}

impl UnwindSafe for Thread {}
impl RefUnwindSafe for Thread {}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("id", &self.id()).field("name", &self.name()).finish()
    }
}
