//! How other OS threads reach a runtime: a list of messages, and a bell.
//!
//! This file uses nothing of leno but the names in `super::shared`, so that a
//! model checker can run it with its own.
//!
//! **The protocol.** Who posts puts the message into the list, and then, if the
//! flag was down, raises it and rings. Who reads silences the bell, takes the
//! flag down, and then takes the messages. So a message that is posted after the
//! list was taken finds the flag down, and rings again; and one that was posted
//! between the two is read at once, and the bell rings once for nothing.

#![forbid(unsafe_code)]

use super::shared::{AtomicBool, AtomicUsize, Mutex, Ordering};

/// What wakes a reader that sleeps.
pub trait Bell {
    /// Ends the reader's sleep, or its next one.
    fn ring(&self);
    /// Takes back what `ring` did.
    fn silence(&self);
}

/// Messages for one reader, from any OS thread.
pub struct Mailbox<M, B> {
    messages: Mutex<Option<Vec<M>>>,
    /// There may be messages, or something else to look at.
    flag: AtomicBool,
    /// Those who may still post.
    senders: AtomicUsize,
    pub(super) bell: B,
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

    /// Posts a message.
    ///
    /// # Errors
    ///
    /// Gives it back if the reader is gone.
    pub fn post(&self, message: M) -> Result<(), M> {
        match &mut *self.messages.lock().unwrap() {
            Some(messages) => messages.push(message),
            None => return Err(message),
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
        self.bell.silence();
        self.flag.swap(false, Ordering::AcqRel);
        self.messages.lock().unwrap().as_mut().map(std::mem::take).unwrap_or_default()
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
        // AcqRel: what the last one posted comes before the reader gives up.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.notify();
        }
    }

    /// May anybody still post?
    pub fn has_senders(&self) -> bool {
        self.senders.load(Ordering::Acquire) > 0
    }
}
