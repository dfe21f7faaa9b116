//! Several runtimes, each on an OS thread of its own.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::panic;
use std::sync::Arc;
use std::thread::{self, JoinHandle, available_parallelism};

use super::channel::begin;
use super::handles::bounded;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::cancel::unwind::cancel_rest;
use crate::kernel::{scheduler, try_scheduler};
use crate::remote::inbox::read_inbox;
use crate::remote::{Handle, RemoteJoinHandle, promise};
use crate::runtime::Builder;
use crate::thread::shield;

/// Runtimes, each on an OS thread of its own.
///
/// [`shutdown`](Shards::shutdown) waits for all their green threads. Dropping the shards cancels the
/// green threads that are left, as [`JoinHandle::cancel`](crate::thread::JoinHandle::cancel) does, and
/// waits until they have been unwound: a green thread that computes without a cancellation point is waited
/// for. On one of the shards itself, dropping does not wait.
///
/// A shard in which every green thread waits sleeps, and reports no deadlock before the shutdown, since
/// another OS thread may act.
///
/// # Examples
///
/// ```
/// use leno::shards::Shards;
///
/// let shards = Shards::new(2);
/// let handles = [0, 1].map(|shard| shards.spawn_on(shard, move || shard + 1));
/// let sum: usize = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
/// assert_eq!(sum, 3);
/// shards.shutdown();
/// ```
pub struct Shards {
    shards: Vec<Shard>,
}

/// A runtime and its OS thread.
struct Shard {
    /// `None` once the shard is to end.
    control: Option<(Handle, Sender<Cancel>)>,
    /// The end of the runtime, for a wait that does not keep the OS thread.
    end: Option<RemoteJoinHandle<()>>,
    os_thread: Option<JoinHandle<()>>,
}

/// Tells a shard to cancel its green threads. It is told to wait for them by the end of the channel.
struct Cancel;

