//! What other OS threads have asked of a runtime, and how the runtime sleeps until they ask.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::mailbox::{Bell, Mailbox};
use crate::access::{Access, Object, note};
use crate::cancel::cancel_thread;
use crate::kernel::features::SchedulerState;
use crate::kernel::{
    Cause, Outcome, Scheduler, ThreadId, ThreadInfo, Wait, WaitFor, try_scheduler,
};
use crate::sys::wakeup::Wakeup;

pub(super) type Job = Box<dyn FnOnce() + Send>;

pub(super) enum Message {
    /// A closure, and the line that spawns it.
    Spawn(Job, &'static Location<'static>),
    Unpark(ThreadId),
    /// What the thread waits for outside may have come: its future can be polled, its call on the pool
    /// has ended, a channel between runtimes has changed.
    Wake(ThreadId),
    Cancel(ThreadId),
}

impl Message {
    fn reach(self, scheduler: &Scheduler) {
        let (id, reach): (ThreadId, fn(&ThreadInfo)) = match self {
            Message::Spawn(job, at) => return spawn_job(scheduler, job, at),
            Message::Unpark(id) => (id, unpark),
            Message::Wake(id) => (id, wake),
            Message::Cancel(id) => (id, cancel_thread),
        };
        if let Some(thread) = scheduler.find(id) {
            reach(&thread);
        }
    }
}

/// Gives a thread its token, and wakes it if it waits for that in `park`.
#[track_caller]
pub(crate) fn unpark(info: &ThreadInfo) {
    note(Object::Token(info.id().number()), Access::Write, "unpark");
    let Some(control) = info.control() else { return };
    control.token().set(true);
    if matches!(control.waits_for().map(Wait::what), Some(WaitFor::Unpark)) {
        control.scheduler().wake(control, Outcome::Woken);
    }
}

/// Wakes a thread if it waits for something that ends by a message. It looks whether that has come.
fn wake(info: &ThreadInfo) {
    let Some(control) = info.control() else { return };
    let is_meant = match control.waits_for().map(Wait::what) {
        Some(WaitFor::Future(_)) => true,
        Some(WaitFor::Any(all)) => all.iter().any(ends_by_message),
        Some(what) => ends_by_message(what),
        None => false,
    };
    if is_meant {
        control.scheduler().wake(control, Outcome::Woken);
    }
}

fn ends_by_message(what: WaitFor<'_>) -> bool {
    matches!(what, WaitFor::External(external) if external.ends_by_message())
}

