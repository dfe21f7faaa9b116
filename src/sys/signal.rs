//! Signals: one handler for all receivers of the process, beside the handlers of others.
//!
//! ```text
//!   SLOTS[signal]   the action that was replaced, and the number of users; under a lock
//!   CHAINED[signal] the handler that was replaced, which the handler calls
//!   FIRST --> Place ---> Place ---> null      never freed, used again
//!              wanted     wanted              signals, a bit for each
//!              pending    pending
//!              bell --+   bell = null: free
//!                     v
//!                   what the handler notifies: a descriptor, or the inbox of a runtime
//! ```
//!
//! The handler may run on any OS thread, between any two instructions. It goes through the list, and
//! sets the bit of each place that wants the signal before it rings. A receiver that is dropped takes
//! its bell out, and waits until every handler that may have seen the bell has ended.
//!
//! It is a handler, and not a signalfd(2): that needs the signal blocked on every OS thread, those of
//! other libraries too, and a child inherits the mask.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The number of signals that fit into a word, of which each has a bit.
const SIGNALS: usize = 64;

/// What a handler notifies.
pub(crate) trait Notify: Send + Sync {
    /// Makes the receiver look. Async-signal-safe.
    fn notify(&self);

    /// Replaces what a forked child shares with its parent.
    #[cfg(feature = "net")]
    fn renew(&self) {}
}

/// A place for one receiver.
struct Place {
    /// Written before the bell is.
    wanted: AtomicU64,
    /// The signals that have come and have not been taken.
    pending: AtomicU64,
    /// Null if the place is free.
    bell: AtomicPtr<Arc<dyn Notify>>,
    /// The number of handlers that are looking at `bell`.
    visitors: AtomicUsize,
    next: *const Place,
}

static FIRST: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());

/// Returns all places.
fn places() -> impl Iterator<Item = &'static Place> {
    // SAFETY: places are leaked boxes, and `next` never changes.
    let first = unsafe { FIRST.load(Ordering::Acquire).as_ref() };
    std::iter::successors(first, |place| {
        // SAFETY: places are leaked boxes, and `next` never changes.
        unsafe { place.next.as_ref() }
    })
}

/// What is known of a signal.
#[derive(Clone, Copy)]
struct Slot {
    users: usize,
    /// The watchdog has a handler of its own.
    is_reserved: bool,
    /// The action that the handler has replaced.
    replaced: Option<libc::sigaction>,
}

static SLOTS: Mutex<[Slot; SIGNALS]> =
    Mutex::new([Slot { users: 0, is_reserved: false, replaced: None }; SIGNALS]);

/// A handler that was there before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Chained {
    /// An address, or `SIG_DFL` or `SIG_IGN`.
    handler: libc::sighandler_t,
    takes_information: bool,
}

static CHAINED: [AtomicPtr<Chained>; SIGNALS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; SIGNALS];

/// Returns the slots. Held by code that changes the action of a signal.
fn slots() -> MutexGuard<'static, [Slot; SIGNALS]> {
    SLOTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the place of a signal in tables, and of its bit.
fn index(signal: libc::c_int) -> Option<usize> {
    usize::try_from(signal).ok()?.checked_sub(1).filter(|&index| index < SIGNALS)
}

extern "C" fn on_signal(
    signal: libc::c_int,
    information: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let Some(index) = index(signal) else { return };
    keeping_errno(|| {
        for place in places() {
            place.hear(1 << index);
        }
        // SAFETY: what the pointers lead to is leaked. The address is that of a handler that sigaction(2)
        // has returned together with the form of its arguments, which are those of this handler.
        unsafe {
            match CHAINED[index].load(Ordering::Acquire).as_ref() {
                Some(chained) if [libc::SIG_DFL, libc::SIG_IGN].contains(&chained.handler) => {}
                Some(&Chained { handler, takes_information: true }) => {
                    type Handler =
                        extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
                    let handler: Handler = std::mem::transmute(handler);
                    handler(signal, information, context);
                }
                Some(&Chained { handler, takes_information: false }) => {
                    let handler: extern "C" fn(libc::c_int) = std::mem::transmute(handler);
                    handler(signal);
                }
                None => {}
            }
        }
    });
}

impl Place {
    /// Notes a signal. Async-signal-safe.
    fn hear(&self, bit: u64) {
        // One order for all: a receiver that takes its bell out after this sees this visitor.
        self.visitors.fetch_add(1, Ordering::SeqCst);
        // SAFETY: a bell is not freed while its place has visitors.
        if let Some(bell) = unsafe { self.bell.load(Ordering::SeqCst).as_ref() }
            && self.wanted.load(Ordering::Relaxed) & bit != 0
        {
            // First: the notified receiver finds the bit set.
            self.pending.fetch_or(bit, Ordering::Release);
            bell.notify();
        }
        self.visitors.fetch_sub(1, Ordering::SeqCst);
    }

