//! Many cores: several processes of one program, with a runtime in each, and a master that keeps them
//! running.
//!
//! The master starts the program again for each worker. There, the program comes to the same call of
//! [`Workers::run`], which runs its closure in a worker, and starts and watches the workers in the
//! master. So what comes before that call is done by the master and by each worker, with the same
//! arguments: [`is_worker`] tells them apart. A worker is not a fork of the master, in which the locks of
//! other OS threads would never be released.
//!
//! **Workers or shards.** A runtime uses one core. [`Shards`](crate::shards::Shards) are runtimes on the
//! OS threads of one process: values go from one to another through channels, and what is [`Sync`] is
//! shared. Choose them for state that is shared, such as a chat or a cache, and for a computation.
//! Workers share nothing but listeners: one that crashes, or leaks memory, is started again while the
//! others go on, and a new version replaces all of them without a connection that is refused. Choose them
//! for servers that keep their state elsewhere, such as in a database. A worker may have shards. A
//! [`Pool`] of workers is for jobs that are to be killed at a deadline, or that run code which may crash.
//!
//! **Listeners** are opened by the master, and stay open with it: a connection waits there while workers
//! come and go. If systemd has opened sockets (`LISTEN_FDS`, `LISTEN_PID`), the first listeners are
//! those, in the order of the calls. Addresses that are given for them are not used.
//!
//! **Start.** A worker calls [`Worker::ready`] once it does its work. One that ends before that, or is
//! not ready in time ([`Workers::ready_within`]), has failed to start. The master starts it again after
//! 0.1 s, and after twice that time with each further failure, up to 10 s. It gives up after 5 failures
//! in a row if this worker has never been ready, or if no worker is: the others are stopped, and
//! [`run`](Workers::run) returns the reason. A worker that ends later is started again, too.
//!
//! **Stop.** SIGTERM or SIGINT to the master stops the workers: each is told by [`Worker::stopping`],
//! stops to accept, and ends when its connections have. It is killed at the deadline
//! ([`Workers::stop_within`]), or when the master gets a second signal. A worker that gets the signal
//! itself, as from Ctrl-C or from systemd, stops, too. When the master has ended in another way, by
//! SIGKILL perhaps, workers stop as well, and end by themselves at the deadline.
//!
//! **Replacement.** SIGHUP or SIGUSR2 to the master replaces the workers one by one. A worker is told to
//! stop only when its successor is ready, so that there is one that accepts at any time. If the successor
//! fails, the worker goes on, and the replacement ends. A signal during a replacement begins another one
//! after it. The successor runs the file that is at the program's path by then: install a new version by
//! rename(2), as package managers do. The master itself goes on with the program that it was started
//! with.
//!
//! **Descriptors.** A worker gets the standard streams, where the input is `/dev/null`, a stream to the
//! master, and the listeners. exec(3) closes the others of leno and of std. A shared listener does not
//! block in any process: when a connection is announced to several workers, the system gives it to one,
//! and the others wait again. So a call of `accept` after `readable(listener)` may wait: leave it to a
//! green thread, and cancel that, as the example does.
//!
//! **Programs that a worker starts** are no workers, and cannot start any: [`run`](Workers::run) fails in them unless
//! the variable `LENO_WORKER` was removed from their environment. Otherwise a program that has lost the
//! descriptors would start itself without an end.
//!
//! **The log** has a line for each event ([`Workers::log`]), on standard error by default:
//!
//! ```text
//! leno: worker 0 starts as process 4711
//! leno: worker 0 is ready (process 4711)
//! leno: worker 0 has ended (process 4711, signal: 11 (SIGSEGV) (core dumped))
//! leno: worker 0 starts again in 100ms
//! ```
//!
//! **Explorations.** In an exploration of [`leno::weave`](crate::weave) no worker is started.
//!
//! # Examples
//!
//! A server of the echo protocol on all cores:
//!
//! ```no_run
//! use leno::workers::{Worker, Workers};
//! use std::io;
//!
//! fn serve(worker: Worker) -> io::Result<()> {
//!     let listener = worker.listener(0);
//!     let acceptor = leno::spawn(move || -> io::Result<()> {
//!         loop {
//!             let (stream, _) = listener.accept()?;
//!             leno::spawn(move || io::copy(&mut &stream, &mut &stream));
//!         }
//!     });
//!     worker.ready();
//!     worker.stopping().wait();
//!     // The connections that it has accepted go on to their ends.
//!     acceptor.cancel();
//!     Ok(())
//! }
//!
//! fn main() -> io::Result<()> {
//!     Workers::per_core().listen("127.0.0.1:7")?.run(serve)
//! }
//! ```

#![forbid(unsafe_code)]

mod builder;
mod frame;
mod handover;
mod listen;
mod master;
mod order;
mod pool;
mod process;
mod program;
mod settings;
mod signals;
mod slot;
mod worker;

pub use builder::{Workers, is_worker};
pub use pool::Pool;
pub use worker::{Stopping, Worker};
