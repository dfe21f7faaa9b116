//! The engine of a runtime: how it learns that descriptors have become ready.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, fmt, io};

use super::memory::ids::SocketId;
use super::memory::network::Network;
use super::memory::settings::MemoryNetwork;
use crate::kernel::Scheduler;
use crate::remote::inbox::{Inbox, inbox};
#[cfg(target_os = "linux")]
use crate::sys::poller::uring::Uring;
use crate::sys::poller::{Events, Poller};
use crate::sys::process;

/// How a runtime waits for descriptors; see [`Builder::engine`](crate::Builder::engine).
///
/// # Examples
///
/// ```
/// use leno::net::Engine;
///
/// let builder = leno::Builder::new().engine(Engine::Epoll);
/// assert_eq!(builder.run(|| 1), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// io_uring(7), of Linux 6.1 and later, where the system allows it.
    Uring,
    /// epoll(7); kqueue(2) on macOS and the BSDs.
    Epoll,
    /// None of the system's: sockets in memory, which reach each other.
    Memory(MemoryNetwork),
}

/// The variable of the environment that chooses the engine of runtimes to which none was given.
const VARIABLE: &str = "LENO_IO";

/// What an engine watches.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Descriptor(RawFd),
    /// A socket of a network in memory.
    Memory(SocketId),
}

/// The part of an engine that any OS thread may use. The runtime and its sources share it.
pub(super) struct Shared {
    queue: Queue,
    /// Why io_uring is not in use.
    reason: Option<String>,
    /// The tokens of sources that have been removed, for the runtime's table.
    removed: Mutex<Vec<u64>>,
    /// Some of them are still in the queue. Set under the lock of `removed`.
    is_removal_left: AtomicBool,
    /// The [`process::generation`] that the queue belongs to.
    process: AtomicU32,
}

/// The system's queue of events.
enum Queue {
    Poller(Poller),
    /// With the inbox by which other OS threads ask the runtime to remove a descriptor.
    #[cfg(target_os = "linux")]
    Uring(Box<Uring>, Arc<Inbox>),
    Memory(Network),
}

/// Returns the engine that the environment chooses.
///
/// # Errors
///
/// If the variable names none.
fn chosen_by_environment() -> io::Result<Option<Engine>> {
    match env::var(VARIABLE).as_deref() {
        Err(env::VarError::NotPresent) => Ok(None),
        Ok("uring") => Ok(Some(Engine::Uring)),
        Ok("epoll") => Ok(Some(Engine::Epoll)),
        other => {
            let text = format!("{VARIABLE} is {other:?}: set it to uring or epoll, or not at all");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
    }
}

/// Makes the queue of io_uring.
#[cfg(target_os = "linux")]
fn uring(scheduler: &Scheduler) -> io::Result<Queue> {
    Ok(Queue::Uring(Box::new(Uring::new()?), inbox(scheduler).clone()))
}

#[cfg(not(target_os = "linux"))]
fn uring(scheduler: &Scheduler) -> io::Result<Queue> {
    let _: fn(&Scheduler) -> &Arc<Inbox> = inbox;
    let _ = scheduler;
    Err(unsupported("io_uring is of Linux"))
}

/// Returns the error of what an engine cannot do.
pub(super) fn unsupported(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, text)
}

