//! io_uring(7), as a queue of reports: each descriptor has one request of IORING_OP_POLL_ADD, which
//! reports each change until it is removed.
//!
//! Adding a descriptor costs no system call: the request goes along with the next look. Removing one does:
//! a request refers to the file, and would keep a closed socket open.
//!
//! A ring belongs to the OS thread that made it. It is not shared with a forked child: the child must
//! not touch its memory, which is not mapped there.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

#[cfg(not(test))]
use io_uring::IoUring as RingInUse;

use super::epoll::event;
use super::events::{Event, Events, MOST_EVENTS};
use super::ring::{Completion, REMOVAL, Request, Ring};
use crate::sys::wakeup;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

#[cfg(test)]
use self::fake::Fake as RingInUse;

thread_local! {
    /// Its address tells OS threads apart.
    static HERE: Cell<u8> = const { Cell::new(0) };
}

fn here() -> usize {
    HERE.with(|here| ptr::from_ref(here).addr())
}

/// A ring of an OS thread.
pub(crate) struct Uring<R = RingInUse> {
    /// The OS thread that the ring belongs to.
    owner: usize,
    /// `None` once the runtime has ended.
    queues: RefCell<Option<Queues<R>>>,
    /// A duplicate of the ring's, with a number that stays in a forked child.
    descriptor: OwnedFd,
}

/// A ring, and the requests for which its queue had no room. While there are such, the queue is full: no
/// removal overtakes the request that it removes.
struct Queues<R> {
    ring: R,
    unsent: VecDeque<Request>,
    /// The nanoseconds of the next pause if requests cannot be sent.
    pause: u64,
}

/// The first pause of a runtime that has nothing to do but to send what the system refuses, and the longest:
/// each is twice the one before.
const FIRST_PAUSE_NANOS: u64 = 1_000_000;
const LONGEST_PAUSE_NANOS: u64 = 16 * FIRST_PAUSE_NANOS;

// SAFETY: the ring is reached by `with` only, which returns early on any OS thread but the owner. The
// runtime closes it there before the OS thread ends, so no later OS thread is taken for the owner.
unsafe impl<R> Send for Uring<R> {}
// SAFETY: as above.
unsafe impl<R> Sync for Uring<R> {}

impl<R: Ring> Queues<R> {
    /// Makes a ring.
    fn new() -> io::Result<Queues<R>> {
        Ok(Queues { ring: R::new()?, unsent: VecDeque::new(), pause: FIRST_PAUSE_NANOS })
    }

    /// Adds a request to those that the next system call submits. None is lost if that fails.
    #[inline]
    fn push(&mut self, request: Request) {
        if !self.ring.push(request) {
            // mistake: full-queue-drops
            self.unsent.push_back(request);
            self.send();
        }
    }

    /// Sends all requests to the system, which puts completions into their queue. What cannot be sent now
    /// goes along with the next look.
    #[inline(never)]
    fn send(&mut self) {
        loop {
            match self.ring.enter() {
                // mistake: signal-ends-sending
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) | Ok(0) => return,
                Ok(_) => {
                    // mistake: unsent-forgotten
                    while let Some(&request) = self.unsent.front()
                        && self.ring.push(request)
                    {
                        self.unsent.pop_front();
                    }
                    // mistake: rest-unsent
                    if !self.ring.state().has_requests {
                        return;
                    }
                }
            }
        }
    }

    /// Sleeps for at most `nanos` if requests could not be sent, and nothing has come: the system has no
    /// memory, and the caller would try again at once.
    #[inline]
    fn back_off(&mut self, nanos: Option<u64>) {
        let state = self.ring.state();
        let is_all_sent = self.unsent.is_empty() && !state.has_requests;
        if is_all_sent {
            // mistake: pauses-stay-long
            self.pause = FIRST_PAUSE_NANOS;
        } else if nanos != Some(0) && !state.has_completions {
            self.ring.pause(self.pause.min(nanos.unwrap_or(u64::MAX)));
            // mistake: pauses-grow-for-ever
            self.pause = LONGEST_PAUSE_NANOS.min(2 * self.pause);
        }
    }
}

impl<R: Ring> Uring<R> {
    /// Makes a ring for this OS thread.
    ///
    /// # Errors
    ///
    /// If the kernel has no io_uring or an old one, or refuses it to this process.
    pub(crate) fn new() -> io::Result<Uring<R>> {
        let queues = Queues::<R>::new()?;
        let descriptor = queues.ring.descriptor().try_clone_to_owned()?;
        Ok(Uring { owner: here(), queues: RefCell::new(Some(queues)), descriptor })
    }

