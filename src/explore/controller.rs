//! What a controller is told of the run that it controls, and asked.

#![forbid(unsafe_code)]

use std::panic::Location;

use super::enabled_set::EnabledSet;
use crate::access::{Access, Object};
use crate::inspect::{deadlock, wait_graph};
use crate::kernel::{ControlBlock, Payload, WaitFor};

/// The verb of an access that is a part of another one, which is told.
pub(crate) const UNTOLD: &str = "";

/// Makes the choices of a run.
pub(crate) trait Controller {
    /// Chooses the next thread, by its place in the enabled set. `None` ends the run: every
    /// thread is unwound. Called where the [path](super::path) does not know.
    fn choose(&mut self, enabled: &EnabledSet<'_>) -> Option<usize>;

    /// Chooses one of `count` alternatives, at least two, for the current thread.
    fn alternative(&mut self, count: usize) -> usize;

    /// Hears that the current thread has spawned another.
    fn spawned(&mut self, spawned: &Spawn<'_>);

    /// Hears that the current thread has made another ready.
    fn woke(&mut self, number: u64);

    /// Hears of an access by the current thread.
    fn operated(&mut self, operated: &Operated<'_>);

    /// Hears of the value that the last access has read or left.
    fn has_value(&mut self, value: String);

    /// Hears that the program shows a value, which follows, under this name.
    fn shows(&mut self, name: &str, at: &'static Location<'static>);

    /// Hears that the current thread yields.
    fn yields(&mut self, number: u64);

    /// Hears that the thread that has run is suspended, or has ended.
    fn suspended(&mut self, suspension: &Suspension<'_>);

    /// Hears that time has passed since no thread could run.
    fn time_passed(&mut self);

    /// Hears how many nanoseconds have passed since the run began.
    fn time_is(&mut self, nanos: u64);

    /// Hears that the closure of a thread has panicked.
    fn panicked(&mut self, number: u64, payload: &Payload);

    /// Hears that the program has refused to spawn a thread beyond the limit.
    fn too_many(&mut self);

    /// Hears that the closure of a thread was left because the thread was cancelled.
    fn unwound(&mut self, number: u64);

    /// Hears that no thread can run and none ever will. The run ends now.
    fn stuck(&mut self, stuck: &Stuck<'_>);
}

/// A thread that has been spawned.
pub(crate) struct Spawn<'a> {
    pub(crate) number: u64,
    pub(crate) name: Option<&'a str>,
    pub(crate) at: &'static Location<'static>,
}

/// One access to one object.
pub(crate) struct Operated<'a> {
    /// The number that differs from that of every other object of this execution.
    pub(crate) number: u64,
    pub(crate) object: Object<'a>,
    pub(crate) access: Access,
    /// [`UNTOLD`] for a part of an operation.
    pub(crate) verb: &'static str,
    /// The line of the access; `None` in a destructor.
    pub(crate) at: Option<&'static Location<'static>>,
}

/// The reason why another thread has a turn.
pub(crate) struct Suspension<'a> {
    pub(crate) why: Suspended<'a>,
    pub(crate) at: &'static Location<'static>,
}

pub(crate) enum Suspended<'a> {
    Yields,
    /// The thread is about to access something.
    Preempted,
    Waits(&'a dyn Fn() -> Awaits<'a>),
    Ends,
}

/// What a thread waits for.
pub(crate) enum Awaits<'a> {
    /// In words: "sleeps".
    Words(String),
    /// Any of these; each resource with its number, as in [`Operated`].
    Any(Vec<(WaitFor<'a>, u64)>),
}

/// A deadlock.
pub(crate) struct Stuck<'a> {
    pub(super) all: &'a [&'a ControlBlock],
}

impl Stuck<'_> {
    /// Returns the report of what each thread waits for.
    pub(crate) fn report(&self) -> String {
        deadlock::deadlock(self.all)
    }

    /// Returns the cycles of threads that wait for each other: each for the next one, or for
    /// something that the next one holds.
    pub(crate) fn cycles(&self) -> Vec<Vec<(u64, Option<String>)>> {
        let link = |step: &wait_graph::Step<'_>| {
            (step.thread.number(), step.holds.map(deadlock::wanted_of))
        };
        let cycles = wait_graph::find(self.all);
        cycles.iter().map(|cycle| cycle.iter().map(link).collect()).collect()
    }
}

/// The events that a controller wants to hear of, besides choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventMask {
    /// Accesses, and which thread wakes which.
    pub(crate) operations: bool,
    /// A choice before each operation as well.
    pub(crate) preemption: bool,
    /// A choice when time passes, even if a thread can run.
    pub(crate) time: bool,
    pub(crate) suspensions: bool,
    pub(crate) yields: bool,
    pub(crate) values: bool,
    /// The most threads that there may be at once.
    pub(crate) most_threads: usize,
}
