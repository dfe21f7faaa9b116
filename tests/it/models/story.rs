//! The events on channels in one execution, and the check that they are allowed.
//!
//! The check does not depend on the implementation of a channel. Each operation
//! begins at one moment, and the beginnings are totally ordered, since one green
//! thread runs at a time. First come, first served then determines the result: the
//! n-th successful receive gets the message of the n-th successful send.
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use super::super::support::{Ledger, Tracked};
use super::trouble::Watch;

/// The end of one half of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Not ended, or unwound.
    Unwound,
    /// Sent or received.
    Done,
    /// No room or no message, at once or before the deadline.
    Nothing,
    /// All ends of the other side were dropped.
    Disconnected,
    /// Another case of the same select was chosen.
    Other,
}

/// The deadline of an operation, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    None,
    Until(u64),
    Endless,
}

/// An attempt to send or to receive.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub thread: usize,
    pub channel: usize,
    pub sends: bool,
    /// The value that was sent or received.
    pub value: Option<usize>,
    pub patience: Patience,
    /// The time of the beginning, in nanoseconds.
    pub at: u64,
    /// It completes an operation that a select has selected.
    pub completes: bool,
    /// It pairs with a `Select` that waits at the other end.
    pub pairs: bool,
    pub end: End,
}

/// The state of a channel that the program can observe.
pub struct Place {
    pub capacity: Option<usize>,
    /// The number of ends that are alive.
    pub senders: Cell<usize>,
    pub receivers: Cell<usize>,
}

/// All attempts of an execution, in the order of their beginnings.
pub struct Story {
    pub ledger: Ledger,
    pub places: Vec<Place>,
    pub watch: Rc<Watch>,
    attempts: RefCell<Vec<Attempt>>,
    /// The numbers of senders and receivers of each channel at the deadlock.
    at_deadlock: OnceCell<Vec<(usize, usize)>>,
}

impl Story {
    pub fn new(capacities: &[Option<usize>]) -> Rc<Story> {
        let place = |&capacity| Place { capacity, senders: Cell::new(0), receivers: Cell::new(0) };
        Rc::new(Story {
            ledger: Ledger::default(),
            places: capacities.iter().map(place).collect(),
            watch: Rc::default(),
            attempts: RefCell::default(),
            at_deadlock: OnceCell::new(),
        })
    }

    /// Records the numbers of ends at a deadlock, when a green thread is unwound and
    /// still has its ends.
    pub fn unwinds(&self, thread: usize) {
        if !self.watch.may_be_unwound(thread) {
            let count = |place: &Place| (place.senders.get(), place.receivers.get());
            self.at_deadlock.get_or_init(|| self.places.iter().map(count).collect());
        }
    }

    fn begin(&self, thread: usize, channel: usize, sends: bool, patience: Patience) -> usize {
        let at = self.watch.now();
        let mut attempts = self.attempts.borrow_mut();
        let end = End::Unwound;
        let (value, completes, pairs) = (None, false, patience == Patience::None);
        let attempt =
            Attempt { thread, channel, sends, value, patience, at, completes, pairs, end };
        attempts.push(attempt);
        attempts.len() - 1
    }

    /// Marks the attempt as a case of a `select!`, which tries first whether it can proceed.
    pub fn is_case(&self, attempt: usize) -> usize {
        self.attempts.borrow_mut()[attempt].pairs = true;
        attempt
    }

    /// Begins an attempt that completes what a select has selected.
    fn begin_to_complete(
        &self,
        thread: usize,
        channel: usize,
        sends: bool,
        patience: Patience,
    ) -> usize {
        let attempt = self.begin(thread, channel, sends, patience);
        self.attempts.borrow_mut()[attempt].completes = true;
        self.is_case(attempt)
    }

    /// Gives a send a value.
    fn with_value(&self, attempt: usize) -> (usize, Tracked) {
        let value = self.ledger.value();
        self.attempts.borrow_mut()[attempt].value = Some(value.index());
        (attempt, value)
    }

    /// Begins to send. Returns the attempt and its value.
    pub fn send(&self, thread: usize, channel: usize, patience: Patience) -> (usize, Tracked) {
        self.watch.begins(thread);
        self.with_value(self.begin(thread, channel, true, patience))
    }

