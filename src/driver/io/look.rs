//! When to look for ready descriptors while green threads can run.
//!
//! A look is a system call of about 500 ns, and 64 switches may take 150 ns, or a second. So the
//! interval between two looks is a time, and is measured: after each look the time of the switches
//! since the one before tells how many switches to wait for. Where switches suddenly take longer, the
//! coarse clock, which is read anyway, ends the interval at its next step.

#![forbid(unsafe_code)]

use std::cell::Cell;

use crate::kernel::Scheduler;
use crate::sys;

/// The time between two looks, in nanoseconds: a look then takes about a hundredth of the time.
const INTERVAL_NANOS: u64 = 50_000;

/// The most switches between two looks.
const MOST_SWITCHES: u64 = 65_536;

/// When to look next.
#[derive(Default)]
pub(super) struct Looks {
    /// The count of switches and the time at the last look.
    last_switches: Cell<usize>,
    last_nanos: Cell<u64>,
    /// The system's coarse time at the last look.
    last_coarse: Cell<u64>,
    /// The number of switches until the next look.
    switches: Cell<u64>,
}

impl Looks {
    /// Returns `true` if it is time to look.
    pub(super) fn is_due(&self, scheduler: &Scheduler) -> bool {
        let since = scheduler.switches().wrapping_sub(self.last_switches.get()) as u64;
        since >= self.switches.get() || sys::clock::coarse_now() != self.last_coarse.get()
    }

    /// Notes a look.
    pub(super) fn has_looked(&self, scheduler: &Scheduler) {
        let (now, switches) = (sys::clock::now(), scheduler.switches());
        let nanos = now.saturating_sub(self.last_nanos.replace(now)).max(1);
        let since = switches.wrapping_sub(self.last_switches.replace(switches)) as u64;
        self.switches.set((since.saturating_mul(INTERVAL_NANOS) / nanos).min(MOST_SWITCHES));
        self.last_coarse.set(sys::clock::coarse_now());
    }
}