impl Shared {
    /// Makes the engine that was given, or else that of the environment, or else epoll for a runtime with
    /// a host, or else the first that the system has.
    ///
    /// # Errors
    ///
    /// If the system refuses the chosen one, or has no more descriptors.
    pub(super) fn new(
        scheduler: &Scheduler,
        given: Option<Engine>,
        is_hosted: bool,
    ) -> io::Result<Shared> {
        let chosen = match given {
            Some(engine) => Some(engine),
            None => chosen_by_environment()?,
        };
        let (queue, reason) = match chosen {
            Some(Engine::Memory(settings)) => (Queue::Memory(Network::new(settings)), None),
            Some(Engine::Epoll) => (Queue::Poller(Poller::new()?), Some("epoll was chosen".into())),
            Some(Engine::Uring) => {
                let refused = |error: io::Error| {
                    // A caller tells a shortage of descriptors by its number.
                    if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) {
                        return error;
                    }
                    let text = format!("io_uring was chosen, and cannot be had: {error}");
                    io::Error::new(error.kind(), text)
                };
                (uring(scheduler).map_err(refused)?, None)
            }
            None if is_hosted => {
                (Queue::Poller(Poller::new()?), Some("a host polls the runtime".into()))
            }
            None => match uring(scheduler) {
                Ok(queue) => (queue, None),
                Err(error) => (Queue::Poller(Poller::new()?), Some(error.to_string())),
            },
        };
        let (removed, is_removal_left) = (Mutex::default(), AtomicBool::new(false));
        let process = process::generation().into();
        Ok(Shared { queue, reason, removed, is_removal_left, process })
    }

    /// Returns `true` if this is the copy of an engine in a forked child.
    #[inline]
    pub(super) fn is_foreign(&self) -> bool {
        // mistake: fork-shares-engine
        self.process.load(Ordering::Relaxed) != process::generation()
    }

    /// Makes the copy in a forked child independent of the parent's. Nothing is added to it.
    ///
    /// # Errors
    ///
    /// If the child has no more descriptors.
    pub(super) fn renew(&self) -> io::Result<()> {
        match &self.queue {
            Queue::Poller(poller) => poller.renew()?,
            #[cfg(target_os = "linux")]
            Queue::Uring(ring, _) => ring.renew()?,
            Queue::Memory(_) => {}
        }
        self.process.store(process::generation(), Ordering::Relaxed);
        Ok(())
    }

    /// Adds what is to be watched. Each change of its readiness is reported once.
    ///
    /// # Errors
    ///
    /// If the system refuses it, or the engine is of the other kind.
    pub(super) fn add(&self, target: Target, token: u64) -> io::Result<()> {
        match (&self.queue, target) {
            (Queue::Poller(poller), Target::Descriptor(number)) => poller.add(number, token),
            #[cfg(target_os = "linux")]
            (Queue::Uring(ring, _), Target::Descriptor(number)) => {
                ring.add(number, token);
                Ok(())
            }
            (Queue::Memory(network), Target::Memory(id)) => network.watch(id, token),
            (Queue::Memory(_), _) => Err(unsupported(
                "this runtime has a network in memory, and waits for no descriptor of the system",
            )),
            (_, Target::Memory(_)) => unreachable!("a socket in memory is watched by its network"),
        }
    }

    /// Adds the descriptor of the inbox.
    ///
    /// # Errors
    ///
    /// If the system refuses it.
    pub(super) fn add_bell(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        match &self.queue {
            Queue::Poller(poller) => poller.add_bell(descriptor, token),
            #[cfg(target_os = "linux")]
            Queue::Uring(ring, _) => {
                ring.add_bell(descriptor, token);
                Ok(())
            }
            Queue::Memory(_) => Ok(()),
        }
    }

    /// Removes what was watched, before it is closed. Any OS thread may call this.
    pub(super) fn remove(&self, target: Target, token: u64) {
        let is_removed = match (&self.queue, target) {
            _ if self.is_foreign() => true,
            (Queue::Poller(poller), Target::Descriptor(number)) => {
                poller.remove(number);
                true
            }
            #[cfg(target_os = "linux")]
            (Queue::Uring(ring, _), _) => ring.remove(token),
            (Queue::Memory(network), _) => {
                network.unwatch(token);
                true
            }
            (Queue::Poller(_), Target::Memory(_)) => true,
        };
        let mut removed = self.removed();
        removed.push(token);
        #[cfg(target_os = "linux")]
        if !is_removed && let Queue::Uring(_, inbox) = &self.queue {
            // mistake: removal-left-out
            self.is_removal_left.store(true, Ordering::Relaxed);
            drop(removed);
            inbox.notify();
        }
        let _ = is_removed;
    }

    fn removed(&self) -> MutexGuard<'_, Vec<u64>> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes from the queue what other OS threads have removed. The runtime calls this.
    #[inline]
    pub(super) fn finish_removals(&self) {
        if self.is_removal_left.load(Ordering::Relaxed) {
            self.finish_those(&self.removed());
        }
    }

    /// Takes these from the queue, if other OS threads have removed some of them. The caller holds the lock,
    /// under which the flag is set, so that none is forgotten between the two.
    fn finish_those(&self, removed: &[u64]) {
        if self.is_removal_left.swap(false, Ordering::Relaxed) {
            #[cfg(target_os = "linux")]
            if let Queue::Uring(ring, _) = &self.queue {
                // To remove again what this OS thread has removed does nothing.
                for &token in removed {
                    ring.remove(token);
                }
            }
            let _ = removed;
        }
    }

    /// Takes the tokens of sources that have been removed. The runtime calls this.
    pub(super) fn take_removed(&self) -> Vec<u64> {
        let mut removed = self.removed();
        self.finish_those(&removed);
        std::mem::take(&mut *removed)
    }

    /// Returns `true` if a look may find something, as far as that is known without a system call.
    #[inline(always)]
    pub(super) fn may_have_news(&self) -> Option<bool> {
        match &self.queue {
            Queue::Poller(_) => None,
            #[cfg(target_os = "linux")]
            Queue::Uring(ring, _) => Some(self.is_foreign() || ring.has_news()),
            Queue::Memory(network) => Some(network.has_news()),
        }
    }

    /// Sends what has been added to the system.
    pub(super) fn flush(&self) {
        match &self.queue {
            Queue::Poller(_) => {}
            #[cfg(target_os = "linux")]
            Queue::Uring(ring, _) => ring.flush(),
            Queue::Memory(_) => {}
        }
    }

    /// Waits until a descriptor has become ready, `nanos` nanoseconds have passed, or a signal has
    /// arrived. Leaves in `events` what has become ready.
    pub(super) fn wait(&self, events: &mut Events, nanos: Option<u64>) {
        match &self.queue {
            Queue::Poller(poller) => poller.wait(events, nanos),
            #[cfg(target_os = "linux")]
            Queue::Uring(ring, _) => ring.wait(events, nanos),
            Queue::Memory(_) => {}
        }
    }

    /// Returns the descriptor that is readable while there is something to look at; `None` if nothing
    /// comes from the system.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.queue {
            Queue::Poller(poller) => Some(poller.as_fd()),
            #[cfg(target_os = "linux")]
            Queue::Uring(ring, _) => Some(ring.as_fd()),
            Queue::Memory(_) => None,
        }
    }

    /// Returns the network in memory, if the engine is one.
    pub(super) fn network(&self) -> Option<&Network> {
        match &self.queue {
            Queue::Memory(network) => Some(network),
            _ => None,
        }
    }

    /// Ends all reports: the runtime has ended.
    pub(super) fn close(&self) {
        match &self.queue {
            Queue::Poller(_) => {}
            #[cfg(target_os = "linux")]
            Queue::Uring(ring, _) => ring.close(),
            Queue::Memory(_) => {}
        }
    }
}

/// Names the engine, and why it is not io_uring.
impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.queue {
            Queue::Poller(_) => {
                f.write_str(if cfg!(target_os = "linux") { "epoll" } else { "kqueue" })?
            }
            #[cfg(target_os = "linux")]
            Queue::Uring(..) => f.write_str("io_uring")?,
            Queue::Memory(_) => f.write_str("a network in memory")?,
        }
        match &self.reason {
            Some(reason) => write!(f, " (not io_uring: {reason})"),
            None => Ok(()),
        }
    }
}
