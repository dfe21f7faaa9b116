//! The standard streams. Their open file descriptions are shared with the shell and with children, so they are
//! never set to non-blocking mode.
//!
//! A call is made at once if the system can tell that it does not wait: Linux tells that for pipes, sockets and
//! files (RWF_NOWAIT). If it would wait, a stream is waited for as other descriptors are, and the call made again.
//! Where the system cannot tell, as for a terminal, an OS thread of the pool makes the call once the stream is
//! ready. It may come to wait all the same: another process may be faster to read, and a terminal takes fewer bytes
//! than a line has. So nothing is lent to it. It owns the bytes, and a thread that is cancelled leaves it:
//! what it reads is for the next reader, and what it writes counts as written. The next call waits for it.

#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::begin;
use super::direction::Direction;
use super::file::MOST_TO_STREAM;
use super::watch::Watch;
use crate::cancel::interrupted;
use crate::kernel::{External, Outcome, Scheduler, Wait, WaitFor, try_scheduler};
use crate::remote::inbox::hold_time;
use crate::remote::pool;
use crate::remote::waiter::{self, Waiter};
use crate::sys::file::{read, read_cached, write, write_cached};
use crate::sys::pipe::without_signal;
use crate::sys::socket::is_file;
use crate::sys::wakeup;

/// The most bytes that are read at once.
const MOST_READ: usize = 8 << 10;

/// The most bytes that are written at once: other threads then have a turn.
const MOST_WRITTEN: usize = 64 << 10;

/// The process is about to end: calls are made on the OS thread that ends it.
static IS_EXITING: AtomicBool = AtomicBool::new(false);

/// A standard stream. A lock above this lets one thread at a time use it.
pub(crate) struct Standard {
    /// The name in reports.
    pub(crate) name: &'static str,
    pub(crate) direction: Direction,
    descriptor: fn() -> BorrowedFd<'static>,
    call: Mutex<OnPool>,
}

/// The call on an OS thread of the pool.
struct OnPool {
    is_running: bool,
    /// What it has read, or nothing; until the next call takes it.
    result: Option<io::Result<Vec<u8>>>,
    waiter: Option<Waiter>,
}

/// Notes that the process is about to end.
pub(crate) fn begin_exit() {
    IS_EXITING.store(true, Ordering::Relaxed);
}

/// Returns the scheduler of the current thread, if calls are to wait in it.
///
/// # Errors
///
/// In an exploration.
pub(crate) fn scheduler_of_streams() -> io::Result<Option<&'static Scheduler>> {
    if IS_EXITING.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let scheduler = try_scheduler();
    if scheduler.is_some_and(|scheduler| scheduler.is_controlled()) {
        return Err(io::Error::new(
            ErrorKind::Unsupported,
            "leno::weave explores a program by itself, and the standard streams depend on what is \
             outside: replace them by values or channels in the explored part",
        ));
    }
    Ok(scheduler)
}

impl Standard {
    pub(crate) const fn new(
        name: &'static str,
        direction: Direction,
        descriptor: fn() -> BorrowedFd<'static>,
    ) -> Standard {
        let call = OnPool { is_running: false, result: None, waiter: None };
        Standard { name, direction, descriptor, call: Mutex::new(call) }
    }

