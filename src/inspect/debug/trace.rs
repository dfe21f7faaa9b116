//! The record of a run: which thread ran when, and which woke which.
//!
//! While nothing is recorded, this costs nothing: a recording puts functions of its own in front of
//! the kernel's upcalls, and sets a flag of [`slow`] so that each switch and each wake calls them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::kernel::features::{SchedulerState, Upcalls};
use crate::kernel::run_queue::Runnable;
use crate::kernel::slow_path::slow;
use crate::kernel::{
    Cause, ControlBlock, Need, Outcome, Report, Scheduler, State, WaitFor, scheduler, try_scheduler,
};
use crate::timer::clock::Clock;
use crate::timer::{clock, time};

/// The number of events that a [`Recorder`] keeps by default.
const DEFAULT_LIMIT: usize = 1_000_000;

/// The recorder of a runtime.
#[derive(Default)]
pub(super) struct Trace {
    recorder: RefCell<Option<Recorder>>,
    /// The upcalls behind those of the recording.
    upcalls: Cell<Option<Upcalls>>,
}

// SAFETY: no other type has slot 4, and every scheduler gets such a state.
unsafe impl SchedulerState for Trace {
    const SLOT: usize = 4;
}

fn recorder_of(scheduler: &Scheduler) -> &RefCell<Option<Recorder>> {
    &scheduler.state::<Trace>().recorder
}

/// An event of a green thread. Events are kept in the order in which they happen: a virtual clock
/// stands still between many of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// In nanoseconds of the runtime's clock.
    pub(crate) at: u64,
    /// The green thread's number.
    pub(crate) thread: u64,
    pub(crate) what: Happened,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Happened {
    /// It can run for the first time.
    Spawned(Cause),
    /// Its wait is over, and it can run.
    Woken(Cause, Outcome),
    /// It is to be unwound, for this reason.
    Interrupted(Cause, &'static str),
    /// It runs from now on.
    Runs,
    /// It lets others have a turn.
    Yields,
    /// It waits from now on.
    Waits(Awaited, &'static Location<'static>),
    /// Its closure was left by a panic, or by the unwinding of a cancelled green
    /// thread.
    Fails { panicked: bool },
    /// It is over.
    Ends,
    /// The runtime returns to its host. The main green thread runs on the stack of the host.
    Returns,
}

/// What a green thread waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    Unpark,
    Sleep,
    Future,
    /// The end of a closure on another OS thread.
    Closure,
    /// The end of the green thread with this number.
    Join(u64),
    Scope,
    AllEnded,
    Stalled,
    /// Something of a resource of this kind, and an index into
    /// [`Recording::names`].
    Resource {
        need: &'static str,
        kind: &'static str,
        name: Option<u32>,
    },
    /// Something outside the runtime. The number is an index into [`Recording::names`].
    External {
        verb: &'static str,
        wanted: &'static str,
        object: u32,
    },
    /// Any of this number of needs.
    Any(u32),
    Nothing,
}

/// What is recorded of a green thread besides its events.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) name: Option<Box<str>>,
    pub(crate) spawned_at: &'static Location<'static>,
}

#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// The serial number of the runtime that is recorded now.
    runtime: Option<u64>,
    limit: usize,
    pub(crate) events: VecDeque<Event>,
    /// The number of events that came before those.
    pub(crate) forgotten: u64,
    /// Green threads by their numbers.
    pub(crate) threads: BTreeMap<u64, Described>,
    /// The names of resources.
    pub(crate) names: Vec<Box<str>>,
    /// The index of each in `names`.
    name_indices: HashMap<Box<str>, u32>,
    /// The clock is virtual.
    pub(crate) is_virtual: bool,
}

/// Records what green threads do: which thread runs when, what each waits for, and which wakes
/// which.
///
/// It is a handle: a clone refers to the same recording. A recording begins with
/// [`Builder::recorder`](crate::Builder::recorder) or [`Recorder::start`]. To record what one
/// function does, use [`debug::record`](crate::debug::record).
///
/// Recording costs the time of several yields for each switch. A runtime that is not recorded pays
/// nothing.
///
/// # Examples
///
/// A whole run, in columns of text:
///
/// ```
/// use leno::debug::Recorder;
///
/// let recorder = Recorder::new();
/// leno::Builder::new().recorder(&recorder).run(|| {
///     leno::spawn(|| leno::yield_now());
/// });
/// println!("{}", recorder.timeline());
/// ```
#[derive(Clone)]
pub struct Recorder {
    recording: Rc<RefCell<Recording>>,
}

