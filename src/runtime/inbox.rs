//! What other OS threads have asked of a runtime, and how it sleeps until they
//! ask.

#![forbid(unsafe_code)]

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::current::try_scheduler;
use super::future::{Awaiting, SpareWaker};
use super::mailbox::{Bell, Mailbox};
use super::scheduler::Scheduler;
use super::thread_state::{ThreadId, ThreadState};
use super::trace::Cause;
use super::wait_list::WaitList;
use crate::sys::wakeup::Wakeup;

pub(super) type Job = Box<dyn FnOnce() + Send>;

pub(super) enum Message {
    Spawn(Job),
    Unpark(ThreadId),
    /// The future that it waits for can be polled.
    Wake(ThreadId),
    Cancel(ThreadId),
}

impl Message {
    fn reach(self, scheduler: &Scheduler) {
        let (id, reach): (ThreadId, fn(&ThreadState)) = match self {
            Message::Spawn(job) => return scheduler.spawn_job(job),
            Message::Unpark(id) => (id, ThreadState::unpark),
            Message::Wake(id) => (id, ThreadState::wake_future),
            Message::Cancel(id) => (id, ThreadState::cancel),
        };
        if let Some(thread) = scheduler.find(id) {
            reach(&thread);
        }
    }
}

impl Bell for Wakeup {
    fn ring(&self) {
        self.notify();
    }

    fn silence(&self) {
        self.clear();
    }
}

/// What a scheduler knows of the world outside.
#[derive(Default)]
pub(super) struct Outside {
    pub(super) inbox: OnceCell<Arc<Inbox>>,
    /// Green threads that wait for a future.
    pub(super) awaiting: WaitList<Awaiting>,
    /// Closures that run on other OS threads for one that waits here.
    pub(super) unblocked: Cell<usize>,
    pub(super) spare_waker: Cell<Option<SpareWaker>>,
    /// How many clones of a waker, by the address in it, green threads of this
    /// runtime keep for their end.
    pub(super) kept_wakers: RefCell<HashMap<*const (), usize>>,
}

/// The mailbox of a runtime.
pub(super) struct Inbox {
    mailbox: Mailbox<Message, Wakeup>,
    /// The runtime's serial number.
    pub(super) runtime: u64,
}

impl Inbox {
    /// Has the runtime do what the message says that is made of `content`: at
    /// once if we are in it, and otherwise as soon as it looks.
    ///
    /// # Errors
    ///
    /// Gives `content` back if the runtime has ended.
    pub(super) fn send<T>(&self, content: T, message: impl FnOnce(T) -> Message) -> Result<(), T> {
        match try_scheduler() {
            Some(scheduler) if scheduler.serial() == self.runtime => {
                message(content).reach(scheduler);
                Ok(())
            }
            _ => self.mailbox.post(content, message),
        }
    }

    pub(super) fn add_sender(&self) {
        self.mailbox.add_sender();
    }

    pub(super) fn remove_sender(&self) {
        self.mailbox.remove_sender();
    }

    /// Has the runtime look.
    pub(super) fn notify(&self) {
        self.mailbox.notify();
    }

    /// Sleeps until there is mail, until `nanos` have passed, or until a signal
    /// has come.
    pub(super) fn sleep(&self, nanos: Option<u64>) {
        self.mailbox.sleep(|bell| bell.wait(nanos));
    }

    /// The host has slept for us.
    pub(super) fn has_slept(&self) {
        self.mailbox.sleep(|_| {});
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.mailbox.bell.as_fd()
    }

    /// Nothing is read any more. What is left is dropped.
    pub(super) fn close(&self) {
        drop(self.mailbox.close());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.mailbox.is_closed()
    }
}

impl Scheduler {
    /// # Panics
    ///
    /// If the system has no more descriptors.
    pub(super) fn inbox(&self) -> &Arc<Inbox> {
        self.outside.inbox.get_or_init(|| {
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
    pub(super) fn read_inbox(&self) {
        if let Some(inbox) = self.outside.inbox.get()
            && inbox.mailbox.has_mail()
        {
            self.caused_by(Cause::Outside, || {
                for message in inbox.mailbox.read() {
                    message.reach(self);
                }
            });
        }
    }

    /// Can anybody outside make a green thread runnable?
    pub(super) fn can_be_reached(&self) -> bool {
        self.somebody_has_a_waker()
            || self.outside.inbox.get().is_some_and(|inbox| !inbox.mailbox.is_deserted())
    }
}
