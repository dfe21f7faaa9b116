//! What a signal asks of runtimes: to show what their green threads are doing.
//!
//! ```text
//!   FIRST --> Listener ---> Listener ---> null      never freed, used again
//!              asked         asked
//!              inbox ---+    inbox = null: free
//!                       v
//!                     Inbox of a runtime: its bell ends a sleep in the kernel
//! ```
//!
//! The handler may run on any OS thread, between any two instructions. It goes
//! through the list, says in each listener that it was asked, and then notifies
//! the runtime's mailbox, which is made of two atomic operations and a write(2).
//! A runtime that ends takes its inbox out, and waits until no handler that may
//! have seen it is still there.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::{hint, io};

use super::inbox::Inbox;
use super::room::with_room;
use super::scheduler::Scheduler;
use super::survey::Seen;
use crate::sys::signal::{self, Signal};

/// A place for one runtime that wants to know of the signal.
struct Listener {
    /// The signal has come since the runtime looked last.
    asked: AtomicBool,
    /// A counted reference, or null if nobody listens here.
    inbox: AtomicPtr<Inbox>,
    /// How many handlers are looking at `inbox`.
    visitors: AtomicUsize,
    next: *const Listener,
}

static FIRST: AtomicPtr<Listener> = AtomicPtr::new(ptr::null_mut());

/// From the first one on.
fn listeners() -> impl Iterator<Item = &'static Listener> {
    // SAFETY: listeners are leaked boxes, and `next` never changes.
    let first = unsafe { FIRST.load(Ordering::Acquire).as_ref() };
    std::iter::successors(first, |listener| {
        // SAFETY: as above.
        unsafe { listener.next.as_ref() }
    })
}

extern "C" fn on_signal(_: libc::c_int) {
    signal::keeping_errno(|| {
        for listener in listeners() {
            // One order for all: whoever takes the inbox out after this sees that
            // we are here.
            listener.visitors.fetch_add(1, Ordering::SeqCst);
            // SAFETY: it is not freed before we are gone.
            if let Some(inbox) = unsafe { listener.inbox.load(Ordering::SeqCst).as_ref() } {
                // First: whoever is notified finds it.
                listener.asked.store(true, Ordering::Release);
                inbox.notify();
            }
            listener.visitors.fetch_sub(1, Ordering::SeqCst);
        }
    });
}

/// A runtime that listens, and what it does when it is asked.
pub(super) struct Listening {
    listener: &'static Listener,
    show: fn(Vec<Seen>),
}

impl Listening {
    fn new(inbox: Arc<Inbox>, show: fn(Vec<Seen>)) -> Listening {
        let inbox = Arc::into_raw(inbox).cast_mut();
        let free = listeners().find(|listener| {
            let taken = listener.inbox.compare_exchange(
                ptr::null_mut(),
                inbox,
                Ordering::SeqCst,
                Ordering::SeqCst,
            );
            taken.is_ok()
        });
        Listening { listener: free.unwrap_or_else(|| add_listener(inbox)), show }
    }
}

fn add_listener(inbox: *mut Inbox) -> &'static Listener {
    let listener = Box::leak(Box::new(Listener {
        asked: AtomicBool::new(false),
        inbox: AtomicPtr::new(inbox),
        visitors: AtomicUsize::new(0),
        next: FIRST.load(Ordering::Acquire),
    }));
    loop {
        let next = listener.next.cast_mut();
        match FIRST.compare_exchange(next, listener, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return listener,
            Err(first) => listener.next = first,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let inbox = self.listener.inbox.swap(ptr::null_mut(), Ordering::SeqCst);
        while self.listener.visitors.load(Ordering::SeqCst) > 0 {
            // A handler is on its way out, on another OS thread.
            hint::spin_loop();
        }
        self.listener.asked.store(false, Ordering::Relaxed);
        // SAFETY: `new` made it of an Arc, and nobody else has it any more.
        drop(unsafe { Arc::from_raw(inbox) });
    }
}

/// Has `scheduler` look at its green threads and hand that to `show`, when the
/// process gets `signal`.
pub(crate) fn listen_for_signal(
    scheduler: &Scheduler,
    signal: Signal,
    show: fn(Vec<Seen>),
) -> io::Result<()> {
    scheduler.listening.get_or_init(|| Listening::new(scheduler.inbox().clone(), show));
    signal::handle(signal, on_signal)
}

impl Scheduler {
    /// Does what signals have asked for.
    pub(super) fn poll_requests(&self) {
        if let Some(listening) = self.listening.get()
            && listening.listener.asked.load(Ordering::Relaxed)
        {
            self.answer(listening);
        }
    }

    #[cold]
    fn answer(&self, listening: &Listening) {
        // What happened before the handler's store is seen after this.
        listening.listener.asked.swap(false, Ordering::Acquire);
        // We are on the stack of whoever has come to wait, and that may be small.
        with_room(|| (listening.show)(self.survey()));
    }
}
