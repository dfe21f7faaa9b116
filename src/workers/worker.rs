//! A worker, in its own process.

#![forbid(unsafe_code)]

use std::any::Any;
use std::fmt;
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread as os;
use std::time::Duration;

use super::frame::{Received, Said};
use super::handover::Handover;
use super::listen::Listener;
use super::signals::{receive, stops};
use crate::channel::Ready;
use crate::driver::io::{Direction, Readiness};
use crate::net::{Shutdown, TcpListener};
use crate::os::unix::net::{UnixListener, UnixStream};
use crate::runtime::Builder;
use crate::sys;
use crate::thread;

/// The stack of an OS thread that only waits.
const STACK_BYTES: usize = 64 * 1024;

/// A worker, in its own process.
///
/// A clone is another reference to the same worker. It may be sent to other OS threads, such as those of
/// [`Shards`](crate::shards::Shards).
///
/// # Examples
///
/// See [`leno::workers`](crate::workers).
#[derive(Clone)]
pub struct Worker(Arc<Inside>);

struct Inside {
    id: usize,
    listeners: Vec<Listener>,
    stopping: Stopping,
    is_ready: AtomicBool,
}

/// The order to stop, for a worker. `select!` waits for it as `readable(worker.stopping())`.
///
/// It comes from the master, or as SIGTERM or SIGINT, or when the master has ended.
///
/// # Examples
///
/// ```no_run
/// use leno::workers::Workers;
///
/// Workers::new(2).listen("127.0.0.1:8080")?.run(|worker| {
///     let listener = worker.listener(0);
///     let acceptor = leno::spawn(move || -> std::io::Result<()> {
///         loop {
///             let (stream, _) = listener.accept()?;
///             leno::spawn(move || std::io::copy(&mut &stream, &mut &stream));
///         }
///     });
///     worker.ready();
///     leno::select! {
///         readable(worker.stopping()) => {}
///         // It could accept no more.
///         join(acceptor) -> result => return result.unwrap(),
///     }
///     acceptor.cancel();
///     Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Stopping(UnixStream);

impl Worker {
    /// Takes over what the master has handed over. Watches for the end of the master: this process then has
    /// `grace` to end by itself.
    pub(super) fn new(handover: &Handover, grace: Duration) -> io::Result<Worker> {
        let (control, listeners) = handover.take();
        let listeners = listeners.into_iter().map(Listener::take_over);
        let listeners = listeners.collect::<io::Result<_>>()?;
        let (id, stopping) = (handover.id, Stopping(control.into()));
        let is_ready = AtomicBool::new(false);
        let worker = Worker(Arc::new(Inside { id, listeners, stopping, is_ready }));
        let watched = worker.clone();
        let watch = move || {
            sys::inherit::wait_for_hangup(watched.0.stopping.0.as_fd());
            os::sleep(grace);
            // mistake: workers-outlive-master
            sys::inherit::exit_now(1);
        };
        os::Builder::new().name("leno-worker".into()).stack_size(STACK_BYTES).spawn(watch)?;
        Ok(worker)
    }

    /// Returns the number of the worker, from 0. A process that replaces another one has its number.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// leno::workers::Workers::new(2).run(|worker| {
    ///     println!("worker {} of 2", worker.id());
    ///     worker.ready();
    ///     worker.stopping().wait();
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn id(&self) -> usize {
        self.0.id
    }

    /// Returns a listener: that of call `index` of [`Workers::listen`](super::Workers::listen) and the like,
    /// from 0.
    ///
    /// Each call returns another reference to the same listener. Other processes have the same socket, which
    /// does not block: do not convert the listener into one of std, which would block, and those of the other
    /// workers with it.
    ///
    /// # Panics
    ///
    /// If there is no such listener of TCP.
    ///
    /// # Examples
    ///
    /// See [`Stopping`].
    #[must_use]
    #[track_caller]
    pub fn listener(&self, index: usize) -> TcpListener {
        match self.0.listeners.get(index) {
            Some(Listener::Tcp(it)) => TcpListener(it.0.clone()),
            other => panic!("listener {index} is not one of TCP: {other:?}"),
        }
    }

    /// Returns a listener of the Unix domain, as [`listener`](Worker::listener).
    ///
    /// # Panics
    ///
    /// If there is no such listener of the Unix domain.
    ///
    /// # Examples
    ///
    /// See [`Workers::listen_with`](super::Workers::listen_with).
    #[must_use]
    #[track_caller]
    pub fn unix_listener(&self, index: usize) -> UnixListener {
        match self.0.listeners.get(index) {
            Some(Listener::Unix(it)) => UnixListener(it.0.clone()),
            other => panic!("listener {index} is not one of the Unix domain: {other:?}"),
        }
    }

