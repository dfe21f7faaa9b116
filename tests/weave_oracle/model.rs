//! The model: the green threads of a program as a state machine that shares no code
//! with leno. A state is a value, and each choice is made on a copy.

mod channels;
mod fairness;
mod locks;
mod state;
mod unwinding;

use std::collections::BTreeMap;

use crate::program::{End, Ending, Op, Patience, Program, said};
use state::{Done, Instruction, Scope, State, Status, Wait, Why, Woken};

/// The number of executions with each end.
pub type Counts = BTreeMap<End, u64>;

/// The points at which other threads may run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Cooperative,
    /// Cooperative, and a yield lets other threads go first.
    Fair,
    Preemptive,
}

/// Returns the counts of all executions, or `None` if there are more than `most`.
pub fn executions(program: &Program, mode: Mode, most: u64) -> Option<Counts> {
    let mut search = Search { program, counts: Counts::new(), left: most };
    search.main(&State::new(program, mode), &[])?;
    Some(search.counts)
}

struct Search<'a> {
    program: &'a Program,
    counts: Counts,
    left: u64,
}

impl Search<'_> {
    fn go_on(&mut self, mut state: State) -> Option<()> {
        loop {
            let ready = state.ready();
            if ready.is_empty() && state.pass_time() {
                continue;
            }
            let yielded = std::mem::take(&mut state.yielded);
            let allowed = match &mut state.fairness {
                Some(fairness) if !ready.is_empty() => fairness.allowed(&ready, yielded),
                _ => ready.clone(),
            };
            match allowed[..] {
                [] => {
                    self.left = self.left.checked_sub(1)?;
                    *self.counts.entry(state.end(self.program)).or_default() += 1;
                    return Some(());
                }
                [only] => {
                    let before = state.clone();
                    state.step(self.program, only);
                    if state.alternatives.is_some() {
                        return self.turn(&before, only, &[]);
                    }
                }
                _ => {
                    return allowed.into_iter().try_for_each(|next| self.turn(&state, next, &[]));
                }
            }
        }
    }

    /// Searches the first turn of the main thread, as [`Search::turn`] does other turns.
    fn main(&mut self, state: &State, taken: &[usize]) -> Option<()> {
        let mut branch = state.clone();
        branch.taken = taken.to_vec();
        branch.begin_main(self.program);
        let Some(count) = branch.alternatives else { return self.go_on(branch) };
        for next in 0..count {
            let taken: Vec<usize> = taken.iter().copied().chain([next]).collect();
            self.main(state, &taken)?;
        }
        Some(())
    }

    /// Runs a turn with all its alternatives, after the alternatives in `taken`.
    fn turn(&mut self, state: &State, current: usize, taken: &[usize]) -> Option<()> {
        let mut branch = state.clone();
        branch.taken = taken.to_vec();
        branch.step(self.program, current);
        let Some(count) = branch.alternatives else { return self.go_on(branch) };
        for next in 0..count {
            let taken: Vec<usize> = taken.iter().copied().chain([next]).collect();
            self.turn(state, current, &taken)?;
        }
        Some(())
    }
}

/// The effect of an instruction on the turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoesOn,
    /// The turn ends.
    Stops,
}

use Then::{GoesOn, Stops};

impl State {
    fn end(&self, program: &Program) -> End {
        if let Some(current) = &self.first_panic {
            return End::Panic(current.clone());
        }
        let is_left = |status| !matches!(status, Status::Unborn | Status::Ended);
        if self.threads.iter().any(|thread| is_left(thread.status)) {
            return End::Deadlock;
        }
        End::Value(
            self.value
                .clone()
                .unwrap_or_else(|| unreachable!("main has ended without a panic: {program:?}")),
        )
    }

    /// Starts the first threads from the main one, and continues.
    fn begin_main(&mut self, program: &Program) {
        if let Some(fairness) = &mut self.fairness {
            fairness.took(&[], 0);
        }
        self.take_turn(0);
        (1..program.known()).for_each(|number| self.start(number));
        self.go_on(program);
    }

    /// Runs a turn of this thread.
    fn step(&mut self, program: &Program, current: usize) {
        let ready = self.ready();
        if let Some(fairness) = &mut self.fairness {
            fairness.took(&ready, current);
        }
        self.take_turn(current);
        self.go_on(program);
    }

    fn take_turn(&mut self, current: usize) {
        self.current = current;
        self.done = Done::Nothing;
        self.threads[current].status = Status::Running;
    }

