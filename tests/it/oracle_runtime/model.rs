//! The model: leno's green threads as a state machine. Each green thread is a stack
//! of blocks; a step carries out one operation, or continues an operation that has
//! waited.
//!
//! All waiting threads are in one list, in the order of their arrival. A thread that
//! is woken for any reason leaves the list immediately.

mod channels;
mod locks;
mod state;
mod unwinding;

use std::collections::VecDeque;
use std::mem;

use super::{Event, Fate, Keep, MUTEXES, NEVER, Op, Outcome, Patience, Program, What};
use state::{
    Block, Channel, Deadline, Ended, Green, Kind, Mutex, Payload, Pending, RwLock, Semaphore,
    State, Target, Timer, Wait, Waiter,
};

struct Model<'p> {
    program: &'p Program,
    greens: Vec<Green<'p>>,
    /// The run queue.
    queue: VecDeque<usize>,
    current: usize,
    running: usize,
    now: u64,
    /// The timers in the order of their start.
    timers: Vec<Timer>,
    waiting: Vec<Waiter>,
    handles: Vec<bool>,
    channels: Vec<Channel>,
    mutexes: [Mutex; MUTEXES],
    rwlock: RwLock,
    semaphore: Semaphore,
    choices_made: usize,
    last_value: u32,
    last_scope: u64,
    deadlock: bool,
    /// The payloads that were caught and kept.
    kept: Vec<Payload>,
    trace: Vec<Event>,
    over: bool,
}

pub(super) fn predict(program: &Program) -> Vec<Event> {
    let mut model = Model {
        program,
        greens: program.threads.iter().map(Green::new).collect(),
        queue: (1..program.threads.len()).collect(),
        current: 0,
        running: program.threads.len() - 1,
        now: 0,
        timers: Vec::new(),
        waiting: Vec::new(),
        handles: (0..program.threads.len()).map(|number| number != 0).collect(),
        channels: channels::all(program),
        mutexes: [Mutex::default(); MUTEXES],
        rwlock: RwLock::default(),
        semaphore: Semaphore { permits: program.permits, closed: false },
        choices_made: 0,
        last_value: 0,
        last_scope: 0,
        deadlock: false,
        kept: Vec::new(),
        trace: Vec::new(),
        over: false,
    };
    while !model.over {
        model.step();
    }
    model.end();
    model.trace
}

fn outcome(result: Result<u32, Payload>) -> Outcome {
    match result {
        Ok(value) => Outcome::Value(value),
        Err(Payload::Panic(value)) => Outcome::Panic(value),
        Err(Payload::Unwound(_)) => Outcome::Unwound,
    }
}

