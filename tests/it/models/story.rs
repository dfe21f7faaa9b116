//! What happened to channels in one execution, and whether it may have.
//!
//! Nothing here knows how a channel works inside. An operation begins at one
//! moment, and the beginnings are in one order, since only one green thread runs
//! at a time. First come, first served then says who gets what: of those that
//! succeed, the n-th to receive gets what the n-th to send has sent.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use super::super::support::{Ledger, Tracked};
use super::trouble::Watch;

/// How one half of an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It has not, or was unwound.
    Unwound,
    /// It sent, or received.
    Done,
    /// There was no room, or no message, at once or in time.
    Nothing,
    /// All at the other end were gone.
    Disconnected,
    /// Another case of the same select was chosen.
    Other,
}

/// How long it may wait, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    None,
    Until(u64),
    Endless,
}

/// One attempt to send or to receive.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub thread: usize,
    pub channel: usize,
    pub sends: bool,
    /// What was sent, or received.
    pub value: Option<usize>,
    pub patience: Patience,
    /// In nanoseconds.
    pub at: u64,
    pub end: End,
}

/// One channel, from outside.
pub struct Place {
    pub capacity: Option<usize>,
    /// Ends that are there.
    pub senders: Cell<usize>,
    pub receivers: Cell<usize>,
}

/// All attempts of an execution, in the order in which they began.
pub struct Story {
    pub ledger: Ledger,
    pub places: Vec<Place>,
    pub watch: Rc<Watch>,
    attempts: RefCell<Vec<Attempt>>,
    /// The ends of each channel that were there when nobody could go on.
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

    /// A green thread is unwound, and has its ends still.
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
        attempts.push(Attempt { thread, channel, sends, value: None, patience, at, end });
        attempts.len() - 1
    }

    /// A value, and an attempt to send it.
    pub fn send(&self, thread: usize, channel: usize, patience: Patience) -> (usize, Tracked) {
        self.watch.begins(thread);
        self.send_selected(thread, channel, patience)
    }

    /// As [`Story::send`], of one that has begun to look, and has found this.
    pub fn send_selected(
        &self,
        thread: usize,
        channel: usize,
        patience: Patience,
    ) -> (usize, Tracked) {
        let attempt = self.begin(thread, channel, true, patience);
        let value = self.ledger.value();
        self.attempts.borrow_mut()[attempt].value = Some(value.index());
        (attempt, value)
    }

    pub fn receive(&self, thread: usize, channel: usize, patience: Patience) -> usize {
        self.watch.begins(thread);
        self.receive_selected(thread, channel, patience)
    }

    pub fn receive_selected(&self, thread: usize, channel: usize, patience: Patience) -> usize {
        self.begin(thread, channel, false, patience)
    }

    /// One looks until it could send, or receive: nothing is promised to it, and
    /// whoever waits otherwise is served first.
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
            assert_eq!(others.get(), 0, "disconnected, and there still are others");
        }
    }

    pub fn received(&self, attempt: usize, value: &Tracked) {
        self.end(attempt, End::Done);
        self.attempts.borrow_mut()[attempt].value = Some(value.index());
    }

    /// A send gave its value back.
    pub fn refused(&self, attempt: usize, value: &Tracked, end: End) {
        assert_eq!(self.attempts.borrow()[attempt].value, Some(value.index()), "another's value");
        self.end(attempt, end);
    }

    /// Checks the whole execution. `deadlocked` says whether the runtime found that
    /// nobody could go on.
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
                let ends = self.at_deadlock.get().expect("somebody was unwound")[channel];
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

    /// The attempts, for whoever reads of a check that failed.
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
    /// The places in `attempts` of those that were successful, in their order.
    sends: Vec<usize>,
    receives: Vec<usize>,
}

impl<'a> Channel<'a> {
    fn new(place: &Place, attempts: impl Iterator<Item = &'a Attempt>) -> Channel<'a> {
        let attempts: Vec<&Attempt> = attempts.collect();
        let successful = |sends| {
            let wanted =
                |&index: &usize| attempts[index].end == End::Done && attempts[index].sends == sends;
            (0..attempts.len()).filter(wanted).collect()
        };
        Channel {
            capacity: place.capacity,
            sends: successful(true),
            receives: successful(false),
            attempts,
        }
    }

    /// What was sent is received in the order of sending, by those who came to
    /// receive, in the order of their coming; and what is left fits.
    fn check_order(&self) {
        assert!(self.receives.len() <= self.sends.len(), "received, and never sent");
        for (place, (send, receive)) in self.sends.iter().zip(&self.receives).enumerate() {
            let (sent, received) = (self.attempts[*send].value, self.attempts[*receive].value);
            assert_eq!(sent, received, "the value number {place} has gone to another");
        }
        let left = self.sends.len() - self.receives.len();
        assert!(self.fits(left), "{left} values were sent and not received");
    }

    fn fits(&self, count: usize) -> bool {
        self.capacity.is_none_or(|capacity| count <= capacity)
    }

    /// How many values are in the channel, or on their way into it, when the
    /// attempt at `place` begins; less than none if receivers wait.
    fn level(&self, place: usize) -> isize {
        let before = |all: &[usize]| all.partition_point(|&index| index < place) as isize;
        before(&self.sends) - before(&self.receives)
    }

    fn has_room(&self, level: isize) -> bool {
        self.capacity.is_none_or(|capacity| level < capacity as isize)
    }

    /// Was it right to succeed, or not to?
    fn check_attempt(&self, attempt: &Attempt) {
        let is_it = |&place: &usize| std::ptr::eq(self.attempts[place], attempt);
        let place = (0..self.attempts.len()).find(is_it).expect("it is one of them");
        let level = self.level(place);
        let can_go_on = if attempt.sends { self.has_room(level) } else { level > 0 };
        match (attempt.end, attempt.patience) {
            (End::Done, Patience::None) => {
                assert!(can_go_on, "it had to fail, and has not: {attempt:?}");
            }
            (End::Nothing, Patience::None) => {
                assert!(!can_go_on, "it could go on, and has not: {attempt:?}");
            }
            (End::Nothing, Patience::Until(end)) => {
                assert!(!can_go_on, "it could go on, and has not: {attempt:?}");
                self.check_waited(place, end);
            }
            (End::Nothing, Patience::Endless) => panic!("it has given up: {attempt:?}"),
            _ => {}
        }
    }

    /// While it waited, it was not passed over in favour of one who came later.
    fn check_waited(&self, place: usize, end: u64) {
        let (own, others) = match self.attempts[place].sends {
            true => (&self.sends, &self.receives),
            false => (&self.receives, &self.sends),
        };
        for (index, &partner) in others.iter().enumerate() {
            let meanwhile = partner > place && self.attempts[partner].at < end;
            // A message that nobody received was passed over as well.
            let later = own.get(index).is_none_or(|&later| later > place);
            assert!(!(meanwhile && later), "passed over: {:?}", self.attempts[place]);
        }
    }

    /// Those who wait when nobody can go on cannot go on. `ends` are there then.
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
