//! Programs: lists of leno's operations for each green thread.

use std::fmt;

pub const CELLS: usize = 3;
pub const MUTEXES: usize = 2;
pub const CHANNELS: usize = 2;

/// A program. Green thread 0 is the main one.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// The body of each thread. The main one first starts the next `started`; each of
    /// the rest starts where an [`Op::Spawn`] names it.
    pub bodies: Vec<Vec<Op>>,
    pub started: usize,
    pub ending: Ending,
    /// The capacity of each channel; `None` is unbounded.
    pub capacities: [Option<usize>; CHANNELS],
    pub permits: usize,
}

/// The end of the main green thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It leaves the scope in which it started the others.
    Scope,
    /// It joins its threads one after the other.
    Join,
    /// It detaches its threads.
    Detach,
}

/// An operation. Its results are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Yield,
    Get(usize),
    Set(usize, u8),
    /// Adds one in a single operation.
    Add(usize),
    /// Reads the cell into the thread's local value.
    Load(usize),
    /// Writes the local value plus one.
    Store(usize),
    /// Replaces zero by this value.
    Exchange(usize, u8),
    Lock(usize),
    TryLock(usize),
    Unlock(usize),
    Send(usize, Patience),
    Receive(usize, Patience),
    /// Receives from either of the first two channels.
    Select(Patience),
    DropSender(usize),
    DropReceiver(usize),
    Acquire(usize, Patience),
    AddPermits(usize),
    /// Waits for a notification with the first mutex.
    Wait(Patience),
    Notify {
        all: bool,
    },
    Park(Patience),
    Unpark(usize),
    Cancel(usize),
    Spawn(usize),
    /// Joins a thread that this one has started.
    Join(usize),
    IsFinished(usize),
    /// Opens a scope, starts this thread in it, runs the operations, and leaves the
    /// scope.
    Within(usize, Vec<Op>),
    Sleep(u64),
    /// Runs the operations in a deadline scope.
    Timeout(u64, Vec<Op>),
    Panic,
    /// An operation that the model does not know.
    Extra(Extra),
}

/// An operation without a model, which is logged as well. Each may use a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// Awaits a thread that adds to the cell, as a future.
    Await(usize),
    /// Spawns a thread by a `Handle`, yields, and joins it if it has ended.
    Remote,
    /// Spawns a thread, yields, and drops the handle. What drops the result adds to the cell.
    DropHandle(usize),
    /// Formats primitives.
    Text,
    /// Receives from a ticker that all threads share.
    Tick(u64),
    /// Waits for a notification with the second mutex, while the cell is zero.
    WaitWhileZero(usize, u64),
}

/// The maximum duration of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// No wait.
    None,
    Millis(u64),
    Endless,
}

impl Patience {
    pub fn millis(self) -> Option<u64> {
        match self {
            Patience::Millis(millis) => Some(millis),
            Patience::None | Patience::Endless => None,
        }
    }
}

/// The end of an execution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The logs of the threads.
    Value(Logs),
    Deadlock,
    /// The text of the first panic.
    Panic(String),
}

pub type Logs = Vec<Vec<u8>>;

/// The logged codes beside values.
pub mod said {
    pub const YES: u8 = 200;
    pub const NO: u8 = 201;
    pub const TIMED_OUT: u8 = 202;
    pub const DISCONNECTED: u8 = 203;
    pub const JOINED: u8 = 204;
    pub const CANCELLED: u8 = 205;
    pub const PANICKED: u8 = 206;
    pub const NOTHING: u8 = 207;
    pub const WENT_ON: u8 = 208;
}

impl Program {
    /// Returns the number of threads that exist from the beginning, with the main one.
    /// Other threads can name these.
    pub fn known(&self) -> usize {
        1 + self.started
    }

    /// Returns the cells that the main thread reads after all others have ended.
    pub fn cells_at_end(&self) -> Vec<usize> {
        let is_used = |cell: &usize| self.bodies.iter().any(|body| writes(body, *cell));
        (0..CELLS).filter(is_used).collect()
    }
}

fn writes(body: &[Op], cell: usize) -> bool {
    body.iter().any(|op| match op {
        Op::Set(other, _) | Op::Add(other) | Op::Store(other) | Op::Exchange(other, _) => {
            *other == cell
        }
        Op::Extra(Extra::Await(other) | Extra::DropHandle(other)) => *other == cell,
        Op::Timeout(_, inner) | Op::Within(_, inner) => writes(inner, cell),
        _ => false,
    })
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:?}, channels {:?}, {} permits, {} started:",
            self.ending, self.capacities, self.permits, self.started
        )?;
        for (number, body) in self.bodies.iter().enumerate() {
            writeln!(f, "    {number}: {body:?}")?;
        }
        Ok(())
    }
}
