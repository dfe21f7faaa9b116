//! The state of the model, its waits and its clock.

use std::rc::Rc;

use super::Mode;
use super::Then::{self, Stops};
use super::fairness::Fairness;
use crate::program::{CELLS, CHANNELS, Ending, Logs, MUTEXES, Op, Program};

#[derive(Clone)]
pub struct State {
    pub threads: Vec<Thread>,
    /// The current thread.
    pub current: usize,
    pub is_preemptive: bool,
    /// The operations of the current turn.
    pub done: Done,
    pub started: usize,
    /// Whether the main thread has not left the scope of the first threads.
    pub is_in_main_scope: bool,
    pub cells: [u8; CELLS],
    pub mutexes: [Mutex; MUTEXES],
    pub channels: [Channel; CHANNELS],
    pub permits: usize,
    /// The threads that wait for permits, and their counts.
    pub acquiring: Vec<(usize, usize)>,
    /// The threads that wait for a notification.
    pub notified: Vec<usize>,
    pub now: u64,
    timers: Vec<(u64, u64, Timer)>,
    last_timer: u64,
    pub logs: Logs,
    pub value: Option<Logs>,
    pub first_panic: Option<String>,
    /// The alternatives that are taken in this turn.
    pub taken: Vec<usize>,
    /// The number of alternatives of the next choice, if one is left.
    pub alternatives: Option<usize>,
    pub fairness: Option<Fairness>,
    /// Whether the last turn ended with a yield.
    pub yielded: bool,
}

#[derive(Clone, Default)]
pub struct Mutex {
    pub holder: Option<usize>,
    pub waiting: Vec<usize>,
}

#[derive(Clone)]
pub struct Channel {
    pub capacity: Option<usize>,
    pub buffer: Vec<u8>,
    /// The threads that wait to send, and their values.
    pub sending: Vec<(usize, u8)>,
    pub receiving: Vec<usize>,
    pub senders: usize,
    pub receivers: usize,
}

#[derive(Clone)]
pub struct Thread {
    pub code: Rc<[Instruction]>,
    pub place: usize,
    pub status: Status,
    /// The current wait, or the last one until the thread continues.
    pub wait: Option<Wait>,
    pub woken: Option<Woken>,
    /// Whether the thread has yielded or not begun.
    pub yields: bool,
    pub scopes: Vec<Scope>,
    pub children: Vec<usize>,
    pub token: bool,
    pub cancelled: bool,
    /// Whether the thread is in a wait that nothing may interrupt.
    pub is_shielded: bool,
    pub unwinding: Option<Why>,
    /// The text of the panic.
    pub said: String,
    /// Whether a joiner has seen the panic.
    pub is_seen: bool,
    pub guards: [bool; MUTEXES],
    pub senders: [bool; CHANNELS],
    pub receivers: [bool; CHANNELS],
    /// The value received during a wait, and its channel.
    pub given: Option<u8>,
    pub came_from: usize,
    pub is_timed_out: bool,
    pub kept: u8,
    pub sent: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Nothing,
    /// The turn has started threads, which could have run before its next operation.
    Spawns,
    Something,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Unborn,
    Ready,
    Running,
    Waiting,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    Sleep,
    Token,
    Join(usize),
    /// A wait for the end of a scoped thread.
    Threads(usize),
    /// A wait for the end of the first threads.
    AllStarted,
    Lock(usize),
    Notification,
    Permits,
    Send(usize),
    Receive(usize),
    Either,
}

/// The reason for the end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    Done,
    Elapsed,
    Interrupted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Panic,
    Cancelled,
    /// The deadline scope with this number has elapsed.
    Elapsed(u64),
}

#[derive(Clone, Debug)]
pub enum Scope {
    Threads(usize),
    Deadline { id: u64, elapsed: bool, is_over_at: usize },
}

#[derive(Clone, Copy)]
pub enum Timer {
    Wait(usize),
    Deadline(usize),
}

#[derive(Clone, Debug)]
pub enum Instruction {
    Op(Op),
    EnterTimeout(u64),
    LeaveTimeout,
    /// Opens a scope, and starts this thread in it.
    EnterScope(usize),
    LeaveScope(usize),
    JoinIfThere(usize),
    DropFrame,
    LeaveMainScope,
}

