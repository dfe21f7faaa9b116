//! The model: leno's green threads as a state machine. Each green thread is a stack
//! of blocks; a step carries out one operation.

mod state;

use std::collections::VecDeque;
use std::mem;

use super::{Event, FUEL, Keep, Op, Outcome, Program, SLOTS};
use state::{Block, Green, Kind, Payload, Pending, Scope, State, Wait};

pub(super) struct Predicted {
    pub(super) trace: Vec<Event>,
    pub(super) deadlock: bool,
}

struct Model<'p> {
    program: &'p Program,
    /// The threads by number. Number 0 is not used.
    greens: Vec<Green<'p>>,
    queue: VecDeque<usize>,
    current: usize,
    running: usize,
    scopes: Vec<Scope>,
    slots: Vec<Option<usize>>,
    threads: Vec<usize>,
    fuel: u32,
    last_value: u32,
    deadlock: Option<Vec<(usize, String)>>,
    trace: Vec<Event>,
    over: bool,
}

pub(super) fn predict(program: &Program) -> Predicted {
    let mut model = Model {
        program,
        greens: Vec::new(),
        queue: VecDeque::new(),
        current: 1,
        running: 0,
        scopes: Vec::new(),
        slots: vec![None; SLOTS],
        threads: vec![1],
        fuel: FUEL,
        last_value: 0,
        deadlock: None,
        trace: Vec::new(),
        over: false,
    };
    model.greens.push(Green::new(&[], Pending::Nothing, None));
    model.greens.push(Green::new(&program.main, Pending::Nothing, None));
    model.greens[0].state = State::Finished;
    while !model.over {
        model.step();
    }
    model.end();
    Predicted { trace: model.trace, deadlock: model.deadlock.is_some() }
}

fn outcome(result: Result<u32, Payload>) -> Outcome {
    match result {
        Ok(value) => Outcome::Value(value),
        Err(Payload::Panic(value)) => Outcome::Panic(value),
        Err(Payload::ScopePanicked) => Outcome::ScopePanicked,
        Err(Payload::Unwound) => Outcome::Unwound,
    }
}

