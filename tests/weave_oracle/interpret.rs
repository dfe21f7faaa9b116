//! Runs a program on leno.

mod extras;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leno::channel::{self, Receiver, Sender};
use leno::sync::atomic::{AtomicU8, Ordering::SeqCst};
use leno::sync::{Condvar, Mutex, MutexGuard, PoisonError, Semaphore, TryLockError};
use leno::thread::{self, Cancelled, JoinHandle, ScopedJoinHandle, Thread};
use leno::time::{self, Duration, Instant};
use leno::weave::Shared;

use crate::program::{CELLS, CHANNELS, Ending, Logs, MUTEXES, Op, Patience, Program, said};

struct World {
    program: Rc<Program>,
    logs: RefCell<Logs>,
    cells: Cells,
    mutexes: [Mutex<()>; MUTEXES],
    semaphore: Semaphore,
    condvar: Condvar,
    ticks: Receiver<Instant>,
    /// The threads that the main one starts first, which the others may name. Complete
    /// before any of them runs.
    threads: RefCell<Vec<Thread>>,
}

/// What the shared cells are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    Shared,
    Atomic,
    /// Leno does not know them.
    Plain,
}

enum Cells {
    Shared(Box<[Shared<u8>; CELLS]>),
    Atomic([AtomicU8; CELLS]),
    Plain([Cell<u8>; CELLS]),
}

impl Cells {
    fn get(&self, cell: usize) -> u8 {
        match self {
            Cells::Shared(cells) => cells[cell].get(),
            Cells::Atomic(cells) => cells[cell].load(SeqCst),
            Cells::Plain(cells) => cells[cell].get(),
        }
    }

    fn set(&self, cell: usize, value: u8) {
        match self {
            Cells::Shared(cells) => cells[cell].set(value),
            Cells::Atomic(cells) => cells[cell].store(value, SeqCst),
            Cells::Plain(cells) => cells[cell].set(value),
        }
    }

    fn add(&self, cell: usize) -> u8 {
        match self {
            Cells::Shared(cells) => cells[cell].update(|value| {
                *value += 1;
                *value
            }),
            Cells::Atomic(cells) => cells[cell].fetch_add(1, SeqCst) + 1,
            Cells::Plain(cells) => {
                cells[cell].set(cells[cell].get() + 1);
                cells[cell].get()
            }
        }
    }

    fn exchange(&self, cell: usize, new: u8) -> bool {
        match self {
            Cells::Shared(cells) => cells[cell].compare_exchange(0, new).is_ok(),
            Cells::Atomic(cells) => cells[cell].compare_exchange(0, new, SeqCst, SeqCst).is_ok(),
            Cells::Plain(cells) => {
                let is_zero = cells[cell].get() == 0;
                if is_zero {
                    cells[cell].set(new);
                }
                is_zero
            }
        }
    }
}

enum Child<'scope> {
    Free(JoinHandle<()>),
    Scoped(ScopedJoinHandle<'scope, ()>),
}

impl Child<'_> {
    fn join(self) -> thread::Result<()> {
        match self {
            Child::Free(handle) => handle.join(),
            Child::Scoped(handle) => handle.join(),
        }
    }

    fn is_finished(&self) -> bool {
        match self {
            Child::Free(handle) => handle.is_finished(),
            Child::Scoped(handle) => handle.is_finished(),
        }
    }
}