    /// Returns the verb of reports.
    pub(crate) fn verb(&self) -> &'static str {
        match self.direction {
            Direction::Read => "reads",
            Direction::Write => "writes to",
        }
    }

    /// Reads, and appends the bytes. Returns their number; 0 is the end. A closed stream is at its end.
    ///
    /// # Errors
    ///
    /// Those of read(2); in an exploration.
    #[track_caller]
    pub(crate) fn read(&'static self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        match self.read_open(bytes, Location::caller()) {
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(0),
            result => result,
        }
    }

    fn read_open(
        &'static self,
        bytes: &mut Vec<u8>,
        at: &'static Location<'static>,
    ) -> io::Result<usize> {
        let scheduler = scheduler_of_streams()?;
        if let Some(scheduler) = scheduler {
            begin(scheduler, at)?;
        }
        loop {
            match self.settled(scheduler, at) {
                Some(Ok(read)) => {
                    bytes.extend_from_slice(&read);
                    return Ok(read.len());
                }
                // Other code has set the stream to non-blocking mode.
                Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => {}
                Some(Err(error)) => return Err(error),
                None => {}
            }
            let descriptor = (self.descriptor)();
            let filled = bytes.len();
            bytes.resize(filled + MOST_READ, 0);
            let room = &mut bytes[filled..];
            let result = match scheduler {
                Some(_) => read_cached(descriptor, &mut [IoSliceMut::new(room)], None),
                None => read(descriptor, room),
            };
            bytes.truncate(filled + *result.as_ref().unwrap_or(&0));
            if self.may_be_called_again(result.as_ref(), scheduler, at)? {
                continue;
            }
            if is_unmade(&result) && scheduler.is_some() {
                self.start(move || {
                    let mut bytes = vec![0; MOST_READ];
                    let count = retried(|| read(descriptor, &mut bytes))?;
                    bytes.truncate(count);
                    Ok(bytes)
                });
                continue;
            }
            return result;
        }
    }

    /// Writes. Returns the number of bytes. A closed stream takes all.
    ///
    /// # Errors
    ///
    /// Those of write(2), also those of an earlier call; in an exploration.
    #[track_caller]
    pub(crate) fn write(&'static self, bytes: &[u8]) -> io::Result<usize> {
        match self.write_open(bytes, Location::caller()) {
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(bytes.len()),
            result => result,
        }
    }

    fn write_open(
        &'static self,
        bytes: &[u8],
        at: &'static Location<'static>,
    ) -> io::Result<usize> {
        let scheduler = scheduler_of_streams()?;
        if let Some(scheduler) = scheduler {
            begin(scheduler, at)?;
        }
        let part = &bytes[..bytes.len().min(MOST_WRITTEN)];
        loop {
            self.settled(scheduler, at).transpose()?;
            let descriptor = (self.descriptor)();
            let result = without_signal(|| match scheduler {
                Some(_) => write_cached(descriptor, &[IoSlice::new(part)], None),
                None => write(descriptor, part),
            });
            if self.may_be_called_again(result.as_ref(), scheduler, at)? {
                continue;
            }
            let Some(scheduler) = scheduler.filter(|_| is_unmade(&result)) else { return result };
            let most = if is_file(descriptor) { MOST_WRITTEN } else { MOST_TO_STREAM };
            let part = part[..part.len().min(most)].to_vec();
            let count = part.len();
            self.start(move || write_all(descriptor, &part).map(|()| Vec::new()));
            // The bytes belong to the call. A cancellation comes later, and the error of a call that is left
            // with the next call.
            while self.wait(Some(scheduler), at) == Outcome::Woken {
                if let Some(result) = self.result() {
                    return result.map(|_| count);
                }
            }
            return Ok(count);
        }
    }

    /// Waits until a call that was left to the pool has ended.
    ///
    /// # Errors
    ///
    /// Those of the call.
    #[track_caller]
    pub(crate) fn flush(&self) -> io::Result<()> {
        let at = Location::caller();
        self.settled(scheduler_of_streams()?, at).transpose().map(drop)
    }

    /// Waits for a stream on which a call would block, or which an OS thread is to use. Returns `true` if the
    /// call is to be made again here.
    fn may_be_called_again(
        &self,
        result: Result<&usize, &io::Error>,
        scheduler: Option<&Scheduler>,
        at: &'static Location<'static>,
    ) -> io::Result<bool> {
        let kind = result.err().map(io::Error::kind);
        match kind {
            Some(ErrorKind::Interrupted) => return Ok(true),
            Some(ErrorKind::WouldBlock) | Some(ErrorKind::Unsupported) => {}
            _ => return Ok(false),
        }
        let descriptor = (self.descriptor)();
        if scheduler.is_some() && is_file(descriptor) {
            return Ok(false);
        }
        // It is known to the runtime for this wait only: the program may put another file under the number.
        // mistake: terminal-unawaited
        Watch::default().wait_at(descriptor, &self.name, self.direction, at)?;
        Ok(kind == Some(ErrorKind::WouldBlock))
    }

    fn call(&self) -> MutexGuard<'_, OnPool> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an OS thread of the pool make a call.
    fn start(&'static self, f: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static) {
        self.call().is_running = true;
        pool::detach(move || {
            let result = f();
            let mut call = self.call();
            call.is_running = false;
            call.result = Some(result);
            if let Some(waiter) = call.waiter.take() {
                waiter.wake();
            }
        });
    }

    /// Waits until a call on the pool has ended, and takes its result. `None` if there was none.
    fn settled(
        &self,
        scheduler: Option<&Scheduler>,
        at: &'static Location<'static>,
    ) -> Option<io::Result<Vec<u8>>> {
        loop {
            let call = self.call();
            // At the exit of the process, nothing waits for a terminal that may be stopped.
            if !call.is_running || IS_EXITING.load(Ordering::Relaxed) {
                drop(call);
                return self.result();
            }
            drop(call);
            if self.wait(scheduler, at) == Outcome::Interrupted {
                interrupted();
            }
        }
    }

    fn result(&self) -> Option<io::Result<Vec<u8>>> {
        self.call().result.take()
    }

    /// Waits until the call on the pool has ended, perhaps for less.
    fn wait(&self, scheduler: Option<&Scheduler>, at: &'static Location<'static>) -> Outcome {
        let waiter = Waiter::of(scheduler);
        let mut call = self.call();
        if !call.is_running {
            return Outcome::Woken;
        }
        call.waiter = Some(waiter);
        drop(call);
        let external = External::by_message(self.verb(), "the end of a call on", &self.name);
        let reason = Wait::at(WaitFor::External(&external), at);
        match scheduler {
            Some(scheduler) => {
                hold_time(scheduler, || waiter::wait(Some(scheduler), &reason, None))
            }
            None => waiter::wait(None, &reason, None),
        }
    }
}

/// Returns `true` if the system could not tell whether a call would wait, or the bytes of a file are not in
/// memory.
fn is_unmade(result: &io::Result<usize>) -> bool {
    result
        .as_ref()
        .is_err_and(|error| matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::WouldBlock))
}

/// Makes a call again while a signal interrupts it.
fn retried<T>(mut f: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match f() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Writes all bytes, on an OS thread that may wait.
fn write_all(descriptor: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match retried(|| without_signal(|| write(descriptor, bytes))) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            // Other code has set the stream to non-blocking mode.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wakeup::wait_for(descriptor, false, None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
