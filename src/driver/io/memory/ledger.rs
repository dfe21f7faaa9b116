//! What a runtime knows of its network in memory, besides the state of the network.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::Location;
use std::rc::Rc;

use super::ids::PipeId;
use crate::kernel::Resource;

/// What a runtime has besides of its network.
#[derive(Default)]
pub(crate) struct Ledger {
    /// The directions of streams, for explorations.
    pub(super) pipes: RefCell<BTreeMap<PipeId, Rc<Resource>>>,
    /// All else, for explorations.
    pub(super) rest: RefCell<Option<Rc<Resource>>>,
    /// The line of the last call that an exploration was told of.
    pub(super) called_at: Cell<Option<&'static Location<'static>>>,
    pub(super) unanswered: Cell<u32>,
    pub(super) aborts: Cell<u32>,
    pub(super) resets: Cell<u32>,
    pub(super) shortages: Cell<u32>,
}
