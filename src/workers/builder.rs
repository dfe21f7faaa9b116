//! What a program says of its workers.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use super::handover::Handover;
use super::listen::{self, Listening};
use super::master;
use super::pool::Pool;
use super::program::Program;
use super::settings::{Log, Settings, to_stderr};
use super::worker::Worker;
use crate::channel::unbounded;
use crate::driver::io::child::refuse_child;
use crate::kernel::try_scheduler;
use crate::net::ToSocketAddrs;
use crate::runtime::Builder;

/// Several processes of this program, with a master that keeps them running.
///
/// See [`leno::workers`](crate::workers) for what happens when.
///
/// # Examples
///
/// See [`leno::workers`](crate::workers).
#[must_use = "no worker is started until `run` or `pool` is called"]
pub struct Workers {
    count: usize,
    listening: Vec<Listening>,
    /// Listeners of systemd that no call has taken, the last first. `None` before the first call.
    systemds: Option<Vec<OwnedFd>>,
    program: Option<PathBuf>,
    arguments: Option<Vec<OsString>>,
    ready_within: Duration,
    stop_within: Duration,
    log: Log,
    runtime: Builder,
}

impl Workers {
    /// Returns `count` workers without listeners, with the default settings.
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    ///
    /// # Examples
    ///
    /// See [`leno::workers`](crate::workers).
    #[track_caller]
    pub fn new(count: usize) -> Workers {
        assert!(count > 0, "there must be at least one worker");
        Workers {
            count,
            listening: Vec::new(),
            systemds: None,
            program: None,
            arguments: None,
            ready_within: Duration::from_secs(60),
            stop_within: Duration::from_secs(30),
            log: Box::new(to_stderr),
            runtime: Builder::new(),
        }
    }

    /// Returns a worker for each core that the process may use
    /// ([`available_parallelism`](std::thread::available_parallelism)).
    ///
    /// # Examples
    ///
    /// See [`leno::workers`](crate::workers).
    pub fn per_core() -> Workers {
        Workers::new(available_parallelism().map_or(1, NonZeroUsize::get))
    }

    /// Adds a listener of TCP, which all workers share. The master keeps it open: a connection that no
    /// worker has accepted yet waits for the next one, whatever becomes of the others.
    ///
    /// Each connection is announced to all workers that wait for one, and the first that asks gets it: under
    /// little load most of them may go to one worker. See
    /// [`listen_each`](Workers::listen_each).
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`](crate::net::TcpListener::bind).
    ///
    /// # Cancellation
    ///
    /// A cancellation point if a name is looked up.
    ///
    /// # Examples
    ///
    /// See [`leno::workers`](crate::workers).
    #[track_caller]
    pub fn listen<A: ToSocketAddrs>(self, address: A) -> io::Result<Workers> {
        if is_worker() {
            return Ok(self);
        }
        let addresses: Vec<_> = address.to_socket_addrs()?.collect();
        self.add(|_| listen::bind(&addresses, true).map(Listening::Shared))
    }

    /// Adds a listener of TCP for each worker, at one address (`SO_REUSEPORT`). The system
    /// distributes connections evenly among them by the address of the client.
    ///
    /// The master keeps them open, and the process that replaces a worker has its listener: no connection is
    /// lost. While a worker that has ended starts again, or computes for long, its connections wait, though
    /// others may be idle.
    ///
    /// # Errors
    ///
    /// As [`listen`](Workers::listen).
    ///
    /// # Cancellation
    ///
    /// As [`listen`](Workers::listen).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// leno::workers::Workers::per_core().listen_each("0.0.0.0:8080")?.run(|worker| {
    ///     let listener = worker.listener(0);
    ///     worker.ready();
    ///     let (_stream, _peer) = listener.accept()?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn listen_each<A: ToSocketAddrs>(self, address: A) -> io::Result<Workers> {
        if is_worker() {
            return Ok(self);
        }
        let addresses: Vec<_> = address.to_socket_addrs()?.collect();
        self.add(|count| listen::bind_each(&addresses, count).map(Listening::Each))
    }

    /// Adds a listener that `bind` makes, in the master only: one of the Unix domain, or of TCP with
    /// other options.
    ///
    /// # Errors
    ///
    /// Those of `bind`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use leno::os::unix::net::UnixListener;
    /// use leno::workers::Workers;
    ///
    /// let path = "/run/server.socket";
    /// let bind = || {
    ///     // The file of an earlier run would be in the way.
    ///     let _ = std::fs::remove_file(path);
    ///     UnixListener::bind(path)
    /// };
    /// Workers::new(2).listen_with(bind)?.run(|worker| {
    ///     let listener = worker.unix_listener(0);
    ///     worker.ready();
    ///     let (_stream, _peer) = listener.accept()?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn listen_with<L: Into<OwnedFd>>(
        self,
        bind: impl FnOnce() -> io::Result<L>,
    ) -> io::Result<Workers> {
        if is_worker() {
            return Ok(self);
        }
        self.add(|_| Ok(Listening::Shared(bind()?.into())))
    }

    /// Adds the next listener of systemd, or else what `bind` makes.
    fn add(mut self, bind: impl FnOnce(usize) -> io::Result<Listening>) -> io::Result<Workers> {
        let systemds = match &mut self.systemds {
            Some(systemds) => systemds,
            none => {
                let mut all = listen::systemds()?;
                all.reverse();
                none.insert(all)
            }
        };
        let listening = match systemds.pop() {
            Some(listener) => Listening::Shared(listener),
            None => bind(self.count)?,
        };
        self.listening.push(listening);
        Ok(self)
    }

    /// Sets how long a worker may take until it is ready. The default is 60 s. It is killed then, and that
    /// counts as a failed start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use leno::workers::Workers;
    /// let _workers = Workers::new(2).ready_within(std::time::Duration::from_secs(5));
    /// ```
    pub fn ready_within(mut self, limit: Duration) -> Workers {
        self.ready_within = limit;
        self
    }

