//! The model: what the green threads of a program do, as a state machine that
//! shares no code with leno. A state is a value; where several can run, each is
//! tried on a copy.

mod channels;
mod fairness;
mod locks;
mod state;
mod unwinding;

use std::collections::BTreeMap;

use crate::program::{End, Ending, Op, Patience, Program, said};
use state::{Done, Instruction, Scope, State, Status, Wait, Why, Woken};

/// How many executions there are that end so.
pub type Counts = BTreeMap<End, u64>;

/// Where others may run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Cooperative,
    /// And who yields lets others go first.
    Fair,
    Preemptive,
}

/// All executions of a program. `None` if there are more than `most`.
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

    /// As [`Search::turn`], of the first turn of the main one.
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

    /// A turn, with all its alternatives, of which these have been taken.
    fn turn(&mut self, state: &State, who: usize, taken: &[usize]) -> Option<()> {
        let mut branch = state.clone();
        branch.taken = taken.to_vec();
        branch.step(self.program, who);
        let Some(count) = branch.alternatives else { return self.go_on(branch) };
        for next in 0..count {
            let taken: Vec<usize> = taken.iter().copied().chain([next]).collect();
            self.turn(state, who, &taken)?;
        }
        Some(())
    }
}

/// Does the operation go on to the next one?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoesOn,
    /// Somebody else has a turn.
    Stops,
}

use Then::{GoesOn, Stops};

impl State {
    fn end(&self, program: &Program) -> End {
        if let Some(who) = &self.first_panic {
            return End::Panic(who.clone());
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

    /// The main one begins by starting others.
    fn begin_main(&mut self, program: &Program) {
        if let Some(fairness) = &mut self.fairness {
            fairness.took(&[], 0);
        }
        self.take_turn(0);
        (1..program.known()).for_each(|number| self.start(number));
        self.go_on(program);
    }

    /// `who` has a turn.
    fn step(&mut self, program: &Program, who: usize) {
        let ready = self.ready();
        if let Some(fairness) = &mut self.fairness {
            fairness.took(&ready, who);
        }
        self.take_turn(who);
        self.go_on(program);
    }

    fn take_turn(&mut self, who: usize) {
        self.who = who;
        self.done = Done::Nothing;
        self.threads[who].status = Status::Running;
    }

    fn go_on(&mut self, program: &Program) {
        while self.advance(program) == GoesOn {}
    }

    /// One instruction, or a part of it.
    fn advance(&mut self, program: &Program) -> Then {
        let me = &mut self.threads[self.who];
        if me.yields {
            me.yields = false;
            if self.unwinds_here() {
                return GoesOn;
            }
        }
        let me = &mut self.threads[self.who];
        if let Some(why) = me.unwinding {
            return self.unwind(why);
        }
        let code = me.code.clone();
        let Some(instruction) = code.get(me.place) else { return self.finish(program) };
        let then = self.carry_out(instruction);
        let me = &mut self.threads[self.who];
        if then == GoesOn && me.unwinding.is_none() {
            me.place += 1;
        }
        then
    }

    /// Before an operation: may others run first?
    fn begin(&mut self, is_look: bool) -> Then {
        let may_go_on = match self.done {
            Done::Nothing => true,
            Done::Spawns => is_look,
            Done::Something => false,
        };
        if self.is_preemptive && !may_go_on {
            self.threads[self.who].status = Status::Ready;
            return Stops;
        }
        if !is_look {
            self.done = Done::Something;
        }
        GoesOn
    }

    fn carry_out(&mut self, instruction: &Instruction) -> Then {
        // One that has waited has begun before.
        let woken = self.threads[self.who].woken.take();
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
                self.threads[self.who].scopes.push(Scope::Threads(number));
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

    /// Do others, in a preemptive exploration, have a turn before it?
    fn is_operation(&self, instruction: &Instruction) -> bool {
        match instruction {
            Instruction::Op(Op::Join(number) | Op::IsFinished(number))
            | Instruction::JoinIfThere(number) => self.has_child(*number),
            Instruction::LeaveScope(_) | Instruction::LeaveMainScope => true,
            &Instruction::Op(Op::Unlock(number)) => self.threads[self.who].guards[number],
            Instruction::Op(Op::Wait(_)) => self.threads[self.who].guards[0],
            &Instruction::Op(Op::Send(channel, _) | Op::DropSender(channel)) => {
                self.threads[self.who].senders[channel]
            }
            &Instruction::Op(Op::Receive(channel, _) | Op::DropReceiver(channel)) => {
                self.threads[self.who].receivers[channel]
            }
            Instruction::Op(Op::Select(_)) => self.threads[self.who].receivers == [true; 2],
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
                let me = &mut self.threads[self.who];
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
                self.threads[self.who].children.push(number);
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
                self.panic(format!("the panic of {}", self.who));
                GoesOn
            }
            Op::Timeout(..) | Op::Within(..) => unreachable!("it is several instructions"),
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
            Op::Load(cell) => self.threads[self.who].kept = self.cells[cell],
            Op::Store(cell) => self.cells[cell] = self.threads[self.who].kept + 1,
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
        let who = self.who;
        if woken.is_some() {
            self.done = Done::Something;
            self.threads[who].token = false;
            return GoesOn;
        }
        if self.unwinds_here() || std::mem::take(&mut self.threads[who].token) {
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
        let who = self.who;
        if woken.is_none() {
            self.threads[who].children.retain(|&child| child != number);
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
        self.logs[self.who].extend(log);
    }

    fn has_child(&self, number: usize) -> bool {
        self.threads[self.who].children.contains(&number)
    }

    /// The code is at its end.
    fn finish(&mut self, program: &Program) -> Then {
        if self.who == 0 && self.threads[0].unwinding.is_none() {
            self.value = Some(match program.ending {
                Ending::Scope => self.logs[..program.known()].to_vec(),
                Ending::Join | Ending::Detach => self.logs[..1].to_vec(),
            });
        }
        self.has_ended();
        Stops
    }
}
