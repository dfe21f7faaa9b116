//! What other OS threads have asked of a runtime, and how it sleeps until they
//! ask.

#![forbid(unsafe_code)]

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crate::inspect::trace::Cause;
use crate::kernel::current::try_scheduler;
use crate::kernel::scheduler::Scheduler;
use crate::kernel::thread_info::{ThreadId, ThreadInfo};
use crate::kernel::wait_queue::WaitQueue;
use crate::remote::future::{Awaiting, SpareWaker};
use crate::remote::mailbox::{Bell, Mailbox};
use crate::sys::wakeup::Wakeup;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

pub(crate) enum Message {
    Spawn(Job),
    Unpark(ThreadId),
    /// The future that it waits for can be polled.
    Wake(ThreadId),
    Cancel(ThreadId),
}

impl Message {
    fn reach(self, scheduler: &Scheduler) {
        let (id, reach): (ThreadId, fn(&ThreadInfo)) = match self {
            Message::Spawn(job) => return scheduler.spawn_job(job),
            Message::Unpark(id) => (id, ThreadInfo::unpark),
            Message::Wake(id) => (id, ThreadInfo::wake_future),
            Message::Cancel(id) => (id, ThreadInfo::cancel),
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
pub(crate) struct Outside {
    pub(crate) inbox: OnceCell<Arc<Inbox>>,
    /// Green threads that wait for a future.
    pub(crate) awaiting: WaitQueue<Awaiting>,
    /// Closures that run on other OS threads for one that waits here.
    pub(crate) unblocked: Cell<usize>,
    pub(crate) spare_waker: Cell<Option<SpareWaker>>,
    /// How many clones of a waker, by the address in it, green threads of this
    /// runtime keep for their end.
    pub(crate) kept_wakers: RefCell<HashMap<*const (), usize>>,
}

/// The mailbox of a runtime.
pub(crate) struct Inbox {
    mailbox: Mailbox<Message, Wakeup>,
    /// The runtime's serial number.
    pub(crate) runtime: u64,
}

impl Inbox {
    /// Has the runtime do what the message says that is made of `content`: at
    /// once if we are in it, and otherwise as soon as it looks.
    ///
    /// # Errors
    ///
    /// Gives `content` back if the runtime has ended.
    pub(crate) fn send<T>(&self, content: T, message: impl FnOnce(T) -> Message) -> Result<(), T> {
        match try_scheduler() {
            Some(scheduler) if scheduler.serial() == self.runtime => {
                message(content).reach(scheduler);
                Ok(())
            }
            _ => self.mailbox.post(content, message),
        }
    }

    pub(crate) fn add_sender(&self) {
        self.mailbox.add_sender();
    }

    pub(crate) fn remove_sender(&self) {
        self.mailbox.remove_sender();
    }

    /// Has the runtime look.
    pub(crate) fn notify(&self) {
        self.mailbox.notify();
    }

    /// Sleeps until there is mail, until `nanos` have passed, or until a signal
    /// has come.
    pub(crate) fn sleep(&self, nanos: Option<u64>) {
        self.mailbox.sleep(|bell| bell.wait(nanos));
    }

    /// The host has slept for us.
    pub(crate) fn has_slept(&self) {
        self.mailbox.sleep(|_| {});
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.mailbox.bell.as_fd()
    }

    /// Nothing is read any more. What is left is dropped.
    pub(crate) fn close(&self) {
        drop(self.mailbox.close());
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.mailbox.is_closed()
    }
}

impl Scheduler {
    /// # Panics
    ///
    /// If the system has no more descriptors.
    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
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
    pub(crate) fn read_inbox(&self) {
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
    pub(crate) fn can_be_reached(&self) -> bool {
        self.somebody_has_a_waker()
            || self.outside.inbox.get().is_some_and(|inbox| !inbox.mailbox.is_deserted())
    }
}