    fn go_on(&mut self, program: &Program) {
        while self.advance(program) == GoesOn {}
    }

    /// Carries out one instruction, or a part of it.
    fn advance(&mut self, program: &Program) -> Then {
        let me = &mut self.threads[self.current];
        if me.yields {
            me.yields = false;
            if self.unwinds_here() {
                return GoesOn;
            }
        }
        let me = &mut self.threads[self.current];
        if let Some(why) = me.unwinding {
            return self.unwind(why);
        }
        let code = me.code.clone();
        let Some(instruction) = code.get(me.place) else { return self.finish(program) };
        let then = self.carry_out(instruction);
        let me = &mut self.threads[self.current];
        if then == GoesOn && me.unwinding.is_none() {
            me.place += 1;
        }
        then
    }

    /// Ends the turn before an operation if others may run first.
    fn begin(&mut self, is_look: bool) -> Then {
        let may_go_on = match self.done {
            Done::Nothing => true,
            Done::Spawns => is_look,
            Done::Something => false,
        };
        if self.is_preemptive && !may_go_on {
            self.threads[self.current].status = Status::Ready;
            return Stops;
        }
        if !is_look {
            self.done = Done::Something;
        }
        GoesOn
    }

    fn carry_out(&mut self, instruction: &Instruction) -> Then {
        // The turn of a woken thread began before its wait.
        let woken = self.threads[self.current].woken.take();
        if woken == Some(Woken::Interrupted) {
            self.give_up(instruction);
            self.throw();
            return GoesOn;
        }
        let is_look = matches!(
            instruction,
            Instruction::Op(Op::Join(_))
                | Instruction::JoinIfThere(_)
                | Instruction::LeaveScope(_)
                | Instruction::LeaveMainScope
        );
        if woken.is_none() && self.is_operation(instruction) && self.begin(is_look) == Stops {
            return Stops;
        }
        match instruction {
            Instruction::Op(op) => self.operate(op, woken),
            &Instruction::EnterTimeout(millis) => self.enter_timeout(millis),
            Instruction::LeaveTimeout => self.leave_timeout(),
            &Instruction::EnterScope(number) => {
                self.start(number);
                self.threads[self.current].scopes.push(Scope::Threads(number));
                GoesOn
            }
            &Instruction::LeaveScope(number) => self.leave_scope(number),
            Instruction::DropFrame => self.drop_frame(),
            Instruction::LeaveMainScope => self.leave_main_scope(),
            &Instruction::JoinIfThere(number) => {
                match self.threads[0].children.contains(&number) || woken.is_some() {
                    true => self.join(number, woken),
                    false => GoesOn,
                }
            }
        }
    }

    /// Returns `true` if a preemptive exploration may switch before the instruction.
    fn is_operation(&self, instruction: &Instruction) -> bool {
        match instruction {
            Instruction::Op(Op::Join(number) | Op::IsFinished(number))
            | Instruction::JoinIfThere(number) => self.has_child(*number),
            Instruction::LeaveScope(_) | Instruction::LeaveMainScope => true,
            &Instruction::Op(Op::Unlock(number)) => self.threads[self.current].guards[number],
            Instruction::Op(Op::Wait(_)) => self.threads[self.current].guards[0],
            &Instruction::Op(Op::Send(channel, _) | Op::DropSender(channel)) => {
                self.threads[self.current].senders[channel]
            }
            &Instruction::Op(Op::Receive(channel, _) | Op::DropReceiver(channel)) => {
                self.threads[self.current].receivers[channel]
            }
            Instruction::Op(Op::Select(_)) => self.threads[self.current].receivers == [true; 2],
            Instruction::Op(op) => {
                !matches!(op, Op::Yield | Op::Sleep(_) | Op::Spawn(_) | Op::Panic)
            }
            _ => false,
        }
    }