    /// Tells the master that the worker does its work. The process that it replaces is stopped then. Calls
    /// after the first do nothing. Never waits.
    ///
    /// # Examples
    ///
    /// See [`leno::workers`](crate::workers).
    pub fn ready(&self) {
        if !self.0.is_ready.load(Ordering::Relaxed) {
            self.say(&Said::Ready);
            // Not before: a cancellation may come first.
            self.0.is_ready.store(true, Ordering::Relaxed);
        }
    }

    /// Returns the order to stop.
    ///
    /// # Examples
    ///
    /// See [`Stopping`].
    #[must_use]
    pub fn stopping(&self) -> &Stopping {
        &self.0.stopping
    }

    fn say(&self, said: &Said) {
        // It fails if the master has ended.
        let _ = (&self.0.stopping.0).write_all(&said.to_bytes());
    }

    /// Runs `f` on a runtime, and ends the process.
    pub(super) fn run<F, E>(self, runtime: Builder, f: F) -> !
    where
        F: FnOnce(Worker) -> Result<(), E>,
        E: fmt::Display,
    {
        let body = || -> Result<(), String> {
            // Received until the process ends: by default they would end it while it stops.
            let signals = receive().map_err(|error| error.to_string())?;
            let signals = &*Box::leak(Box::new(signals));
            let stopping = self.clone();
            let listening = thread::spawn(move || {
                while let Ok(signal) = signals.recv() {
                    // mistake: workers-deaf
                    if stops(signal) {
                        stopping.stopping().set();
                    }
                }
            });
            // A worker that has failed ends at once, whatever its green threads wait for.
            let (failure, code) = match catch_unwind(AssertUnwindSafe(|| f(self.clone()))) {
                Ok(Ok(())) => {
                    listening.cancel();
                    return Ok(());
                }
                Ok(Err(error)) => (error.to_string(), 1),
                Err(payload) => (format!("it has panicked: {}", text_of(&*payload)), 101),
            };
            self.fail(failure, code)
        };
        let is_ready = || self.0.is_ready.load(Ordering::Relaxed);
        match runtime.run(body) {
            Err(error) => self.fail(error, 1),
            // mistake: workers-early-end-passes
            Ok(()) if !is_ready() && !self.stopping().is_set() => {
                self.fail("it ended before it called Worker::ready".to_owned(), 1)
            }
            Ok(()) => process::exit(0),
        }
    }

    /// Tells the master why the worker ends, and ends the process.
    fn fail(&self, failure: String, code: i32) -> ! {
        self.say(&Said::Failed(failure));
        process::exit(code)
    }

    /// Does jobs until the master sends no more, and ends the process.
    pub(super) fn work<F>(&self, f: F) -> !
    where
        F: Fn(&[u8]) -> Vec<u8>,
    {
        // They are for the master to act on.
        mem::forget(receive());
        self.ready();
        let (mut received, mut bytes) = (Received::default(), vec![0; 64 * 1024]);
        loop {
            while let Some(said) = received.take() {
                if let Said::Job(job) = said {
                    let result = catch_unwind(AssertUnwindSafe(|| f(&job)));
                    self.say(&match result {
                        Ok(answer) => Said::Answer(answer),
                        Err(payload) => Said::Panicked(text_of(&*payload)),
                    });
                }
            }
            match (&self.0.stopping.0).read(&mut bytes) {
                Ok(0) | Err(_) => process::exit(0),
                Ok(count) => received.add(&bytes[..count]),
            }
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Stopping {
    /// Waits until the worker is to stop.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// See [`Worker::id`].
    #[track_caller]
    pub fn wait(&self) {
        // Nothing is sent to a worker of `run`: the end of the stream is the order, and an error, too.
        let _ = self.0.0.peek(&mut [0]);
    }

    /// Returns `true` if the worker is to stop. Never waits.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// leno::workers::Workers::new(2).run(|worker| {
    ///     worker.ready();
    ///     while !worker.stopping().is_set() {
    ///         // A part of a computation.
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn is_set(&self) -> bool {
        sys::wakeup::wait_for(self.0.as_fd(), true, Some(0))
    }

    fn set(&self) {
        let _ = self.0.shutdown(Shutdown::Read);
    }
}

impl Ready for Stopping {
    fn readiness(&self, direction: Direction) -> Readiness<'_> {
        self.0.readiness(direction)
    }
}

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopping").field("is_set", &self.is_set()).finish()
    }
}

/// Returns the text of a panic.
fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a text".to_owned())
}
