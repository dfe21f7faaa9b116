//! Channels and select: programs over one or two channels, with a cancellation or a
//! deadline at every point.

mod dynamic;

use std::rc::Rc;

use leno::channel::{
    Receiver, RecvTimeoutError, SendTimeoutError, Sender, TryRecvError, TrySendError, bounded,
    unbounded,
};
use leno::select;

use super::super::support::Tracked;
use super::explore::{Bounds, Checks, Totals, lists, programs, three_by_four};
use super::story::{End, Patience, Story};
use super::trouble::{Trouble, UNIT, UNIT_NANOS, perform_all};

/// An operation on the channel with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Op {
    Send(usize),
    Receive(usize),
    TrySend(usize),
    TryReceive(usize),
    SendInTime(usize),
    ReceiveInTime(usize),
    /// Sleeps for one unit of time.
    Sleep,
    /// Receives from either channel.
    SelectReceive,
    SelectReceiveInTime,
    SelectReceiveNow,
    /// Sends to the first channel or receives from the second.
    SelectBoth,
    SelectSend,
    /// The following variants do the same with a `Select`.
    WatchReceive,
    WatchReceiveInTime,
    WatchBoth,
    WatchSend,
}

impl Op {
    /// Returns whether the operation sends to `channel`, and whether it receives from
    /// it.
    fn uses(self, channel: usize) -> (bool, bool) {
        match self {
            Op::Send(to) | Op::TrySend(to) | Op::SendInTime(to) => (to == channel, false),
            Op::Receive(from) | Op::TryReceive(from) | Op::ReceiveInTime(from) => {
                (false, from == channel)
            }
            Op::Sleep => (false, false),
            Op::SelectReceive | Op::SelectReceiveInTime | Op::SelectReceiveNow => (false, true),
            Op::WatchReceive | Op::WatchReceiveInTime => (false, true),
            Op::SelectBoth | Op::WatchBoth => (channel == 0, channel == 1),
            Op::SelectSend | Op::WatchSend => (true, false),
        }
    }
}

/// The operations of each green thread, and the channels.
#[derive(Debug)]
struct Program {
    threads: Vec<Vec<Op>>,
    capacities: Vec<Option<usize>>,
    trouble: Trouble,
    /// Whether the test keeps a sender and a receiver of each channel, so that no
    /// channel disconnects.
    kept: bool,
}

/// The ends of one channel, which the story counts.
struct Ends {
    channel: usize,
    sender: Option<Sender<Tracked>>,
    receiver: Option<Receiver<Tracked>>,
    story: Rc<Story>,
}

impl Ends {
    fn of(&self, (sends, receives): (bool, bool)) -> Ends {
        let place = &self.story.places[self.channel];
        place.senders.set(place.senders.get() + usize::from(sends));
        place.receivers.set(place.receivers.get() + usize::from(receives));
        Ends {
            channel: self.channel,
            sender: self.sender.clone().filter(|_| sends),
            receiver: self.receiver.clone().filter(|_| receives),
            story: self.story.clone(),
        }
    }

    fn sender(&self) -> &Sender<Tracked> {
        self.sender.as_ref().expect("the thread has no sender")
    }

    fn receiver(&self) -> &Receiver<Tracked> {
        self.receiver.as_ref().expect("the thread has no receiver")
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let place = &self.story.places[self.channel];
        if self.sender.take().is_some() {
            place.senders.set(place.senders.get() - 1);
        }
        if self.receiver.take().is_some() {
            place.receivers.set(place.receivers.get() - 1);
        }
    }
}

/// A green thread.
struct Actor {
    story: Rc<Story>,
    number: usize,
    ends: Vec<Ends>,
}

impl Drop for Actor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.story.unwinds(self.number);
        }
    }
}

impl Actor {
    fn patience(&self) -> Patience {
        Patience::Until(self.story.watch.now() + UNIT_NANOS)
    }

