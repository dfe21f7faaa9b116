//! Unwinding: cancellation, deadline scopes, shields, deadlock.

use super::super::{Body, NEVER, Op, What};
use super::Model;
use super::state::{
    Block, DeadlineScope, Ended, Green, Kind, Payload, Pending, Reason, State, Target, Timer, Wait,
};

impl<'p> Green<'p> {
    pub(super) fn new(body: &'p Body) -> Green<'p> {
        Green {
            pending: Pending::Start,
            blocks: vec![Block::new(Kind::Body, &body.operations)],
            sends: body.sends.clone(),
            receives: body.receives.clone(),
            ..Green::default()
        }
    }

    /// Returns the reason to unwind the thread, unless shields delay it.
    fn reason(&self) -> Option<Reason> {
        if self.forced || (self.cancelled && self.shields == 0) {
            return Some(Reason::Thread);
        }
        let due = |scope: &&DeadlineScope| scope.elapsed && scope.shields == self.shields;
        self.scopes.iter().find(due).map(|scope| Reason::Scope(scope.id))
    }

    /// Returns `true` if the thread is unwound at its next cancellation point. A
    /// thread is not unwound during a panic or another unwinding.
    fn is_due(&self) -> bool {
        self.unwinding.is_none() && self.reason().is_some()
    }
}

impl<'p> Model<'p> {
    /// Returns `true` if the current green thread is unwound at a cancellation point.
    pub(super) fn due(&self) -> bool {
        self.greens[self.current].is_due()
    }

    pub(super) fn unwind(&mut self) {
        let reason = self.green().reason().unwrap_or(Reason::Thread);
        self.green().unwinding = Some(Payload::Unwound(reason));
    }

    pub(super) fn drop_payload(&mut self, payload: Payload) {
        if let Payload::Panic(value) = payload {
            self.drop_value(value);
        }
    }

    /// Ends the wait of a thread that is to be unwound.
    fn interrupt(&mut self, number: usize) {
        let green = &self.greens[number];
        if green.is_due() && green.state != State::Waiting(Wait::AllEnded) {
            self.wake(number, Ended::Interrupted);
        }
    }

    pub(super) fn cancel(&mut self, number: usize) {
        self.greens[number].cancelled = true;
        self.interrupt(number);
    }

    pub(super) fn enter_scope(&mut self, millis: u64, operations: &'p [Op]) {
        self.last_scope += 1;
        let id = self.last_scope;
        let shields = self.green().shields;
        self.green().scopes.push(DeadlineScope { id, elapsed: millis == 0, shields });
        if millis != 0 && millis != NEVER {
            let target = Target::Scope(self.current, id);
            self.timers.push(Timer { deadline: self.now + millis, target });
        }
        self.enter(Kind::Timeout(id), operations);
    }

    pub(super) fn scope_elapsed(&mut self, number: usize, id: u64) {
        for scope in &mut self.greens[number].scopes {
            scope.elapsed |= scope.id == id;
        }
        self.interrupt(number);
    }

    pub(super) fn leave_scope(&mut self, id: u64) {
        let target = Target::Scope(self.current, id);
        self.timers.retain(|timer| timer.target != target);
        self.green().scopes.retain(|scope| scope.id != id);
        match self.green().unwinding {
            None => self.log(What::InTime),
            Some(payload) if payload == Payload::Unwound(Reason::Scope(id)) => {
                self.green().unwinding = None;
                self.drop_payload(payload);
                self.log(What::Elapsed);
            }
            Some(_) => {}
        }
    }

    /// Unwinds all threads when no thread is ready and no timer is left, the current
    /// thread first.
    pub(super) fn resolve_deadlock(&mut self) {
        self.deadlock = true;
        let mut told = false;
        let others = (0..self.greens.len()).filter(|&number| number != self.current);
        for number in [self.current].into_iter().chain(others).collect::<Vec<_>>() {
            let green = &mut self.greens[number];
            let over = [State::Finished, State::Waiting(Wait::AllEnded)].contains(&green.state);
            if !over && !green.forced {
                green.forced = true;
                told = true;
                self.interrupt(number);
            }
        }
        assert!(told, "every deadlock of these programs can be resolved");
    }

    /// Returns `true` if a panic or leno unwinds the current green thread.
    pub(super) fn is_panicking(&self) -> bool {
        self.greens[self.current].unwinding.is_some()
    }
}
