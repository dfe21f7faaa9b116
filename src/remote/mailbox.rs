//! How other OS threads reach a runtime: a list of messages, and a bell.
//!
//! This file uses nothing of leno but the names in `crate::remote::sync_shim`, so that a
//! model checker can run it with its own (`tests/loom`).
//!
//! **The protocol.** Who posts puts the message into the list, and then, if the
//! flag was down, raises it and rings. Who reads takes the flag down, and then
//! takes the messages: one that is posted after that finds the flag down, and
//! rings again.
//!
//! A reader that has nothing to do sleeps until the bell rings, silences it, and
//! only then looks at the flag. So a flag that is raised later comes with a ring
//! that is heard by the next sleep. The ring of a message that was read before
//! it came ends one sleep for nothing, and is silenced like any other.
//!
//! Who posts for the last time says so after that, and rings. So a reader that
//! finds first no sender and then the flag down has seen everything.

#![forbid(unsafe_code)]

use crate::remote::sync_shim::{AtomicBool, AtomicUsize, Mutex, Ordering};

/// What wakes a reader that sleeps.
pub trait Bell {
    /// Ends the reader's sleep, or its next one.
    fn ring(&self);
    /// Takes back what `ring` did.
    fn silence(&self);
}

/// Messages for one reader, from any OS thread.
pub struct Mailbox<M, B> {
    /// None once the reader is gone.
    messages: Mutex<Option<Vec<M>>>,
    /// There may be messages, or something else to look at.
    flag: AtomicBool,
    /// Those who may still post.
    senders: AtomicUsize,
    pub(crate) bell: B,
}

impl<M, B: Bell> Mailbox<M, B> {
    pub fn new(bell: B) -> Mailbox<M, B> {
        Mailbox {
            messages: Mutex::new(Some(Vec::new())),
            flag: AtomicBool::new(false),
            senders: AtomicUsize::new(0),
            bell,
        }
    }

    /// Posts the message that `message` makes of `content`.
    ///
    /// # Errors
    ///
    /// Gives `content` back if the reader is gone.
    pub fn post<T>(&self, content: T, message: impl FnOnce(T) -> M) -> Result<(), T> {
        match &mut *self.messages.lock().unwrap() {
            Some(messages) => messages.push(message(content)),
            None => return Err(content),
        }
        self.notify();
        Ok(())
    }

    /// Has the reader look, whether there are messages or not.
    pub fn notify(&self) {
        // AcqRel: the reader that takes the flag down sees what we have done.
        if !self.flag.swap(true, Ordering::AcqRel) {
            self.bell.ring();
        }
    }

    /// May there be something to read?
    pub fn has_mail(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Takes all messages.
    pub fn read(&self) -> Vec<M> {
        self.flag.swap(false, Ordering::AcqRel);
        self.messages.lock().unwrap().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Sleeps by `wait`, which returns when the bell rings, and perhaps earlier.
    /// Only the reader may call this, and it looks for mail afterwards.
    pub fn sleep(&self, wait: impl FnOnce(&B)) {
        wait(&self.bell);
        self.bell.silence();
    }

    /// Is there nothing to read, and nobody who may post?
    pub fn is_deserted(&self) -> bool {
        // Acquire, and in this order: the flag that the last one raised before it
        // left is seen.
        self.senders.load(Ordering::Acquire) == 0 && !self.has_mail()
    }

    /// No more messages: gives those that nobody has read.
    pub fn close(&self) -> Vec<M> {
        self.messages.lock().unwrap().take().unwrap_or_default()
    }

    /// Is the reader gone?
    pub fn is_closed(&self) -> bool {
        self.messages.lock().unwrap().is_none()
    }

    /// One more who may post.
    pub fn add_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// One less. The reader learns when it was the last.
    pub fn remove_sender(&self) {
        // Release: what the last one posted comes before the reader gives up.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.notify();
        }
    }
}
