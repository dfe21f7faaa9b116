//! The state of each green thread, channel and lock in the model.

use std::collections::VecDeque;

use super::super::{Fate, Keep, Lock, Op, Patience};

#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum State {
    #[default]
    Ready,
    Waiting(Wait),
    Finished,
}

/// The wait reasons that decide which event can end a wait.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wait {
    Unpark,
    AllEnded,
    Other,
}

/// The end of a wait.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum Ended {
    /// Woken for the case with this index; 0 where there are no cases.
    Woken(usize),
    #[default]
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
    /// The deadline scope with this identifier.
    Scope(u64),
}

/// The first step of a green thread in its next turn.
#[derive(Default)]
pub(super) enum Pending<'p> {
    #[default]
    Nothing,
    Start,
    Yielded,
    // The thread has yielded with the payload that it has caught.
    Lingering(Payload),
    Slept,
    Parked,
    Joining(usize),
    Channel(ChannelWait),
    Lock(Holding<'p>),
    // The thread waits for a notification of the condvar.
    Notification(&'p [Op]),
    // The thread waits for the mutex after the notification.
    LockAgain {
        operations: &'p [Op],
        timed_out: bool,
    },
    // The main thread has ended.
    Over,
}

/// A send, a receive or a select.
#[derive(Clone, Copy)]
pub(super) struct ChannelWait {
    pub(super) kind: ChannelKind,
    pub(super) patience: Patience,
    pub(super) deadline: Deadline,
    /// Whether the wait ends with the timer of a case, which fires before the
    /// deadline.
    pub(super) timer: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum ChannelKind {
    Send,
    Receive,
    Select,
}

/// A lock, and the operations while it is held.
#[derive(Clone, Copy)]
pub(super) struct Holding<'p> {
    pub(super) lock: Lock,
    pub(super) patience: Patience,
    pub(super) operations: &'p [Op],
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Deadline {
    Never,
    /// The deadline has passed. The thread lets other threads run first.
    Past,
    At(u64),
}

/// A case of a wait for channels, with the message that it sends or has received.
#[derive(Clone, Copy)]
pub(super) enum Enrolled {
    Send { channel: usize, value: Option<u32> },
    Receive { channel: usize, value: Option<u32> },
    // A moment; `None` for a moment that never comes.
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

/// A thread that waits at a place, for one of its cases.
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
    Catch(Fate),
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
    /// The number of shields around the scope.
    pub(super) shields: u32,
}

#[derive(Default)]
pub(super) struct Green<'p> {
    pub(super) state: State,
    pub(super) ended: Ended,
    pub(super) pending: Pending<'p>,
    pub(super) blocks: Vec<Block<'p>>,
    pub(super) unwinding: Option<Payload>,
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
    /// The lock that the thread waits for; `None` once it has been handed over.
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