fn compile(ops: &[Op], code: &mut Vec<Instruction>) {
    for op in ops {
        match op {
            Op::Timeout(millis, inner) => {
                code.push(Instruction::EnterTimeout(*millis));
                compile(inner, code);
                code.push(Instruction::LeaveTimeout);
            }
            Op::Within(number, inner) => {
                code.push(Instruction::EnterScope(*number));
                compile(inner, code);
                code.push(Instruction::LeaveScope(*number));
            }
            op => code.push(Instruction::Op(op.clone())),
        }
    }
}

/// Returns `true` if one of the operations is a wanted one.
fn uses(ops: &[Op], wanted: &dyn Fn(&Op) -> bool) -> bool {
    ops.iter().any(|op| match op {
        Op::Timeout(_, inner) | Op::Within(_, inner) => uses(inner, wanted),
        op => wanted(op),
    })
}

impl Thread {
    fn new(program: &Program, number: usize) -> Thread {
        let ops = &program.bodies[number];
        let mut code = Vec::new();
        compile(ops, &mut code);
        let looks = program.cells_at_end().into_iter().map(|cell| Instruction::Op(Op::Get(cell)));
        if number == 0 && program.ending == Ending::Join {
            code.extend((1..program.bodies.len()).map(Instruction::JoinIfThere));
            code.extend(looks.clone());
        }
        code.push(Instruction::DropFrame);
        if number == 0 && program.ending == Ending::Scope {
            code.push(Instruction::LeaveMainScope);
            code.extend(looks);
        }
        let has_ends = number <= program.started;
        let sends = |channel| {
            has_ends
                && uses(ops, &|op| match *op {
                    Op::Send(other, _) | Op::DropSender(other) => other == channel,
                    _ => false,
                })
        };
        let receives = |channel| {
            has_ends
                && uses(ops, &|op| match *op {
                    Op::Receive(other, _) | Op::DropReceiver(other) => other == channel,
                    Op::Select(_) => true,
                    _ => false,
                })
        };
        Thread {
            code: code.into(),
            place: 0,
            status: Status::Unborn,
            wait: None,
            woken: None,
            yields: true,
            scopes: Vec::new(),
            children: Vec::new(),
            token: false,
            cancelled: false,
            is_shielded: false,
            unwinding: None,
            said: String::new(),
            is_seen: false,
            guards: [false; MUTEXES],
            senders: std::array::from_fn(sends),
            receivers: std::array::from_fn(receives),
            given: None,
            came_from: 0,
            is_timed_out: false,
            kept: 0,
            sent: 0,
        }
    }
}

impl State {
    /// Returns the state before the first turn of the main thread.
    pub fn new(program: &Program, mode: Mode) -> State {
        let new = |number| Thread::new(program, number);
        let mut threads: Vec<Thread> = (0..program.bodies.len()).map(new).collect();
        threads[0].children.extend(1..=program.started);
        let count = |uses: &dyn Fn(&Thread) -> bool| threads.iter().filter(|one| uses(one)).count();
        let channels = std::array::from_fn(|channel| Channel {
            capacity: program.capacities[channel],
            buffer: Vec::new(),
            sending: Vec::new(),
            receiving: Vec::new(),
            senders: count(&|thread| thread.senders[channel]),
            receivers: count(&|thread| thread.receivers[channel]),
        });
        let mut state = State {
            threads,
            current: 0,
            is_preemptive: mode == Mode::Preemptive,
            done: Done::Nothing,
            started: program.started,
            is_in_main_scope: program.ending == Ending::Scope,
            cells: [0; CELLS],
            mutexes: Default::default(),
            channels,
            permits: program.permits,
            acquiring: Vec::new(),
            notified: Vec::new(),
            now: 0,
            timers: Vec::new(),
            last_timer: 0,
            logs: vec![Vec::new(); program.bodies.len()],
            value: None,
            first_panic: None,
            taken: Vec::new(),
            alternatives: None,
            fairness: (mode != Mode::Cooperative).then(|| Fairness::new(program.bodies.len())),
            yielded: false,
        };
        state.threads[0].status = Status::Ready;
        state
    }