impl Recorder {
    /// Returns a recorder that keeps the latest million events, about 60 bytes each.
    #[must_use]
    pub fn new() -> Recorder {
        Recorder::with_limit(DEFAULT_LIMIT)
    }

    /// Returns a recorder that keeps the latest `events` events, at least one. Memory is allocated
    /// as events come.
    #[must_use]
    pub fn with_limit(events: usize) -> Recorder {
        let recording = Recording {
            runtime: None,
            limit: events.max(1),
            events: VecDeque::new(),
            forgotten: 0,
            threads: BTreeMap::new(),
            names: Vec::new(),
            name_indices: HashMap::new(),
            is_virtual: false,
        };
        Recorder { recording: Rc::new(RefCell::new(recording)) }
    }

    /// Records the runtime that the caller runs in from now on. Forgets what this recorder has
    /// recorded before, and stops another recorder of the same runtime.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn start(&self) {
        start_recording(scheduler("leno::debug::Recorder::start"), self);
    }

    /// Stops recording. What has been recorded stays.
    pub fn stop(&self) {
        self.recording.borrow_mut().runtime = None;
        if let Some(scheduler) = try_scheduler() {
            forget_recorder(scheduler, self);
        }
    }

    /// Returns `true` if a runtime is being recorded.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.recording.borrow().runtime.is_some()
    }

    /// Returns what has been recorded.
    pub(crate) fn recording(&self) -> Recording {
        self.recording.borrow().clone()
    }
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::new()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recording = self.recording.borrow();
        f.debug_struct("Recorder")
            .field("is_recording", &recording.runtime.is_some())
            .field("events", &recording.events.len())
            .finish_non_exhaustive()
    }
}

impl Recording {
    fn push(&mut self, event: Event) {
        if self.events.len() == self.limit
            && let Some(first) = self.events.pop_front()
        {
            self.forgotten += 1;
            if matches!(first.what, Happened::Ends) {
                self.threads.remove(&first.thread);
            }
        }
        self.events.push_back(event);
    }

    /// Describes the green thread. Returns `true` if it was not known.
    fn describe(&mut self, control: &ControlBlock) -> bool {
        let number = control.number();
        let is_new = !self.threads.contains_key(&number);
        if is_new {
            let name = if number == 1 { Some("main") } else { control.name() };
            let name = name.map(Into::into);
            self.threads.insert(number, Described { name, spawned_at: control.spawned_at() });
        }
        is_new
    }

    fn name(&mut self, name: &str) -> u32 {
        if let Some(&index) = self.name_indices.get(name) {
            return index;
        }
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        self.name_indices.insert(name.into(), index);
        index
    }

    fn awaited(&mut self, what: WaitFor<'_>) -> Awaited {
        match what {
            WaitFor::Unpark => Awaited::Unpark,
            WaitFor::Sleep => Awaited::Sleep,
            WaitFor::Future(None) => Awaited::Future,
            WaitFor::Future(Some(_)) => Awaited::Closure,
            WaitFor::Join(target) => Awaited::Join(target.number()),
            WaitFor::Scope(_) => Awaited::Scope,
            WaitFor::AllEnded => Awaited::AllEnded,
            WaitFor::Stalled => Awaited::Stalled,
            WaitFor::Resource(need) => self.resource(need),
            WaitFor::Any(all) => match all.only() {
                Some(only) => self.awaited(only),
                None => Awaited::Any(all.iter().count() as u32),
            },
            WaitFor::External(external) => Awaited::External {
                verb: external.verb(),
                wanted: external.wanted(),
                object: self.name(&external.object().to_string()),
            },
        }
    }

    fn resource(&mut self, need: Need<'_>) -> Awaited {
        let name = need.resource.name().map(|name| self.name(name));
        Awaited::Resource { need: need.what.words(), kind: need.resource.kind(), name }
    }
}

/// Records the runtime with `recorder` from now on.
pub(super) fn start_recording(scheduler: &Scheduler, recorder: &Recorder) {
    let previous = recorder_of(scheduler).replace(Some(recorder.clone()));
    if let Some(previous) = previous.filter(|previous| !previous.is(recorder)) {
        previous.recording.borrow_mut().runtime = None;
    }
    {
        let recording = &mut *recorder.recording.borrow_mut();
        recording.runtime = Some(scheduler.serial());
        recording.events.clear();
        recording.threads.clear();
        recording.names.clear();
        recording.name_indices.clear();
        recording.forgotten = 0;
        recording.is_virtual = matches!(clock(scheduler), Clock::Virtual(_));
    }
    let is_outside = scheduler.slow() & slow::OUTSIDE != 0;
    if scheduler.slow() & slow::TRACE == 0 {
        let upcalls = Upcalls { idle, woken, report, ..**scheduler.upcalls() };
        // SAFETY: nothing keeps a reference to the table: the upcalls above are copied.
        let upcalls = unsafe { scheduler.upcalls().exchange(upcalls) };
        scheduler.state::<Trace>().upcalls.set(Some(upcalls));
        scheduler.set_slow(slow::TRACE, true);
    }
    if !is_outside {
        record_what_is(scheduler);
    }
}

