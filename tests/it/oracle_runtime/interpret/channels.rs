//! Operations on channels of leno.

use std::cell::{Ref, RefCell};

use leno::channel::__select::{self, Deadline, RecvCase, SendCase};
use leno::channel::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, after,
};
use leno::time::Instant;

use super::super::{Case, Failure, Op, Patience, What};
use super::{Loud, Me, duration};

/// The result of a send, with the message if it failed.
type Sent = Result<(), (Failure, Loud)>;
type Received = Result<Loud, Failure>;

/// A case of a select, with its channel.
enum Enrolled<'a> {
    Send(usize, SendCase<'a, Loud>),
    Receive(usize, RecvCase<'a, Loud>),
    After(RecvCase<'a, Instant>),
}

/// Returns an end of the first channel from `channel` on of which the thread has one.
fn end<T>(ends: &[RefCell<Option<T>>], channel: usize) -> Option<(usize, Ref<'_, T>)> {
    (0..ends.len()).map(|step| (channel + step) % ends.len()).find_map(|index| {
        let end = Ref::filter_map(ends[index].borrow(), Option::as_ref).ok()?;
        Some((index, end))
    })
}

impl Me<'_> {
    pub(super) fn use_channel(self, operation: &Op) {
        match *operation {
            Op::Send { channel, patience } => match end(&self.ends.senders, channel) {
                Some((channel, sender)) => {
                    self.log_sent(channel, send(&sender, self.world.loud(), patience));
                }
                None => self.log(What::NothingThere),
            },
            Op::Receive { channel, patience } => match end(&self.ends.receivers, channel) {
                Some((channel, receiver)) => {
                    self.log_received(channel, receive(&receiver, patience));
                }
                None => self.log(What::NothingThere),
            },
            Op::Select { ref cases, patience } => self.select(cases, patience),
            _ => unreachable!("not an operation on channels"),
        }
    }

    fn log_sent(self, channel: usize, sent: Sent) {
        let result = sent.as_ref().map(|_| ()).map_err(|(failure, _)| *failure);
        self.log(What::Sent { channel, result });
    }

    fn log_received(self, channel: usize, received: Received) {
        let result = received.as_ref().map(|value| value.0).map_err(|failure| *failure);
        self.log(What::Received { channel, result });
    }

    pub(super) fn drop_sender(self, channel: usize) {
        match end(&self.ends.senders, channel).map(|(index, _)| index) {
            Some(index) => drop(self.ends.senders[index].take()),
            None => self.log(What::NothingThere),
        }
    }

    pub(super) fn drop_receiver(self, channel: usize) {
        match end(&self.ends.receivers, channel).map(|(index, _)| index) {
            Some(index) => drop(self.ends.receivers[index].take()),
            None => self.log(What::NothingThere),
        }
    }

    fn select(self, cases: &[Case], patience: Patience) {
        let timers: Vec<Option<Receiver<Instant>>> = (cases.iter())
            .map(|case| match *case {
                Case::After { millis } => Some(after(duration(millis))),
                _ => None,
            })
            .collect();
        let ends: Vec<_> = (cases.iter())
            .map(|case| match *case {
                Case::Send { channel } => (end(&self.ends.senders, channel), None),
                Case::Receive { channel } => (None, end(&self.ends.receivers, channel)),
                Case::After { .. } => (None, None),
            })
            .collect();
        let enrolled: Vec<Enrolled<'_>> = (ends.iter().zip(&timers))
            .filter_map(|case| match case {
                (_, Some(timer)) => Some(Enrolled::After(timer.__select_case())),
                ((Some((channel, sender)), _), _) => {
                    Some(Enrolled::Send(*channel, sender.__select_case(self.world.loud())))
                }
                ((_, Some((channel, receiver))), _) => {
                    Some(Enrolled::Receive(*channel, receiver.__select_case()))
                }
                _ => None,
            })
            .collect();
        let cases: Vec<&dyn __select::Case> = (enrolled.iter())
            .map(|case| match case {
                Enrolled::Send(_, case) => case as &dyn __select::Case,
                Enrolled::Receive(_, case) => case,
                Enrolled::After(case) => case,
            })
            .collect();
        let deadline = match patience {
            Patience::None => Deadline::Now,
            Patience::Millis(millis) => Deadline::After(duration(millis)),
            Patience::Endless => Deadline::Never,
        };
        let chosen = match *cases {
            [] => __select::select(&[], deadline, true),
            [one] => __select::select(&[one], deadline, true),
            [one, two] => __select::select(&[one, two], deadline, true),
            [one, two, three] => __select::select(&[one, two, three], deadline, true),
            _ => unreachable!("there are at most three cases"),
        };
        let results: Vec<_> = enrolled.iter().map(CaseResult::of).collect();
        let count = results.iter().flatten().count();
        assert_eq!(count, usize::from(chosen), "a select has at most one result");
        self.log(What::Chosen(results.iter().position(Option::is_some)));
        for result in results.into_iter().flatten() {
            self.log_case(result);
        }
    }

    fn log_case(self, result: CaseResult) {
        match result {
            CaseResult::Sent(channel, sent) => self.log_sent(channel, sent),
            CaseResult::Received(channel, received) => self.log_received(channel, received),
            CaseResult::Moment(moment) => {
                let start = self.world.start.get().expect("the run has begun");
                let millis = moment.duration_since(start).as_millis() as u64;
                self.log(What::Moment { millis });
            }
        }
    }
}

/// The result of the chosen case.
enum CaseResult {
    Sent(usize, Sent),
    Received(usize, Received),
    Moment(Instant),
}

impl CaseResult {
    fn of(case: &Enrolled<'_>) -> Option<CaseResult> {
        Some(match case {
            Enrolled::Send(channel, case) => {
                let disconnected = |SendError(value)| (Failure::Disconnected, value);
                CaseResult::Sent(*channel, case.take()?.map_err(disconnected))
            }
            Enrolled::Receive(channel, case) => {
                let disconnected = |RecvError| Failure::Disconnected;
                CaseResult::Received(*channel, case.take()?.map_err(disconnected))
            }
            Enrolled::After(case) => {
                CaseResult::Moment(case.take()?.expect("a timer has no sender"))
            }
        })
    }
}

fn send(sender: &Sender<Loud>, value: Loud, patience: Patience) -> Sent {
    match patience {
        Patience::None => sender.try_send(value).map_err(|error| match error {
            TrySendError::Full(value) => (Failure::WouldBlock, value),
            TrySendError::Disconnected(value) => (Failure::Disconnected, value),
        }),
        Patience::Millis(millis) => {
            sender.send_timeout(value, duration(millis)).map_err(|error| match error {
                SendTimeoutError::Timeout(value) => (Failure::Timeout, value),
                SendTimeoutError::Disconnected(value) => (Failure::Disconnected, value),
            })
        }
        Patience::Endless => {
            sender.send(value).map_err(|SendError(value)| (Failure::Disconnected, value))
        }
    }
}

fn receive(receiver: &Receiver<Loud>, patience: Patience) -> Received {
    match patience {
        Patience::None => receiver.try_recv().map_err(|error| match error {
            TryRecvError::Empty => Failure::WouldBlock,
            TryRecvError::Disconnected => Failure::Disconnected,
        }),
        Patience::Millis(millis) => {
            receiver.recv_timeout(duration(millis)).map_err(|error| match error {
                RecvTimeoutError::Timeout => Failure::Timeout,
                RecvTimeoutError::Disconnected => Failure::Disconnected,
            })
        }
        Patience::Endless => receiver.recv().map_err(|RecvError| Failure::Disconnected),
    }
}
