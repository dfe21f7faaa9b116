//! Runs that somebody directs: every choice is the director's, time is virtual,
//! and the director may ask to be told what each green thread does.
//!
//! A directed run is an ordinary run that takes the long way round at each
//! switch. The director says who is next where the run queue would; what it must
//! not do is to use the runtime.

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::panic::Location;
use std::rc::Rc;

use crate::access::access::{Access, Object};
use crate::explore::controller::{CLOCK, Director, Spawn, Stuck, Wants};
use crate::explore::path::Track;
use crate::explore::teardown::Stopping;
use crate::kernel::context_switch::Departure;
use crate::kernel::control_block::{ControlBlock, Payload};
use crate::kernel::run_queue::{RunQueue, Runnable};
use crate::kernel::scheduler::Scheduler;
use crate::kernel::slow_path::hook;
use crate::kernel::wait_reason::{Wait, WaitFor};
use crate::timer::clock::VIRTUAL_START;

/// Those who can run, in the order in which they became ready; one that yields is
/// the last. Then perhaps [`CLOCK`].
pub(crate) struct Ready<'a> {
    queue: &'a RunQueue,
    queued: usize,
    yields: Option<&'a ControlBlock>,
    count: usize,
}

impl<'a> Ready<'a> {
    #[inline(always)]
    fn new(queue: &'a RunQueue, yields: Option<&'a ControlBlock>, clock: bool) -> Ready<'a> {
        let queued = queue.len();
        let count = queued + usize::from(yields.is_some()) + usize::from(clock);
        Ready { queue, queued, yields, count }
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The number of the one at a place, which is less than `len`.
    #[inline(always)]
    pub(crate) fn number(&self, place: usize) -> u64 {
        match self.yields {
            // SAFETY: whoever is in the queue has a control block.
            _ if place < self.queued => unsafe { (*self.queue.control_at(place)).number },
            Some(control) if place == self.queued => control.number,
            _ => CLOCK,
        }
    }
}

/// How a directed run has ended, if not by returning a value.
#[derive(Debug)]
pub(crate) enum Cut {
    /// The main green thread has panicked.
    Panicked(Payload),
    /// The director has ended the run, or nobody could run any more.
    Stopped,
}

/// What one green thread has done since it was chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Nothing,
    /// It has spawned others, who could run before whatever it does next.
    Spawns,
    Something,
}

/// What a scheduler knows of its being directed.
pub(crate) struct Directed {
    pub(crate) director: OnceCell<Rc<RefCell<dyn Director>>>,
    /// Makes what choices it can instead of the director.
    pub(crate) track: OnceCell<Rc<RefCell<Track>>>,
    pub(crate) wants: Cell<Wants>,
    /// Only green threads are chosen among, and nobody wants to know where they
    /// yield. Not so once the run is over.
    pub(crate) is_plain: Cell<bool>,
    /// And nobody wants to know that they do.
    pub(crate) is_quiet: Cell<bool>,
    /// Whoever runs has just been chosen, and has done nothing yet: to choose again
    /// would be the same choice twice.
    pub(crate) done: Cell<Done>,
    /// Somebody is being looked for who can run: nobody may switch.
    pub(crate) is_apart: Cell<bool>,
    /// Where whoever yields does so.
    pub(crate) at: Cell<Option<&'static Location<'static>>>,
    pub(crate) is_preempted: Cell<bool>,
    pub(crate) execution: Cell<u32>,
    pub(crate) objects: Cell<u32>,
    /// How many each green thread has made.
    pub(crate) made: RefCell<Vec<u32>>,
    pub(crate) last_spawned: Cell<u64>,
    pub(crate) stopped: Stopping,
}

impl Directed {
    pub(crate) fn new() -> Directed {
        Directed {
            director: OnceCell::new(),
            track: OnceCell::new(),
            wants: Cell::default(),
            is_plain: Cell::new(false),
            is_quiet: Cell::new(false),
            done: Cell::new(Done::Something),
            is_apart: Cell::new(false),
            at: Cell::new(None),
            is_preempted: Cell::new(false),
            execution: Cell::new(0),
            objects: Cell::new(0),
            made: RefCell::default(),
            last_spawned: Cell::new(1),
            stopped: Stopping::default(),
        }
    }

    /// Calls the director.
    #[inline(always)]
    pub(crate) fn tell<T>(&self, f: impl FnOnce(&mut dyn Director) -> T) -> T {
        let director = self.director.get().expect("a directed run has a director");
        f(&mut *director.borrow_mut())
    }

    /// Nothing may be left out at a yield from now on.
    pub(crate) fn take_the_long_way(&self) {
        self.is_plain.set(false);
        self.is_quiet.set(false);
    }

    /// Who is next of these, by its place. `None` ends the run.
    #[inline(always)]
    fn choose(&self, ready: &Ready<'_>) -> Option<usize> {
        let next = self.track().next(ready);
        next.or_else(|| self.ask(ready))
    }