/// Records the threads that exist already, and what they do.
fn record_what_is(scheduler: &Scheduler) {
    for control in scheduler.all() {
        if scheduler.is_current(control) {
            runs(scheduler, control);
        } else {
            leaves(scheduler, control);
        }
    }
}

fn forget_recorder(scheduler: &Scheduler, recorder: &Recorder) {
    let place = recorder_of(scheduler);
    let is_own = place.borrow().as_ref().is_some_and(|own| own.is(recorder));
    if is_own {
        scheduler.set_slow(slow::TRACE, false);
        // SAFETY: nothing keeps a reference to the table.
        unsafe { scheduler.upcalls().exchange(upcalls(scheduler)) };
        place.take();
    }
}

/// Returns the upcalls behind those of the recording.
fn upcalls(scheduler: &Scheduler) -> Upcalls {
    scheduler.state::<Trace>().upcalls.get().expect("the recording has kept the upcalls")
}

/// Returns the cause of what happens now.
fn cause(scheduler: &Scheduler) -> Cause {
    scheduler.cause().get().unwrap_or_else(|| {
        let is_outside = scheduler.slow() & slow::OUTSIDE != 0;
        if is_outside { Cause::Host } else { Cause::Thread(scheduler.current().number()) }
    })
}

fn idle(scheduler: &Scheduler) -> Runnable {
    leaves(scheduler, scheduler.current());
    let next = (upcalls(scheduler).idle)(scheduler);
    // SAFETY: a thread that was in the run queue has a control block.
    runs(scheduler, unsafe { &*next.control() });
    next
}

fn woken(scheduler: &Scheduler, control: &ControlBlock) {
    record(scheduler, control, |_, is_new| match cause(scheduler) {
        cause if is_new => Happened::Spawned(cause),
        cause => Happened::Woken(cause, control.outcome()),
    });
    (upcalls(scheduler).woken)(scheduler, control);
}

fn report(scheduler: &Scheduler, report: Report<'_>) {
    match report {
        Report::Interrupted { control, why, is_new: true } => {
            record(scheduler, control, |_, _| Happened::Interrupted(cause(scheduler), why));
        }
        Report::Failed { control, panicked, .. } => {
            record(scheduler, control, |_, _| Happened::Fails { panicked });
        }
        Report::Entered => runs(scheduler, scheduler.current()),
        Report::Returns => record(scheduler, scheduler.current(), |_, _| Happened::Returns),
        _ => {}
    }
    (upcalls(scheduler).report)(scheduler, report);
}

fn record(
    scheduler: &Scheduler,
    control: &ControlBlock,
    what: impl FnOnce(&mut Recording, bool) -> Happened,
) {
    let recorder = recorder_of(scheduler).borrow();
    let Some(recorder) = &*recorder else { return };
    let recording = &mut *recorder.recording.borrow_mut();
    // The recorder may have been stopped from elsewhere, or record another runtime now.
    if recording.runtime == Some(scheduler.serial()) {
        let is_new = recording.describe(control);
        let what = what(recording, is_new);
        recording.push(Event { at: time(scheduler), thread: control.number(), what });
    }
}

/// Records that `control` is about to run.
fn runs(scheduler: &Scheduler, control: &ControlBlock) {
    record(scheduler, control, |_, _| Happened::Runs);
}

/// Records that `control` is about to be left.
fn leaves(scheduler: &Scheduler, control: &ControlBlock) {
    record(scheduler, control, |recording, _| match (control.state(), control.waits_for()) {
        (State::Finished, _) => Happened::Ends,
        (State::Runnable, _) => Happened::Yields,
        (State::Waiting, Some(wait)) => {
            Happened::Waits(recording.awaited(wait.what()), wait.line())
        }
        (State::Waiting, None) => Happened::Waits(Awaited::Nothing, control.spawned_at()),
    });
}

impl Recorder {
    fn is(&self, other: &Recorder) -> bool {
        Rc::ptr_eq(&self.recording, &other.recording)
    }
}
