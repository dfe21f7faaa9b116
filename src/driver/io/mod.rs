//! Waiting for sockets and other descriptors.
//!
//! A call is made at once, and waits only if it would block: for a report that the descriptor has
//! become ready, after which it is made again. So nothing is lent to the operating system, and a
//! cancelled wait leaves nothing behind: a byte is read, or a connection accepted, by a call that
//! returns it.
//!
//! ```text
//!   Socket   the object, and the loop of a call: try, wait, try again
//!   Pipe     an end of a pipe, with the same loop
//!   Handle   the socket of an engine, which answers calls: of the system, or in memory
//!   Source   a socket as one runtime knows it: readiness, threads that wait
//!   Io       the state of a runtime: its engine, its table of sources
//!   Engine   reports of readiness: by io_uring, by epoll or kqueue, or of a network in memory
//! ```
//!
//! Only `Handle` and `Engine` know of descriptors and of the system; all else works with any engine. Files
//! need no engine: see [`file`].

mod address;
mod call;
pub(crate) mod child;
mod connect;
mod direction;
mod engine;
pub(crate) mod file;
mod handle;
mod limit;
mod look;
mod memory;
mod options;
mod pipe;
mod readiness;
pub(crate) mod signals;
mod slot;
mod socket;
mod source;
mod sources;
pub(crate) mod standard;
mod table;
mod traits;
mod watch;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::Location;
use std::sync::Arc;

pub(crate) use self::address::{Address, Kind};
pub(crate) use self::connect::{Connecting, says_little, wait_for_any};
pub use self::direction::Direction;
pub use self::engine::Engine;
use self::engine::{Shared, Target};
use self::memory::delivery;
#[cfg(feature = "weave")]
pub(crate) use self::memory::restart::restart;
pub use self::memory::settings::MemoryNetwork;
pub(crate) use self::options::{Choice, Group};
pub(crate) use self::pipe::Pipe;
pub use self::readiness::Readiness;
pub(crate) use self::readiness::count_waits;
pub(crate) use self::slot::Io;
use self::slot::{io, report};
pub(crate) use self::socket::Socket;
use self::source::{Side, Source};
pub(crate) use self::traits::{reader_traits, writer_traits};
pub(crate) use self::watch::Watch;
use crate::kernel::{Cause, Outcome, Scheduler, Wait};
use crate::remote::inbox::existing_inbox;
use crate::sys;

/// The token of the runtime's inbox. No slot of a table has it.
const BELL: u64 = u64::MAX;

/// The number of calls that a thread makes without waiting before others have a turn.
const CALLS_IN_A_ROW: u32 = 16;

/// Sets the engine that the runtime is to have.
pub(crate) fn set_engine(scheduler: &Scheduler, given: Option<Engine>) {
    io(scheduler).given.set(given);
}

/// Returns the number of threads that wait for sockets and other descriptors.
pub(crate) fn waits(scheduler: &Scheduler) -> usize {
    io(scheduler).waits.get()
}

/// Returns `true` if a thread waits for a descriptor: something outside can wake it.
pub(crate) fn is_awaited(scheduler: &Scheduler) -> bool {
    let io = io(scheduler);
    io.waits.get() > 0 && io.engine.get().is_some_and(|engine| engine.network().is_none())
}

/// Returns the name of the engine that is in use.
#[cfg(feature = "debug")]
pub(crate) fn engine_name(scheduler: &Scheduler) -> Option<String> {
    io(scheduler).engine.get().map(|engine| engine.to_string())
}

/// Returns the engine. Makes it at the first use, and again in a forked child. A ring does not wake a
/// host that polls its descriptor as reliably as epoll does, so a runtime with a host (`is_hosted`) has
/// epoll, unless another engine was chosen or is in use.
fn engine(scheduler: &Scheduler, is_hosted: bool) -> io::Result<&Arc<Shared>> {
    let io = io(scheduler);
    let engine = match io.engine.get() {
        Some(engine) => engine,
        None => {
            let new = Arc::new(Shared::new(scheduler, io.given.get(), is_hosted)?);
            io.engine.get_or_init(|| new)
        }
    };
    if engine.is_foreign() {
        // Before the descriptors are added again.
        // mistake: fork-shares-signals
        sys::signal::renew_in_child();
        engine.renew()?;
        io.is_inbox_added.set(false);
        io.table.add_all_again(scheduler, engine);
    }
    Ok(engine)
}

/// Begins a call. A cancellation point. A thread that has made many calls without waiting lets others
/// have a turn first.
///
/// # Errors
///
/// In an exploration without a network.
#[inline]
fn begin(scheduler: &Scheduler, at: &'static Location<'static>) -> io::Result<()> {
    // mistake: cancelled-call-made
    scheduler.checkpoint();
    refuse_if_controlled(Some(scheduler))?;
    let (io, switches) = (io(scheduler), scheduler.switches());
    if io.last_switches.replace(switches) != switches || scheduler.is_controlled() {
        io.calls.set(0);
    } else if io.calls.replace(io.calls.get() + 1) == CALLS_IN_A_ROW {
        // mistake: no-turn-given
        give_turn(scheduler, at);
    }
    Ok(())
}

/// Lets others have a turn.
#[cold]
#[inline(never)]
fn give_turn(scheduler: &Scheduler, at: &'static Location<'static>) {
    scheduler.yield_while_panicking(at);
    scheduler.checkpoint();
}

