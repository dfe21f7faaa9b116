//! Calls that are interrupted and begun again.

use std::io;
use std::panic::resume_unwind;
use std::rc::Rc;

use leno::thread::Cancelled;
use leno::time::{Duration, timeout};
use proptest::prelude::*;

/// What interrupts a green thread that makes calls. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub enum Interruption {
    /// It is cancelled after so many turns of other threads.
    CancelAfterTurns(u8),
    CancelAfter(u16),
    /// A deadline scope.
    Deadline(u16),
    /// A deadline scope in a deadline scope.
    Deadlines(u16, u16),
    /// The timeout of the object.
    Timeout(u16),
}

impl Interruption {
    pub fn any() -> impl Strategy<Value = Interruption> {
        prop_oneof![
            (0..20u8).prop_map(Interruption::CancelAfterTurns),
            (0..100u16).prop_map(Interruption::CancelAfter),
            (0..100u16).prop_map(Interruption::Deadline),
            (0..100u16, 0..100u16).prop_map(|(one, other)| Interruption::Deadlines(one, other)),
            (1..100u16).prop_map(Interruption::Timeout),
        ]
    }
}

/// What a green thread that makes calls returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is nothing more to do.
    Done,
    /// A call has failed after a timeout.
    Stopped,
}

/// Returns [`Progress::Stopped`] for the error of a timeout. Panics for other errors.
#[track_caller]
pub fn stopped(error: io::Error) -> Progress {
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
    Progress::Stopped
}

/// Makes calls in green threads until one of them returns that all is done. They are interrupted, and
/// others take their place, while there is a `next` interruption. `limit` sets the timeout of the
/// object. Returns the number of threads that were interrupted in a call.
pub fn persist(
    threads: usize,
    mut next: impl FnMut() -> Option<Interruption>,
    limit: impl Fn(Option<Duration>),
    calls: impl Fn() -> Progress + 'static,
) -> u64 {
    let calls = Rc::new(calls);
    let mut interrupted = 0;
    loop {
        let interruption = next();
        limit(match interruption {
            Some(Interruption::Timeout(after)) => Some(micros(after)),
            _ => None,
        });
        let making: Vec<_> = (0..threads)
            .map(|_| {
                let calls = calls.clone();
                leno::spawn(move || within(interruption, &*calls))
            })
            .collect();
        match interruption {
            Some(Interruption::CancelAfterTurns(turns)) => {
                (0..turns).for_each(|_| leno::yield_now());
                making.iter().for_each(leno::thread::JoinHandle::cancel);
            }
            Some(Interruption::CancelAfter(after)) => {
                leno::sleep(micros(after));
                making.iter().for_each(leno::thread::JoinHandle::cancel);
            }
            _ => {}
        }
        let mut is_done = false;
        for thread in making {
            match thread.join() {
                Ok(Progress::Done) => is_done = true,
                Ok(Progress::Stopped) => interrupted += 1,
                Err(payload) if payload.is::<Cancelled>() => interrupted += 1,
                Err(payload) => resume_unwind(payload),
            }
        }
        if is_done {
            return interrupted;
        }
    }
}

fn micros(count: u16) -> Duration {
    Duration::from_micros(count.into())
}

/// Makes the calls within the deadlines of the interruption.
fn within(interruption: Option<Interruption>, calls: &dyn Fn() -> Progress) -> Progress {
    match interruption {
        Some(Interruption::Deadline(after)) => {
            timeout(micros(after), calls).unwrap_or(Progress::Stopped)
        }
        Some(Interruption::Deadlines(outer, inner)) => {
            let inside = || timeout(micros(inner), calls).unwrap_or(Progress::Stopped);
            timeout(micros(outer), inside).unwrap_or(Progress::Stopped)
        }
        _ => calls(),
    }
}