    fn perform(&self, op: Op) {
        match op {
            Op::Send(to) => self.send(to, Patience::Endless),
            Op::TrySend(to) => self.send(to, Patience::None),
            Op::SendInTime(to) => self.send(to, self.patience()),
            Op::Receive(from) => self.receive(from, Patience::Endless),
            Op::TryReceive(from) => self.receive(from, Patience::None),
            Op::ReceiveInTime(from) => self.receive(from, self.patience()),
            Op::Sleep => leno::sleep(UNIT),
            Op::SelectReceive => self.select_receive(Patience::Endless),
            Op::SelectReceiveInTime => self.select_receive(self.patience()),
            Op::SelectReceiveNow => self.select_receive(Patience::None),
            Op::SelectBoth => self.select_both(),
            Op::SelectSend => self.select_send(),
            Op::WatchReceive => self.watch(&[(0, false), (1, false)], None),
            Op::WatchReceiveInTime => self.watch(&[(0, false), (1, false)], Some(UNIT)),
            Op::WatchBoth => self.watch(&[(0, true), (1, false)], None),
            Op::WatchSend => self.watch(&[(0, true), (1, true)], None),
        }
    }

    fn send(&self, to: usize, patience: Patience) {
        let (attempt, value) = self.story.send(self.number, to, patience);
        let sender = self.ends[to].sender();
        let (error, end) = match patience {
            Patience::Endless => return self.sent(attempt, sender.send(value).err()),
            Patience::None => match sender.try_send(value) {
                Ok(()) => return self.sent(attempt, None),
                Err(TrySendError::Full(value)) => (value, End::Nothing),
                Err(TrySendError::Disconnected(value)) => (value, End::Disconnected),
            },
            Patience::Until(_) => match sender.send_timeout(value, UNIT) {
                Ok(()) => return self.sent(attempt, None),
                Err(SendTimeoutError::Timeout(value)) => (value, End::Nothing),
                Err(SendTimeoutError::Disconnected(value)) => (value, End::Disconnected),
            },
        };
        self.story.refused(attempt, &error, end);
    }

    fn receive(&self, from: usize, patience: Patience) {
        let attempt = self.story.receive(self.number, from, patience);
        let receiver = self.ends[from].receiver();
        let (value, failed) = match patience {
            Patience::Endless => (receiver.recv().ok(), false),
            Patience::None => match receiver.try_recv() {
                Err(error) => (None, error == TryRecvError::Empty),
                Ok(value) => (Some(value), false),
            },
            Patience::Until(_) => match receiver.recv_timeout(UNIT) {
                Err(error) => (None, error == RecvTimeoutError::Timeout),
                Ok(value) => (Some(value), false),
            },
        };
        self.received(attempt, value, if failed { End::Nothing } else { End::Disconnected });
    }

    fn received(&self, attempt: usize, value: Option<Tracked>, otherwise: End) {
        match value {
            Some(value) => self.story.received(attempt, &value),
            None => self.story.end(attempt, otherwise),
        }
    }

    fn select_receive(&self, patience: Patience) {
        let attempts =
            [0, 1].map(|from| self.story.is_case(self.story.receive(self.number, from, patience)));
        let [one, other] = [0, 1].map(|from| self.ends[from].receiver());
        let (chosen, value) = match patience {
            Patience::Endless => select! {
                recv(one) -> value => (Some(0), value.ok()),
                recv(other) -> value => (Some(1), value.ok()),
            },
            Patience::Until(_) => select! {
                recv(one) -> value => (Some(0), value.ok()),
                recv(other) -> value => (Some(1), value.ok()),
                default(UNIT) => (None, None),
            },
            Patience::None => select! {
                recv(one) -> value => (Some(0), value.ok()),
                recv(other) -> value => (Some(1), value.ok()),
                default => (None, None),
            },
        };
        match chosen {
            Some(chosen) => {
                self.received(attempts[chosen], value, End::Disconnected);
                self.story.end(attempts[1 - chosen], End::Other);
            }
            None => attempts.into_iter().for_each(|attempt| self.story.end(attempt, End::Nothing)),
        }
    }