    /// Begins a send that a select has chosen, in an operation that has begun.
    pub fn send_selected(
        &self,
        thread: usize,
        channel: usize,
        patience: Patience,
    ) -> (usize, Tracked) {
        self.with_value(self.begin_to_complete(thread, channel, true, patience))
    }

    pub fn receive(&self, thread: usize, channel: usize, patience: Patience) -> usize {
        self.watch.begins(thread);
        self.begin(thread, channel, false, patience)
    }

    pub fn receive_selected(&self, thread: usize, channel: usize, patience: Patience) -> usize {
        self.begin_to_complete(thread, channel, false, patience)
    }

    /// Begins to select. The attempt has no claim on a message, and threads that wait
    /// to send or receive are served first.
    pub fn watch(&self, thread: usize, channel: usize, sends: bool) -> usize {
        self.watch.begins(thread);
        self.begin(thread, channel, sends, Patience::Endless)
    }

    pub fn end(&self, attempt: usize, end: End) {
        let mut attempts = self.attempts.borrow_mut();
        let attempt = &mut attempts[attempt];
        assert_eq!(attempt.end, End::Unwound);
        attempt.end = end;
        if end == End::Disconnected {
            let place = &self.places[attempt.channel];
            let others = if attempt.sends { &place.receivers } else { &place.senders };
            assert_eq!(others.get(), 0, "disconnected while the other side is alive");
        }
    }

    pub fn received(&self, attempt: usize, value: &Tracked) {
        self.end(attempt, End::Done);
        self.attempts.borrow_mut()[attempt].value = Some(value.index());
    }

    /// Ends a send that returns its value.
    pub fn refused(&self, attempt: usize, value: &Tracked, end: End) {
        assert_eq!(self.attempts.borrow()[attempt].value, Some(value.index()), "another value");
        self.end(attempt, end);
    }

    /// Checks the whole execution. `deadlocked` says whether the runtime found a
    /// deadlock.
    pub fn check(&self, deadlocked: bool) {
        self.ledger.check();
        let attempts = self.attempts.borrow();
        for (channel, place) in self.places.iter().enumerate() {
            let of_channel = || attempts.iter().filter(move |one| one.channel == channel);
            let on = Channel::new(place, of_channel());
            on.check_order();
            for attempt in of_channel() {
                on.check_attempt(attempt);
            }
            if deadlocked {
                let ends = self.at_deadlock.get().expect("a thread was unwound")[channel];
                on.check_blocked(ends, |thread| !self.watch.may_be_unwound(thread));
            }
        }
        if !deadlocked {
            let stuck = attempts
                .iter()
                .find(|one| one.end == End::Unwound && !self.watch.may_be_unwound(one.thread));
            assert!(stuck.is_none(), "unwound without a reason: {stuck:?}");
        }
    }

    /// Prints the attempts, to explain a failed check.
    pub fn print(&self) {
        for (number, attempt) in self.attempts.borrow().iter().enumerate() {
            eprintln!("  {number}: {attempt:?}");
        }
    }
}

/// The attempts on one channel.
struct Channel<'a> {
    capacity: Option<usize>,
    attempts: Vec<&'a Attempt>,
    /// The indices in `attempts` of the successful sends but those of pairs, in their order.
    sends: Vec<usize>,
    /// The indices in `attempts` of the successful receives but those of pairs, in their order.
    receives: Vec<usize>,
}

