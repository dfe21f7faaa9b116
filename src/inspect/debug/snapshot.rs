//! Snapshots: what each green thread of a runtime does, how much stack it uses, and the frames on
//! the stack.
//!
//! The frames of a suspended green thread are found from its own stack, and the room that is left
//! there is unknown. So the search is a coroutine with a stack of its own, which is resumed there:
//! a backtrace goes on from a coroutine into its resumer.

#![forbid(unsafe_code)]

use std::panic::Location;
use std::time::Duration;

use super::stack_visit::{bytes_in_use, on_stack_of, suspended_at};
use super::stalled::age;
use crate::coroutine::{Coroutine, Yielder};
use crate::inspect::deadlock::{self, Waiting};
use crate::kernel::{ControlBlock, Scheduler, State};
use crate::stack::{self, Stack};
use crate::timer::refresh;

/// What a snapshot has found of one green thread.
pub(crate) struct Seen {
    /// Its name and number.
    pub(crate) label: String,
    pub(crate) doing: Doing,
    /// "spawned", and the line. `None` for the main green thread, which is not spawned.
    pub(crate) spawned: Option<(String, &'static Location<'static>)>,
    /// `None` for the main green thread, which has the stack of the OS thread.
    pub(crate) stack: Option<StackUse>,
    pub(crate) frames: Frames,
}

pub(crate) enum Doing {
    /// The thread takes the snapshot.
    Running,
    /// The thread can run, and has begun.
    Ready,
    /// The thread can run, and has not begun.
    New,
    /// The time for which the thread has waited is beside what it waits for.
    Waiting(Waiting, Duration),
}

/// The use of a green thread's stack, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct StackUse {
    pub(crate) bytes: usize,
    /// `None` while the green thread runs on a stack that is not leno's.
    pub(crate) in_use: Option<usize>,
    /// The most that has been in use.
    pub(crate) high_water: usize,
}

/// The frames on a stack.
pub(crate) enum Frames {
    /// There are none: the thread has not begun.
    None,
    /// Addresses in the functions, the innermost first; `true` if there are more.
    Found(Vec<usize>, bool),
    /// The stack has only this number of bytes left, too few to search from there.
    NoRoom(usize),
    /// There is no memory for the stack of the search.
    Failed(String),
}

/// The stack that resuming a coroutine takes in a build without optimisation.
const ROOM_BYTES: usize = if cfg!(feature = "sanitizer") { 10 * 1024 } else { 4 * 1024 };

/// The stack of the search. A backtrace takes about 10 KiB, and several times that where the
/// program is checked for memory errors.
const TRACER_STACK_BYTES: usize = 128 * 1024;

const MOST_FRAMES: usize = 256;

/// A coroutine that finds the frames of its resumer, each time that it is resumed with `true`.
type Tracer = Coroutine<bool, Frames, ()>;

fn tracer() -> Result<Tracer, String> {
    let stack = Stack::new(TRACER_STACK_BYTES).map_err(|error| error.to_string())?;
    Ok(Coroutine::with_stack(stack, |yielder: &Yielder<bool, Frames>, mut again| {
        while again {
            again = yielder.suspend(trace());
        }
    }))
}

fn trace() -> Frames {
    let mut found = Vec::with_capacity(MOST_FRAMES);
    let mut more = false;
    backtrace::trace(|frame| {
        let address = frame.ip().addr();
        // Above the root of a green thread there is nothing.
        more = found.len() == MOST_FRAMES && address != 0;
        if !more && address != 0 {
            found.push(address);
        }
        !more
    });
    Frames::Found(found, more)
}

/// Looks at all green threads, in the order in which they were spawned.
pub(crate) fn snapshot(scheduler: &Scheduler) -> Vec<Seen> {
    let (all, now) = (scheduler.all(), refresh(scheduler));
    let tracer = tracer();
    let seen = all
        .iter()
        .map(|control| Seen {
            label: deadlock::label(control),
            doing: doing(scheduler, control, &all, now),
            spawned: deadlock::spawned(control).map(|text| (text, control.spawned_at())),
            stack: stack_use(scheduler, control),
            frames: match &tracer {
                Ok(tracer) => frames(scheduler, control, tracer),
                Err(error) => Frames::Failed(error.clone()),
            },
        })
        .collect();
    if let Ok(tracer) = tracer {
        // It returns: a program built with panic="abort" could not unwind it.
        tracer.resume(false);
    }
    seen
}

fn doing(scheduler: &Scheduler, control: &ControlBlock, all: &[&ControlBlock], now: u64) -> Doing {
    match control.state() {
        State::Waiting => match (control.waits_for(), deadlock::waiting(control, all)) {
            (Some(wait), Some(waiting)) => Doing::Waiting(waiting, age(wait, now)),
            _ => Doing::Running,
        },
        _ if scheduler.is_current(control) => Doing::Running,
        _ if suspended_at(scheduler, control).is_some() => Doing::Ready,
        _ => Doing::New,
    }
}

fn frames(scheduler: &Scheduler, control: &ControlBlock, tracer: &Tracer) -> Frames {
    let look = || tracer.resume(true).as_yield().unwrap_or(Frames::None);
    if scheduler.is_current(control) {
        return look();
    }
    let Some(context) = suspended_at(scheduler, control) else { return Frames::None };
    // The context may be on the stack of a coroutine that the thread runs.
    if let Some(room) = stack::room_below(context.addr())
        && room < ROOM_BYTES
    {
        return Frames::NoRoom(room);
    }
    let mut frames = Frames::None;
    on_stack_of(scheduler, control, || frames = look());
    frames
}

fn stack_use(scheduler: &Scheduler, control: &ControlBlock) -> Option<StackUse> {
    let stack = control.stack()?;
    Some(StackUse {
        bytes: stack.usable_bytes(),
        in_use: bytes_in_use(scheduler, control, stack),
        high_water: stack.high_water(),
    })
}