    /// Calls `f` with the ring. Returns `None` on other OS threads, and after the runtime has ended.
    fn with<T>(&self, f: impl FnOnce(&mut Queues<R>) -> T) -> Option<T> {
        if here() != self.owner {
            return None;
        }
        self.queues.borrow_mut().as_mut().map(f)
    }

    /// Replaces the ring in a forked child by a new one. Nothing is added to it.
    ///
    /// # Errors
    ///
    /// As [`Uring::new`].
    pub(crate) fn renew(&self) -> io::Result<()> {
        let new = Queues::<R>::new()?;
        wakeup::replace(&self.descriptor, &new.ring.descriptor().try_clone_to_owned()?);
        if let Some(old) = self.queues.borrow_mut().replace(new) {
            old.ring.abandon();
        }
        Ok(())
    }

    /// Adds a descriptor, for both directions. If it is ready, the next look reports it. A failure is
    /// reported as readiness: the call that is made then finds it.
    pub(crate) fn add(&self, descriptor: RawFd, token: u64) {
        let both = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;
        self.poll(descriptor, token, both as u32);
    }

    /// Adds a descriptor that is reported when it becomes readable.
    pub(crate) fn add_bell(&self, descriptor: RawFd, token: u64) {
        self.poll(descriptor, token, libc::POLLIN as u32);
    }

    fn poll(&self, descriptor: RawFd, token: u64, flags: u32) {
        self.with(|queues| queues.push(Request::Poll { descriptor, token, flags }));
    }

    /// Removes a descriptor, so that closing it closes the file. Returns `false` on other OS threads than
    /// that of the runtime.
    pub(crate) fn remove(&self, token: u64) -> bool {
        let removed = self.with(|queues| {
            queues.push(Request::Remove { token });
            // mistake: removal-unsubmitted
            queues.send();
        });
        removed.is_some()
    }

    /// Returns `true` if a look would submit or find something. Costs no system call.
    pub(crate) fn has_news(&self) -> bool {
        let has_news = self.with(|queues| {
            let state = queues.ring.state();
            // A small queue may be empty while the kernel holds completions that it had no room for.
            // mistake: overflow-unheard
            let is_queued = state.has_completions || state.has_overflown;
            // mistake: requests-unheard
            is_queued || state.has_requests || state.has_work
        });
        has_news.unwrap_or(false)
    }

    /// Sends what has been added to the system.
    pub(crate) fn flush(&self) {
        self.with(|queues| {
            // mistake: unflushed
            if queues.ring.state().has_requests {
                queues.send();
            }
        });
    }

    /// Waits until a descriptor has become ready, `nanos` nanoseconds have passed, or a signal has
    /// arrived. Leaves in `events` what has become ready. Does not wait if requests could not be sent at once,
    /// and only for some milliseconds if they still cannot be.
    pub(crate) fn wait(&self, events: &mut Events, nanos: Option<u64>) {
        events.events.clear();
        self.with(|queues| {
            // An error is a signal or the end of the time, or comes with completions to be taken.
            let _ = match nanos {
                // mistake: sleeps-unsent
                _ if !queues.unsent.is_empty() => {
                    queues.send();
                    Ok(())
                }
                Some(0) => queues.ring.enter().map(drop),
                _ if queues.ring.state().has_completions => queues.ring.enter().map(drop),
                nanos => queues.ring.wait(nanos).map(drop),
            };
            // mistake: shortage-unpaused
            queues.back_off(nanos);
            queues.ring.take(MOST_EVENTS, |completion| {
                if let Some(event) = event_of(completion) {
                    events.events.push(event);
                }
            });
        });
    }

    /// Ends all requests, and closes the ring: the runtime has ended. The kernel ends what is left in a
    /// closed ring at some later time, and until then a closed socket would stay open.
    pub(crate) fn close(&self) {
        self.with(|queues| {
            // If it cannot be sent, the kernel ends them later.
            // mistake: end-leaves-requests
            queues.push(Request::RemoveAll);
            queues.send();
        });
        if here() == self.owner {
            drop(self.queues.take());
        }
    }
}

/// Returns the event of a completion; `None` if it is of a removal.
fn event_of(completion: Completion) -> Option<Event> {
    let Completion { token, result, is_last } = completion;
    // mistake: answers-reported
    // mistake: end-by-itself-unheard
    if token == REMOVAL {
        return None;
    }
    // Of a request that has failed, the next call finds the reason. One that was removed reports that, and
    // one that the system ends by itself may look the same, so the caller tells them apart.
    let flags = u32::try_from(result).unwrap_or(libc::POLLERR as u32);
    Some(Event { is_last, ..event(token, flags) })
}

impl<R> AsFd for Uring<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