    fn select_both(&self) {
        let (send, value) = self.story.send(self.number, 0, Patience::Endless);
        let receive = self.story.receive(self.number, 1, Patience::Endless);
        for attempt in [send, receive] {
            self.story.is_case(attempt);
        }
        select! {
            send(self.ends[0].sender(), value) -> result => {
                self.sent(send, result.err());
                self.story.end(receive, End::Other);
            }
            recv(self.ends[1].receiver()) -> value => {
                self.received(receive, value.ok(), End::Disconnected);
                self.story.end(send, End::Other);
            }
        }
    }

    fn select_send(&self) {
        let attempts = [0, 1].map(|to| self.story.send(self.number, to, Patience::Endless));
        let [(one, first), (other, second)] = attempts;
        for attempt in [one, other] {
            self.story.is_case(attempt);
        }
        select! {
            send(self.ends[0].sender(), first) -> result => {
                self.sent(one, result.err());
                self.story.end(other, End::Other);
            }
            send(self.ends[1].sender(), second) -> result => {
                self.sent(other, result.err());
                self.story.end(one, End::Other);
            }
        }
    }

    fn sent(&self, attempt: usize, error: Option<leno::channel::SendError<Tracked>>) {
        match error {
            None => self.story.end(attempt, End::Done),
            Some(error) => self.story.refused(attempt, &error.0, End::Disconnected),
        }
    }
}

impl Program {
    /// Runs the program once, and checks what has happened.
    fn run(&self, checks: &Checks) {
        let story = Story::new(&self.capacities);
        let ends = self.ends(&story);
        let uses = |list: &[Op], channel: usize| {
            let any =
                |which: fn((bool, bool)) -> bool| list.iter().any(|op| which(op.uses(channel)));
            (any(|uses| uses.0), any(|uses| uses.1))
        };
        let actors: Vec<Actor> = (self.threads.iter().enumerate())
            .map(|(number, list)| Actor {
                story: story.clone(),
                number,
                ends: ends.iter().map(|end| end.of(uses(list, end.channel))).collect(),
            })
            .collect();
        let kept: Vec<Ends> = if self.kept {
            ends.iter().map(|end| end.of((true, true))).collect()
        } else {
            Vec::new()
        };
        // The story does not count the original ends.
        for mut end in ends {
            end.sender.take();
            end.receiver.take();
        }
        let body = |actor: Actor| {
            let list = self.threads[actor.number].clone();
            Box::new(move || perform_all(&list, |op| actor.perform(op))) as Box<dyn FnOnce()>
        };
        let bodies = actors.into_iter().map(body).collect();
        let check = |deadlocked| {
            drop(kept);
            if checks.print() {
                story.print();
            }
            story.check(deadlocked);
        };
        story.watch.run(checks, self.trouble, bodies, |_| {}, check);
    }

    fn ends(&self, story: &Rc<Story>) -> Vec<Ends> {
        let open = |(channel, &capacity): (usize, &Option<usize>)| {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            let (sender, receiver) = (Some(sender), Some(receiver));
            Ends { channel, sender, receiver, story: story.clone() }
        };
        self.capacities.iter().enumerate().map(open).collect()
    }
}

/// Explores the programs with each kind of trouble. In small bounds, ends are kept
/// only in programs without trouble.
fn explore(
    family: &str,
    mut totals: Totals,
    bounds: Bounds,
    programs: &[Vec<Vec<Op>>],
    capacities: &[Vec<Option<usize>>],
) {
    let all = programs.iter().flat_map(|threads| capacities.iter().map(move |all| (threads, all)));
    for (threads, capacities) in all {
        for trouble in Trouble::all(threads) {
            let kept = [false, true];
            let all = bounds.pick(trouble == Trouble::None, true);
            for kept in kept.into_iter().filter(|kept| all || !kept) {
                let (threads, capacities) = (threads.clone(), capacities.clone());
                let program = Program { threads, capacities, trouble, kept };
                totals.explore(&program, |checks| program.run(checks));
            }
        }
    }
    totals.print(family);
}

