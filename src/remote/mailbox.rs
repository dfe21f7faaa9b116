//! The mailbox by which other OS threads reach a runtime: a list of messages, and a bell.
//!
//! This file uses nothing of leno but the names in `super::sync_shim`, so that a model checker
//! can run it with its own types (`tests/loom`).
//!
//! **The protocol.** A sender appends the message to the list. Then it raises the flag, and rings
//! if the flag was down. The reader lowers the flag, and then takes the messages: a message that
//! is posted after that finds the flag down, and its sender rings again.
//!
//! A reader without work sleeps until the bell rings, silences the bell, and only then looks at
//! the flag. So a flag that is raised later comes with a ring that the next sleep hears. The ring
//! of a message that has been read already ends one sleep without need.
//!
//! A sender that leaves counts itself out after its last post, and rings. So a reader that finds
//! first no sender and then the flag down has seen every message.

#![forbid(unsafe_code)]

use super::sync_shim::{AtomicBool, AtomicUsize, Mutex, Ordering};

/// A bell, which wakes a reader that sleeps.
pub trait Bell {
    /// Ends the reader's sleep, or its next sleep.
    fn ring(&self);
    /// Takes the effect of `ring` back.
    fn silence(&self);
}

/// Messages for one reader, from any OS thread.
pub struct Mailbox<M, B> {
    /// `None` once the reader is gone.
    messages: Mutex<Option<Vec<M>>>,
    /// There may be messages, or something else to look at.
    flag: AtomicBool,
    /// The number of senders that may still post.
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
    /// Returns `content` if the reader is gone.
    pub fn post<T>(&self, content: T, message: impl FnOnce(T) -> M) -> Result<(), T> {
        match &mut *self.messages.lock().unwrap() {
            Some(messages) => messages.push(message(content)),
            None => return Err(content),
        }
        self.notify();
        Ok(())
    }

    /// Makes the reader look at the mailbox, whether there are messages or not.
    pub fn notify(&self) {
        // AcqRel: the reader that lowers the flag sees what happened before this.
        if !self.flag.swap(true, Ordering::AcqRel) {
            self.bell.ring();
        }
    }

    /// Returns `true` if there may be a message.
    pub fn has_mail(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Takes all messages.
    pub fn read(&self) -> Vec<M> {
        self.flag.swap(false, Ordering::AcqRel);
        self.messages.lock().unwrap().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Sleeps by `wait`, which returns when the bell rings, and perhaps earlier. Only the reader
    /// calls this, and it looks for mail afterwards.
    pub fn sleep(&self, wait: impl FnOnce(&B)) {
        wait(&self.bell);
        self.bell.silence();
    }

    /// Returns `true` if there is no message, and no sender that may post one.
    pub fn is_deserted(&self) -> bool {
        // Acquire, and in this order: the flag that the last sender raised before it left is
        // seen.
        self.senders.load(Ordering::Acquire) == 0 && !self.has_mail()
    }

    /// Closes the mailbox. Returns the messages that have not been read.
    pub fn close(&self) -> Vec<M> {
        self.messages.lock().unwrap().take().unwrap_or_default()
    }

    /// Returns `true` if the reader is gone.
    pub fn is_closed(&self) -> bool {
        self.messages.lock().unwrap().is_none()
    }

    /// Adds a sender.
    pub fn add_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a sender. If it was the last, the reader learns of it.
    pub fn remove_sender(&self) {
        // Release: what the last sender has posted comes before the reader gives up.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.notify();
        }
    }
}
