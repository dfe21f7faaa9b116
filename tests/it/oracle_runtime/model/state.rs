//! What the model knows of each green thread, channel and lock.

use std::collections::VecDeque;

use super::super::{Keep, Lock, Op, Patience};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum State {
    Ready,
    Waiting(Wait),
    Finished,
}

/// Only these matter to who can wake it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wait {
    Unpark,
    AllEnded,
    Other,
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Ended {
    /// By the case with this index; 0 where there are no cases.
    Woken(usize),
    Elapsed,
    Interrupted,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Payload {
    Panic(u32),
    Unwound(Reason),
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Reason {
    Thread,
    /// The deadline scope with this id.
    Scope(u64),
}

/// What a green thread does first when it is its turn again.
#[derive(Default)]
pub(super) enum Pending<'p> {
    #[default]
    Nothing,
    Start,
    Yielded,
    /// It has yielded, with the payload that it has caught.
    Lingering(Payload),
    Slept,
    Parked,
    Joining(usize),
    Channel(ChannelWait),
    Lock(Holding<'p>),
    /// For a notification of the condvar.
    Notification(&'p [Op]),
    /// For the mutex, after the condvar.
    LockAgain {
        operations: &'p [Op],
        timed_out: bool,
    },
    /// The main one has nothing left to do.
    Over,
}

/// A send, a receive or a select.
#[derive(Clone, Copy)]
pub(super) struct ChannelWait {
    pub(super) kind: ChannelKind,
    pub(super) patience: Patience,
    pub(super) deadline: Deadline,
    /// It waits for the timer of one of its cases, which comes before the
    /// deadline.
    pub(super) timer: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum ChannelKind {
    Send,
    Receive,
    Select,
}

/// A lock, and what is to be done while it is held.
#[derive(Clone, Copy)]
pub(super) struct Holding<'p> {
    pub(super) lock: Lock,
    pub(super) patience: Patience,
    pub(super) operations: &'p [Op],
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Deadline {
    Never,
    /// It has passed: others get a turn.
    Past,
    At(u64),
}

/// A case of whatever waits for channels, with the message that it sends or has
/// been given.
#[derive(Clone, Copy)]
pub(super) enum Enrolled {
    Send {
        channel: usize,
        value: Option<u32>,
    },
    Receive {
        channel: usize,
        value: Option<u32>,
    },
    /// A moment; `None` for one that never comes.
    After(Option<u64>),
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    Sending(usize),
    Receiving(usize),
    Mutex(usize),
    RwLock,
    Permits,
    Notification,
}

/// One who waits at a place, for one of its cases.
pub(super) struct Waiter {
    pub(super) place: Place,
    pub(super) number: usize,
    pub(super) case: usize,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Target {
    Wait(usize),
    Scope(usize, u64),
}

pub(super) struct Timer {
    pub(super) deadline: u64,
    pub(super) target: Target,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Body,
    Catch { lingers: bool },
    Timeout(u64),
    Shield,
    Hold(Lock),
}

pub(super) struct Block<'p> {
    pub(super) kind: Kind,
    pub(super) operations: &'p [Op],
    pub(super) next: usize,
    pub(super) kept: VecDeque<(Keep, u32)>,
}

pub(super) struct DeadlineScope {
    pub(super) id: u64,
    pub(super) elapsed: bool,
    /// How many shields were around it.
    pub(super) shields: u32,
}

pub(super) struct Green<'p> {
    pub(super) state: State,
    pub(super) ended: Ended,
    pub(super) pending: Pending<'p>,
    pub(super) blocks: Vec<Block<'p>>,
    pub(super) unwinding: Option<Payload>,
    /// The payload of an unwinding is alive.
    pub(super) in_flight: bool,
    pub(super) result: Option<Result<u32, Payload>>,
    pub(super) token: bool,
    pub(super) detached: bool,
    pub(super) joiner: Option<usize>,
    pub(super) cancelled: bool,
    pub(super) forced: bool,
    pub(super) shields: u32,
    pub(super) scopes: Vec<DeadlineScope>,
    pub(super) sends: Vec<bool>,
    pub(super) receives: Vec<bool>,
    pub(super) cases: Vec<Enrolled>,
    /// The lock that it waits for; none when it has been given.
    pub(super) wanted: Option<Lock>,
}

#[derive(Default)]
pub(super) struct Channel {
    pub(super) capacity: Option<usize>,
    pub(super) buffer: VecDeque<u32>,
    pub(super) senders: usize,
    pub(super) receivers: usize,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Mutex {
    pub(super) held: bool,
    pub(super) poisoned: bool,
}

#[derive(Default)]
pub(super) struct RwLock {
    pub(super) readers: usize,
    pub(super) written: bool,
    pub(super) poisoned: bool,
}

pub(super) struct Semaphore {
    pub(super) permits: usize,
    pub(super) closed: bool,
}

impl<'p> Block<'p> {
    pub(super) fn new(kind: Kind, operations: &'p [Op]) -> Block<'p> {
        Block { kind, operations, next: 0, kept: VecDeque::new() }
    }
}
