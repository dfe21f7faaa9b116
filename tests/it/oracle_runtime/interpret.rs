//! Runs a program on leno, and records the observable events.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::channel::{Receiver, Sender, bounded, unbounded};
use leno::thread::{self, Cancelled, JoinHandle, Thread};
use leno::time::{self, Duration, Instant};
use leno::{Builder, Policy};

use super::{Body, Event, Fate, Keep, NEVER, Op, Outcome, Patience, Program, What};
use crate::support::caught;

mod channels;
mod locks;

thread_local! {
    static TRACE: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
}

fn log(event: Event) {
    TRACE.with_borrow_mut(|trace| trace.push(event));
}

/// A value with a logged destructor: a message, a result, a payload.
struct Loud(u32);

impl Drop for Loud {
    fn drop(&mut self) {
        log(Event::Dropped { value: self.0 });
    }
}

struct World {
    program: Program,
    handles: RefCell<Vec<Option<JoinHandle<Loud>>>>,
    threads: RefCell<Vec<Thread>>,
    last_value: Cell<u32>,
    start: Cell<Option<Instant>>,
    /// The payloads that were caught and kept.
    kept: RefCell<Vec<Box<dyn Any + Send>>>,
    locks: locks::Locks,
}

/// The ends of channels of a green thread.
struct Ends {
    senders: Vec<RefCell<Option<Sender<Loud>>>>,
    receivers: Vec<RefCell<Option<Receiver<Loud>>>>,
}

/// The current green thread.
#[derive(Clone, Copy)]
struct Me<'a> {
    world: &'a World,
    number: usize,
    ends: &'a Ends,
}

impl World {
    fn loud(&self) -> Loud {
        self.last_value.set(self.last_value.get() + 1);
        Loud(self.last_value.get())
    }

    fn log(&self, thread: usize, what: What) {
        let start = self.start.get().expect("the run has begun");
        let at = start.elapsed().as_millis() as u64;
        log(Event::Did { thread, at, what });
    }
}

fn duration(millis: u64) -> Duration {
    if millis == NEVER { Duration::MAX } else { Duration::from_millis(millis) }
}

impl Me<'_> {
    fn log(&self, what: What) {
        self.world.log(self.number, what);
    }

    fn thread(&self, which: usize) -> Thread {
        let threads = self.world.threads.borrow();
        threads[which % threads.len()].clone()
    }

    fn take_handle(&self, which: usize) -> Option<JoinHandle<Loud>> {
        let mut handles = self.world.handles.borrow_mut();
        let index = which % handles.len();
        let taken = handles[index].take();
        drop(handles);
        if taken.is_none() {
            self.log(What::NothingThere);
        }
        taken
    }

    /// Calls `f` with a handle that stays in its place.
    fn with_handle(&self, which: usize, f: impl FnOnce(&JoinHandle<Loud>)) {
        let handles = self.world.handles.borrow();
        match &handles[which % handles.len()] {
            Some(handle) => f(handle),
            None => self.log(What::NothingThere),
        }
    }
}

struct Kept<'a> {
    me: Me<'a>,
    value: Loud,
    keep: Keep,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let me = self.me;
        if let Keep::Value = self.keep {
            return;
        }
        me.log(What::Dropping { value: self.value.0 });
        match self.keep {
            Keep::Value => {}
            Keep::Yielding => me.carry_out(&Op::Yield),
            Keep::Sleeping { millis } => me.carry_out(&Op::Sleep { millis }),
        }
    }
}

fn outcome_of_panic(payload: &(dyn Any + Send)) -> Outcome {
    match payload.downcast_ref::<Loud>() {
        Some(value) => Outcome::Panic(value.0),
        None if payload.is::<String>() => Outcome::Deadlock,
        None => Outcome::Unwound,
    }
}

fn outcome(result: &thread::Result<Loud>) -> Outcome {
    match result {
        Ok(value) => Outcome::Value(value.0),
        Err(payload) => outcome_of_panic(&**payload),
    }
}

impl<'a> Me<'a> {
    fn block(self, operations: &[Op]) {
        let mut kept = Vec::new();
        for operation in operations {
            match *operation {
                Op::Keep(keep) => kept.push(Kept { me: self, value: self.world.loud(), keep }),
                ref operation => self.carry_out(operation),
            }
        }
    }

