//! The sources of a runtime.

#![forbid(unsafe_code)]

use std::cell::{Ref, RefCell};
use std::io;
use std::sync::Arc;

use super::engine::{Shared, Target};
use super::source::Source;
use crate::kernel::Scheduler;

/// The sources of a runtime, by their tokens.
#[derive(Default)]
pub(super) struct Table(RefCell<Slots>);

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    /// The slots without a source.
    free: Vec<u32>,
}

/// A place for a source.
#[derive(Default)]
struct Slot {
    /// The number of sources that have left the slot.
    generation: u32,
    source: Option<Arc<Source>>,
}

/// Returns the token of a source.
fn token(slot: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(slot)
}

impl Slots {
    /// Returns the source with this token, if it is there.
    fn source(&self, token: u64) -> Option<&Source> {
        let slot = self.slots.get(token as u32 as usize)?;
        // mistake: any-generation
        if u64::from(slot.generation) == token >> 32 { slot.source.as_deref() } else { None }
    }

    /// Frees the slot of a token.
    fn remove(&mut self, token: u64) {
        if self.source(token).is_some() {
            let slot = &mut self.slots[token as u32 as usize];
            slot.source = None;
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(token as u32);
        }
    }
}

impl Table {
    /// Adds what is to be watched to the engine and the table.
    pub(super) fn add(
        &self,
        scheduler: &Scheduler,
        engine: &Arc<Shared>,
        target: Target,
    ) -> io::Result<Arc<Source>> {
        let slots = &mut *self.0.borrow_mut();
        for token in engine.take_removed() {
            slots.remove(token);
        }
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.slots.push(Slot::default());
            u32::try_from(slots.slots.len() - 1).expect("there are fewer descriptors")
        });
        let slot = &mut slots.slots[index as usize];
        let token = token(index, slot.generation);
        if let Err(error) = engine.add(target, token) {
            slots.free.push(index);
            return Err(error);
        }
        let source = Source::new(scheduler.serial(), token, target, engine.clone());
        Ok(slot.source.insert(Arc::new(source)).clone())
    }

    /// Adds all sources to an engine that has none, and has each thread that waits make its call
    /// again.
    pub(super) fn add_all_again(&self, scheduler: &Scheduler, engine: &Shared) {
        let sources: Vec<_> =
            self.0.borrow().slots.iter().filter_map(|slot| slot.source.clone()).collect();
        for source in sources {
            if source.serves(scheduler.serial()) {
                // If it fails, the call that is made again finds the error.
                let _ = engine.add(source.target(), source.token());
                source.report_all(scheduler);
            }
        }
    }

    /// Returns the source with this token. It is not cloned, which would be two atomic operations for
    /// each event; no source is added before it is dropped.
    pub(super) fn get(&self, token: u64) -> Option<Ref<'_, Source>> {
        Ref::filter_map(self.0.borrow(), |slots| slots.source(token)).ok()
    }

    /// Notes that the runtime has ended.
    pub(super) fn abandon_all(&self) {
        for slot in &self.0.borrow().slots {
            if let Some(source) = &slot.source {
                source.abandon();
            }
        }
    }
}