    #[inline(never)]
    fn ask(&self, ready: &Ready<'_>) -> Option<usize> {
        self.tell(|director| director.choose(ready))
    }

    #[inline(always)]
    fn track(&self) -> RefMut<'_, Track> {
        self.track.get().expect("a directed run has a track").borrow_mut()
    }

    /// Tells an object from others of the execution.
    pub(crate) fn number_of(&self, object: Object<'_>) -> u64 {
        object.number(self.execution.get(), || self.next_object())
    }

    fn next_object(&self) -> u32 {
        let number = self.objects.get() + 1;
        self.objects.set(number);
        number
    }
}

/// Chooses one of `count` alternatives whose order a program must not rely on.
pub(crate) fn alternative(scheduler: &Scheduler, count: usize) -> usize {
    if scheduler.is_directed() && count > 1 {
        scheduler.directed.tell(|director| director.alternative(count))
    } else {
        random_below(scheduler, count)
    }
}

/// Returns a random number below `bound`, the same in every run.
pub(crate) fn random_below(scheduler: &Scheduler, bound: usize) -> usize {
    scheduler.random.borrow_mut().below(bound)
}

impl Scheduler {
    /// Returns `true` if the director wants to be told of operations.
    #[inline(always)]
    pub(crate) fn wants_operations(&self) -> bool {
        self.directed.wants.get().operations
    }

    #[inline(always)]
    pub(crate) fn is_directed(&self) -> bool {
        self.hooks.get() & hook::DIRECTED != 0 && !self.directed.stopped.is_it()
    }

    /// Yields where the director says who is next, and wants to be told of more than
    /// that. Or says to whom to switch, and where the context goes.
    #[inline(never)]
    pub(crate) fn yield_directed(&self, at: &'static Location<'static>) -> Option<Departure> {
        let directed = &self.directed;
        let wants = directed.wants.get();
        if wants.yields && !directed.is_preempted.get() {
            directed.tell(|director| director.yields(self.current().number));
        }
        // Otherwise it is still to be told why this one is suspended.
        if !wants.suspensions {
            directed.is_preempted.set(false);
        }
        if directed.is_plain.get() {
            return self.next_for_yield();
        }
        directed.at.set(Some(at));
        self.yield_in_queue();
        None
    }

    /// Lets others run if the director says so, who wants to be told nothing.
    #[inline(never)]
    pub(crate) fn switch_by_choice(&self) {
        if let Some(departure) = self.next_for_yield() {
            // SAFETY: the context goes where the run queue wants it.
            let chores = unsafe { self.go(departure) };
            self.do_chores(chores, false);
        }
    }

    /// To whom the director has one switch that yields, and where the context goes.
    /// `None` if it goes on itself.
    #[inline(never)]
    fn next_for_yield(&self) -> Option<Departure> {
        let ready = Ready::new(&self.watched, Some(self.current()), false);
        self.directed.done.set(Done::Nothing);
        match self.directed.choose(&ready) {
            Some(index) => self.give_turn(index),
            None => {
                self.stop_directing();
                self.yield_in_queue();
                None
            }
        }
    }

    /// As [`Scheduler::next_for_yield`], where all that is wanted is a choice and it is
    /// a common one. `None` otherwise. Nobody asks then what was [`Done`].
    #[inline(always)]
    pub(crate) fn next_at_once(&self) -> Option<Option<Departure>> {
        let directed = &self.directed;
        if !directed.is_quiet.get() {
            return None;
        }
        let ready = Ready::new(&self.watched, Some(self.current()), false);
        let index = directed.track().next_at_once(&ready)?;
        Some(self.give_turn(index))
    }

    /// As [`Scheduler::next_at_once`], for a choice that the track makes for the first
    /// time.
    #[inline(always)]
    pub(crate) fn next_where_new(&self) -> Option<Option<Departure>> {
        let directed = &self.directed;
        if !directed.is_quiet.get() {
            return None;
        }
        let ready = Ready::new(&self.watched, Some(self.current()), false);
        let index = directed.track().next_where_new(&ready)?;
        Some(self.give_turn(index))
    }

    /// The one that runs gives its turn to the one at `index` of those in the queue,
    /// or goes on if there are not so many.
    #[inline(always)]
    fn give_turn(&self, index: usize) -> Option<Departure> {
        let queue = &self.watched;
        if index >= queue.len() {
            return None;
        }
        // SAFETY: there are more.
        let next = unsafe { queue.take_unchecked(index) };
        Some(self.depart(queue.push_place(self.current()), next))
    }

