//! Operations of green threads, as they are told to a director; see
//! [`operation`](crate::access::access) for where they come from.

#![forbid(unsafe_code)]

use std::panic::{self, AssertUnwindSafe, Location};

use crate::access::access::{Access, Object, Tag};
use crate::explore::controlled_run::Done;
use crate::explore::controller::{Operated, UNTOLD};
use crate::kernel::control_block::ControlBlock;
use crate::kernel::scheduler::{Scheduler, chore};
use crate::kernel::wait_reason::{Needs, WaitFor};

impl Scheduler {
    /// The current green thread is about to operate on something.
    #[cold]
    #[inline(never)]
    pub(crate) fn operate(
        &self,
        object: Object<'_>,
        access: Access,
        verb: &'static str,
        at: &'static Location<'static>,
    ) {
        if self.begin_operation(false, at) {
            self.tell_operation(object, access, verb, Some(at));
        }
    }

    /// As [`Scheduler::operate`], by a destructor, which does not know where it is.
    #[cold]
    #[inline(never)]
    pub(crate) fn operate_elsewhere(
        &self,
        object: Object<'_>,
        access: Access,
        verb: &'static str,
        at: &'static Location<'static>,
    ) {
        if self.begin_operation(false, at) {
            self.tell_operation(object, access, verb, None);
        }
    }

    /// As [`Scheduler::operate`], before a wait for something that others do once
    /// and for all.
    #[cold]
    #[inline(never)]
    pub(crate) fn look(
        &self,
        object: Object<'_>,
        verb: &'static str,
        at: &'static Location<'static>,
    ) {
        if self.begin_operation(true, at) {
            // One that is to be unwound may be so here, unless all is over.
            let may_unwind = self.current().unwind.is_pending();
            let access = if may_unwind { Access::Read } else { Access::Look };
            self.tell_operation(object, access, verb, Some(at));
        }
    }

    /// The current green thread has made an object.
    #[cold]
    #[inline(never)]
    pub(crate) fn make_known(&self, tag: &Tag) {
        const MOST_MAKERS: usize = 1 << 7;
        const MOST_MADE: u32 = 1 << 24;
        let maker = self.current().number as usize;
        if !self.is_directed() || maker >= MOST_MAKERS {
            return;
        }
        let mut made = self.directed.made.borrow_mut();
        if made.len() <= maker {
            made.resize(maker + 1, 0);
        }
        made[maker] += 1;
        if made[maker] < MOST_MADE {
            let number = 1 << 31 | (maker as u32) << 24 | made[maker];
            tag.set(self.directed.execution.get(), number);
        }
    }

    /// Lets others run first, if the director is to choose before each operation.
    /// False if this is no operation.
    fn begin_operation(&self, is_look: bool, at: &'static Location<'static>) -> bool {
        let directed = &self.directed;
        if directed.stopped.is_it() {
            self.operate_at_last(at);
            return false;
        }
        if !self.is_directed() || directed.is_apart.get() {
            return false;
        }
        // Those who were spawned have their chance while it waits for them.
        let may_go_on = match directed.done.get() {
            Done::Nothing => true,
            Done::Spawns => is_look,
            Done::Something => false,
        };
        if directed.wants.get().preemption && !may_go_on {
            self.preempt(at);
        }
        // To look changes nothing, so that there is no choice after it.
        if !is_look {
            directed.done.set(Done::Something);
        }
        true
    }

    /// As [`Scheduler::operate`], in an operation that has begun.
    #[cold]
    #[inline(never)]
    pub(crate) fn operate_on(&self, object: Object<'_>, access: Access) {
        self.tell_operation(object, access, UNTOLD, None);
    }

    #[inline(always)]
    pub(crate) fn tell_operation(
        &self,
        object: Object<'_>,
        access: Access,
        verb: &'static str,
        at: Option<&'static Location<'static>>,
    ) {
        let directed = &self.directed;
        // Often a choice is all that is wanted.
        if directed.wants.get().operations && self.is_directed() {
            let number = directed.number_of(object);
            let operated = Operated { number, object, access, verb, at };
            directed.tell(|director| director.operated(&operated));
        }
    }

    /// The operation that was told last has come to this.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_value(&self, value: &dyn Fn() -> String) {
        let directed = &self.directed;
        if self.is_directed() && directed.wants.get().values && !directed.is_apart.get() {
            // Somebody else's code: what it does is no part of the execution.
            directed.is_apart.set(true);
            let value = panic::catch_unwind(AssertUnwindSafe(value));
            directed.is_apart.set(false);
            if let Ok(value) = value {
                directed.tell(|director| director.has_value(value));
            }
        }
    }

    /// Lets others run, if the director wants it.
    pub(crate) fn preempt(&self, at: &'static Location<'static>) {
        let directed = &self.directed;
        if std::thread::panicking() {
            directed.is_preempted.set(true);
            self.yield_while_panicking(at);
        } else if directed.is_plain.get() {
            self.switch_by_choice();
        } else {
            directed.is_preempted.set(true);
            self.yield_out_of_line(at);
        }
    }

    /// A wait is about to be ended by something else than what it is for, or its
    /// green thread is to be unwound where it waits next.
    #[cold]
    pub(crate) fn operate_on_wait(&self, control: &ControlBlock, verb: &'static str) {
        let unwinding = Object::Unwinding(control.number);
        self.tell_operation(unwinding, Access::Write, verb, None);
        let Some(wait) = control.waits_for() else { return };
        let write = |object| self.operate_on(object, Access::Write);
        match wait.what {
            WaitFor::Resource(need) => write(Object::Resource(need.resource)),
            WaitFor::Any(needs) => self.operate_on_all(*needs),
            WaitFor::Join(target) => write(Object::End(target.number)),
            WaitFor::Scope(scope) => write(Object::Scope(scope)),
            WaitFor::Unpark => write(Object::Token(control.number)),
            WaitFor::Sleep | WaitFor::Future | WaitFor::AllEnded | WaitFor::Stalled => {}
        }
    }

    /// A wait for any of these ends. Whoever uses another of them later finds nobody
    /// waiting there.
    pub(crate) fn operate_on_all(&self, needs: Needs<'_>) {
        for need in needs.iter() {
            self.operate_on(Object::Resource(need.resource), Access::Write);
        }
    }

    /// The clock is read, or somebody's deadline comes or goes.
    #[inline(always)]
    pub(crate) fn operate_on_clock(&self, access: Access) {
        if self.chores.get() & chore::OPERATIONS != 0 && self.directed.wants.get().time {
            self.operate_on(Object::Clock, access);
        }
    }
}