/// The local state of a green thread. The fields are dropped in this order.
struct Frame<'world, 'scope> {
    guards: [Option<MutexGuard<'world, ()>>; MUTEXES],
    senders: [Option<Sender<u8>>; CHANNELS],
    receivers: [Option<Receiver<u8>>; CHANNELS],
    /// The threads that this one has started and not joined, by their numbers.
    children: Vec<Option<Child<'scope>>>,
    world: &'world Rc<World>,
    number: usize,
    kept: u8,
    sent: u8,
}

/// The halves of channels that a green thread owns.
type Ends = ([Option<Sender<u8>>; CHANNELS], [Option<Receiver<u8>>; CHANNELS]);

/// Gives each thread that the main one starts first the halves that it uses.
fn distribute(program: &Program) -> Vec<Ends> {
    let known = program.known();
    let mut all: Vec<Ends> = (0..known).map(|_| Ends::default()).collect();
    for (channel, capacity) in program.capacities.into_iter().enumerate() {
        let (sender, receiver) = match capacity {
            Some(capacity) => channel::bounded(capacity),
            None => channel::unbounded(),
        };
        for (ends, body) in all.iter_mut().zip(&program.bodies) {
            if sends(body, channel) {
                ends.0[channel] = Some(sender.clone());
            }
            if receives(body, channel) {
                ends.1[channel] = Some(receiver.clone());
            }
        }
    }
    all
}

/// Returns `true` if the body uses the sending half of the channel.
pub fn sends(body: &[Op], channel: usize) -> bool {
    body.iter().any(|op| match op {
        Op::Send(other, _) | Op::DropSender(other) => *other == channel,
        Op::Timeout(_, inner) | Op::Within(_, inner) => sends(inner, channel),
        _ => false,
    })
}

/// Returns `true` if the body uses the receiving half of the channel.
pub fn receives(body: &[Op], channel: usize) -> bool {
    body.iter().any(|op| match op {
        Op::Receive(other, _) | Op::DropReceiver(other) => *other == channel,
        Op::Select(_) => true,
        Op::Timeout(_, inner) | Op::Within(_, inner) => receives(inner, channel),
        _ => false,
    })
}

/// Returns the closure to explore.
pub fn closure(program: &Program, cells: CellKind) -> impl Fn() -> Logs + use<> {
    let program = Rc::new(program.clone());
    move || run(&program, cells)
}

fn run(program: &Rc<Program>, cells: CellKind) -> Logs {
    let world = Rc::new(World {
        program: program.clone(),
        logs: RefCell::new(vec![Vec::new(); program.bodies.len()]),
        cells: match cells {
            CellKind::Plain => Cells::Plain(Default::default()),
            CellKind::Shared => Cells::Shared(Default::default()),
            CellKind::Atomic => Cells::Atomic(Default::default()),
        },
        mutexes: Default::default(),
        semaphore: Semaphore::new(program.permits),
        condvar: Condvar::new(),
        ticks: channel::tick(Duration::from_millis(1)),
        threads: RefCell::new(vec![thread::current()]),
    });
    let ends = distribute(program);
    match program.ending {
        Ending::Scope => {
            leno::scope(|scope| {
                be_main(&world, ends, |closure| Child::Scoped(scope.spawn(closure)));
            });
            look_at_cells(&world);
        }
        Ending::Join | Ending::Detach => {
            be_main(&world, ends, |closure| Child::Free(thread::spawn(closure)));
        }
    }
    let logs = world.logs.borrow();
    match program.ending {
        Ending::Scope => logs[..program.known()].to_vec(),
        // The logs of unjoined threads are not final.
        Ending::Join | Ending::Detach => logs[..1].to_vec(),
    }
}

fn be_main<'scope>(
    world: &Rc<World>,
    ends: Vec<Ends>,
    start: impl Fn(Box<dyn FnOnce()>) -> Child<'scope>,
) {
    let mut ends = ends.into_iter();
    let mut frame = Frame::new(world, 0, ends.next().expect("the main thread has a body"));
    for (number, ends) in (1..).zip(ends) {
        let child = start(closure_of(world.clone(), number, ends));
        let thread = match &child {
            Child::Free(handle) => handle.thread(),
            Child::Scoped(handle) => handle.thread(),
        };
        world.threads.borrow_mut().push(thread.clone());
        frame.children[number] = Some(child);
    }
    frame.carry_out(&world.program.bodies[0]);
    if world.program.ending == Ending::Join {
        for number in 1..frame.children.len() {
            if frame.children[number].is_some() {
                frame.join(number);
            }
        }
        look_at_cells(world);
    }
}

fn look_at_cells(world: &World) {
    for cell in world.program.cells_at_end() {
        let value = world.cells.get(cell);
        world.logs.borrow_mut()[0].push(value);
    }
}

fn closure_of(world: Rc<World>, number: usize, ends: Ends) -> Box<dyn FnOnce()> {
    Box::new(move || {
        let mut frame = Frame::new(&world, number, ends);
        frame.carry_out(&world.program.bodies[number]);
    })
}

impl<'world, 'scope> Frame<'world, 'scope> {
    fn new(world: &'world Rc<World>, number: usize, ends: Ends) -> Self {
        let children = world.program.bodies.iter().map(|_| None).collect();
        Frame {
            guards: [const { None }; MUTEXES],
            senders: ends.0,
            receivers: ends.1,
            children,
            world,
            number,
            kept: 0,
            sent: 0,
        }
    }

    fn log(&self, value: u8) {
        self.world.logs.borrow_mut()[self.number].push(value);
    }

