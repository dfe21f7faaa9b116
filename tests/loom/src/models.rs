//! The models: a reader that works like `src/runtime/idle.rs`, and senders.

#[cfg(feature = "loom")]
use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};
#[cfg(not(feature = "loom"))]
use std::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

pub use thread::spawn;

/// Runs a model in every possible order, with at most three preemptions.
#[cfg(feature = "loom")]
pub fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Runs a model a few thousand times, or a few times under Miri.
#[cfg(not(feature = "loom"))]
pub fn check(model: impl Fn() + Sync + Send + 'static) {
    let runs = if cfg!(miri) { 8 } else { 3_000 };
    (0..runs).for_each(|_| model());
}

/// A bell that remembers a ring, as an eventfd does.
pub struct Rung {
    is_rung: Mutex<bool>,
    rung: Condvar,
}

impl Rung {
    pub fn new() -> Rung {
        Rung { is_rung: Mutex::new(false), rung: Condvar::new() }
    }

    pub fn ring(&self) {
        *self.is_rung.lock().unwrap() = true;
        self.rung.notify_one();
    }

    pub fn silence(&self) {
        *self.is_rung.lock().unwrap() = false;
    }

    pub fn wait(&self) {
        let mut is_rung = self.is_rung.lock().unwrap();
        while !*is_rung {
            is_rung = self.rung.wait(is_rung).unwrap();
        }
    }
}

pub type Shared<T> = Arc<T>;

/// Defines the models for the `Mailbox` and `Bell` in scope, and gives each test these
/// attributes.
macro_rules! models {
    ($(#[$attribute:meta])*) => {
        #[cfg(test)]
        mod models {
            use super::{Bell, Mailbox};
            use crate::models::{Rung, Shared, check, spawn};
            use crate::sync_shim::{AtomicUsize, Ordering};

            impl Bell for Rung {
                fn ring(&self) {
                    Rung::ring(self);
                }

                fn silence(&self) {
                    Rung::silence(self);
                }
            }

            type Numbers = Mailbox<u32, Rung>;

            fn mailbox(senders: usize) -> Shared<Numbers> {
                let mailbox = Shared::new(Mailbox::new(Rung::new()));
                (0..senders).for_each(|_| mailbox.add_sender());
                mailbox
            }

            /// Reads and sleeps like an idle runtime, until no sender is left. A sleep
            /// without a wake is a deadlock of the model, and a missing sleep makes the
            /// model run for ever.
            fn read_all(mailbox: &Numbers) -> Vec<u32> {
                let mut read = Vec::new();
                loop {
                    if mailbox.has_mail() {
                        read.append(&mut mailbox.read());
                    }
                    if mailbox.is_deserted() {
                        return read;
                    }
                    mailbox.sleep(Rung::wait);
                }
            }

            #[test]
            $(#[$attribute])*
            fn what_two_post_is_read_once() {
                check(|| {
                    let mailbox = mailbox(2);
                    let senders = [1, 2].map(|message| {
                        let mailbox = mailbox.clone();
                        spawn(move || {
                            mailbox.post(message, |message| message).unwrap();
                            mailbox.remove_sender();
                        })
                    });
                    let mut read = read_all(&mailbox);
                    read.sort();
                    assert_eq!(read, [1, 2]);
                    senders.into_iter().for_each(|sender| sender.join().unwrap());
                });
            }

            #[test]
            $(#[$attribute])*
            fn what_one_posts_is_read_in_order() {
                check(|| {
                    let mailbox = mailbox(1);
                    let sender = {
                        let mailbox = mailbox.clone();
                        spawn(move || {
                            (1..=3).for_each(|n| mailbox.post(n, |n| n).unwrap());
                            mailbox.remove_sender();
                        })
                    };
                    assert_eq!(read_all(&mailbox), [1, 2, 3]);
                    sender.join().unwrap();
                });
            }

            #[test]
            $(#[$attribute])*
            fn a_reader_learns_that_the_last_one_has_gone() {
                check(|| {
                    let mailbox = mailbox(2);
                    let senders = [(); 2].map(|()| {
                        let mailbox = mailbox.clone();
                        spawn(move || mailbox.remove_sender())
                    });
                    assert!(read_all(&mailbox).is_empty());
                    senders.into_iter().for_each(|sender| sender.join().unwrap());
                });
            }

            #[test]
            $(#[$attribute])*
            fn what_comes_before_a_notification_is_seen() {
                check(|| {
                    let mailbox = mailbox(0);
                    let done = Shared::new(AtomicUsize::new(0));
                    let other = {
                        let (mailbox, done) = (mailbox.clone(), done.clone());
                        spawn(move || {
                            done.store(1, Ordering::Relaxed);
                            mailbox.notify();
                        })
                    };
                    if mailbox.has_mail() {
                        mailbox.read();
                        assert_eq!(done.load(Ordering::Relaxed), 1);
                    }
                    other.join().unwrap();
                });
            }

            #[test]
            $(#[$attribute])*
            fn a_mailbox_that_is_closed_gives_everything_back_once() {
                check(|| {
                    let mailbox = mailbox(2);
                    let senders = [1, 2].map(|message| {
                        let mailbox = mailbox.clone();
                        spawn(move || {
                            let given_back = mailbox.post(message, |message| message).err();
                            mailbox.remove_sender();
                            given_back
                        })
                    });
                    let mut all = if mailbox.has_mail() { mailbox.read() } else { Vec::new() };
                    all.append(&mut mailbox.close());
                    assert!(mailbox.is_closed());
                    all.extend(senders.into_iter().filter_map(|sender| sender.join().unwrap()));
                    all.sort();
                    assert_eq!(all, [1, 2]);
                    assert!(mailbox.read().is_empty() && mailbox.close().is_empty());
                });
            }
        }
    };
}
