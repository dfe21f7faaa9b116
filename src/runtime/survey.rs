//! A look at every green thread of a runtime: what it does, how much stack it
//! uses, and the frames on it.
//!
//! The frames of a suspended green thread are found from its own stack, where we
//! do not know how much room is left. So the search itself is a coroutine with a
//! stack of its own, which is resumed there: a backtrace goes on from a coroutine
//! into whoever resumed it.

#![forbid(unsafe_code)]

use std::panic::Location;

use super::control::{Control, State};
use super::report::{self, Waiting};
use super::scheduler::Scheduler;
use crate::coroutine::{Coroutine, Yielder};
use crate::stack::{self, Stack};

/// What one green thread was found to do.
pub(crate) struct Seen {
    /// Its name and number.
    pub(crate) label: String,
    pub(crate) doing: Doing,
    /// "spawned", and where. The main green thread is not spawned.
    pub(crate) spawned: Option<(String, &'static Location<'static>)>,
    /// The main green thread has the OS thread's.
    pub(crate) stack: Option<StackUse>,
    pub(crate) frames: Frames,
}

pub(crate) enum Doing {
    /// It is the one that looks.
    Running,
    /// It can run, and others run before it.
    Ready,
    /// It can run, and has not run yet.
    New,
    Waiting(Waiting),
}

/// How much of its stack a green thread uses, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct StackUse {
    pub(crate) bytes: usize,
    pub(crate) in_use: usize,
    /// The most that has been in use.
    pub(crate) high_water: usize,
}

/// The frames on a stack.
pub(crate) enum Frames {
    /// There are none yet.
    None,
    /// Addresses in their functions, the innermost first; whether there are more.
    Found(Vec<usize>, bool),
    /// Its stack has only so many bytes left, too few to look from there.
    NoRoom(usize),
    /// There is no memory for a stack to look from.
    Failed(String),
}

/// What it takes to resume a coroutine, in a build that is not optimised.
const ROOM_BYTES: usize = if cfg!(feature = "sanitizer") { 10 * 1024 } else { 4 * 1024 };

/// A backtrace takes about 10 KiB of stack, and several times that where the
/// program is checked for memory errors.
const TRACER_STACK_BYTES: usize = 128 * 1024;

const MOST_FRAMES: usize = 256;

/// Finds the frames of whoever resumes it with true, each time.
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

impl Scheduler {
    /// Looks at all green threads, in the order in which they were spawned.
    pub(crate) fn survey(&self) -> Vec<Seen> {
        let (all, now) = (self.all(), self.look_at_clock());
        let tracer = tracer();
        let seen = all
            .iter()
            .map(|control| Seen {
                label: report::label(control),
                doing: self.doing(control, &all, now),
                spawned: report::spawned(control).map(|text| (text, control.spawned_at)),
                stack: self.stack_use(control),
                frames: match &tracer {
                    Ok(tracer) => self.frames(control, tracer),
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

    fn doing(&self, control: &Control, all: &[&Control], now: u64) -> Doing {
        match control.state.get() {
            State::Waiting => {
                report::waiting(control, all, now).map_or(Doing::Running, Doing::Waiting)
            }
            _ if self.is_current(control) => Doing::Running,
            _ if self.suspended_at(control).is_some() => Doing::Ready,
            _ => Doing::New,
        }
    }

    fn frames(&self, control: &Control, tracer: &Tracer) -> Frames {
        let look = || tracer.resume(true).as_yield().unwrap_or(Frames::None);
        if self.is_current(control) {
            return look();
        }
        let Some(context) = self.suspended_at(control) else { return Frames::None };
        // Not always its own stack: it may run a coroutine.
        if let Some(room) = stack::room_below(context.addr())
            && room < ROOM_BYTES
        {
            return Frames::NoRoom(room);
        }
        let mut frames = Frames::None;
        self.on_stack_of(control, || frames = look());
        frames
    }

    fn stack_use(&self, control: &Control) -> Option<StackUse> {
        let stack = control.stack()?;
        Some(StackUse {
            bytes: stack.usable_bytes(),
            in_use: self.bytes_in_use(control, stack),
            high_water: stack.high_water(),
        })
    }
}