    pub fn start(&mut self, number: usize) {
        let is_there = |thread: &Thread| !matches!(thread.status, Status::Unborn | Status::Ended);
        let is_only = !self.threads.iter().skip(1).any(is_there);
        if self.done == Done::Nothing || is_only {
            self.done = Done::Spawns;
        }
        self.threads[number].status = Status::Ready;
    }

    pub fn log(&mut self, value: u8) {
        self.logs[self.current].push(value);
    }

    pub fn ready(&self) -> Vec<usize> {
        let is_ready = |&number: &usize| self.threads[number].status == Status::Ready;
        (0..self.threads.len()).filter(is_ready).collect()
    }

    /// Makes the current thread wait.
    pub fn wait(&mut self, what: Wait, millis: Option<u64>) -> Then {
        let current = self.current;
        if let Some(millis) = millis {
            self.add_timer(millis, Timer::Wait(current));
        }
        let me = &mut self.threads[current];
        me.wait = Some(what);
        me.status = Status::Waiting;
        Stops
    }

    /// Returns the alternative to take, or `None` if it has not been chosen. Then this
    /// state is of no more use.
    pub fn alternative(&mut self, count: usize) -> Option<usize> {
        if count == 1 {
            return Some(0);
        }
        if self.taken.is_empty() {
            self.alternatives = Some(count);
            return None;
        }
        Some(self.taken.remove(0))
    }

    pub fn add_timer(&mut self, millis: u64, timer: Timer) -> u64 {
        self.last_timer += 1;
        self.timers.push((self.now + millis, self.last_timer, timer));
        self.last_timer
    }

    pub fn remove_timer(&mut self, id: u64) {
        self.timers.retain(|timer| timer.1 != id);
    }

    /// Ends a wait that has not ended.
    pub fn wake(&mut self, number: usize, woken: Woken) {
        let thread = &mut self.threads[number];
        if thread.status != Status::Waiting {
            return;
        }
        thread.status = Status::Ready;
        thread.woken = Some(woken);
        self.timers.retain(|timer| !matches!(timer.2, Timer::Wait(other) if other == number));
        // A thread whose wait has ended leaves all wait queues.
        self.mutexes.iter_mut().for_each(|mutex| mutex.waiting.retain(|&other| other != number));
        self.acquiring.retain(|waiting| waiting.0 != number);
        self.notified.retain(|&other| other != number);
        for channel in &mut self.channels {
            channel.sending.retain(|waiting| waiting.0 != number);
            channel.receiving.retain(|&other| other != number);
        }
    }

    /// Advances the clock to the next deadline when no thread can run. Returns `false`
    /// if there is none.
    pub fn pass_time(&mut self) -> bool {
        let Some(next) = self.timers.iter().map(|timer| timer.0).min() else { return false };
        self.now = next;
        loop {
            let due = self.timers.iter().filter(|timer| timer.0 <= next);
            let Some(&(_, id, timer)) = due.min_by_key(|timer| (timer.0, timer.1)) else {
                return true;
            };
            self.remove_timer(id);
            match timer {
                Timer::Wait(number) => self.wake(number, Woken::Elapsed),
                Timer::Deadline(number) => self.deadline_elapsed(number, id),
            }
        }
    }

    /// Ends the current thread.
    pub fn has_ended(&mut self) {
        let current = self.current;
        let me = &mut self.threads[current];
        me.status = Status::Ended;
        if me.unwinding == Some(Why::Panic) {
            // A panic counts when it leaves the closure of the thread.
            let said = std::mem::take(&mut me.said);
            self.first_panic.get_or_insert(said);
        }
        let all_ended =
            (1..=self.started).all(|number| self.threads[number].status == Status::Ended);
        for number in 0..self.threads.len() {
            match self.threads[number].wait {
                Some(Wait::Join(other) | Wait::Threads(other)) if other == current => {
                    self.wake(number, Woken::Done);
                }
                Some(Wait::AllStarted) if all_ended => self.wake(number, Woken::Done),
                _ => {}
            }
        }
    }
}
