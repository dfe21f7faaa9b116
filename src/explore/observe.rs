//! What a controller hears of: accesses, spawns, wakes, panics.

#![forbid(unsafe_code)]

use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::atomic::{AtomicU32, Ordering};

use super::choose::preempt;
use super::controller::{EventMask, Operated, Spawn, UNTOLD};
use super::run::{StepProgress, is_controlled, run};
use super::teardown;
use crate::access::{Access, Object, object_of};
use crate::cancel::numbers::ScopeNumbers;
use crate::kernel::slow_path::{pending, slow};
use crate::kernel::{Alternatives, At, ControlBlock, Payload, Resource, Scheduler, Wait, WaitFor};
use crate::runtime::next::generator;
use crate::runtime::random::Random;

/// Begins a controlled run.
#[inline(always)]
pub(super) fn begin(scheduler: &Scheduler, mask: EventMask) {
    static EXECUTIONS: AtomicU32 = AtomicU32::new(1);
    let is_observed = mask.operations || mask.preemption;
    let is_traced = scheduler.slow() & slow::TRACE != 0;
    // Only observed accesses need the numbers of objects.
    let execution = is_observed.then(|| EXECUTIONS.fetch_add(1, Ordering::Relaxed));
    run(scheduler).begin(mask, is_traced, execution);
    scheduler.restart_numbers();
    scheduler.state::<ScopeNumbers>().last().set(0);
    generator(scheduler).replace(Random::new(0));
    scheduler.most_threads().set(mask.most_threads);
    scheduler.set_slow(slow::CONTROLLED, true);
    if is_observed {
        scheduler.add_pending(pending::OBSERVED);
    }
}

/// Ends a controlled run.
#[inline(always)]
pub(super) fn end(scheduler: &Scheduler) {
    scheduler.set_slow(slow::CONTROLLED, false);
    scheduler.most_threads().set(usize::MAX);
    run(scheduler).leave_fast_paths();
    scheduler.clear_pending(pending::OBSERVED);
}

/// Hears of an access that is about to begin. Lets other threads run first, if the controller
/// wants to choose before each operation.
pub(super) fn access(
    scheduler: &Scheduler,
    object: Object<'_>,
    access: Access,
    verb: &'static str,
    at: At,
) {
    let (place, known, is_look) = match at {
        At::Call(place) => (place, Some(place), false),
        At::Destructor(place) => (place, None, false),
        At::Look(place) => (place, Some(place), true),
    };
    if !begin_operation(scheduler, is_look, place) {
        return;
    }
    // A pending cancellation can fire at a look, which then counts as a read.
    let may_unwind = is_look && scheduler.current().cancel_flags().reasons() != 0;
    let access = if may_unwind { Access::Read } else { access };
    tell(scheduler, object, access, verb, known);
}

/// Lets other threads run first, if the controller wants to choose before each operation. Returns
/// `false` if the access does not count.
#[inline(always)]
fn begin_operation(scheduler: &Scheduler, is_look: bool, at: &'static Location<'static>) -> bool {
    let run = run(scheduler);
    if run.stopping.is_stopped.get() {
        if teardown::count_access(scheduler) {
            scheduler.checkpoint();
            // The thread is in a destructor, which may wait for others.
            preempt(scheduler, at);
            // Its next access is one too many as well.
            run.stopping.accesses.set(teardown::MOST_ACCESSES);
        }
        return false;
    }
    if !is_controlled(scheduler) || run.is_deciding.get() {
        return false;
    }
    // Spawned threads have their chance while the current one waits for them.
    let may_go_on = match run.progress.get() {
        StepProgress::Nothing => true,
        // mistake: spawn-without-choice
        StepProgress::Spawns => is_look,
        StepProgress::Something => false,
    };
    if run.mask.get().preemption && !may_go_on {
        preempt(scheduler, at);
    }
    // A look changes nothing, so no choice is needed after it.
    if !is_look {
        run.progress.set(StepProgress::Something);
    }
    true
}

/// Tells the controller of an access that is a part of the one that has begun.
#[cold]
#[inline(never)]
pub(super) fn also(scheduler: &Scheduler, object: Object<'_>, access: Access) {
    if matches!(object, Object::Clock) && !run(scheduler).mask.get().time {
        return;
    }
    tell(scheduler, object, access, UNTOLD, None);
}

/// Tells the controller of an access.
#[inline(always)]
pub(super) fn tell(
    scheduler: &Scheduler,
    object: Object<'_>,
    access: Access,
    verb: &'static str,
    at: Option<&'static Location<'static>>,
) {
    let run = run(scheduler);
    // Often the controller asks for choices only.
    if run.mask.get().operations && is_controlled(scheduler) {
        let number = run.number_of(object);
        let operated = Operated { number, object, access, verb, at };
        run.tell(|controller| controller.operated(&operated));
    }
}

/// Tells the controller that a wait for any of these ends: a later use of another of them finds
/// no thread waiting there.
pub(super) fn also_all(scheduler: &Scheduler, alternatives: Alternatives<'_>) {
    for object in alternatives.iter().filter_map(object_of) {
        also(scheduler, object, Access::Write);
    }
}

