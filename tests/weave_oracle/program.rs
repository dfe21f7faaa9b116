//! Programs: what the green threads of one do, in operations that leno has.

use std::fmt;

pub const CELLS: usize = 3;
pub const MUTEXES: usize = 2;
pub const CHANNELS: usize = 2;

/// The green thread 0 is the main one.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// What each does. The first `started` are started by the main one before it
    /// does anything else, each of the others where an [`Op::Spawn`] names it.
    pub bodies: Vec<Vec<Op>>,
    pub started: usize,
    pub ending: Ending,
    /// Of each channel; `None` for any number.
    pub capacities: [Option<usize>; CHANNELS],
    pub permits: usize,
}

/// What the main green thread does at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It started the others in a scope, which it leaves.
    Scope,
    /// It joins those that it started, one after the other.
    Join,
    /// It leaves them to themselves.
    Detach,
}

/// An operation. All that it learns is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Yield,
    Get(usize),
    Set(usize, u8),
    /// Adds one, in one operation.
    Add(usize),
    /// Keeps the value.
    Load(usize),
    /// The value that was kept, and one.
    Store(usize),
    /// Zero becomes this.
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
    /// For a notification, with the first mutex.
    Wait(Patience),
    Notify {
        all: bool,
    },
    Park(Patience),
    Unpark(usize),
    Cancel(usize),
    Spawn(usize),
    /// One that this one has started.
    Join(usize),
    IsFinished(usize),
    /// Opens a scope, starts this one in it, does this, and leaves the scope.
    Within(usize, Vec<Op>),
    Sleep(u64),
    /// A deadline scope.
    Timeout(u64, Vec<Op>),
    Panic,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
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

/// How one execution ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// With what each has logged.
    Value(Logs),
    Deadlock,
    /// With the first panic.
    Panic(String),
}

pub type Logs = Vec<Vec<u8>>;

/// What is logged beside values.
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
    /// Who are started from the beginning, the main one included: others can name
    /// them.
    pub fn known(&self) -> usize {
        1 + self.started
    }

    /// The cells that the main one looks at when it knows that others have ended.
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
