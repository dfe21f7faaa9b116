//! Snapshots that a signal asks for.
//!
//! ```text
//!   FIRST --> Listener ---> Listener ---> null      never freed, used again
//!              asked         asked
//!              inbox ---+    inbox = null: free
//!                       v
//!                     Inbox of a runtime: its bell ends a sleep in the system
//! ```
//!
//! The handler may run on any OS thread, between any two instructions. It goes through the list,
//! sets the flag of each listener, and then notifies the runtime's mailbox, which takes two atomic
//! operations and a write(2). A runtime that ends takes its inbox out, and waits until every
//! handler that may have seen the inbox has ended.

use std::cell::OnceCell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::{hint, io};

use super::snapshot::{Seen, snapshot};
use crate::inspect::with_room;
use crate::kernel::Scheduler;
use crate::kernel::features::SchedulerState;
use crate::remote::inbox::{Inbox, inbox};
use crate::sys::signal::{self, Signal};

/// A place for one runtime that hears of the signal.
struct Listener {
    /// Set if the signal has come since the runtime looked last.
    asked: AtomicBool,
    /// A counted reference, or null if the place is free.
    inbox: AtomicPtr<Inbox>,
    /// The number of handlers that are looking at `inbox`.
    visitors: AtomicUsize,
    next: *const Listener,
}

static FIRST: AtomicPtr<Listener> = AtomicPtr::new(ptr::null_mut());

/// Returns all listeners.
fn listeners() -> impl Iterator<Item = &'static Listener> {
    // SAFETY: listeners are leaked boxes, and `next` never changes.
    let first = unsafe { FIRST.load(Ordering::Acquire).as_ref() };
    std::iter::successors(first, |listener| {
        // SAFETY: listeners are leaked boxes, and `next` never changes.
        unsafe { listener.next.as_ref() }
    })
}

extern "C" fn on_signal(_: libc::c_int) {
    signal::keeping_errno(|| {
        for listener in listeners() {
            // One order for all: a runtime that takes its inbox out after this sees this visitor.
            listener.visitors.fetch_add(1, Ordering::SeqCst);
            // SAFETY: an inbox is not freed while it has visitors.
            if let Some(inbox) = unsafe { listener.inbox.load(Ordering::SeqCst).as_ref() } {
                // First: the notified runtime finds the flag set.
                listener.asked.store(true, Ordering::Release);
                inbox.notify();
            }
            listener.visitors.fetch_sub(1, Ordering::SeqCst);
        }
    });
}

/// A runtime that listens, and what it does with a snapshot.
pub(crate) struct Listening {
    listener: &'static Listener,
    show: fn(&Scheduler, Vec<Seen>),
}

impl Listening {
    fn new(inbox: Arc<Inbox>, show: fn(&Scheduler, Vec<Seen>)) -> Listening {
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
            // A handler is about to leave, on another OS thread.
            hint::spin_loop();
        }
        self.listener.asked.store(false, Ordering::Relaxed);
        // SAFETY: `new` made the pointer of an `Arc`, and no handler has it any more.
        drop(unsafe { Arc::from_raw(inbox) });
    }
}

/// Set if a signal may ask for a snapshot.
#[derive(Default)]
pub(super) struct SignalDump(OnceCell<Listening>);

// SAFETY: no other type has slot 6, and every scheduler gets such a state.
unsafe impl SchedulerState for SignalDump {
    const SLOT: usize = 6;
}

/// Makes `scheduler` hand a snapshot of its green threads to `show` when the process gets
/// `signal`.
pub(crate) fn listen_for_signal(
    scheduler: &Scheduler,
    signal: Signal,
    show: fn(&Scheduler, Vec<Seen>),
) -> io::Result<()> {
    let SignalDump(listening) = scheduler.state();
    listening.get_or_init(|| Listening::new(inbox(scheduler).clone(), show));
    signal::handle(signal, on_signal)
}

/// Takes the snapshot that a signal has asked for.
pub(crate) fn poll(scheduler: &Scheduler) {
    if let Some(listening) = scheduler.state::<SignalDump>().0.get()
        && listening.listener.asked.load(Ordering::Relaxed)
    {
        answer(scheduler, listening);
    }
}

#[cold]
fn answer(scheduler: &Scheduler, listening: &Listening) {
    // What happened before the handler's store is seen after this.
    listening.listener.asked.swap(false, Ordering::Acquire);
    // The stack is that of a thread that has come to wait, and may be small.
    with_room(|| (listening.show)(scheduler, snapshot(scheduler)));
}
