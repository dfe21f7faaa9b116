//! Cancellation, deadlines, panics, and the scopes that they leave.

use super::Then::{self, GoesOn, Stops};
use super::state::{Done, Instruction, Scope, State, Status, Timer, Wait, Why, Woken};
use crate::program::{Op, said};

impl State {
    pub fn panic(&mut self, said: String) {
        let me = &mut self.threads[self.who];
        me.unwinding = Some(Why::Panic);
        me.said = said;
    }

    pub fn cancel(&mut self, number: usize) -> Then {
        if self.threads[number].status != Status::Ended {
            self.threads[number].cancelled = true;
            self.interrupt(number);
        }
        GoesOn
    }

    pub fn deadline_elapsed(&mut self, number: usize, wanted: u64) {
        for scope in &mut self.threads[number].scopes {
            if let Scope::Deadline { id, elapsed, .. } = scope
                && *id == wanted
            {
                *elapsed = true;
            }
        }
        self.interrupt(number);
    }

    fn interrupt(&mut self, number: usize) {
        if self.reason(number).is_some() {
            let lent =
                matches!(self.threads[number].wait, Some(Wait::Threads(_) | Wait::AllStarted));
            if !lent {
                self.wake(number, Woken::Interrupted);
            }
        }
    }

    /// Why it is to be unwound where it waits, if it is.
    fn reason(&self, number: usize) -> Option<Why> {
        let thread = &self.threads[number];
        if thread.unwinding.is_some() || thread.is_shielded {
            return None;
        }
        if thread.cancelled {
            return Some(Why::Cancelled);
        }
        thread.scopes.iter().find_map(|scope| match scope {
            Scope::Deadline { id, elapsed: true, .. } => Some(Why::Elapsed(*id)),
            _ => None,
        })
    }

    /// Unwinds the one that runs, if that is due.
    pub fn unwinds_here(&mut self) -> bool {
        let reason = self.reason(self.who);
        if reason.is_some() {
            self.threads[self.who].unwinding = reason;
        }
        reason.is_some()
    }

    pub fn throw(&mut self) {
        self.threads[self.who].unwinding =
            Some(self.reason(self.who).expect("it was interrupted for a reason"));
    }

    /// What is done before the unwinding of one whose wait was interrupted.
    pub fn give_up(&mut self, instruction: &Instruction) {
        if let Instruction::Op(Op::Acquire(..)) = instruction {
            self.done = Done::Something;
            self.grant();
        }
    }

    pub fn enter_timeout(&mut self, millis: u64) -> Then {
        let who = self.who;
        let id = self.add_timer(millis, Timer::Deadline(who));
        let me = &mut self.threads[who];
        let mut depth = 0;
        let rest = me.code[me.place..].iter();
        let is_over_at = me.place
            + rest
                .take_while(|instruction| {
                    match instruction {
                        Instruction::EnterTimeout(_) => depth += 1,
                        Instruction::LeaveTimeout => depth -= 1,
                        _ => {}
                    }
                    depth > 0
                })
                .count();
        me.scopes.push(Scope::Deadline { id, elapsed: false, is_over_at });
        GoesOn
    }

    pub fn leave_timeout(&mut self) -> Then {
        let scope = self.threads[self.who].scopes.pop();
        let Some(Scope::Deadline { id, .. }) = scope else { unreachable!("it is in one") };
        self.remove_timer(id);
        self.log(said::WENT_ON);
        GoesOn
    }

    pub fn leave_scope(&mut self, number: usize) -> Then {
        if self.threads[number].status != Status::Ended {
            return self.wait(Wait::Threads(number), None);
        }
        self.threads[self.who].scopes.pop();
        if self.unwinds_here() {
            return GoesOn;
        }
        match self.threads[number].unwinding {
            Some(Why::Panic) => self.panic("a scoped green thread panicked".to_owned()),
            _ => self.take_log(number),
        }
        GoesOn
    }

    pub fn leave_main_scope(&mut self) -> Then {
        if self.wait_for_started() == Stops {
            return Stops;
        }
        self.is_in_main_scope = false;
        let is_unseen = |number: usize| {
            let thread = &self.threads[number];
            thread.unwinding == Some(Why::Panic) && !thread.is_seen
        };
        if (1..=self.started).any(is_unseen) {
            self.panic("a scoped green thread panicked".to_owned());
        }
        GoesOn
    }

    fn wait_for_started(&mut self) -> Then {
        match (1..=self.started).all(|number| self.threads[number].status == Status::Ended) {
            true => GoesOn,
            false => self.wait(Wait::AllStarted, None),
        }
    }

    /// One step of the unwinding.
    pub fn unwind(&mut self, why: Why) -> Then {
        let who = self.who;
        let woken = self.threads[who].woken.take();
        match self.threads[who].scopes.last().cloned() {
            Some(Scope::Deadline { id, is_over_at, .. }) => {
                self.remove_timer(id);
                let me = &mut self.threads[who];
                me.scopes.pop();
                if why == Why::Elapsed(id) {
                    me.unwinding = None;
                    me.place = is_over_at + 1;
                    self.log(said::TIMED_OUT);
                }
                GoesOn
            }
            Some(Scope::Threads(number)) => {
                if woken.is_none() && self.begin(true) == Stops {
                    return Stops;
                }
                if self.threads[number].status != Status::Ended {
                    return self.wait(Wait::Threads(number), None);
                }
                self.threads[who].scopes.pop();
                GoesOn
            }
            None if self.drop_frame() == Stops => Stops,
            None => {
                if who == 0 && self.is_in_main_scope {
                    if woken.is_none() && self.begin(true) == Stops {
                        return Stops;
                    }
                    if self.wait_for_started() == Stops {
                        return Stops;
                    }
                }
                self.has_ended();
                Stops
            }
        }
    }
}