impl<'a> Channel<'a> {
    fn new(place: &Place, attempts: impl Iterator<Item = &'a Attempt>) -> Channel<'a> {
        let attempts: Vec<&Attempt> = attempts.collect();
        let mut channel =
            Channel { capacity: place.capacity, attempts, sends: Vec::new(), receives: Vec::new() };
        channel.sends = channel.successful(true);
        channel.receives = channel.successful(false);
        channel
    }

    /// Returns the indices of the successful sends or receives but those of pairs.
    fn successful(&self, sends: bool) -> Vec<usize> {
        let wanted = |&index: &usize| {
            let one = self.attempts[index];
            one.end == End::Done && one.sends == sends && !self.is_paired(one)
        };
        (0..self.attempts.len()).filter(wanted).collect()
    }

    /// Returns `true` if the attempt has met a `Select`, and did not wait for it in a queue. Those
    /// two meet each other only, whatever other threads attempt meanwhile.
    fn is_paired(&self, one: &Attempt) -> bool {
        let meets = |other: &Attempt| {
            (one.completes && other.pairs || one.pairs && other.completes)
                && one.sends != other.sends
                && one.value == other.value
        };
        let is_done = |one: &Attempt| one.end == End::Done;
        self.capacity == Some(0)
            && is_done(one)
            && self.attempts.iter().any(|other| is_done(other) && meets(other))
    }

    /// Checks that messages are received in the order of the sends and of the
    /// receives, and that the remaining messages fit into the channel.
    fn check_order(&self) {
        assert!(self.receives.len() <= self.sends.len(), "received without a send");
        for (place, (send, receive)) in self.sends.iter().zip(&self.receives).enumerate() {
            let (sent, received) = (self.attempts[*send].value, self.attempts[*receive].value);
            assert_eq!(sent, received, "the value number {place} has gone to another receiver");
        }
        let left = self.sends.len() - self.receives.len();
        assert!(self.fits(left), "{left} values were sent and not received");
    }

    fn fits(&self, count: usize) -> bool {
        self.capacity.is_none_or(|capacity| count <= capacity)
    }

    /// Returns the number of messages in the channel or on their way into it when the
    /// attempt at `place` begins. The number is negative if receivers wait.
    fn level(&self, place: usize) -> isize {
        let before = |all: &[usize]| all.partition_point(|&index| index < place) as isize;
        before(&self.sends) - before(&self.receives)
    }

    fn has_room(&self, level: isize) -> bool {
        self.capacity.is_none_or(|capacity| level < capacity as isize)
    }

    /// Checks that the result of the attempt is allowed.
    fn check_attempt(&self, attempt: &Attempt) {
        let is_it = |one: &&Attempt| std::ptr::eq(*one, attempt);
        let place = self.attempts.iter().position(is_it).expect("an attempt of this channel");
        let level = self.level(place);
        let can_go_on = if attempt.sends { self.has_room(level) } else { level > 0 };
        match (attempt.end, attempt.patience) {
            (End::Done, Patience::None) => {
                let can_go_on = can_go_on || self.is_paired(attempt);
                assert!(can_go_on, "succeeded and must fail: {attempt:?}");
            }
            (End::Nothing, patience) => {
                assert!(!can_go_on, "failed and must succeed: {attempt:?}");
                match patience {
                    Patience::None => {}
                    Patience::Until(end) => self.check_waited(place, end),
                    Patience::Endless => panic!("failed without a deadline: {attempt:?}"),
                }
            }
            _ => {}
        }
    }

    /// Checks that no later attempt was served before the deadline of the attempt at
    /// `place`.
    fn check_waited(&self, place: usize, end: u64) {
        let (own, others) = match self.attempts[place].sends {
            true => (&self.sends, &self.receives),
            false => (&self.receives, &self.sends),
        };
        for (index, &partner) in others.iter().enumerate() {
            let meanwhile = partner > place && self.attempts[partner].at < end;
            // A message that no thread has received was available, too.
            let later = own.get(index).is_none_or(|&later| later > place);
            assert!(!(meanwhile && later), "passed over: {:?}", self.attempts[place]);
        }
    }

    /// Checks that the threads that wait at a deadlock cannot continue. `ends` are
    /// the numbers of senders and receivers then.
    fn check_blocked(&self, ends: (usize, usize), counts: impl Fn(usize) -> bool) {
        let level = self.sends.len() as isize - self.receives.len() as isize;
        let blocked = |sends: bool| {
            let waits = |one: &&&Attempt| {
                one.end == End::Unwound && one.sends == sends && counts(one.thread)
            };
            self.attempts.iter().filter(waits).count()
        };
        let (senders, receivers) = (blocked(true), blocked(false));
        assert!(senders == 0 || !self.has_room(level), "{senders} wait to send, and have room");
        assert!(receivers == 0 || level <= 0, "{receivers} wait, and have {level} messages");
        assert!(senders == 0 || ends.1 > 0, "{senders} wait for receivers that are gone");
        assert!(receivers == 0 || ends.0 > 0, "{receivers} wait for senders that are gone");
        assert!(senders == 0 || receivers == 0, "a sender and a receiver wait for each other");
    }
}