/// Hears that the current thread has created a resource.
#[cold]
pub(super) fn created(scheduler: &Scheduler, resource: &Resource) {
    if is_controlled(scheduler) {
        run(scheduler).number_created(resource, scheduler.current().number());
    }
}

/// Tells the controller of the value that the last access has read or left.
#[cold]
pub(super) fn value(scheduler: &Scheduler, value: &dyn Fn() -> String) {
    let run = run(scheduler);
    if is_controlled(scheduler) && run.mask.get().values && !run.is_deciding.get() {
        // The function is the program's: what it does is no part of the execution.
        run.is_deciding.set(true);
        let value = panic::catch_unwind(AssertUnwindSafe(value));
        run.is_deciding.set(false);
        if let Ok(value) = value {
            run.tell(|controller| controller.has_value(value));
        }
    }
}

/// Tells the controller that the program shows a value.
#[cold]
pub(super) fn shown(scheduler: &Scheduler, name: &str, at: &'static Location<'static>) {
    let run = run(scheduler);
    if is_controlled(scheduler) && run.mask.get().values && !run.is_deciding.get() {
        run.tell(|controller| controller.shows(name, at));
    }
}

/// Hears that the wait of a thread is about to be ended by something else than what it waits for,
/// or that the thread is to be unwound where it waits next.
#[cold]
pub(super) fn ends_wait(scheduler: &Scheduler, control: &ControlBlock, verb: &'static str) {
    tell(scheduler, Object::Unwinding(control.number()), Access::Write, verb, None);
    let Some(wait) = control.waits_for() else { return };
    let write = |object| also(scheduler, object, Access::Write);
    match wait.what() {
        WaitFor::Resource(need) => write(Object::Resource(need.resource)),
        WaitFor::Any(all) => also_all(scheduler, *all),
        WaitFor::Join(target) => write(Object::End(target.number())),
        WaitFor::Scope(scope) => write(Object::Scope(scope)),
        WaitFor::Unpark => write(Object::Token(control.number())),
        WaitFor::Future(_) => write(Object::Waker(control.number())),
        WaitFor::External(external) => {
            external.resource().into_iter().for_each(|resource| write(Object::Resource(resource)));
        }
        WaitFor::Sleep | WaitFor::AllEnded | WaitFor::Stalled => {}
    }
}

/// Hears that a thread has become ready.
#[inline(always)]
pub(super) fn becomes_ready(scheduler: &Scheduler, control: &ControlBlock) {
    let run = run(scheduler);
    if run.stopping.is_stopped.get() {
        return;
    }
    let number = control.number();
    if number > run.last_spawned.get() {
        run.last_spawned.set(number);
        if let Some(scope) = control.scope()
            && scope.number().get() == 0
        {
            scope.number().set(number);
        }
        // What the main thread has done before it spawned the first came before every other.
        if run.progress.get() == StepProgress::Nothing || scheduler.running() == 1 {
            run.progress.set(StepProgress::Spawns);
        }
        // Otherwise the controller learns nothing that it asks for: a call for each spawn was a
        // twentieth of the time of a small execution.
        if control.has_extra() || run.mask.get().operations {
            tell_spawn(scheduler, control);
        }
    } else if run.mask.get().operations {
        tell_woken(scheduler, control);
    }
}

// These two are functions of their own, so that the one above needs no frame: a small execution
// calls it three times, and these not at all.

#[cold]
#[inline(never)]
fn tell_spawn(scheduler: &Scheduler, control: &ControlBlock) {
    let (run, name) = (run(scheduler), control.name());
    if name.is_some() || run.mask.get().operations {
        let spawn = Spawn { number: control.number(), name, at: control.spawned_at() };
        run.tell(|controller| controller.spawned(&spawn));
        also(scheduler, Object::Numbers, Access::Write);
    }
}

#[cold]
#[inline(never)]
fn tell_woken(scheduler: &Scheduler, control: &ControlBlock) {
    run(scheduler).tell(|controller| controller.woke(control.number()));
    if let Some(WaitFor::Any(all)) = control.waits_for().map(Wait::what) {
        also_all(scheduler, *all);
    }
}

/// Hears that the closure of a thread was left by unwinding with `payload`.
pub(super) fn fails(scheduler: &Scheduler, control: &ControlBlock, payload: &Payload) {
    if !is_controlled(scheduler) {
        return;
    }
    run(scheduler).tell(|controller| {
        if control.is_unwound_by(payload) {
            controller.unwound(control.number());
        } else {
            controller.panicked(control.number(), payload);
        }
    });
}

/// Hears that a thread has ended.
#[cold]
#[inline(never)]
pub(super) fn ends(scheduler: &Scheduler, control: &ControlBlock) {
    also(scheduler, Object::End(control.number()), Access::Commute);
    if let Some(scope) = control.scope() {
        also(scheduler, Object::Scope(scope), Access::Commute);
    }
}

/// Hears that the program wanted more threads than the controller allows.
#[cold]
pub(super) fn refuses(scheduler: &Scheduler) {
    run(scheduler).tell(|controller| controller.too_many());
}
