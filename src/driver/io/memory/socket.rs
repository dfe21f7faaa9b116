//! The sockets of a network in memory.

use std::cell::Cell;
use std::io;
use std::net::Shutdown;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use super::super::address::{Address, Kind};
use super::super::direction::{Direction, Drained};
use super::super::engine;
use super::super::engine::{Shared, unsupported};
use super::super::options::Choice;
use super::delivery::{
    At, deliver, know_pipes, later, ledger, resources, settings, tell_fault, touch,
};
use super::ids::SocketId;
use super::network::Network;
use super::settings::MemoryNetwork;
use super::state::State;
use crate::kernel::{Resource, Scheduler, try_scheduler};

/// A socket of a network.
pub(crate) struct MemorySocket {
    engine: Arc<Shared>,
    /// The serial number of the runtime.
    runtime: u64,
    kind: Kind,
    id: SocketId,
}

impl MemorySocket {
    /// Makes a socket of the runtime's network. Returns `None` if the runtime has none.
    ///
    /// # Errors
    ///
    /// If the network has a shortage.
    pub(crate) fn new(kind: Kind) -> Option<io::Result<MemorySocket>> {
        let scheduler = try_scheduler()?;
        let settings = settings(scheduler)?;
        Some(shortage(scheduler, settings).and_then(|()| {
            let engine = engine(scheduler, false)?.clone();
            let network = engine.network().ok_or_else(|| unsupported(OTHER_RUNTIME))?;
            let id = network.state().socket(kind);
            Ok(MemorySocket { runtime: scheduler.serial(), kind, id, engine })
        }))
    }

    /// Makes two sockets that are connected to each other.
    pub(crate) fn pair(kind: Kind) -> Option<io::Result<(MemorySocket, MemorySocket)>> {
        let (one, other) = (MemorySocket::new(kind)?, MemorySocket::new(kind)?);
        Some(one.and_then(|one| {
            let other = other?;
            one.call(|state| {
                state.join(one.id, other.id);
                Ok(())
            })?;
            know_pipes(one.scheduler()?, one.network(), one.id);
            Ok((one, other))
        }))
    }

    pub(crate) fn id(&self) -> SocketId {
        self.id
    }

    fn network(&self) -> &Network {
        self.engine.network().expect("the engine of a socket in memory is its network")
    }