    fn carry_out(&mut self, body: &[Op]) {
        for op in body {
            match op {
                Op::Timeout(millis, inner) => {
                    let limit = Duration::from_millis(*millis);
                    let is_over = time::timeout(limit, || self.carry_out(inner)).is_err();
                    self.log(if is_over { said::TIMED_OUT } else { said::WENT_ON });
                }
                Op::Spawn(number) => {
                    let closure = closure_of(self.world.clone(), *number, Ends::default());
                    self.children[*number] = Some(Child::Free(thread::spawn(closure)));
                }
                Op::Within(number, inner) => self.within(*number, inner),
                op => self.one(op),
            }
        }
    }

    fn within(&mut self, number: usize, inner: &[Op]) {
        let closure = closure_of(self.world.clone(), number, Ends::default());
        leno::scope(|scope| {
            scope.spawn(closure);
            self.carry_out(inner);
        });
        self.log_of(number);
    }

    /// Takes over the log of a thread that has ended.
    fn log_of(&self, number: usize) {
        let mut logs = self.world.logs.borrow_mut();
        let log = std::mem::take(&mut logs[number]);
        logs[self.number].extend(log);
    }

    fn one(&mut self, op: &Op) {
        match *op {
            Op::Yield => leno::yield_now(),
            Op::Get(cell) => self.log(self.world.cells.get(cell)),
            Op::Set(cell, value) => self.world.cells.set(cell, value),
            Op::Add(cell) => self.log(self.world.cells.add(cell)),
            Op::Load(cell) => self.kept = self.world.cells.get(cell),
            Op::Store(cell) => self.world.cells.set(cell, self.kept + 1),
            Op::Exchange(cell, new) => {
                let done = self.world.cells.exchange(cell, new);
                self.log(if done { said::YES } else { said::NO });
            }
            Op::Lock(_) | Op::TryLock(_) | Op::Unlock(_) | Op::Wait(_) => self.lock(op),
            Op::Send(..) | Op::Receive(..) => self.channel(op),
            Op::Select(patience) => self.select(patience),
            Op::DropSender(channel) => drop(self.senders[channel].take()),
            Op::DropReceiver(channel) => drop(self.receivers[channel].take()),
            Op::Acquire(count, patience) => self.acquire(count, patience),
            Op::AddPermits(count) => self.world.semaphore.add_permits(count),
            Op::Notify { all: true } => self.world.condvar.notify_all(),
            Op::Notify { all: false } => self.world.condvar.notify_one(),
            Op::Park(Patience::Millis(millis)) => {
                thread::park_timeout(Duration::from_millis(millis));
            }
            Op::Park(_) => thread::park(),
            Op::Unpark(number) => self.thread(number).unpark(),
            Op::Cancel(number) => self.thread(number).cancel(),
            Op::Join(number) => self.join(number),
            Op::IsFinished(number) => match &self.children[number] {
                Some(child) => self.log(if child.is_finished() { said::YES } else { said::NO }),
                None => self.log(said::NOTHING),
            },
            Op::Sleep(millis) => time::sleep(Duration::from_millis(millis)),
            Op::Panic => panic!("the panic of {}", self.number),
            Op::Extra(extra) => self.log(self.world.extra(extra)),
            Op::Timeout(..) | Op::Within(..) | Op::Spawn(_) => {
                unreachable!("`carry_out` handles these")
            }
        }
    }

    fn thread(&self, number: usize) -> Thread {
        self.world.threads.borrow()[number].clone()
    }

    fn join(&mut self, number: usize) {
        let Some(child) = self.children[number].take() else { return self.log(said::NOTHING) };
        self.log(match child.join() {
            Ok(()) => said::JOINED,
            Err(payload) if payload.is::<Cancelled>() => said::CANCELLED,
            Err(_) => said::PANICKED,
        });
        self.log_of(number);
    }