impl<'p> Model<'p> {
    fn green(&mut self) -> &mut Green<'p> {
        &mut self.greens[self.current]
    }

    fn log(&mut self, what: What) {
        self.trace.push(Event::Did { thread: self.current, at: self.now, what });
    }

    fn value(&mut self) -> u32 {
        self.last_value += 1;
        self.last_value
    }

    fn drop_value(&mut self, value: u32) {
        self.trace.push(Event::Dropped { value });
    }

    fn drop_result(&mut self, result: Result<u32, Payload>) {
        if let Ok(value) | Err(Payload::Panic(value)) = result {
            self.drop_value(value);
        }
    }

    fn deadline(&self, patience: Patience) -> Deadline {
        match patience {
            Patience::None | Patience::Millis(0) => Deadline::Past,
            Patience::Endless | Patience::Millis(NEVER) => Deadline::Never,
            Patience::Millis(millis) => Deadline::At(self.now + millis),
        }
    }

    /// Ends the wait of a green thread if it is waiting.
    fn wake(&mut self, number: usize, ended: Ended) {
        let green = &mut self.greens[number];
        if let State::Waiting(_) = green.state {
            green.state = State::Ready;
            green.ended = ended;
            self.queue.push_back(number);
            self.waiting.retain(|waiter| waiter.number != number);
            self.timers.retain(|timer| timer.target != Target::Wait(number));
        }
    }

    /// Chooses the next thread to run.
    fn switch(&mut self) {
        while self.queue.is_empty() {
            match self.timers.iter().map(|timer| timer.deadline).min() {
                Some(deadline) => {
                    self.now = deadline;
                    self.fire_timers();
                }
                None => self.resolve_deadlock(),
            }
        }
        let count = self.queue.len();
        let mut index = 0;
        if let Some(choices) = &self.program.choices
            && count > 1
        {
            self.trace.push(Event::Chose { among: count });
            index = choices.get(self.choices_made).copied().unwrap_or(0) % count;
            self.choices_made += 1;
        }
        self.current = self.queue.remove(index).expect("the index is in the queue");
    }

    fn fire_timers(&mut self) {
        while let Some(index) = self.timers.iter().position(|timer| timer.deadline == self.now) {
            match self.timers.remove(index).target {
                Target::Wait(number) => self.wake(number, Ended::Elapsed),
                Target::Scope(number, id) => self.scope_elapsed(number, id),
            }
        }
    }

    fn wait(&mut self, wait: Wait, deadline: Deadline, pending: Pending<'p>) {
        let number = self.current;
        let green = self.green();
        green.pending = pending;
        match deadline {
            Deadline::Past => {
                green.ended = Ended::Elapsed;
                self.queue.push_back(number);
            }
            Deadline::Never => green.state = State::Waiting(wait),
            Deadline::At(deadline) => {
                green.state = State::Waiting(wait);
                self.timers.push(Timer { deadline, target: Target::Wait(number) });
            }
        }
        self.switch();
    }

    fn step(&mut self) {
        let ended = self.green().ended;
        match mem::take(&mut self.green().pending) {
            Pending::Nothing => self.advance(),
            Pending::Start if self.current != 0 && self.due() => self.unwind(),
            Pending::Start => self.log(What::Started),
            Pending::Yielded if self.due() => self.unwind(),
            Pending::Yielded => self.log(What::WentOn),
            Pending::Lingering(payload) => {
                if self.due() {
                    self.unwind();
                } else {
                    self.log(What::WentOn);
                }
                self.drop_payload(payload);
            }
            Pending::Slept | Pending::Parked if ended == Ended::Interrupted => self.unwind(),
            Pending::Slept => self.log(What::Slept),
            Pending::Parked => {
                self.green().token = false;
                self.log(What::Unparked);
            }
            Pending::Joining(target) if ended == Ended::Interrupted => {
                self.unwind();
                self.detach(target);
            }
            Pending::Joining(target) => self.join(target),
            Pending::Channel(wait) => self.channel_wait_ended(wait, ended),
            Pending::Lock(holding) => self.lock_wait_ended(holding, ended),
            Pending::Notification(operations) => self.notified(operations, ended),
            Pending::LockAgain { operations, timed_out } => {
                self.locked_again(operations, timed_out);
            }
            Pending::Over if self.running > 0 => {
                self.wait(Wait::AllEnded, Deadline::Never, Pending::Over);
            }
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
            self.carry_out(operation);
        } else if let Some((keep, value)) = block.kept.pop_front() {
            // Kept values are dropped when the block is left.
            block.next = block.operations.len();
            self.drop_kept(keep, value);
        } else {
            let kind = block.kind;
            self.leave(kind);
        }
    }

    fn carry_out(&mut self, operation: &'p Op) {
        match *operation {
            Op::Yield => self.yield_and(Pending::Yielded),
            Op::Sleep { millis } => self.sleep(millis),
            Op::Park(patience) => self.park(patience),
            Op::Unpark { which } => {
                let target = which % self.greens.len();
                let green = &mut self.greens[target];
                if green.state != State::Finished {
                    green.token = true;
                }
                if green.state == State::Waiting(Wait::Unpark) {
                    self.wake(target, Ended::Woken(0));
                }
            }
            Op::Cancel { which } => match self.handle(which) {
                Some(target) => self.cancel(target),
                None => self.log(What::NothingThere),
            },
            Op::Join { which } => match self.take_handle(which) {
                Some(target) if self.greens[target].state == State::Finished => self.join(target),
                Some(target) if self.due() => {
                    self.unwind();
                    self.detach(target);
                }
                Some(target) => {
                    self.greens[target].joiner = Some(self.current);
                    self.wait(Wait::Other, Deadline::Never, Pending::Joining(target));
                }
                None => self.log(What::NothingThere),
            },
            Op::Detach { which } => match self.take_handle(which) {
                Some(target) => self.detach(target),
                None => self.log(What::NothingThere),
            },
            Op::IsFinished { which } => match self.handle(which) {
                Some(target) => {
                    self.log(What::IsFinished(self.greens[target].state == State::Finished));
                }
                None => self.log(What::NothingThere),
            },
            Op::Panic => {
                let value = self.value();
                self.log(What::Panicking { value });
                self.green().unwinding = Some(Payload::Panic(value));
            }
            Op::Keep(keep) => {
                let value = self.value();
                let block = self.green().blocks.last_mut().expect("the body has not ended");
                block.kept.push_back((keep, value));
            }
            Op::Catch { then, ref operations } => self.enter(Kind::Catch(then), operations),
            Op::Timeout { millis, ref operations } => self.enter_scope(millis, operations),
            Op::Shield(ref inner) => {
                self.green().shields += 1;
                self.enter(Kind::Shield, inner);
            }
            Op::Send { .. } | Op::Receive { .. } | Op::Select { .. } => self.use_channel(operation),
            Op::DropSender { channel } => self.drop_sender_of(channel),
            Op::DropReceiver { channel } => self.drop_receiver_of(channel),
            Op::Hold { lock, patience, ref operations } => self.hold(lock, patience, operations),
            Op::Notify { all } => self.notify(all),
            Op::AddPermits(count) => self.add_permits(count),
            Op::CloseSemaphore => self.close_semaphore(),
        }
    }

    fn enter(&mut self, kind: Kind, operations: &'p [Op]) {
        self.green().blocks.push(Block::new(kind, operations));
    }

    fn yield_and(&mut self, pending: Pending<'p>) {
        self.green().pending = pending;
        self.queue.push_back(self.current);
        self.switch();
    }

    fn sleep(&mut self, millis: u64) {
        if self.due() {
            self.unwind();
        } else {
            let deadline = self.deadline(Patience::Millis(millis));
            self.wait(Wait::Other, deadline, Pending::Slept);
        }
    }

    fn park(&mut self, patience: Patience) {
        let patience = if patience == Patience::None { Patience::Endless } else { patience };
        if self.due() {
            self.unwind();
        } else if mem::take(&mut self.green().token) {
            self.log(What::Unparked);
        } else {
            let deadline = self.deadline(patience);
            self.wait(Wait::Unpark, deadline, Pending::Parked);
        }
    }

    fn handle(&self, which: usize) -> Option<usize> {
        let target = which % self.handles.len();
        self.handles[target].then_some(target)
    }

    fn take_handle(&mut self, which: usize) -> Option<usize> {
        let target = self.handle(which)?;
        self.handles[target] = false;
        Some(target)
    }

    /// Takes the result of a finished thread.
    fn join(&mut self, target: usize) {
        let result = self.greens[target].result.take().expect("joined once");
        self.log(What::Joined(outcome(result)));
        self.drop_result(result);
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

    fn drop_kept(&mut self, keep: Keep, value: u32) {
        if let Keep::Value = keep {
            return self.drop_value(value);
        }
        // The value itself remains to be dropped afterwards.
        let block = self.green().blocks.last_mut().expect("the body has not ended");
        block.kept.push_front((Keep::Value, value));
        self.log(What::Dropping { value });
        match keep {
            Keep::Value => {}
            Keep::Yielding => self.yield_and(Pending::Yielded),
            Keep::Sleeping { millis } => self.sleep(millis),
        }
    }

    fn leave(&mut self, kind: Kind) {
        if kind == Kind::Body {
            return self.end_body();
        }
        self.green().blocks.pop();
        match kind {
            Kind::Body => {}
            Kind::Catch(then) => {
                let Some(payload) = self.green().unwinding.take() else { return };
                self.log(What::Caught(outcome(Err(payload)), then));
                match then {
                    Fate::Dropped => self.drop_payload(payload),
                    Fate::Lingers => self.yield_and(Pending::Lingering(payload)),
                    Fate::Kept => self.kept.push(payload),
                    Fate::Forgotten => {}
                }
            }
            Kind::Timeout(id) => self.leave_scope(id),
            Kind::Shield => {
                self.green().shields -= 1;
                if self.green().unwinding.is_none() {
                    self.log(What::Unshielded);
                }
            }
            Kind::Hold(lock) => self.release(lock),
        }
    }

    fn end_body(&mut self) {
        self.drop_ends();
        let result = match self.green().unwinding.take() {
            Some(payload) => Err(payload),
            None => Ok(self.value()),
        };
        if self.current == 0 {
            self.green().result = Some(result);
            self.green().pending = Pending::Over;
            return;
        }
        if self.green().detached {
            self.drop_result(result);
        } else {
            self.green().result = Some(result);
        }
        self.green().state = State::Finished;
        if let Some(joiner) = self.green().joiner {
            self.wake(joiner, Ended::Woken(0));
        }
        self.running -= 1;
        if self.running == 0 && self.greens[0].state == State::Waiting(Wait::AllEnded) {
            self.wake(0, Ended::Woken(0));
        }
        self.switch();
    }

    /// Records the result of `run`, and the values that are dropped after it.
    fn end(&mut self) {
        let result = self.greens[0].result.take().expect("the main thread has ended");
        assert!(result.is_ok(), "the main thread catches everything");
        if self.deadlock {
            self.drop_result(result);
            self.trace.push(Event::RunEnded(Outcome::Deadlock));
        } else {
            self.trace.push(Event::RunEnded(outcome(result)));
            self.drop_result(result);
        }
        for number in 0..self.greens.len() {
            if self.handles[number] {
                self.detach(number);
            }
        }
        for payload in mem::take(&mut self.kept) {
            self.drop_payload(payload);
        }
    }
}
