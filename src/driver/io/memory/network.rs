//! A network in memory, as the queue of events of a runtime.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ids::SocketId;
use super::settings::MemoryNetwork;
use super::state::State;

/// A network. Any OS thread may close a socket of it.
pub(crate) struct Network(Mutex<State>);

impl Network {
    pub(crate) fn new(settings: MemoryNetwork) -> Network {
        Network(Mutex::new(State::new(settings.capacity)))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to report the changes of a socket, with this token.
    pub(crate) fn watch(&self, id: SocketId, token: u64) -> io::Result<()> {
        self.state().watch(id, token)
    }

    /// Reports the changes with this token no more.
    pub(crate) fn unwatch(&self, token: u64) {
        self.state().unwatch(token);
    }

    /// Returns `true` if there is something to report.
    pub(crate) fn has_news(&self) -> bool {
        !self.state().events.is_empty()
    }
}