    /// Returns a free place, and gives it a bell. The caller holds the lock.
    fn take(wanted: u64, bell: Arc<dyn Notify>) -> &'static Place {
        let bell = Box::into_raw(Box::new(bell));
        let is_free = |place: &&Place| place.bell.load(Ordering::Relaxed).is_null();
        if let Some(place) = places().find(is_free) {
            place.wanted.store(wanted, Ordering::Relaxed);
            place.pending.store(0, Ordering::Relaxed);
            place.bell.store(bell, Ordering::SeqCst);
            return place;
        }
        let place = Box::leak(Box::new(Place {
            wanted: wanted.into(),
            pending: AtomicU64::new(0),
            bell: bell.into(),
            visitors: AtomicUsize::new(0),
            next: FIRST.load(Ordering::Acquire),
        }));
        FIRST.store(place, Ordering::Release);
        place
    }

    /// Takes the bell out. The caller holds the lock.
    fn free(&self) {
        let bell = self.bell.swap(ptr::null_mut(), Ordering::SeqCst);
        while self.visitors.load(Ordering::SeqCst) > 0 {
            // A handler is about to leave, on another OS thread.
            std::hint::spin_loop();
        }
        // SAFETY: `take` made the pointer of a box, and no handler has it any more.
        drop(unsafe { Box::from_raw(bell) });
    }
}

/// A receiver of signals, which are noted until it takes them: each once, however often it has come.
pub(crate) struct Receiver<N> {
    place: &'static Place,
    #[cfg_attr(not(feature = "net"), expect(dead_code, reason = "only waits need it"))]
    bell: Arc<N>,
}

impl<N: Notify + 'static> Receiver<N> {
    /// Returns a receiver of these signals, for which `bell` is notified. The handlers that were there
    /// before go on to be called.
    ///
    /// # Errors
    ///
    /// For a signal that no program can receive, or that leno's watchdog uses; if sigaction(2) fails.
    pub(crate) fn new(signals: &[libc::c_int], bell: Arc<N>) -> io::Result<Receiver<N>> {
        super::stay_loaded();
        let mut wanted = 0;
        for &signal in signals {
            wanted |= 1 << receivable(signal)?;
        }
        let mut slots = slots();
        // The place before the handler, so that no signal finds only the latter.
        let place = Place::take(wanted, bell.clone());
        let mut held = 0;
        for index in indices(wanted) {
            if let Err(error) = hold(&mut slots, index) {
                indices(held).for_each(|index| release(&mut slots, index));
                place.free();
                return Err(error);
            }
            held |= 1 << index;
        }
        Ok(Receiver { place, bell })
    }
}

impl<N> Receiver<N> {
    /// Returns `true` if a signal has come.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.place.pending.load(Ordering::Relaxed) != 0
    }

    /// Takes the lowest signal of those that have come.
    pub(crate) fn take(&self) -> Option<libc::c_int> {
        loop {
            // Acquire: what happened before the handler's store is seen after this.
            let pending = self.place.pending.load(Ordering::Acquire);
            let index = indices(pending).next()?;
            if self.place.pending.fetch_and(!(1 << index), Ordering::AcqRel) & 1 << index != 0 {
                return Some(number(index));
            }
        }
    }

    /// Returns the signals.
    #[cfg(feature = "net")]
    pub(crate) fn signals(&self) -> impl Iterator<Item = libc::c_int> {
        indices(self.place.wanted.load(Ordering::Relaxed)).map(number)
    }

    /// Returns what the handler notifies.
    #[cfg(feature = "net")]
    pub(crate) fn bell(&self) -> &N {
        &self.bell
    }
}

impl<N> Drop for Receiver<N> {
    fn drop(&mut self) {
        let mut slots = slots();
        indices(self.place.wanted.load(Ordering::Relaxed))
            .for_each(|index| release(&mut slots, index));
        self.place.free();
    }
}

/// Installs a handler by `f`. The signal has no receivers then.
///
/// # Errors
///
/// That of `f`.
#[cfg(all(feature = "debug", target_os = "linux"))]
pub(super) fn reserve(signal: libc::c_int, f: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let mut slots = slots();
    f()?;
    slots[receivable(signal)?].is_reserved = true;
    Ok(())
}

/// Keeps the handler of a signal for good.
///
/// # Errors
///
/// As [`Receiver::new`].
#[cfg(feature = "debug")]
pub(crate) fn keep(signal: libc::c_int) -> io::Result<()> {
    hold(&mut slots(), receivable(signal)?)
}

/// Makes all receivers replace what a forked child shares with its parent.
#[cfg(feature = "net")]
pub(crate) fn renew_in_child() {
    let _slots = slots();
    for place in places() {
        // SAFETY: a bell is freed under the lock only.
        if let Some(bell) = unsafe { place.bell.load(Ordering::SeqCst).as_ref() } {
            bell.renew();
        }
    }
}