const CHANNEL_OPS: [Op; 7] = [
    Op::Send(0),
    Op::Receive(0),
    Op::TrySend(0),
    Op::TryReceive(0),
    Op::SendInTime(0),
    Op::ReceiveInTime(0),
    Op::Sleep,
];

fn one_channel() -> [Vec<Option<usize>>; 4] {
    [Some(0), Some(1), Some(2), None].map(|capacity| vec![capacity])
}

#[test]
fn sends_and_receives_match_the_model() {
    let bounds = Bounds::wanted();
    let lists = lists(&[Op::Send(0), Op::Receive(0)], bounds.pick(3, 4));
    let programs = programs(&lists, 3, bounds.pick(4, 7));
    explore("channel, blocking", Totals::new(), bounds, &programs, &one_channel());
}

#[test]
fn all_channel_operations_match_the_model() {
    let bounds = Bounds::wanted();
    let lists = lists(&CHANNEL_OPS, bounds.pick(2, 3));
    let programs = programs(&lists, 3, bounds.pick(3, 5));
    explore("channel, all operations", Totals::new(), bounds, &programs, &one_channel());
}

#[test]
fn preemptive_channel_operations_match_the_model() {
    let bounds = Bounds::wanted();
    let (threads, total) = bounds.pick((2, 2), (2, 3));
    let programs = programs(&lists(&CHANNEL_OPS, 2), threads, total);
    explore("channel, preemptive", Totals::preemptive(), bounds, &programs, &one_channel());
}

#[test]
fn selects_match_the_model() {
    use Op::*;
    let bounds = Bounds::wanted();
    let alphabet = [
        Send(0),
        Receive(0),
        Send(1),
        Receive(1),
        SelectReceive,
        SelectReceiveInTime,
        SelectReceiveNow,
        SelectBoth,
        SelectSend,
        Sleep,
    ];
    let lists = lists(&alphabet, bounds.pick(2, 3));
    let mut programs = programs(&lists, 3, bounds.pick(3, 4));
    programs.retain(|threads| threads.iter().flatten().any(|&op| op >= SelectReceive));
    let capacities = [vec![Some(0), Some(0)], vec![Some(1), Some(0)], vec![Some(1), Some(1)]];
    explore("select", Totals::new(), bounds, &programs, &capacities);
}

/// Explores programs as large as time allows, under every schedule, with a
/// cancellation or a deadline at every point.
#[test]
fn long_channel_programs_match_the_model() {
    use Op::*;
    let bounds = Bounds::wanted();
    let chosen = [
        ([[Send(0); 4], [Receive(0); 4], [Send(0), Receive(0), Send(0), Receive(0)]], 4),
        (
            [
                [Send(0); 4],
                [Receive(0); 4],
                [ReceiveInTime(0), SendInTime(0), TryReceive(0), Receive(0)],
            ],
            3,
        ),
    ];
    let capacities = bounds.pick(vec![vec![Some(1)]], vec![vec![Some(0)], vec![Some(1)]]);
    let programs = three_by_four(bounds, &chosen);
    explore("channel, 3 x 4", Totals::new(), Bounds::Small, &programs, &capacities);
}

#[test]
fn long_selects_match_the_model() {
    use Op::*;
    let bounds = Bounds::wanted();
    let chosen = [
        (
            [
                [Send(0), Send(1), Send(0), Send(1)],
                [SelectReceive; 4],
                [Receive(1), SelectBoth, Receive(1), SelectBoth],
            ],
            4,
        ),
        ([[Send(0), Send(1), Send(0), Send(1)], [SelectReceive; 4], [SelectBoth; 4]], 3),
        (
            [
                [Receive(0), Send(1), Receive(0), Send(1)],
                [SelectSend, SelectBoth, SelectReceiveInTime, Receive(1)],
                [SelectBoth, SelectReceiveNow, Send(0), SelectSend],
            ],
            3,
        ),
    ];
    let programs = three_by_four(bounds, &chosen);
    let capacities = [vec![Some(0), Some(1)]];
    explore("select, 3 x 4", Totals::new(), Bounds::Small, &programs, &capacities);
}