impl Shards {
    /// Starts `count` runtimes with the default settings, each on an OS thread of its own.
    ///
    /// # Panics
    ///
    /// If `count` is 0. If the system refuses an OS thread or a descriptor. In an exploration.
    ///
    /// # Cancellation
    ///
    /// As [`with`](Shards::with).
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::shards::Shards::new(3).count(), 3);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(count: usize) -> Shards {
        Shards::with(count, |_| Builder::new())
            .unwrap_or_else(|error| panic!("cannot start {count} shards: {error}"))
    }

    /// Starts a runtime for each core that the process may use
    /// ([`available_parallelism`](std::thread::available_parallelism)).
    ///
    /// # Panics
    ///
    /// As [`new`](Shards::new).
    ///
    /// # Cancellation
    ///
    /// As [`with`](Shards::with).
    ///
    /// # Examples
    ///
    /// See [`leno::shards`](crate::shards).
    #[must_use]
    #[track_caller]
    pub fn per_core() -> Shards {
        Shards::new(available_parallelism().map_or(1, NonZeroUsize::get))
    }

    /// Starts `count` runtimes, the settings of which `settings` returns for the number of each, on its OS
    /// thread.
    ///
    /// # Errors
    ///
    /// If the system refuses an OS thread.
    ///
    /// # Panics
    ///
    /// If `count` is 0. If `settings` panics, or the system has no more descriptors. In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, the shards end.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::shards::Shards;
    ///
    /// let settings = |_shard| leno::Builder::new().stack_size(64 << 10);
    /// let shards = Shards::with(2, settings)?;
    /// shards.shutdown();
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn with(
        count: usize,
        settings: impl Fn(usize) -> Builder + Send + Sync + 'static,
    ) -> io::Result<Shards> {
        begin("Shards::with");
        assert!(count > 0, "there must be at least one shard");
        let settings = Arc::new(settings);
        let mut all = Shards { shards: Vec::with_capacity(count) };
        let mut started = Vec::with_capacity(count);
        for number in 0..count {
            let (ready, is_ready) = bounded(1);
            let settings = settings.clone();
            let (promise, end) = promise();
            let run = move || {
                promise.keep(|| settings(number).run(|| main_of_shard(ready)));
            };
            let os_thread = thread::Builder::new().name(format!("shard {number}")).spawn(run)?;
            all.shards.push(Shard { control: None, end: Some(end), os_thread: Some(os_thread) });
            started.push(is_ready);
        }
        for (shard, is_ready) in all.shards.iter_mut().zip(started) {
            match is_ready.recv() {
                Ok(control) => shard.control = Some(control),
                Err(_) => shard.wait().unwrap_or_else(|payload| panic::resume_unwind(payload)),
            }
        }
        Ok(all)
    }

    /// Returns the number of shards.
    ///
    /// # Examples
    ///
    /// See [`new`](Shards::new).
    #[must_use]
    pub fn count(&self) -> usize {
        self.shards.len()
    }

    /// Spawns a green thread on the shard with this number. It begins as with [`Handle::spawn`].
    ///
    /// # Panics
    ///
    /// If there is no such shard.
    ///
    /// # Examples
    ///
    /// ```
    /// let shards = leno::shards::Shards::new(1);
    /// let result = shards.spawn_on(0, || panic!("oh")).join();
    /// assert!(result.is_err());
    /// ```
    #[track_caller]
    pub fn spawn_on<F, T>(&self, shard: usize, f: F) -> RemoteJoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let spawned = self.handle(shard).spawn(f);
        spawned.unwrap_or_else(|_| panic!("the runtime of shard {shard} has ended by a panic"))
    }

    /// Returns the handle of the shard with this number. A clone of it does not keep the shard from ending.
    ///
    /// # Panics
    ///
    /// If there is no such shard.
    ///
    /// # Examples
    ///
    /// ```
    /// let shards = leno::shards::Shards::new(2);
    /// let other = shards.handle(1).clone();
    /// let nested = shards.spawn_on(0, move || other.spawn(|| 7).unwrap().join().unwrap());
    /// assert_eq!(nested.join().unwrap(), 7);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn handle(&self, shard: usize) -> &Handle {
        let count = self.count();
        let shard = self.shards.get(shard).and_then(|shard| shard.control.as_ref());
        &shard.unwrap_or_else(|| panic!("there are shards with the numbers 0 to {}", count - 1)).0
    }

    /// Waits until all green threads of all shards have ended, and ends the shards. Inside a runtime, only
    /// the calling green thread waits.
    ///
    /// # Panics
    ///
    /// If the runtime of a shard ends by a panic: its green threads wait for each other (the report of the
    /// deadlock), or its policy panics. (The panic of a green thread is the result of its handle.) On one
    /// of the shards.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, the shards are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let shards = leno::shards::Shards::new(2);
    /// let done = Arc::new(AtomicUsize::new(0));
    /// for shard in [0, 1] {
    ///     let done = done.clone();
    ///     shards.spawn_on(shard, move || {
    ///         leno::sleep(std::time::Duration::from_millis(1));
    ///         done.fetch_add(1, Ordering::Relaxed);
    ///     });
    /// }
    /// shards.shutdown();
    /// assert_eq!(done.load(Ordering::Relaxed), 2);
    /// ```
    #[track_caller]
    pub fn shutdown(mut self) {
        assert!(!self.runs_here(), "Shards::shutdown would wait for its own green thread");
        // First all are told, then they end at the same time.
        self.shards.iter_mut().for_each(|shard| shard.control = None);
        for shard in &mut self.shards {
            // mistake: shards-swallow-panic
            if let Err(payload) = shard.wait() {
                panic::resume_unwind(payload);
            }
        }
    }

    /// Returns `true` if the current OS thread is that of a shard.
    fn runs_here(&self) -> bool {
        let here = thread::current().id();
        let mut os_threads = self.shards.iter().filter_map(|shard| shard.os_thread.as_ref());
        os_threads.any(|os_thread| os_thread.thread().id() == here)
    }
}

/// Runs on the main green thread of a shard, until the shard is to end.
fn main_of_shard(ready: Sender<(Handle, Sender<Cancel>)>) {
    let (cancel, told) = bounded::<Cancel>(1);
    cancel.set_name("the end of the shards");
    let sent = ready.send((Handle::current(), cancel));
    drop((sent, ready));
    wait_for_end(&told);
}

fn wait_for_end(told: &Receiver<Cancel>) {
    // mistake: shards-never-cancel
    if told.recv().is_ok() {
        let scheduler = scheduler("leno::shards");
        // What was spawned before is cancelled as well.
        read_inbox(scheduler);
        cancel_rest(scheduler);
    }
}

impl Shard {
    /// Tells the shard to cancel its green threads and to end.
    fn cancel(&mut self) {
        if let Some((_handle, cancel)) = self.control.take() {
            let _ = cancel.try_send(Cancel);
        }
    }

    /// Waits for the end, for which the shard has been told.
    ///
    /// # Errors
    ///
    /// If the shard has ended by a panic.
    #[track_caller]
    fn wait(&mut self) -> thread::Result<()> {
        let Some(end) = &mut self.end else { return Ok(()) };
        let result = end.wait();
        self.end = None;
        // It has nothing left to do.
        if let Some(os_thread) = self.os_thread.take() {
            let _ = os_thread.join();
        }
        result
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.shards.iter_mut().for_each(Shard::cancel);
        if !self.runs_here() {
            // Of a panic of the shard, its panic hook has told.
            let mut wait = || self.shards.iter_mut().for_each(|shard| drop(shard.wait()));
            if try_scheduler().is_some() { shield(wait) } else { wait() }
        }
    }
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards").field("count", &self.count()).finish_non_exhaustive()
    }
}
