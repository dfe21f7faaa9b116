//! Reports what has changed in a network in memory, and tells explorations what a call uses.

use std::panic::Location;
use std::rc::Rc;

use super::super::address::Address;
use super::super::direction::Direction;
use super::super::engine::Engine;
use super::super::slot::{io, report};
use super::ids::SocketId;
use super::ledger::Ledger;
use super::network::Network;
use super::settings::MemoryNetwork;
use crate::access::report::{created, note_resource, report_also};
use crate::access::{Access, Object};
use crate::kernel::{Report, Resource, Scheduler, try_scheduler};
use crate::sys::poller::Event;

pub(super) fn ledger(scheduler: &Scheduler) -> &Ledger {
    &io(scheduler).ledger
}

/// Returns the settings of the runtime's network, if it has one.
pub(crate) fn settings(scheduler: &Scheduler) -> Option<MemoryNetwork> {
    match io(scheduler).given.get() {
        Some(Engine::Memory(settings)) => Some(settings),
        _ => None,
    }
}

/// Reports to the sources what has become ready, now or later.
pub(crate) fn deliver(scheduler: &Scheduler, network: &Network) {
    let events = std::mem::take(&mut network.state().events);
    let has_late = settings(scheduler).is_some_and(|settings| settings.has_late_reports);
    for (id, event) in events {
        // Without a stack for the report, it is not late.
        if !(has_late && scheduler.alternative(2) == 1 && deliver_later(scheduler, id, event)) {
            report(scheduler, event);
        }
    }
}

/// Spawns a green thread that reports an event when its turn comes. Returns `false` if there is no stack
/// for it.
fn deliver_later(scheduler: &Scheduler, id: SocketId, event: Event) -> bool {
    later(scheduler, id, "report", move |scheduler, _| report(scheduler, event))
}

/// Spawns a green thread that does something with a socket when its turn comes; `verb` is its name. Returns
/// `false` if there is no stack for it.
pub(super) fn later(
    scheduler: &Scheduler,
    id: SocketId,
    verb: &'static str,
    f: impl FnOnce(&Scheduler, &Network) + 'static,
) -> bool {
    let Ok(stack) = scheduler.stack(None) else { return false };
    let at = Location::caller();
    let body = move || {
        if let Some(scheduler) = try_scheduler()
            && let Some(network) = io(scheduler).engine.get().and_then(|engine| engine.network())
        {
            touch(scheduler, network, id, None, verb, At::Call(at));
            f(scheduler, network);
        }
    };
    drop(scheduler.spawn(stack, Some(verb.to_owned()), at, body));
    true
}

/// Gives the directions of a connection that has just been made objects for explorations.
pub(super) fn know_pipes(scheduler: &Scheduler, network: &Network, id: SocketId) {
    if !scheduler.is_observed() {
        return;
    }
    let (ledger, mut state) = (ledger(scheduler), network.state());
    for direction in [Direction::Read, Direction::Write] {
        let Ok(pipe) = state.pipe(id, direction) else { continue };
        let stream = Rc::new(created("stream"));
        if let (Ok(local @ Address::Ip(_)), Ok(peer)) = (state.local_addr(id), state.peer_addr(id))
        {
            let is_read = direction == Direction::Read;
            let (from, to) = if is_read { (peer, local) } else { (local, peer) };
            stream.set_name(format!("{from} to {to}"));
        }
        ledger.pipes.borrow_mut().insert(pipe, stream);
    }
}

/// Where a call is.
#[derive(Clone, Copy)]
pub(super) enum At {
    Call(&'static Location<'static>),
    /// In a destructor, which does not know its caller.
    Destructor,
}

/// Tells an exploration that the current thread is about to use a socket in one direction, or in both.
pub(super) fn touch(
    scheduler: &Scheduler,
    network: &Network,
    id: SocketId,
    direction: Option<Direction>,
    verb: &'static str,
    at: At,
) {
    if !scheduler.is_observed() {
        return;
    }
    if let At::Call(at) = at {
        ledger(scheduler).called_at.set(Some(at));
    }
    // A reset uses both directions. The one that is meant comes first.
    let is_one = settings(scheduler).is_none_or(|settings| settings.most_resets == 0);
    let mut resources = resources(scheduler, network, id, direction.filter(|_| is_one));
    if direction == Some(Direction::Write) {
        resources.reverse();
    }
    let mut resources = resources.into_iter();
    if let Some(first) = resources.next() {
        let (at, is_known) = match at {
            At::Call(at) => (at, true),
            At::Destructor => (first.made_at(), false),
        };
        note_resource(&first, Access::Write, verb, at, is_known);
    }
    resources.for_each(|other| report_also(scheduler, Object::Resource(&other), Access::Write));
}

/// Tells an exploration that the current thread is about to use what all listeners share. In a destructor,
/// no line is known.
pub(crate) fn touch_listeners(
    scheduler: &Scheduler,
    verb: &'static str,
    at: Option<&'static Location<'static>>,
) {
    if scheduler.is_observed()
        && let Some(rest) = ledger(scheduler).rest.borrow().clone()
    {
        note_resource(&rest, Access::Write, verb, at.unwrap_or(rest.made_at()), at.is_some());
    }
}

/// Tells an exploration what goes wrong with the call that it was told of last.
pub(super) fn tell_fault(
    scheduler: &Scheduler,
    network: &Network,
    id: SocketId,
    verb: &'static str,
) {
    if scheduler.is_observed()
        && let Some(at) = ledger(scheduler).called_at.get()
        && let Some(resource) = resources(scheduler, network, id, None).first()
    {
        let (object, access) = (Object::Resource(resource), Access::Write);
        (scheduler.upcalls().report)(scheduler, Report::Part { object, access, verb, at });
    }
}

/// Returns the objects by which an exploration knows a socket in one direction, or in both.
pub(super) fn resources(
    scheduler: &Scheduler,
    network: &Network,
    id: SocketId,
    direction: Option<Direction>,
) -> Vec<Rc<Resource>> {
    let (ledger, mut state) = (ledger(scheduler), network.state());
    let pipes = ledger.pipes.borrow();
    let found: Vec<_> = [Direction::Read, Direction::Write]
        .into_iter()
        .filter(|&it| direction.is_none_or(|only| only == it))
        .filter_map(|it| pipes.get(&state.pipe(id, it).ok()?).cloned())
        .collect();
    if found.is_empty() { ledger.rest.borrow().iter().cloned().collect() } else { found }
}