    /// Sets how long a worker may take to end, once it is to stop. The default is 30 s. It is killed then. If the
    /// master has been killed, the worker ends by itself then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use leno::workers::Workers;
    /// let _workers = Workers::new(2).stop_within(std::time::Duration::from_secs(5));
    /// ```
    pub fn stop_within(mut self, limit: Duration) -> Workers {
        self.stop_within = limit;
        self
    }

    /// Sets the program that workers run. The default is the path by which this program was started: after
    /// the file there was replaced, the next worker runs the new one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use leno::workers::Workers;
    /// let _workers = Workers::new(2).program("/opt/server/current/server");
    /// ```
    pub fn program(mut self, path: impl Into<PathBuf>) -> Workers {
        self.program = Some(path.into());
        self
    }

    /// Sets the arguments of the program that workers run. The default is those of this program.
    ///
    /// # Examples
    ///
    /// ```
    /// # use leno::workers::Workers;
    /// let _workers = Workers::new(2).args(["--no-banner"]);
    /// ```
    pub fn args<I, S>(mut self, arguments: I) -> Workers
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        self.arguments = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// Sets what takes a line of the log, for each event: a start, an end with its reason, an order. The
    /// default writes it to standard error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use leno::workers::Workers;
    /// let _workers = Workers::new(2).log(|line| println!("{line}"));
    /// ```
    pub fn log(mut self, log: impl Fn(&str) + 'static) -> Workers {
        self.log = Box::new(log);
        self
    }

    /// Sets the settings of the runtime of each worker of [`run`](Workers::run).
    ///
    /// # Examples
    ///
    /// ```
    /// # use leno::workers::Workers;
    /// let _workers = Workers::new(2).runtime(leno::Builder::new().cancel_rest());
    /// ```
    pub fn runtime(mut self, runtime: Builder) -> Workers {
        self.runtime = runtime;
        self
    }

    /// Runs `f` in each worker, as the main green thread of a runtime, and keeps the workers running until the
    /// master gets SIGTERM or SIGINT. In a worker this does not return: the process ends when `f` and the
    /// green threads of the runtime have ended.
    ///
    /// # Errors
    ///
    /// If a worker has failed to start 5 times in a row, with the reason. If the master cannot
    /// receive signals. In a program that a worker has started, unless the variable `LENO_WORKER` was removed
    /// from its environment. In an exploration.
    ///
    /// # Panics
    ///
    /// If it is called inside a runtime.
    ///
    /// # Examples
    ///
    /// See [`leno::workers`](crate::workers).
    #[track_caller]
    pub fn run<F, E>(self, f: F) -> io::Result<()>
    where
        F: FnOnce(Worker) -> Result<(), E>,
        E: fmt::Display,
    {
        refuse_child()?;
        assert!(try_scheduler().is_none(), "Workers::run was called inside a runtime");
        if let Some(handover) = Handover::of_this_process() {
            Worker::new(handover, self.stop_within)?.run(self.runtime, f);
        }
        let (count, settings, listening) = self.parts()?;
        crate::runtime::run(|| master::run(count, settings, listening))
    }

    /// Starts processes that do jobs by `f`: a computation then takes neither the OS thread of this
    /// runtime nor its memory, and can be killed. In a worker this does not return.
    ///
    /// `f` gets the bytes of a job, and returns those of its result; what they mean is up to the program.
    /// The workers do one job at a time each. Signals that stop or replace workers of
    /// [`run`](Workers::run) are left to the program here: workers ignore them, and end with the master.
    ///
    /// # Errors
    ///
    /// As [`run`](Workers::run).
    ///
    /// # Panics
    ///
    /// In the master, if it is called outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. The workers are stopped then.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use leno::workers::Workers;
    ///
    /// leno::run(|| {
    ///     let sum = |job: &[u8]| {
    ///         let sum: u64 = job.iter().map(|&byte| u64::from(byte)).sum();
    ///         sum.to_le_bytes().to_vec()
    ///     };
    ///     let pool = Workers::per_core().pool(sum)?;
    ///     let sum = pool.call([1, 2, 3])?;
    ///     assert_eq!(sum, 6_u64.to_le_bytes());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn pool<F>(self, f: F) -> io::Result<Pool>
    where
        F: Fn(&[u8]) -> Vec<u8>,
    {
        refuse_child()?;
        if let Some(handover) = Handover::of_this_process() {
            Worker::new(handover, Duration::ZERO)?.work(f);
        }
        let (count, settings, listening) = self.parts()?;
        let (send, jobs) = unbounded();
        Pool::new(master::start(count, settings, listening, jobs), send).wait_until_ready()
    }

    fn parts(self) -> io::Result<(usize, Settings, Vec<Listening>)> {
        let Workers { ready_within, stop_within, log, .. } = self;
        Handover::refuse_master()?;
        let program = Program::new(self.program, self.arguments)?;
        Ok((self.count, Settings { program, ready_within, stop_within, log }, self.listening))
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Workers { count, ready_within, stop_within, .. } = self;
        let mut shown = f.debug_struct("Workers");
        shown.field("count", count).field("ready_within", ready_within);
        shown.field("stop_within", stop_within).finish_non_exhaustive()
    }
}

/// Returns `true` if this process is a worker, and not a master or another program.
///
/// # Examples
///
/// ```
/// if !leno::workers::is_worker() {
///     println!("a banner, once");
/// }
/// ```
#[must_use]
pub fn is_worker() -> bool {
    Handover::of_this_process().is_some()
}
