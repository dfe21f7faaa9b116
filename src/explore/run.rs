//! The state of a controlled run.
//!
//! A controlled run is an ordinary run that takes the slow path at each switch. The controller
//! chooses the next thread in place of the run queue. The controller itself must not use the
//! runtime.

use std::cell::{Cell, RefCell, RefMut};
use std::panic::Location;
use std::rc::Rc;

use super::controller::{Controller, EventMask};
use super::enabled_set::EnabledSet;
use super::path::ChoicePath;
use crate::access::Object;
use crate::kernel::features::SchedulerState;
use crate::kernel::{Resource, Scheduler};

/// The kind of the numbers of atomics: their highest four bits.
pub(crate) const ATOMIC: u64 = 10;

/// What the current thread has done since it was chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StepProgress {
    Nothing,
    /// It has spawned threads, which could run before the next thing that it does.
    Spawns,
    Something,
}

/// What a scheduler knows of the run that is controlled.
pub(super) struct ControlledRun {
    controller: Rc<RefCell<dyn Controller>>,
    /// Makes the choices that it can in place of the controller.
    path: Rc<RefCell<ChoicePath>>,
    pub(super) mask: Cell<EventMask>,
    /// The controller asks for neither clock choices nor suspension events. `false` once the run
    /// is over.
    pub(super) is_plain: Cell<bool>,
    /// And it does not ask for yields.
    pub(super) is_quiet: Cell<bool>,
    pub(super) progress: Cell<StepProgress>,
    /// A scheduling decision is in progress; switching is forbidden.
    pub(super) is_deciding: Cell<bool>,
    /// The line of the yield that is in progress.
    pub(super) yields_at: Cell<Option<&'static Location<'static>>>,
    pub(super) is_preempted: Cell<bool>,
    execution: Cell<u32>,
    /// The number of objects that the execution has used.
    objects: Cell<u32>,
    /// The number of objects that each thread has created.
    created: RefCell<Vec<u32>>,
    pub(super) last_spawned: Cell<u64>,
    pub(super) stopping: Stopping,
}

/// The end of a controlled run before its time.
#[derive(Default)]
pub(super) struct Stopping {
    pub(super) is_stopped: Cell<bool>,
    /// The number of turns that the unwound threads have had.
    pub(super) turns: Cell<u32>,
    /// The number of accesses of the current thread in its turn.
    pub(super) accesses: Cell<u32>,
}

// SAFETY: no other type has slot 8. The type is private to this folder, which asks only schedulers
// with such a state: those with the table `CONTROLLED`, and those with the flag of that name.
unsafe impl SchedulerState for ControlledRun {
    const SLOT: usize = 8;
}

impl ControlledRun {
    /// Returns a state without a run.
    pub(super) fn new(
        controller: Rc<RefCell<dyn Controller>>,
        path: Rc<RefCell<ChoicePath>>,
    ) -> ControlledRun {
        ControlledRun {
            controller,
            path,
            mask: Cell::default(),
            is_plain: Cell::new(false),
            is_quiet: Cell::new(false),
            progress: Cell::new(StepProgress::Something),
            is_deciding: Cell::new(false),
            yields_at: Cell::new(None),
            is_preempted: Cell::new(false),
            execution: Cell::new(0),
            objects: Cell::new(0),
            created: RefCell::default(),
            last_spawned: Cell::new(1),
            stopping: Stopping::default(),
        }
    }

    /// Begins an execution.
    pub(super) fn begin(&self, mask: EventMask, is_traced: bool, execution: Option<u32>) {
        self.mask.set(mask);
        self.is_plain.set(!mask.suspensions && !mask.time && !is_traced);
        self.is_quiet.set(self.is_plain.get() && !mask.yields);
        self.progress.set(StepProgress::Nothing);
        self.is_deciding.set(false);
        self.objects.set(0);
        self.last_spawned.set(1);
        self.stopping.is_stopped.set(false);
        self.stopping.turns.set(0);
        self.stopping.accesses.set(0);
        if let Some(execution) = execution {
            self.created.borrow_mut().clear();
            self.execution.set(execution);
        }
    }

