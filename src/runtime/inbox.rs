//! What other OS threads can ask of a runtime.

#![forbid(unsafe_code)]

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Wake;

use super::current::try_scheduler;
use super::mailbox::{Bell, Mailbox};
use super::scheduler::Scheduler;
use super::thread_state::{ThreadId, ThreadState};
use crate::sys::wakeup::Wakeup;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

pub(super) enum Message {
    Spawn(Job),
    Unpark(ThreadId),
    /// The future that it waits for can be polled.
    Wake(ThreadId),
    Cancel(ThreadId),
}

impl Bell for Wakeup {
    fn ring(&self) {
        self.notify();
    }

    fn silence(&self) {
        self.clear();
    }
}

/// The mailbox of a runtime.
pub(crate) struct Inbox {
    mailbox: Mailbox<Message, Wakeup>,
    /// The runtime's serial number.
    runtime: u64,
}

impl Inbox {
    pub(super) fn has_mail(&self) -> bool {
        self.mailbox.has_mail()
    }

    pub(super) fn notify(&self) {
        self.mailbox.notify();
    }

    /// Sleeps until there is mail, until `nanos` have passed, or until a signal
    /// has come.
    pub(super) fn wait(&self, nanos: Option<u64>) {
        self.mailbox.bell.wait(nanos);
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.mailbox.bell.as_fd()
    }

    /// Nothing is read any more.
    pub(super) fn close(&self) {
        drop(self.mailbox.close());
    }
}

impl Scheduler {
    /// # Panics
    ///
    /// If the system has no more descriptors.
    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        self.inbox.get_or_init(|| {
            let bell = Wakeup::new().unwrap_or_else(|error| {
                panic!(
                    "cannot make the descriptor by which other OS threads wake this runtime: \
                     {error}; the limit of open files is `ulimit -n`"
                )
            });
            Arc::new(Inbox { mailbox: Mailbox::new(bell), runtime: self.serial() })
        })
    }

    /// Does what other OS threads have asked for.
    pub(super) fn read_inbox(&self, inbox: &Inbox) {
        for message in inbox.mailbox.read() {
            let (id, reach): (ThreadId, fn(&ThreadState)) = match message {
                Message::Spawn(job) => {
                    self.spawn_job(job);
                    continue;
                }
                Message::Unpark(id) => (id, ThreadState::unpark),
                Message::Wake(id) => (id, ThreadState::wake_future),
                Message::Cancel(id) => (id, ThreadState::cancel),
            };
            if let Some(thread) = self.find(id) {
                reach(&thread);
            }
        }
    }

    /// Can anybody outside wake a green thread?
    pub(super) fn can_be_reached(&self) -> bool {
        self.inbox.get().is_some_and(|inbox| inbox.mailbox.has_senders())
    }
}

/// Reaches a runtime from any OS thread: spawns green threads on it, unparks
/// and cancels those that it has.
///
/// As long as there is one, a runtime in which everybody waits sleeps in the
/// kernel, and does not take it for a deadlock.
///
/// # Examples
///
/// ```
/// use leno::thread;
///
/// leno::run(|| {
///     let (handle, me) = (leno::Handle::current(), thread::current().id());
///     std::thread::spawn(move || handle.unpark(me));
///     thread::park();
/// });
/// ```
pub struct Handle {
    inbox: Arc<Inbox>,
}

/// The runtime of a [`Handle`] has ended. Gives back what was to be spawned.
pub struct Ended<F>(pub F);

impl Handle {
    /// A handle of the runtime that the caller runs in.
    ///
    /// # Panics
    ///
    /// Outside a runtime. If the system has no more descriptors.
    #[must_use]
    #[track_caller]
    pub fn current() -> Handle {
        Handle::of(super::scheduler("leno::Handle::current"))
    }

    pub(super) fn of(scheduler: &Scheduler) -> Handle {
        let inbox = scheduler.inbox().clone();
        inbox.mailbox.add_sender();
        Handle { inbox }
    }

    /// Spawns a green thread on the runtime. It begins there as soon as the
    /// runtime comes to it: when it has nothing else to do, or after some dozens
    /// of switches.
    ///
    /// # Errors
    ///
    /// [`Ended`] gives `f` back if the runtime has ended. If it ends before it
    /// comes to `f`, `f` is dropped.
    pub fn spawn<F>(&self, f: F) -> Result<(), Ended<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        // Looked at first: a closure in a box cannot be given back as it was.
        if self.inbox.mailbox.is_closed() {
            return Err(Ended(f));
        }
        let _ = self.inbox.mailbox.post(Message::Spawn(Box::new(f)));
        Ok(())
    }

    /// As [`Thread::unpark`](crate::thread::Thread::unpark), from any OS thread.
    /// Does nothing if the green thread or its runtime has ended.
    pub fn unpark(&self, thread: ThreadId) {
        let _ = self.inbox.mailbox.post(Message::Unpark(thread));
    }

    /// As [`JoinHandle::cancel`](crate::thread::JoinHandle::cancel), from any OS
    /// thread. Does nothing if the green thread or its runtime has ended.
    pub fn cancel(&self, thread: ThreadId) {
        let _ = self.inbox.mailbox.post(Message::Cancel(thread));
    }

    /// Has the runtime ended?
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.inbox.mailbox.is_closed()
    }
}

impl Clone for Handle {
    fn clone(&self) -> Handle {
        self.inbox.mailbox.add_sender();
        Handle { inbox: self.inbox.clone() }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inbox.mailbox.remove_sender();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("is_ended", &self.is_ended()).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Ended<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ended(..)")
    }
}

impl<F> fmt::Display for Ended<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime of this handle has ended; nothing was spawned")
    }
}

impl<F> std::error::Error for Ended<F> {}

/// Wakes one green thread that waits for a future.
pub(crate) struct WakerState {
    inbox: Arc<Inbox>,
    number: AtomicU64,
    woken: AtomicBool,
}

impl WakerState {
    pub(crate) fn new(scheduler: &Scheduler) -> Arc<WakerState> {
        let inbox = scheduler.inbox().clone();
        Arc::new(WakerState { inbox, number: AtomicU64::new(0), woken: AtomicBool::new(false) })
    }

    /// For the green thread with this number, which has not been woken yet.
    pub(crate) fn prepare(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
        self.woken.store(false, Ordering::Relaxed);
    }

    /// Has it been woken since it was asked last?
    pub(crate) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::Acquire)
    }

    /// Somebody may hold a waker: until [`WakerState::remove_sender`] the runtime
    /// sleeps, when nobody can run, and does not take that for a deadlock.
    pub(crate) fn add_sender(&self) {
        self.inbox.mailbox.add_sender();
    }

    pub(crate) fn remove_sender(&self) {
        self.inbox.mailbox.remove_sender();
    }
}

impl Wake for WakerState {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.swap(true, Ordering::Release) {
            return;
        }
        let number = self.number.load(Ordering::Relaxed);
        let id = ThreadId { runtime: self.inbox.runtime, number };
        match try_scheduler() {
            Some(scheduler) if scheduler.serial() == id.runtime => {
                if let Some(thread) = scheduler.find(id) {
                    thread.wake_future();
                }
            }
            _ => {
                let _ = self.inbox.mailbox.post(Message::Wake(id));
            }
        }
    }
}