/// Spawns a thread that another OS thread has asked for.
fn spawn_job(scheduler: &Scheduler, job: Job, at: &'static Location<'static>) {
    match scheduler.stack(None) {
        Ok(stack) => drop(scheduler.spawn(stack, None, at, job)),
        Err(error) => {
            // Switching and unwinding are forbidden here.
            let dropped = scheduler.without_switching(|| drop(job));
            std::mem::forget(dropped);
            let _ = writeln!(
                io::stderr(),
                "leno: a green thread that another OS thread wanted was not spawned: {error}"
            );
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

/// What a runtime has to do with other OS threads.
pub(crate) struct Outside {
    inbox: OnceCell<Arc<Inbox>>,
    /// The number of closures that run on other OS threads for a thread that waits here.
    unblocked: Cell<usize>,
    /// The number of waits that other OS threads are going to end.
    awaiting: Cell<usize>,
    silence: Silence,
    /// How long only sockets have kept virtual time from passing.
    held_clock: Silence,
}

/// How long sockets may hold virtual time before the program is told. A test that talks to itself by
/// sockets waits for far less.
const HELD_CLOCK_NANOS: u64 = 1_000_000_000;

impl Default for Outside {
    fn default() -> Outside {
        let held_clock = Silence::default();
        held_clock.limit.set(Some(HELD_CLOCK_NANOS));
        Outside {
            inbox: OnceCell::new(),
            unblocked: Cell::new(0),
            awaiting: Cell::new(0),
            silence: Silence::default(),
            held_clock,
        }
    }
}

/// How long the runtime has slept without a deadline, in nanoseconds of the system's clock.
#[derive(Default)]
pub(crate) struct Silence {
    /// How long it may sleep before the program is told.
    limit: Cell<Option<u64>>,
    /// When it began, and the count of switches then.
    begun: Cell<Option<(u64, usize)>>,
    is_reported: Cell<bool>,
}

impl Silence {
    pub(crate) fn set_limit(&self, limit: Duration) {
        self.limit.set(u64::try_from(limit.as_nanos()).ok());
    }

    /// Returns the time until the silence is to be reported, if it is and has not been.
    pub(crate) fn left(&self, now: impl FnOnce() -> u64, switches: usize) -> Option<u64> {
        let limit = self.limit.get()?;
        let now = now();
        let begun = self.begun.get().filter(|&(_, before)| before == switches);
        if begun.is_none() {
            self.begun.set(Some((now, switches)));
            self.is_reported.set(false);
        }
        let begun = begun.map_or(now, |(begun, _)| begun);
        (!self.is_reported.get()).then(|| begun.saturating_add(limit).saturating_sub(now))
    }

    /// Returns the limit, which has been reached. The silence is not reported again.
    pub(crate) fn report(&self) -> Duration {
        self.is_reported.set(true);
        Duration::from_nanos(self.limit.get().unwrap_or(0))
    }

    /// Returns the limit, which has been reached. No silence is reported again.
    pub(crate) fn report_for_good(&self) -> Duration {
        Duration::from_nanos(self.limit.take().unwrap_or(0))
    }
}

/// Returns what is known of the runtime's silence.
pub(crate) fn silence(scheduler: &Scheduler) -> &Silence {
    &outside(scheduler).silence
}

/// Returns how long only sockets have kept virtual time from passing.
pub(crate) fn held_clock(scheduler: &Scheduler) -> &Silence {
    &outside(scheduler).held_clock
}

// SAFETY: no other type has slot 2.
unsafe impl SchedulerState for Outside {
    const SLOT: usize = 2;
}

#[inline(always)]
fn outside(scheduler: &Scheduler) -> &Outside {
    scheduler.state()
}

/// The mailbox of a runtime.
pub(crate) struct Inbox {
    mailbox: Mailbox<Message, Wakeup>,
    /// The number of senders that were made at each line, for reports.
    senders: Mutex<BTreeMap<&'static Location<'static>, usize>>,
    /// The runtime's serial number.
    pub(super) runtime: u64,
}

impl Inbox {
    /// Makes the runtime do what the message asks for that is made of `content`: at once if the
    /// caller runs in it, and otherwise as soon as it looks.
    ///
    /// # Errors
    ///
    /// Returns `content` if the runtime has ended.
    pub(super) fn send<T>(&self, content: T, message: impl FnOnce(T) -> Message) -> Result<(), T> {
        match try_scheduler() {
            Some(scheduler) if scheduler.serial() == self.runtime => {
                message(content).reach(scheduler);
                Ok(())
            }
            _ => self.mailbox.post(content, message),
        }
    }

    /// Returns `true` if the caller runs in the runtime.
    pub(super) fn is_current(&self) -> bool {
        try_scheduler().is_some_and(|scheduler| scheduler.serial() == self.runtime)
    }

    /// Adds a sender, which was made at this line.
    pub(super) fn add_sender(&self, at: &'static Location<'static>) {
        *self.senders().entry(at).or_default() += 1;
        self.mailbox.add_sender();
    }

    /// Removes a sender, which was made at this line.
    pub(super) fn remove_sender(&self, at: &'static Location<'static>) {
        if let Entry::Occupied(mut count) = self.senders().entry(at) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        self.mailbox.remove_sender();
    }

    /// Returns the number of senders that were made at each line.
    pub(crate) fn senders(&self) -> MutexGuard<'_, BTreeMap<&'static Location<'static>, usize>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_mail(&self) -> bool {
        self.mailbox.has_mail()
    }

    /// Makes the runtime look.
    pub(crate) fn notify(&self) {
        self.mailbox.notify();
    }

    /// Sleeps until there is mail, until `nanos` have passed, or until a signal comes.
    pub(crate) fn sleep(&self, nanos: Option<u64>) {
        self.mailbox.sleep(|bell| bell.wait(nanos));
    }

    /// Notes that the host has slept in place of the runtime.
    pub(crate) fn has_slept(&self) {
        self.mailbox.sleep(|_| {});
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.mailbox.bell.as_fd()
    }

    /// Ends the reading. Drops what is left.
    pub(crate) fn close(&self) {
        drop(self.mailbox.close());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.mailbox.is_closed()
    }
}

/// Returns the inbox of a runtime. Makes it at the first use.
///
/// # Panics
///
/// If the system has no more descriptors.
pub(crate) fn inbox(scheduler: &Scheduler) -> &Arc<Inbox> {
    try_inbox(scheduler).unwrap_or_else(|error| {
        panic!(
            "cannot make the descriptor by which other OS threads wake this runtime: {error}; the \
             limit of open files is `ulimit -n`"
        )
    })
}

/// Returns the inbox of a runtime. Makes it at the first use.
///
/// # Errors
///
/// If the system has no more descriptors.
pub(super) fn try_inbox(scheduler: &Scheduler) -> io::Result<&Arc<Inbox>> {
    let place = &outside(scheduler).inbox;
    if let Some(inbox) = place.get() {
        return Ok(inbox);
    }
    let (mailbox, senders) = (Mailbox::new(Wakeup::new()?), Mutex::default());
    Ok(place.get_or_init(|| Arc::new(Inbox { mailbox, senders, runtime: scheduler.serial() })))
}

/// Returns the inbox of a runtime, if it has one.
#[inline(always)]
pub(crate) fn existing_inbox(scheduler: &Scheduler) -> Option<&Inbox> {
    outside(scheduler).inbox.get().map(|inbox| &**inbox)
}

/// Does what other OS threads have asked for.
#[inline(always)]
pub(crate) fn read_inbox(scheduler: &Scheduler) {
    if let Some(inbox) = existing_inbox(scheduler) {
        read_existing(scheduler, inbox);
    }
}

#[inline(never)]
fn read_existing(scheduler: &Scheduler, inbox: &Inbox) {
    if inbox.mailbox.has_mail() {
        scheduler.caused_by(Cause::Outside, || {
            for message in inbox.mailbox.read() {
                message.reach(scheduler);
            }
        });
    }
}

/// Returns `true` if a message may come, or has come.
pub(super) fn may_get_mail(scheduler: &Scheduler) -> bool {
    existing_inbox(scheduler).is_some_and(|inbox| !inbox.mailbox.is_deserted())
}

/// Returns `true` if a thread waits for what another OS thread is going to do.
pub(super) fn awaits_others(scheduler: &Scheduler) -> bool {
    outside(scheduler).awaiting.get() > 0
}

/// Changes the number of waits that other OS threads are going to end: with one, a runtime in which every
/// thread waits sleeps, and reports no deadlock.
pub(crate) fn count_awaiting(scheduler: &Scheduler, change: isize) {
    let awaiting = &outside(scheduler).awaiting;
    awaiting.set(awaiting.get().wrapping_add_signed(change));
}

/// Returns `true` if virtual time has to wait for closures on other OS threads.
pub(crate) fn holds_time(scheduler: &Scheduler) -> bool {
    outside(scheduler).unblocked.get() > 0
}

/// Runs `f`, during which virtual time stands still.
#[cfg(feature = "unblock")]
pub(crate) fn hold_time<T>(scheduler: &Scheduler, f: impl FnOnce() -> T) -> T {
    struct Held<'a>(&'a Cell<usize>);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let unblocked = &outside(scheduler).unblocked;
    unblocked.set(unblocked.get() + 1);
    let _held = Held(unblocked);
    f()
}