    /// Calls the controller.
    #[inline(always)]
    pub(super) fn tell<T>(&self, f: impl FnOnce(&mut dyn Controller) -> T) -> T {
        f(&mut *self.controller.borrow_mut())
    }

    #[inline(always)]
    pub(super) fn path(&self) -> RefMut<'_, ChoicePath> {
        self.path.borrow_mut()
    }

    /// Takes the slow path at every yield from now on.
    pub(super) fn leave_fast_paths(&self) {
        self.is_plain.set(false);
        self.is_quiet.set(false);
    }

    /// Chooses the next thread, by its place. `None` ends the run.
    #[inline(always)]
    pub(super) fn choose(&self, enabled: &EnabledSet<'_>) -> Option<usize> {
        let next = self.path().next(enabled);
        next.or_else(|| self.ask(enabled))
    }

    #[inline(never)]
    fn ask(&self, enabled: &EnabledSet<'_>) -> Option<usize> {
        self.tell(|controller| controller.choose(enabled))
    }

    /// Gives a resource that the thread with the number `creator` has created its number in this
    /// execution.
    pub(super) fn number_created(&self, resource: &Resource, creator: u64) {
        const MOST_CREATORS: usize = 1 << 7;
        const MOST_CREATED: u32 = 1 << 24;
        let creator = creator as usize;
        if creator >= MOST_CREATORS {
            return;
        }
        let mut created = self.created.borrow_mut();
        if created.len() <= creator {
            created.resize(creator + 1, 0);
        }
        created[creator] += 1;
        if created[creator] < MOST_CREATED {
            let number = 1 << 31 | (creator as u32) << 24 | created[creator];
            self.set_tag(resource, number);
        }
    }

    fn set_tag(&self, resource: &Resource, number: u32) {
        resource.tag().set(u64::from(self.execution.get()) << 32 | u64::from(number));
    }

    /// Returns the number of an object, which differs from that of every other of the execution.
    /// The same execution gives the same numbers.
    ///
    /// The number of a resource ends with 32 bits. If the highest of them is set, they are the
    /// thread that has created it, and a count of what that thread has created: they are the
    /// same in every execution. Otherwise they count the objects in the order of their first
    /// use, which depends on the schedule. The bits before them are the line at which it was
    /// created: resources that differ there differ in every execution.
    ///
    /// The number of an atomic is its address, which another one may have later, and which may
    /// differ when the execution is repeated.
    pub(super) fn number_of(&self, object: Object<'_>) -> u64 {
        let of_kind = |kind: u64, number: u64| kind << 60 | number;
        match object {
            Object::Resource(resource) => self.number_of_resource(resource),
            Object::Poison(resource) => of_kind(7, self.number_of_resource(resource)),
            Object::Scope(scope) => of_kind(8, scope.number().get()),
            Object::End(number) => of_kind(1, number),
            Object::Token(number) => of_kind(2, number),
            Object::Unwinding(number) => of_kind(3, number),
            Object::Waker(number) => of_kind(4, number),
            Object::RemoteResults => 9 << 60,
            Object::Atomic(address) => of_kind(ATOMIC, address as u64 & u64::MAX >> 4),
            Object::Numbers => 5 << 60,
            Object::Clock => 6 << 60,
        }
    }

    fn number_of_resource(&self, resource: &Resource) -> u64 {
        let at = resource.made_at();
        let place = u64::from(at.line().wrapping_mul(0x0001_0193) ^ at.column());
        let tag = resource.tag().get();
        let number = if tag >> 32 == u64::from(self.execution.get()) {
            tag as u32
        } else {
            let number = self.objects.get() + 1;
            self.objects.set(number);
            self.set_tag(resource, number);
            number
        };
        (place & 0x0fff_ffff) << 32 | u64::from(number)
    }
}

#[inline(always)]
pub(super) fn run(scheduler: &Scheduler) -> &ControlledRun {
    scheduler.state()
}

/// Returns `true` if a controller makes the choices, and has not ended the run.
#[inline(always)]
pub(super) fn is_controlled(scheduler: &Scheduler) -> bool {
    scheduler.is_controlled() && !run(scheduler).stopping.is_stopped.get()
}
