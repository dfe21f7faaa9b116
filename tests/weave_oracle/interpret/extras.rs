//! Operations without a model: futures, remote handles, results with destructors, texts, and
//! deadlines that have passed.

use std::rc::Rc;

use leno::thread;
use leno::time::Duration;
use leno::{Handle, block_on};

use super::World;
use crate::program::{Extra, said};

/// A result of a green thread that adds to a cell when it is dropped.
struct Adds(Rc<World>, usize);

impl Drop for Adds {
    fn drop(&mut self) {
        self.0.cells.add(self.1);
    }
}

impl World {
    /// Carries out the operation, and returns what to log.
    pub(super) fn extra(self: &Rc<World>, extra: Extra) -> u8 {
        let said = |is_so: bool| if is_so { said::YES } else { said::NO };
        match extra {
            Extra::Await(cell) => {
                let world = self.clone();
                block_on(thread::spawn(move || world.cells.add(cell))).unwrap_or(said::PANICKED)
            }
            Extra::Remote => {
                let remote = Handle::current().spawn(|| ()).expect("the runtime exists");
                leno::yield_now();
                let is_finished = remote.is_finished();
                said(is_finished && remote.join().is_ok())
            }
            Extra::DropHandle(cell) => {
                let result = Adds(self.clone(), cell);
                let handle = thread::spawn(move || result);
                leno::yield_now();
                drop(handle);
                said::NOTHING
            }
            Extra::Text => {
                let (semaphore, mutex) = (&self.semaphore, &self.mutexes[0]);
                let text = format!("{semaphore:?}{mutex:?}");
                text.bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte))
            }
            Extra::Tick(millis) => {
                said(self.ticks.recv_timeout(Duration::from_millis(millis)).is_ok())
            }
            Extra::WaitWhileZero(cell, millis) => {
                let Ok(guard) = self.mutexes[1].lock() else { return said::PANICKED };
                let limit = Duration::from_millis(millis);
                let is_zero = |_: &mut ()| self.cells.get(cell) == 0;
                match self.condvar.wait_timeout_while(guard, limit, is_zero) {
                    Ok((_, result)) => said(result.timed_out()),
                    Err(_) => said::PANICKED,
                }
            }
        }
    }
}