    fn operate(&mut self, op: &Op, woken: Option<Woken>) -> Then {
        match *op {
            Op::Yield => {
                self.yielded = true;
                let me = &mut self.threads[self.current];
                me.yields = true;
                me.status = Status::Ready;
                me.place += 1;
                Stops
            }
            Op::Get(_)
            | Op::Set(..)
            | Op::Add(_)
            | Op::Load(_)
            | Op::Store(_)
            | Op::Exchange(..) => self.cell(op),
            Op::Lock(_) | Op::TryLock(_) | Op::Unlock(_) => self.mutex(op, woken),
            Op::Wait(patience) => self.wait_for_notification(patience, woken),
            Op::Notify { all } => self.notify(all),
            Op::Acquire(count, patience) => self.acquire(count, patience, woken),
            Op::AddPermits(count) => self.add_permits(count),
            Op::Send(channel, patience) => self.send(channel, patience, woken),
            Op::Receive(channel, patience) => self.receive(channel, patience, woken),
            Op::Select(patience) => self.select(patience, woken),
            Op::DropSender(channel) => self.drop_sender(channel),
            Op::DropReceiver(channel) => self.drop_receiver(channel),
            Op::Park(patience) => self.park(patience, woken),
            Op::Unpark(number) => self.unpark(number),
            Op::Cancel(number) => self.cancel(number),
            Op::Spawn(number) => {
                self.start(number);
                self.threads[self.current].children.push(number);
                GoesOn
            }
            Op::Join(number) if woken.is_none() && !self.has_child(number) => {
                self.log(said::NOTHING);
                GoesOn
            }
            Op::Join(number) => self.join(number, woken),
            Op::IsFinished(number) => {
                self.log(match (self.has_child(number), self.threads[number].status) {
                    (false, _) => said::NOTHING,
                    (true, Status::Ended) => said::YES,
                    (true, _) => said::NO,
                });
                GoesOn
            }
            Op::Sleep(millis) => match woken {
                Some(_) => GoesOn,
                None if self.unwinds_here() => GoesOn,
                None => self.wait(Wait::Sleep, Some(millis)),
            },
            Op::Panic => {
                self.panic(format!("the panic of {}", self.current));
                GoesOn
            }
            Op::Timeout(..) | Op::Within(..) => {
                unreachable!("`compile` splits these into several instructions")
            }
            Op::Extra(_) => unreachable!("programs for the model have none"),
        }
    }

    fn cell(&mut self, op: &Op) -> Then {
        match *op {
            Op::Get(cell) => self.log(self.cells[cell]),
            Op::Set(cell, value) => self.cells[cell] = value,
            Op::Add(cell) => {
                self.cells[cell] += 1;
                self.log(self.cells[cell]);
            }
            Op::Load(cell) => self.threads[self.current].kept = self.cells[cell],
            Op::Store(cell) => self.cells[cell] = self.threads[self.current].kept + 1,
            Op::Exchange(cell, new) => {
                let is_zero = self.cells[cell] == 0;
                if is_zero {
                    self.cells[cell] = new;
                }
                self.log(if is_zero { said::YES } else { said::NO });
            }
            _ => unreachable!("no operation of a cell"),
        }
        GoesOn
    }

    fn park(&mut self, patience: Patience, woken: Option<Woken>) -> Then {
        let current = self.current;
        if woken.is_some() {
            self.done = Done::Something;
            self.threads[current].token = false;
            return GoesOn;
        }
        if self.unwinds_here() || std::mem::take(&mut self.threads[current].token) {
            return GoesOn;
        }
        self.wait(Wait::Token, patience.millis())
    }

    fn unpark(&mut self, number: usize) -> Then {
        let thread = &mut self.threads[number];
        if thread.status != Status::Ended {
            thread.token = true;
            if thread.wait == Some(Wait::Token) {
                self.wake(number, Woken::Done);
            }
        }
        GoesOn
    }

    fn join(&mut self, number: usize, woken: Option<Woken>) -> Then {
        let current = self.current;
        if woken.is_none() {
            self.threads[current].children.retain(|&child| child != number);
            if self.threads[number].status != Status::Ended {
                if self.unwinds_here() {
                    return GoesOn;
                }
                return self.wait(Wait::Join(number), None);
            }
        }
        let other = &mut self.threads[number];
        other.is_seen = true;
        let said = match other.unwinding {
            None => said::JOINED,
            Some(Why::Panic) => said::PANICKED,
            Some(_) => said::CANCELLED,
        };
        self.log(said);
        self.take_log(number);
        GoesOn
    }

    fn take_log(&mut self, number: usize) {
        let log = std::mem::take(&mut self.logs[number]);
        self.logs[self.current].extend(log);
    }

    fn has_child(&self, number: usize) -> bool {
        self.threads[self.current].children.contains(&number)
    }

    /// Ends the thread at the end of its code.
    fn finish(&mut self, program: &Program) -> Then {
        if self.current == 0 && self.threads[0].unwinding.is_none() {
            self.value = Some(match program.ending {
                Ending::Scope => self.logs[..program.known()].to_vec(),
                Ending::Join | Ending::Detach => self.logs[..1].to_vec(),
            });
        }
        self.has_ended();
        Stops
    }
}