impl<'p> Model<'p> {
    fn green(&mut self) -> &mut Green<'p> {
        &mut self.greens[self.current]
    }

    fn log(&mut self, event: Event) {
        self.trace.push(event);
    }

    fn value(&mut self) -> u32 {
        self.last_value += 1;
        self.last_value
    }

    fn drop_result(&mut self, result: Result<u32, Payload>) {
        if let Ok(value) | Err(Payload::Panic(value)) = result {
            self.log(Event::Dropped { value });
        }
    }

    fn due(&mut self) -> bool {
        self.green().wanted && !self.green().in_flight
    }

    fn unwind(&mut self) {
        self.green().in_flight = true;
        self.green().unwinding = Some(Payload::Unwound);
    }

    fn wake(&mut self, number: usize) {
        if let State::Waiting(_) = self.greens[number].state {
            self.greens[number].state = State::Ready;
            self.queue.push_back(number);
        }
    }

    fn spawn(&mut self, body: usize, scope: Option<usize>) -> usize {
        let body = body % self.program.bodies.len();
        let number = self.greens.len();
        let operations = &self.program.bodies[body];
        self.greens.push(Green::new(operations, Pending::Start(body), scope));
        self.queue.push_back(number);
        self.threads.push(number);
        self.running += 1;
        if let Some(scope) = scope {
            self.scopes[scope].running += 1;
            self.scopes[scope].handles.push(number);
        }
        number
    }

    /// Drops the join handle.
    fn detach(&mut self, number: usize) {
        let green = &mut self.greens[number];
        green.joiner = None;
        green.detached = true;
        if green.state == State::Finished
            && let Some(result) = green.result.take()
        {
            self.drop_result(result);
        }
    }

    fn switch(&mut self) {
        self.current = match self.queue.pop_front() {
            Some(next) => next,
            None => self.resolve(),
        };
    }

    /// Handles a deadlock. Marks all waiting threads for unwinding, and returns the
    /// next to run.
    fn resolve(&mut self) -> usize {
        let mut report = Vec::new();
        let mut first = None;
        for number in 1..self.greens.len() {
            let State::Waiting(wait) = self.greens[number].state else { continue };
            let what = match wait {
                Wait::Unpark => "unpark".to_owned(),
                Wait::Join(target) => format!("join {target}"),
                Wait::Scope => "the end of its scope's green threads".to_owned(),
                Wait::AllEnded => "the end of all green threads".to_owned(),
            };
            report.push((number, what));
            if wait == Wait::AllEnded || mem::replace(&mut self.greens[number].wanted, true) {
                continue;
            }
            if wait == Wait::Scope {
                // The scope's threads borrow from this thread's frame, which is
                // unwound after their end.
                continue;
            }
            if number == self.current {
                self.greens[number].state = State::Ready;
                first = Some(number);
            } else {
                self.wake(number);
            }
        }
        self.deadlock.get_or_insert(report);
        first.or_else(|| self.queue.pop_front()).expect("every deadlock can be resolved")
    }

    fn wait(&mut self, wait: Wait, pending: Pending) {
        self.green().state = State::Waiting(wait);
        self.green().pending = pending;
        self.switch();
    }

    fn park(&mut self) {
        let number = self.current;
        if self.due() {
            self.unwind();
        } else if mem::take(&mut self.green().token) {
            self.log(Event::Unparked { number });
        } else {
            self.wait(Wait::Unpark, Pending::Parked);
        }
    }

    fn join(&mut self, target: usize) {
        let number = self.current;
        if self.greens[target].state == State::Finished {
            let result = self.greens[target].result.take().expect("joined once");
            self.log(Event::Joined { number, outcome: outcome(result) });
            if let (Some(scope), Err(Payload::Panic(_) | Payload::ScopePanicked)) =
                (self.greens[target].scope, result)
            {
                self.scopes[scope].unseen_panics -= 1;
            }
            self.drop_result(result);
        } else if self.due() {
            self.unwind();
            self.detach(target);
        } else {
            self.greens[target].joiner = Some(number);
            self.wait(Wait::Join(target), Pending::Joining(target));
        }
    }

    fn yield_now(&mut self) {
        self.green().pending = Pending::Yielded;
        if let Some(next) = self.queue.pop_front() {
            self.queue.push_back(self.current);
            self.current = next;
        }
    }

    fn step(&mut self) {
        let number = self.current;
        match mem::take(&mut self.green().pending) {
            Pending::Nothing => self.advance(),
            Pending::Start(body) => self.log(Event::Started { number, body }),
            Pending::Yielded | Pending::Parked if self.due() => self.unwind(),
            Pending::Joining(target) if self.due() => {
                self.unwind();
                self.detach(target);
            }
            Pending::Yielded => self.log(Event::WentOn { number }),
            Pending::Parked => self.park(),
            Pending::Joining(target) => self.join(target),
            Pending::Over if self.running > 0 => self.wait(Wait::AllEnded, Pending::Over),
            Pending::Over => self.over = true,
        }
    }

    /// Carries out the next operation of the innermost block, or leaves the block.
    fn advance(&mut self) {
        let unwinding = self.green().unwinding;
        let block = self.green().blocks.last_mut().expect("the body has not ended");
        if unwinding.is_none() && block.next < block.operations.len() {
            let operation = &block.operations[block.next];
            block.next += 1;
            match self.fuel.checked_sub(1) {
                Some(fuel) => {
                    self.fuel = fuel;
                    self.carry_out(operation);
                }
                None => self.leave_block(),
            }
        } else if let Some((keep, value)) = block.kept.pop_front() {
            self.drop_kept(keep, value);
        } else {
            match block.kind {
                Kind::Body => self.end_body(),
                Kind::Catch => self.end_catch(),
                Kind::Scope => self.end_scope(),
            }
        }
    }

    fn leave_block(&mut self) {
        let block = self.green().blocks.last_mut().expect("the body has not ended");
        block.next = block.operations.len();
    }

    fn carry_out(&mut self, operation: &'p Op) {
        let number = self.current;
        let scope = self.green().blocks.last().expect("the body has not ended").scope;
        match *operation {
            Op::Yield => self.yield_now(),
            Op::Park => self.park(),
            Op::Unpark { which } => {
                let target = self.threads[which % self.threads.len()];
                self.greens[target].token = true;
                if self.greens[target].state == State::Waiting(Wait::Unpark) {
                    self.wake(target);
                }
            }
            Op::Spawn { slot, body, .. } => {
                let spawned = self.spawn(body, None);
                if let Some(previous) = self.slots[slot].replace(spawned) {
                    self.detach(previous);
                }
            }
            Op::Join { slot } => match self.slots[slot].take() {
                Some(target) => self.join(target),
                None => self.log(Event::NothingThere { number }),
            },
            Op::Detach { slot } => match self.slots[slot].take() {
                Some(target) => self.detach(target),
                None => self.log(Event::NothingThere { number }),
            },
            Op::IsFinished { slot } => match self.slots[slot] {
                Some(target) => {
                    let finished = self.greens[target].state == State::Finished;
                    self.log(Event::IsFinished { number, finished });
                }
                None => self.log(Event::NothingThere { number }),
            },
            Op::Panic => {
                let value = self.value();
                self.log(Event::Panicking { number, value });
                self.green().unwinding = Some(Payload::Panic(value));
            }
            Op::Catch(ref inner) => {
                self.green().blocks.push(Block::new(Kind::Catch, inner, scope));
            }
            Op::Scope(ref inner) => {
                self.scopes.push(Scope::default());
                let scope = Some(self.scopes.len() - 1);
                self.green().blocks.push(Block::new(Kind::Scope, inner, scope));
            }
            Op::SpawnScoped { .. } | Op::JoinScoped if scope.is_none() => {
                self.log(Event::NothingThere { number });
            }
            Op::SpawnScoped { body } => _ = self.spawn(body, scope),
            Op::JoinScoped => match self.scopes[scope.unwrap_or_default()].handles.pop() {
                Some(target) => self.join(target),
                None => self.log(Event::NothingThere { number }),
            },
            Op::Keep(keep) => {
                let value = self.value();
                let block = self.green().blocks.last_mut().expect("the body has not ended");
                block.kept.push_back((keep, value));
            }
            Op::Leave => self.leave_block(),
        }
    }

    fn drop_kept(&mut self, keep: Keep, value: u32) {
        let number = self.current;
        match keep {
            Keep::Value => return self.log(Event::Dropped { value }),
            Keep::Yielding => {
                self.log(Event::DroppedYielding { number, value });
                let panicking =
                    self.green().unwinding.is_some_and(|payload| payload != Payload::Unwound);
                if !panicking {
                    self.yield_now();
                }
            }
            Keep::Spawning { body } => {
                self.log(Event::DroppedSpawning { number, value });
                let spawned = self.spawn(body, None);
                self.detach(spawned);
            }
        }
        // The value itself remains to be dropped.
        let block = self.greens[number].blocks.last_mut().expect("the body has not ended");
        block.next = block.operations.len();
        block.kept.push_front((Keep::Value, value));
    }

    fn end_catch(&mut self) {
        let number = self.current;
        self.green().blocks.pop();
        if let Some(payload) = self.green().unwinding.take() {
            self.log(Event::Caught { number, outcome: outcome(Err(payload)) });
            self.drop_result(Err(payload));
            if payload == Payload::Unwound {
                self.green().in_flight = false;
            }
        }
    }

    fn end_scope(&mut self) {
        let number = self.current;
        let scope = self.green().blocks.last().and_then(|block| block.scope);
        let scope = scope.expect("the block of a scope has its scope");
        for handle in mem::take(&mut self.scopes[scope].handles) {
            self.detach(handle);
        }
        if self.scopes[scope].running > 0 {
            self.scopes[scope].waiter = Some(number);
            return self.wait(Wait::Scope, Pending::Nothing);
        }
        self.green().blocks.pop();
        if self.green().unwinding.is_some() {
        } else if self.due() {
            self.unwind();
        } else if self.scopes[scope].unseen_panics > 0 {
            self.green().unwinding = Some(Payload::ScopePanicked);
        } else {
            self.log(Event::LeftScope { number });
        }
    }

    fn end_body(&mut self) {
        let result = match self.green().unwinding.take() {
            Some(payload) => Err(payload),
            None => Ok(self.value()),
        };
        if self.current == 1 {
            self.green().result = Some(result);
            self.green().pending = Pending::Over;
            return;
        }
        let green = &mut self.greens[self.current];
        if green.detached {
            self.drop_result(result);
        } else {
            green.result = Some(result);
        }
        self.green().state = State::Finished;
        if let Some(joiner) = self.green().joiner {
            self.wake(joiner);
        }
        if let Some(scope) = self.green().scope {
            let unseen = matches!(result, Err(Payload::Panic(_) | Payload::ScopePanicked));
            self.scopes[scope].unseen_panics += usize::from(unseen);
            self.scopes[scope].running -= 1;
            if self.scopes[scope].running == 0
                && let Some(waiter) = self.scopes[scope].waiter.take()
            {
                self.wake(waiter);
            }
        }
        self.running -= 1;
        if self.running == 0 && self.greens[1].state == State::Waiting(Wait::AllEnded) {
            self.wake(1);
        }
        self.switch();
    }

    /// Records the result of `run`, and the values that are dropped after it.
    fn end(&mut self) {
        let result = self.greens[1].result.take().expect("the main thread has ended");
        let (reported, dropped_late) = match (&self.deadlock, result) {
            (Some(report), Ok(_) | Err(Payload::Unwound)) => {
                (Outcome::Deadlock(report.clone()), None)
            }
            _ => (outcome(result), Some(result)),
        };
        if dropped_late.is_none() {
            self.drop_result(result);
        }
        self.log(Event::RunEnded { outcome: reported });
        if let Some(result) = dropped_late {
            self.drop_result(result);
        }
        for slot in 0..SLOTS {
            if let Some(target) = self.slots[slot] {
                self.detach(target);
            }
        }
    }
}