    fn carry_out(self, operation: &Op) {
        match operation {
            Op::Yield => {
                thread::yield_now();
                self.log(What::WentOn);
            }
            &Op::Sleep { millis } => {
                time::sleep(duration(millis));
                self.log(What::Slept);
            }
            Op::Park(patience) => {
                match patience {
                    Patience::Millis(millis) => thread::park_timeout(duration(*millis)),
                    Patience::None | Patience::Endless => thread::park(),
                }
                self.log(What::Unparked);
            }
            &Op::Unpark { which } => self.thread(which).unpark(),
            &Op::Cancel { which } => self.with_handle(which, JoinHandle::cancel),
            &Op::IsFinished { which } => self.with_handle(which, |handle| {
                self.log(What::IsFinished(handle.is_finished()));
            }),
            &Op::Detach { which } => drop(self.take_handle(which)),
            &Op::Join { which } => {
                if let Some(handle) = self.take_handle(which) {
                    let result = handle.join();
                    if let Err(payload) = &result {
                        assert!(payload.is::<Loud>() || payload.is::<Cancelled>());
                    }
                    self.log(What::Joined(outcome(&result)));
                }
            }
            Op::Panic => {
                let value = self.world.loud();
                self.log(What::Panicking { value: value.0 });
                panic::resume_unwind(Box::new(value));
            }
            Op::Keep(_) => unreachable!("the block keeps the value"),
            Op::Catch { then, operations } => self.catch(*then, operations),
            Op::Timeout { millis, operations } => {
                let result = time::timeout(duration(*millis), || self.block(operations));
                self.log(if result.is_ok() { What::InTime } else { What::Elapsed });
            }
            Op::Shield(operations) => {
                thread::shield(|| self.block(operations));
                self.log(What::Unshielded);
            }
            Op::Send { .. } | Op::Receive { .. } | Op::Select { .. } => self.use_channel(operation),
            &Op::DropSender { channel } => self.drop_sender(channel),
            &Op::DropReceiver { channel } => self.drop_receiver(channel),
            Op::Hold { lock, patience, operations } => self.hold(*lock, *patience, operations),
            &Op::Notify { all } => self.notify(all),
            &Op::AddPermits(count) => self.world.locks.semaphore.add_permits(count),
            Op::CloseSemaphore => self.world.locks.semaphore.close(),
        }
    }

    fn catch(self, then: Fate, operations: &[Op]) {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| self.block(operations))) {
            self.log(What::Caught(outcome_of_panic(&*payload), then));
            match then {
                Fate::Dropped => drop(payload),
                Fate::Lingers => {
                    self.carry_out(&Op::Yield);
                    drop(payload);
                }
                Fate::Kept => self.world.kept.borrow_mut().push(payload),
                Fate::Forgotten => std::mem::forget(payload),
            }
        }
    }
}

/// Makes the channels, and gives each thread its ends.
fn distribute(program: &Program) -> Vec<Ends> {
    let ends = |_| Ends { senders: Vec::new(), receivers: Vec::new() };
    let mut all: Vec<Ends> = (0..program.threads.len()).map(ends).collect();
    for (channel, capacity) in program.capacities.iter().enumerate() {
        let (sender, receiver) = match *capacity {
            Some(capacity) => bounded(capacity),
            None => unbounded(),
        };
        for (ends, body) in all.iter_mut().zip(&program.threads) {
            let sender = body.sends[channel].then(|| sender.clone());
            let receiver = body.receives[channel].then(|| receiver.clone());
            ends.senders.push(RefCell::new(sender));
            ends.receivers.push(RefCell::new(receiver));
        }
    }
    all
}

fn body(world: &Rc<World>, number: usize, ends: Ends) -> impl FnOnce() -> Loud + 'static {
    let world = world.clone();
    move || {
        let me = Me { world: &world, number, ends: &ends };
        me.log(What::Started);
        let Body { operations, .. } = &world.program.threads[number];
        me.block(operations);
        drop(ends);
        world.loud()
    }
}

pub(super) fn run(program: &Program) -> Vec<Event> {
    TRACE.take();
    let mut ends = distribute(program).into_iter();
    let world = Rc::new(World {
        program: program.clone(),
        handles: RefCell::default(),
        threads: RefCell::default(),
        last_value: Cell::new(0),
        start: Cell::new(None),
        kept: RefCell::default(),
        locks: locks::Locks::new(program.permits),
    });
    let main = body(&world, 0, ends.next().expect("the main thread has ends"));
    let mut builder = Builder::new().virtual_time();
    if let Some(choices) = program.choices.clone() {
        let mut choices = choices.into_iter();
        builder = builder.policy(Policy::choose(move |ready| {
            log(Event::Chose { among: ready.len() });
            choices.next().unwrap_or(0) % ready.len()
        }));
    }
    let result = caught(|| {
        builder.run(|| {
            world.start.set(Some(Instant::now()));
            world.threads.borrow_mut().push(thread::current());
            world.handles.borrow_mut().push(None);
            for (number, ends) in (1..).zip(ends) {
                let handle = thread::spawn(body(&world, number, ends));
                world.threads.borrow_mut().push(handle.thread().clone());
                world.handles.borrow_mut().push(Some(handle));
            }
            main()
        })
    });
    log(Event::RunEnded(outcome(&result)));
    drop(result);
    let handles = world.handles.take();
    drop(handles);
    drop(world.kept.take());
    assert_eq!(Rc::strong_count(&world), 1, "a closure was not dropped");
    TRACE.take()
}