fn indices(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(index)
    })
}

fn number(index: usize) -> libc::c_int {
    index as libc::c_int + 1
}

/// Returns the place of a signal that a program can receive.
fn receivable(signal: libc::c_int) -> io::Result<usize> {
    let refused = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    let index = match index(signal) {
        Some(index) => index,
        None => return refused(format!("there is no signal {signal}, or leno cannot receive it")),
    };
    match signal {
        libc::SIGKILL | libc::SIGSTOP => refused(format!(
            "signal {signal} (SIGKILL or SIGSTOP) cannot be received: the system lets no program handle it"
        )),
        libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE => refused(format!(
            "signal {signal} (SIGSEGV, SIGBUS, SIGILL or SIGFPE) cannot be received: the instruction that \
             has raised it would raise it again, for ever"
        )),
        _ => Ok(index),
    }
}

/// Adds a user of a signal. The first one installs the handler.
fn hold(slots: &mut [Slot; SIGNALS], index: usize) -> io::Result<()> {
    let (slot, signal) = (&mut slots[index], number(index));
    // mistake: reserved-received
    if slot.is_reserved {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!(
                "signal {signal} cannot be received while leno's watchdog uses it: let the program do \
                 without the watchdog"
            ),
        ));
    }
    if slot.replaced.is_none() {
        slot.replaced = Some(install(signal, index)?);
    }
    slot.users += 1;
    Ok(())
}

/// Installs the handler. Returns the action that it replaces.
fn install(signal: libc::c_int, index: usize) -> io::Result<libc::sigaction> {
    let before = exchange(signal, None)?;
    // Before the handler may run.
    chain(index, &before);
    let mut action = before;
    action.sa_sigaction = on_signal as *const () as usize;
    // As the earlier handler has it, if there is one.
    let kept = libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT | libc::SA_RESTART;
    let is_handled = ![libc::SIG_DFL, libc::SIG_IGN].contains(&before.sa_sigaction);
    let restart = if is_handled { 0 } else { libc::SA_RESTART };
    // On the signal stack, because a green thread may have little of its own stack left.
    action.sa_flags = before.sa_flags & kept | restart | libc::SA_SIGINFO | libc::SA_ONSTACK;
    // Other code may have installed a handler in between.
    let replaced = exchange(signal, Some(&action))?;
    chain(index, &replaced);
    Ok(replaced)
}

/// Makes the handler call the one that it replaces.
fn chain(index: usize, replaced: &libc::sigaction) {
    let takes_information = replaced.sa_flags & libc::SA_SIGINFO != 0;
    let chained = Chained { handler: replaced.sa_sigaction, takes_information };
    let place = &CHAINED[index];
    // SAFETY: what the pointer leads to is leaked.
    if unsafe { place.load(Ordering::Relaxed).as_ref() } != Some(&chained) {
        // A handler may be about to use the old one, so that is never freed.
        place.store(Box::leak(Box::new(chained)), Ordering::Release);
    }
}

/// Removes a user of a signal. After the last one, the action is what it was before. If other code has
/// installed a handler since, that may call this one, and both stay.
fn release(slots: &mut [Slot; SIGNALS], index: usize) {
    let (slot, signal) = (&mut slots[index], number(index));
    slot.users -= 1;
    if slot.users == 0
        && let Some(replaced) = slot.replaced
        // mistake: handler-stays
        // mistake: later-handler-lost
        && exchange(signal, None).is_ok_and(|it| it.sa_sigaction == on_signal as *const () as usize)
        && exchange(signal, Some(&replaced)).is_ok()
    {
        slot.replaced = None;
    }
}

/// Returns the action of a signal, and replaces it if `action` is given.
fn exchange(signal: libc::c_int, action: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    // SAFETY: all zeros is a valid sigaction, and every pointer is null or points to a live value. With
    // SA_SIGINFO a handler takes the arguments of `on_signal`.
    unsafe {
        let mut previous: libc::sigaction = MaybeUninit::zeroed().assume_init();
        let action = action.map_or(ptr::null(), ptr::from_ref);
        match libc::sigaction(signal, action, &mut previous) {
            0 => Ok(previous),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Calls `f` in a handler and restores errno after it, because the interrupted code may read errno.
pub(crate) fn keeping_errno(f: impl FnOnce()) {
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    use libc::__errno as location;
    #[cfg(any(target_os = "linux", target_os = "redox"))]
    use libc::__errno_location as location;
    #[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
    use libc::__error as location;
    // SAFETY: the location is valid as long as this OS thread runs, and belongs to it alone.
    let errno = unsafe { *location() };
    f();
    // SAFETY: the location is valid as long as this OS thread runs, and belongs to it alone.
    unsafe { *location() = errno };
}
