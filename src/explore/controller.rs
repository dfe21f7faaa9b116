//! What a director is told of the run that it directs, and asked.

#![forbid(unsafe_code)]

use std::panic::Location;

use crate::access::access::{Access, Object};
use crate::explore::controlled_run::Ready;
use crate::inspect::deadlock;
use crate::kernel::control_block::{ControlBlock, Payload, State};
use crate::kernel::scheduler::Scheduler;
use crate::kernel::wait_reason::{Need, WaitFor};

/// Among those who can run: not a green thread, but the passing of time to the
/// next deadline.
pub(crate) const CLOCK: u64 = 0;

/// The verb of what is done by the way: it is part of something that is told
/// anyhow.
pub(crate) const UNTOLD: &str = "";

/// Makes the choices of a run.
pub(crate) trait Director {
    /// Who is next, of those who are ready, by its place there. `None` ends the
    /// run: everybody is unwound. It is asked where the [track](crate::explore::path) does
    /// not know.
    fn choose(&mut self, ready: &Ready<'_>) -> Option<usize>;

    /// One of `count` alternatives, which are at least two, for the green thread
    /// that runs.
    fn alternative(&mut self, count: usize) -> usize;

    /// A green thread has been spawned, by the one that runs.
    fn spawned(&mut self, spawned: &Spawn<'_>);

    /// The one that runs has made another ready.
    fn woke(&mut self, number: u64);

    /// The one that runs operates on something.
    fn operated(&mut self, operated: &Operated<'_>);

    /// The last operation has read this, or left it behind.
    fn has_value(&mut self, value: String);

    /// The one that runs yields.
    fn yields(&mut self, number: u64);

    /// The one that has run is suspended, or has ended.
    fn suspended(&mut self, suspension: &Suspension<'_>);

    /// Nobody could run, so time has passed.
    fn time_passed(&mut self);

    /// So many nanoseconds of time have passed since the run began.
    fn time_is(&mut self, nanos: u64);

    /// The closure of a green thread has panicked.
    fn panicked(&mut self, number: u64, payload: &Payload);

    /// There are as many green threads as there may be, and there was to be another.
    fn too_many(&mut self);

    /// The closure of a green thread was left because that was cancelled.
    fn unwound(&mut self, number: u64);

    /// Nobody can run, and nobody ever will. The run ends now.
    fn stuck(&mut self, stuck: &Stuck<'_>);
}

/// Of a green thread that has been spawned.
pub(crate) struct Spawn<'a> {
    pub(crate) number: u64,
    pub(crate) name: Option<&'a str>,
    pub(crate) at: &'static Location<'static>,
}

/// One use of one object.
pub(crate) struct Operated<'a> {
    /// Tells the object from others of this execution.
    pub(crate) number: u64,
    pub(crate) object: Object<'a>,
    pub(crate) access: Access,
    /// [`UNTOLD`] for a part of an operation.
    pub(crate) verb: &'static str,
    /// Where that is; a destructor does not know.
    pub(crate) at: Option<&'static Location<'static>>,
}

/// Why somebody else has a turn.
pub(crate) struct Suspension<'a> {
    pub(crate) why: Suspended<'a>,
    pub(crate) at: &'static Location<'static>,
}

pub(crate) enum Suspended<'a> {
    Yields,
    /// It is about to operate on something.
    Preempted,
    Waits(&'a dyn Fn() -> Awaits<'a>),
    Ends,
}

/// What somebody waits for.
pub(crate) enum Awaits<'a> {
    /// In words: "sleeps".
    Words(String),
    /// Any of these; each with its number, as in [`Operated`].
    Any(Vec<(Need<'a>, u64)>),
}

/// A deadlock.
pub(crate) struct Stuck<'a> {
    pub(crate) all: &'a [&'a ControlBlock],
    pub(crate) now: u64,
}

impl Stuck<'_> {
    /// Who waits for what, in words.
    pub(crate) fn report(&self) -> String {
        deadlock::deadlock(self.all, self.now)
    }

    /// Those who wait for each other in a circle: each for the next one, or for
    /// something that the next one holds.
    pub(crate) fn cycles(&self) -> Vec<Vec<(u64, Option<String>)>> {
        deadlock::cycles(self.all)
    }
}

/// What the green thread with this number is called, if it has no name, where
/// schedules are told: `A` for number 2, `Z` for 27, then `AA`.
pub(crate) fn letters(number: u64) -> String {
    if number < 2 {
        return "main".to_owned();
    }
    let mut rest = number - 1;
    let mut letters = Vec::new();
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

/// What a director wants, besides choosing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// To be told of operations and of who wakes whom.
    pub(crate) operations: bool,
    /// To choose before each operation as well.
    pub(crate) preemption: bool,
    /// To choose when time passes, even if somebody can run.
    pub(crate) time: bool,
    /// To be told of suspensions.
    pub(crate) suspensions: bool,
    /// To be told of those who yield.
    pub(crate) yields: bool,
    /// To be told of values.
    pub(crate) values: bool,
    /// As many green threads as there may be at once.
    pub(crate) most_threads: usize,
}

impl Scheduler {
    #[cold]
    pub(crate) fn tell_suspension(&self, control: &ControlBlock) {
        let directed = &self.directed;
        let awaits = || self.awaits(control);
        let is_preempted = directed.is_preempted.replace(false);
        let yields = directed.at.take().unwrap_or(control.spawned_at);
        let (why, at) = match (control.state.get(), control.waits_for()) {
            (State::Finished, _) => (Suspended::Ends, control.spawned_at),
            (State::Waiting, Some(wait)) => (Suspended::Waits(&awaits), wait.at),
            (State::Waiting, None) => (Suspended::Waits(&awaits), control.spawned_at),
            (State::Runnable, _) if is_preempted => (Suspended::Preempted, yields),
            (State::Runnable, _) => (Suspended::Yields, yields),
        };
        let suspension = Suspension { why, at };
        directed.tell(|director| director.suspended(&suspension));
    }

    fn awaits<'a>(&self, control: &'a ControlBlock) -> Awaits<'a> {
        let numbered =
            |need: Need<'a>| (need, self.directed.number_of(Object::Resource(need.resource)));
        match control.waits_for().map(|wait| wait.what) {
            None => Awaits::Words("waits".to_owned()),
            Some(WaitFor::Resource(need)) => Awaits::Any(vec![numbered(need)]),
            Some(WaitFor::Any(needs)) => {
                Awaits::Any(needs.as_written().into_iter().map(numbered).collect())
            }
            Some(other) => Awaits::Words(deadlock::briefly(other)),
        }
    }
}