    /// Returns the scheduler of the socket's runtime.
    ///
    /// # Errors
    ///
    /// In another runtime, and outside.
    fn scheduler(&self) -> io::Result<&'static Scheduler> {
        let here = try_scheduler().filter(|scheduler| scheduler.serial() == self.runtime);
        here.ok_or_else(|| unsupported(OTHER_RUNTIME))
    }

    /// Calls `f` with the state of the network, and reports what has changed.
    fn call<T>(&self, f: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let scheduler = self.scheduler()?;
        let result = f(&mut self.network().state());
        deliver(scheduler, self.network());
        result
    }

    /// Tells an exploration that a call in a direction is about to be made.
    pub(crate) fn touch(
        &self,
        direction: Option<Direction>,
        verb: &'static str,
        at: &'static Location<'static>,
    ) {
        if let Ok(scheduler) = self.scheduler() {
            touch(scheduler, self.network(), self.id, direction, verb, At::Call(at));
        }
    }

    /// Returns the object by which an exploration knows what a wait in a direction is for.
    pub(crate) fn resource(&self, direction: Direction) -> Option<Rc<Resource>> {
        let scheduler = self.scheduler().ok()?;
        resources(scheduler, self.network(), self.id, Some(direction)).pop()
    }

    /// Returns `true` if a call in this direction would not block. In another runtime it fails at once.
    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        self.scheduler().is_err() || self.network().state().is_ready(self.id, direction)
    }

    pub(crate) fn bind(&self, address: &Address, at: &'static Location<'static>) -> io::Result<()> {
        address.to_system()?;
        self.touch(None, "bind", at);
        self.call(|state| state.bind(self.id, address))
    }

    /// Begins a connection. It is made, or answered later, or never.
    pub(crate) fn connect(&self, address: &Address) -> io::Result<()> {
        address.to_system()?;
        let (scheduler, network) = (self.scheduler()?, self.network());
        if self.kind == Kind::TcpStream
            && let Some(settings) = settings(scheduler)
        {
            let unanswered = &ledger(scheduler).unanswered;
            if happens(scheduler, unanswered, settings.most_unanswered) {
                return self.call(|state| state.begin_connection(self.id, address));
            }
            let id = self.id;
            let answer = move |scheduler: &Scheduler, network: &Network| {
                network.state().answer(id);
                know_pipes(scheduler, network, id);
                deliver(scheduler, network);
            };
            if settings.has_late_connections
                && scheduler.alternative(2) == 1
                && later(scheduler, id, "answer", answer)
            {
                return self.call(|state| state.begin_connection(id, address));
            }
        }
        self.call(|state| state.connect(self.id, address))?;
        know_pipes(scheduler, network, self.id);
        Ok(())
    }

    pub(crate) fn accept(&self) -> io::Result<(MemorySocket, Address)> {
        let scheduler = self.scheduler()?;
        if self.is_ready(Direction::Read)
            && let Some(settings) = settings(scheduler)
        {
            shortage(scheduler, settings)?;
            if happens(scheduler, &ledger(scheduler).aborts, settings.most_aborts) {
                tell_fault(scheduler, self.network(), self.id, "abort");
                self.call(|state| state.abort(self.id))?;
                return Err(io::Error::from_raw_os_error(libc::ECONNABORTED));
            }
        }
        let (id, peer) = self.call(|state| state.accept(self.id))?;
        let (engine, kind) = (self.engine.clone(), self.kind.accepted());
        Ok((MemorySocket { engine, kind, id, runtime: self.runtime }, peer))
    }

    /// Chooses what goes wrong with a call that could carry `asked` bytes. Returns how many it may carry.
    ///
    /// # Errors
    ///
    /// If the connection is reset.
    fn faults(&self, direction: Direction, asked: usize) -> io::Result<usize> {
        let scheduler = self.scheduler()?;
        let Some(settings) = settings(scheduler) else { return Ok(asked) };
        let (is_connected, most) = {
            let mut state = self.network().state();
            let is_connected = state.pipe(self.id, direction).is_ok();
            (is_connected, state.transferable(self.id, direction).min(asked))
        };
        let resets = &ledger(scheduler).resets;
        if is_connected && happens(scheduler, resets, settings.most_resets) {
            tell_fault(scheduler, self.network(), self.id, "reset");
            self.call(|state| {
                state.reset(self.id);
                Ok(())
            })?;
            return Err(io::Error::from_raw_os_error(libc::ECONNRESET));
        }
        if most < 2 || !settings.has_short_transfers || scheduler.alternative(2) == 0 {
            return Ok(asked);
        }
        // An exploration tries one number.
        let more = if scheduler.is_controlled() { 0 } else { scheduler.alternative(most - 1) };
        Ok(1 + more)
    }

    pub(crate) fn read(&self, bytes: &mut [u8]) -> io::Result<(usize, Drained)> {
        let most = self.faults(Direction::Read, bytes.len())?;
        self.call(|state| state.read(self.id, bytes, most, true))
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<(usize, Drained)> {
        let most = self.faults(Direction::Write, bytes.len())?;
        self.call(|state| state.write(self.id, bytes, most))
    }

    /// Receives a datagram, or looks at what a stream has; takes it, or leaves it for the next call.
    pub(crate) fn receive(&self, bytes: &mut [u8], takes: bool) -> io::Result<(usize, Address)> {
        self.call(|state| {
            if self.kind.is_stream() {
                let peer = state.peer_addr(self.id)?;
                return Ok((state.read(self.id, bytes, usize::MAX, takes)?.0, peer));
            }
            state.receive(self.id, bytes, takes)
        })
    }

    /// Sends a datagram to an address, or to the peer.
    pub(crate) fn send(&self, bytes: &[u8], to: Option<&Address>) -> io::Result<usize> {
        to.map_or(Ok(()), |address| address.to_system().map(drop))?;
        self.call(|state| state.send(self.id, bytes, to))
    }

    pub(crate) fn shutdown(&self, how: Shutdown, at: &'static Location<'static>) -> io::Result<()> {
        let direction = match how {
            Shutdown::Read => Some(Direction::Read),
            Shutdown::Write => Some(Direction::Write),
            Shutdown::Both => None,
        };
        self.touch(direction, "shut down", at);
        self.call(|state| state.shutdown(self.id, how))
    }

    pub(crate) fn local_addr(&self) -> io::Result<Address> {
        self.network().state().local_addr(self.id)
    }

    pub(crate) fn peer_addr(&self) -> io::Result<Address> {
        self.network().state().peer_addr(self.id)
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.network().state().take_error(self.id)
    }

    pub(crate) fn get(&self, choice: Choice) -> io::Result<u32> {
        self.network().state().option(self.id, choice)
    }

    pub(crate) fn set(&self, choice: Choice, value: u32) -> io::Result<()> {
        self.network().state().set_option(self.id, choice, value)
    }
}

const OTHER_RUNTIME: &str =
    "a socket of a network in memory can be used only in the runtime that has made it";

/// Chooses whether a fault happens, of which `count` have happened.
fn happens(scheduler: &Scheduler, count: &Cell<u32>, most: u32) -> bool {
    let happens = count.get() < most && scheduler.alternative(2) == 1;
    count.set(count.get() + u32::from(happens));
    happens
}

/// Chooses whether there is no descriptor for a new socket.
///
/// # Errors
///
/// If there is none.
fn shortage(scheduler: &Scheduler, settings: MemoryNetwork) -> io::Result<()> {
    if happens(scheduler, &ledger(scheduler).shortages, settings.most_shortages) {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    Ok(())
}

/// On another OS thread, or after the runtime has ended, the other end learns of it by its next call.
impl Drop for MemorySocket {
    fn drop(&mut self) {
        let Ok(scheduler) = self.scheduler() else {
            return self.network().state().close(self.id);
        };
        touch(scheduler, self.network(), self.id, None, "close", At::Destructor);
        self.network().state().close(self.id);
        deliver(scheduler, self.network());
    }
}