    /// As [`Scheduler::next_directed`], where all that is wanted is a choice, and the track
    /// makes it by `next`. `None` otherwise; then nothing has been done.
    #[inline(always)]
    pub(crate) fn next_on_track(
        &self,
        next: impl FnOnce(&mut Track, &Ready<'_>) -> Option<usize>,
    ) -> Option<Runnable> {
        let directed = &self.directed;
        if !directed.is_plain.get() {
            return None;
        }
        let ready = Ready::new(&self.watched, None, false);
        if ready.len() == 0 {
            return None;
        }
        let index = next(&mut directed.track(), &ready)?;
        directed.done.set(Done::Nothing);
        // SAFETY: the track chooses a place that is in the queue.
        Some(unsafe { self.watched.take_unchecked(index) })
    }

    /// The next to run, by the director. The caller is not in the queue, or at its
    /// end.
    /// `None` if the run is over: then it is first come, first served.
    pub(crate) fn next_directed(&self) -> Option<Runnable> {
        let directed = &self.directed;
        if directed.stopped.is_it() {
            self.end_last_turn();
            return None;
        }
        directed.is_apart.set(true);
        if directed.wants.get().suspensions {
            self.tell_suspension(self.current());
        }
        let next = loop {
            let next = self.choose_directed();
            if next.is_some() || directed.stopped.is_it() {
                break next;
            }
        };
        directed.is_apart.set(false);
        directed.done.set(Done::Nothing);
        next
    }

    /// One choice. `None` if it brought nobody: time has passed, or the run is
    /// over.
    fn choose_directed(&self) -> Option<Runnable> {
        let directed = &self.directed;
        let queue = self.ready();
        let clock = directed.wants.get().time && self.can_time_pass();
        let ready = Ready::new(queue, None, clock);
        if ready.len() == 0 {
            self.wait_directed();
            return None;
        }
        match directed.choose(&ready) {
            Some(index) if index == ready.queued => {
                self.pass_virtual_time();
                directed.tell(|director| director.time_is(self.now() - VIRTUAL_START));
                self.poll();
                None
            }
            Some(index) => Some(queue.take(index)),
            None => {
                self.stop_directing();
                None
            }
        }
    }

    /// Nobody can run: has somebody be ready, or ends the run.
    fn wait_directed(&self) {
        self.read_inbox();
        if !self.ready().is_empty() {
            return;
        }
        if self.pass_virtual_time() {
            self.directed.tell(|director| {
                director.time_passed();
                director.time_is(self.now() - VIRTUAL_START);
            });
            self.poll();
        } else if self.can_be_reached() {
            self.sleep();
        } else {
            let all = self.all();
            let stuck = Stuck { all: &all, now: self.now() };
            self.directed.tell(|director| director.stuck(&stuck));
            self.stop_directing();
        }
    }

    /// A green thread has become ready.
    #[inline(always)]
    pub(crate) fn ready_directed(&self, control: &ControlBlock) {
        let directed = &self.directed;
        let number = control.number;
        if directed.stopped.is_it() {
            return;
        }
        if number > directed.last_spawned.get() {
            directed.last_spawned.set(number);
            // SAFETY: the scope waits until its green threads have ended.
            if let Some(scope) = unsafe { control.scope().as_ref() }
                && scope.first.get() == 0
            {
                scope.first.set(number);
            }
            // What the main one has done before it spawned the first, nobody can have
            // come before.
            if directed.done.get() == Done::Nothing || self.running.get() == 1 {
                directed.done.set(Done::Spawns);
            }
            let name = control.name();
            // Otherwise the director learns nothing that it wants to know: a call for
            // each spawn was a twentieth of the time of a small execution.
            if name.is_some() || directed.wants.get().operations {
                let spawn = Spawn { number, name, at: control.spawned_at };
                directed.tell(|director| director.spawned(&spawn));
                self.operate_on(Object::Numbers, Access::Write);
            }
        } else if directed.wants.get().operations {
            directed.tell(|director| director.woke(number));
            if let Some(Wait { what: WaitFor::Any(needs), .. }) = control.waits_for() {
                self.operate_on_all(**needs);
            }
        }
    }

    /// A closure was left by a panic.
    pub(crate) fn panicked_directed(&self, control: &ControlBlock, payload: &Payload) {
        if self.is_directed() {
            self.directed.tell(|director| director.panicked(control.number, payload));
        }
    }

    /// A closure was left because its green thread was cancelled.
    pub(crate) fn unwound_directed(&self, control: &ControlBlock) {
        if self.is_directed() {
            self.directed.tell(|director| director.unwound(control.number));
        }
    }

    /// `control` has ended.
    #[cold]
    #[inline(never)]
    pub(crate) fn operate_on_end(&self, control: &ControlBlock) {
        self.operate_on(Object::End(control.number), Access::Commute);
        // SAFETY: the scope waits until its green threads have ended.
        if let Some(scope) = unsafe { control.scope().as_ref() } {
            self.operate_on(Object::Scope(scope), Access::Commute);
        }
    }
}