    fn lock(&mut self, op: &Op) {
        let world: &'world World = self.world;
        match *op {
            Op::Lock(mutex) => {
                let guard = world.mutexes[mutex].lock().unwrap_or_else(PoisonError::into_inner);
                self.guards[mutex] = Some(guard);
            }
            Op::TryLock(mutex) => {
                let guard = match world.mutexes[mutex].try_lock() {
                    Ok(guard) => Some(guard),
                    Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
                    Err(TryLockError::WouldBlock) => None,
                };
                self.log(if guard.is_some() { said::YES } else { said::NO });
                if guard.is_some() {
                    self.guards[mutex] = guard;
                }
            }
            Op::Unlock(mutex) => drop(self.guards[mutex].take()),
            Op::Wait(patience) => {
                let Some(guard) = self.guards[0].take() else { return self.log(said::NOTHING) };
                let guard = match patience {
                    Patience::Millis(millis) => {
                        let limit = Duration::from_millis(millis);
                        let result = world.condvar.wait_timeout(guard, limit);
                        let (guard, result) = result.unwrap_or_else(PoisonError::into_inner);
                        let is_over = result.timed_out();
                        self.log(if is_over { said::TIMED_OUT } else { said::WENT_ON });
                        guard
                    }
                    _ => world.condvar.wait(guard).unwrap_or_else(PoisonError::into_inner),
                };
                self.guards[0] = Some(guard);
            }
            _ => unreachable!("no operation of a lock"),
        }
    }

    fn channel(&mut self, op: &Op) {
        match *op {
            Op::Send(channel, patience) => {
                self.sent += 1;
                let value = 16 * self.number as u8 + self.sent;
                let Some(sender) = &self.senders[channel] else { return self.log(said::NOTHING) };
                let limit = |millis| sender.send_timeout(value, Duration::from_millis(millis));
                let said = match patience {
                    Patience::None => sender.try_send(value).map_err(|error| match error {
                        channel::TrySendError::Full(_) => said::NO,
                        channel::TrySendError::Disconnected(_) => said::DISCONNECTED,
                    }),
                    Patience::Millis(millis) => limit(millis).map_err(|error| match error {
                        channel::SendTimeoutError::Timeout(_) => said::TIMED_OUT,
                        channel::SendTimeoutError::Disconnected(_) => said::DISCONNECTED,
                    }),
                    Patience::Endless => sender.send(value).map_err(|_| said::DISCONNECTED),
                };
                self.log(said.err().unwrap_or(said::YES));
            }
            Op::Receive(channel, patience) => {
                let Some(receiver) = &self.receivers[channel] else {
                    return self.log(said::NOTHING);
                };
                let limit = |millis| receiver.recv_timeout(Duration::from_millis(millis));
                let said = match patience {
                    Patience::None => receiver.try_recv().map_err(|error| match error {
                        channel::TryRecvError::Empty => said::NO,
                        channel::TryRecvError::Disconnected => said::DISCONNECTED,
                    }),
                    Patience::Millis(millis) => limit(millis).map_err(|error| match error {
                        channel::RecvTimeoutError::Timeout => said::TIMED_OUT,
                        channel::RecvTimeoutError::Disconnected => said::DISCONNECTED,
                    }),
                    Patience::Endless => receiver.recv().map_err(|_| said::DISCONNECTED),
                };
                self.log(said.unwrap_or_else(|said| said));
            }
            _ => unreachable!("no operation of a channel"),
        }
    }

    fn select(&self, patience: Patience) {
        let [Some(one), Some(other)] = &self.receivers else { return self.log(said::NOTHING) };
        let limit = Duration::from_millis(patience.millis().unwrap_or(0));
        let (arm, said) = match patience {
            Patience::None => leno::select! {
                recv(one) -> message => (0, message),
                recv(other) -> message => (1, message),
                default => return self.log(said::NO),
            },
            Patience::Millis(_) => leno::select! {
                recv(one) -> message => (0, message),
                recv(other) -> message => (1, message),
                default(limit) => return self.log(said::TIMED_OUT),
            },
            Patience::Endless => leno::select! {
                recv(one) -> message => (0, message),
                recv(other) -> message => (1, message),
            },
        };
        self.log(arm);
        self.log(said.unwrap_or(said::DISCONNECTED));
    }

    /// Acquires permits, which only [`Op::AddPermits`] returns.
    fn acquire(&mut self, count: usize, patience: Patience) {
        let semaphore = &self.world.semaphore;
        let limit = Duration::from_millis(match patience {
            Patience::Millis(millis) => millis,
            _ => 0,
        });
        let permit = match patience {
            Patience::None => semaphore.try_acquire_many(count).map_err(|_| said::NO),
            Patience::Millis(_) => {
                semaphore.acquire_many_timeout(count, limit).map_err(|_| said::TIMED_OUT)
            }
            Patience::Endless => semaphore.acquire_many(count).map_err(|_| said::DISCONNECTED),
        };
        match permit {
            Ok(permit) => {
                permit.forget();
                self.log(said::YES);
            }
            Err(said) => self.log(said),
        }
    }
}