/// Refuses what an exploration cannot repeat.
///
/// # Errors
///
/// In an exploration without a network.
#[inline]
pub(crate) fn refuse_if_controlled(scheduler: Option<&Scheduler>) -> io::Result<()> {
    match scheduler {
        Some(scheduler) if scheduler.is_controlled() && delivery::settings(scheduler).is_none() => {
            Err(refusal())
        }
        _ => Ok(()),
    }
}

#[cold]
fn refusal() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "leno::weave explores a program by itself, and the operating system's sockets depend on \
         what is outside: give the exploration a network in memory by Explorer::network, or replace \
         the socket by a channel in the explored part",
    )
}

/// Adds what is to be watched to the runtime.
fn add(scheduler: &Scheduler, target: Target) -> io::Result<Arc<Source>> {
    let engine = engine(scheduler, false)?;
    let source = io(scheduler).table.add(scheduler, engine, target)?;
    if let Some(network) = engine.network() {
        delivery::deliver(scheduler, network);
    }
    Ok(source)
}

/// Waits for one direction of a source.
#[inline(always)]
fn wait(scheduler: &Scheduler, side: &Side, wait: &Wait<'_>, deadline: Option<u64>) -> Outcome {
    let waits = &io(scheduler).waits;
    // mistake: wait-uncounted
    waits.set(waits.get() + 1);
    let outcome = side.wait(scheduler, wait, deadline);
    waits.set(waits.get() - 1);
    outcome
}

/// Sleeps until a descriptor has become ready, there is mail in the inbox, or `nanos` have passed.
/// Returns `false`, and does not sleep, if the runtime has no engine.
pub(crate) fn sleep(scheduler: &Scheduler, nanos: Option<u64>) -> bool {
    match io(scheduler).engine.get() {
        Some(engine) if engine.network().is_none() => look(scheduler, nanos),
        _ => return false,
    }
    true
}

/// Looks for descriptors that have become ready, if a thread waits for any and the last look is long
/// enough ago.
#[inline]
pub(crate) fn look_if_due(scheduler: &Scheduler) {
    let io = io(scheduler);
    if io.waits.get() > 0
        && let Some(engine) = io.engine.get()
        && engine.may_have_news().unwrap_or_else(|| io.looks.is_due(scheduler))
    {
        look(scheduler, Some(0));
    }
}

/// Returns `true` if the engine tells from memory that a look would send or find something. Hosts
/// ask; a copy of its own keeps that in `look_if_due` in line.
#[inline(never)]
pub(crate) fn has_news(scheduler: &Scheduler) -> bool {
    let engine = io(scheduler).engine.get();
    engine.is_some_and(|it| it.network().is_none() && it.may_have_news() == Some(true))
}

/// Looks for descriptors that have become ready, if a thread waits for any or there is news: the descriptor
/// of a ring is readable until its reports have been taken.
pub(crate) fn look_now(scheduler: &Scheduler) {
    // mistake: bell-rings-on
    if is_awaited(scheduler) || has_news(scheduler) {
        look(scheduler, Some(0));
    }
}

/// Sends what has been added to the system, before the host waits in place of the runtime.
pub(crate) fn flush(scheduler: &Scheduler) {
    if let Some(engine) = io(scheduler).engine.get() {
        engine.flush();
    }
}

/// Waits for at most `nanos`, and wakes the threads that wait for the descriptors that have become ready.
fn look(scheduler: &Scheduler, nanos: Option<u64>) {
    let io = io(scheduler);
    let engine = engine_with_inbox(scheduler, false);
    if let Some(network) = engine.network() {
        return delivery::deliver(scheduler, network);
    }
    let mut events = io.events.take().unwrap_or_default();
    engine.wait(&mut events, nanos);
    engine.finish_removals();
    io.looks.has_looked(scheduler);
    scheduler.caused_by(Cause::System, || {
        for event in events.iter() {
            if event.token == BELL {
                // mistake: bell-ends
                if event.is_last {
                    // The next look adds it again.
                    io.is_inbox_added.set(false);
                }
                if let Some(inbox) = existing_inbox(scheduler) {
                    inbox.has_slept();
                }
            } else {
                report(scheduler, event);
            }
        }
    });
    io.events.set(Some(events));
}

/// Returns the engine, which reports the inbox, too, if there is one.
///
/// # Panics
///
/// If the system refuses it.
fn engine_with_inbox(scheduler: &Scheduler, is_hosted: bool) -> &Shared {
    let with_inbox = engine(scheduler, is_hosted).and_then(|engine| {
        let is_added = &io(scheduler).is_inbox_added;
        if !is_added.get()
            && let Some(inbox) = existing_inbox(scheduler)
        {
            engine.add_bell(inbox.descriptor().as_raw_fd(), BELL)?;
            is_added.set(true);
        }
        Ok(engine)
    });
    with_inbox.unwrap_or_else(|error| {
        panic!(
            "this runtime cannot wait for descriptors: {error}; the limit of open files is \
             `ulimit -n`"
        )
    })
}

/// Returns the descriptor that is readable while `inbox`, the descriptor of the inbox, is, or another
/// descriptor has become ready.
///
/// # Panics
///
/// If the system refuses it.
pub(crate) fn descriptor_with<'a>(
    scheduler: &'a Scheduler,
    inbox: BorrowedFd<'a>,
) -> BorrowedFd<'a> {
    debug_assert!(
        existing_inbox(scheduler)
            .is_some_and(|it| it.descriptor().as_raw_fd() == inbox.as_raw_fd())
    );
    let engine = engine_with_inbox(scheduler, true);
    engine.flush();
    engine.descriptor().unwrap_or(inbox)
}
