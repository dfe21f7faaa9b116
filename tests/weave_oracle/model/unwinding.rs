//! Cancellation, deadlines and panics of the model, and the scopes that they leave.

use super::Then::{self, GoesOn, Stops};
use super::state::{Done, Instruction, Scope, State, Status, Timer, Wait, Why, Woken};
use crate::program::{Op, said};

impl State {
    pub fn panic(&mut self, said: String) {
        let me = &mut self.threads[self.current];
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

    /// Returns the reason for which a wait of the thread is unwound, if there is one.
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

    /// Starts the unwinding of the current thread, if one is due.
    pub fn unwinds_here(&mut self) -> bool {
        let reason = self.reason(self.current);
        if reason.is_some() {
            self.threads[self.current].unwinding = reason;
        }
        reason.is_some()
    }

    pub fn throw(&mut self) {
        self.threads[self.current].unwinding =
            Some(self.reason(self.current).expect("an interruption has a reason"));
    }

    /// Acts for an interrupted operation before its thread is unwound.
    pub fn give_up(&mut self, instruction: &Instruction) {
        if let Instruction::Op(Op::Acquire(..)) = instruction {
            self.done = Done::Something;
            self.grant();
        }
    }

    pub fn enter_timeout(&mut self, millis: u64) -> Then {
        let current = self.current;
        let id = self.add_timer(millis, Timer::Deadline(current));
        let me = &mut self.threads[current];
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
        let scope = self.threads[self.current].scopes.pop();
        let Some(Scope::Deadline { id, .. }) = scope else {
            unreachable!("the thread is in a deadline scope")
        };
        self.remove_timer(id);
        self.log(said::WENT_ON);
        GoesOn
    }

    pub fn leave_scope(&mut self, number: usize) -> Then {
        if self.threads[number].status != Status::Ended {
            return self.wait(Wait::Threads(number), None);
        }
        self.threads[self.current].scopes.pop();
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

    /// Carries out one step of the unwinding.
    pub fn unwind(&mut self, why: Why) -> Then {
        let current = self.current;
        let woken = self.threads[current].woken.take();
        match self.threads[current].scopes.last().cloned() {
            Some(Scope::Deadline { id, is_over_at, .. }) => {
                self.remove_timer(id);
                let me = &mut self.threads[current];
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
                self.threads[current].scopes.pop();
                GoesOn
            }
            None if self.drop_frame() == Stops => Stops,
            None => {
                if current == 0 && self.is_in_main_scope {
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
