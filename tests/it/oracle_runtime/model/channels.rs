//! Channels, and waiting for any of several cases.

use std::mem;

use super::super::{Case, Failure, Op, Patience, Program, What};
use super::Model;
use super::state::{
    Channel, ChannelKind, ChannelWait, Deadline, Ended, Enrolled, Pending, Place, Wait, Waiter,
};

type Received = Result<u32, Failure>;

pub(super) fn all(program: &Program) -> Vec<Channel> {
    let channel = |(index, capacity): (usize, &Option<usize>)| Channel {
        capacity: *capacity,
        senders: program.threads.iter().filter(|body| body.sends[index]).count(),
        receivers: program.threads.iter().filter(|body| body.receives[index]).count(),
        ..Channel::default()
    };
    program.capacities.iter().enumerate().map(channel).collect()
}

/// Returns the first channel from `start` on of which the thread has an end.
fn end(ends: &[bool], start: usize) -> Option<usize> {
    (0..ends.len()).map(|step| (start + step) % ends.len()).find(|&index| ends[index])
}

impl<'p> Model<'p> {
    /// Returns the first thread that waits at `place`, and its case.
    pub(super) fn first(&self, place: Place) -> Option<(usize, usize)> {
        let waiter = self.waiting.iter().find(|waiter| waiter.place == place)?;
        Some((waiter.number, waiter.case))
    }

    /// Wakes all threads that wait at `place`.
    pub(super) fn wake_all(&mut self, place: Place) {
        while let Some((number, case)) = self.first(place) {
            self.wake(number, Ended::Woken(case));
        }
    }

    fn try_send(&mut self, channel: usize, value: u32) -> Result<(), Failure> {
        if self.channels[channel].receivers == 0 {
            return Err(Failure::Disconnected);
        }
        if let Some((number, case)) = self.first(Place::Receiving(channel)) {
            self.greens[number].cases[case] = Enrolled::Receive { channel, value: Some(value) };
            self.wake(number, Ended::Woken(case));
            return Ok(());
        }
        let Channel { capacity, buffer, .. } = &mut self.channels[channel];
        if capacity.is_some_and(|capacity| buffer.len() >= capacity) {
            return Err(Failure::WouldBlock);
        }
        buffer.push_back(value);
        Ok(())
    }

    /// Takes the message of the first waiting sender.
    fn take_from_sender(&mut self, channel: usize) -> Option<u32> {
        let (number, case) = self.first(Place::Sending(channel))?;
        let empty = Enrolled::Send { channel, value: None };
        let sent = mem::replace(&mut self.greens[number].cases[case], empty);
        let Enrolled::Send { value, .. } = sent else { unreachable!("the thread waits to send") };
        self.wake(number, Ended::Woken(case));
        value
    }

    fn try_receive(&mut self, channel: usize) -> Received {
        if let Some(value) = self.channels[channel].buffer.pop_front() {
            if let Some(next) = self.take_from_sender(channel) {
                self.channels[channel].buffer.push_back(next);
            }
            return Ok(value);
        }
        let disconnected = self.channels[channel].senders == 0;
        let nothing = if disconnected { Failure::Disconnected } else { Failure::WouldBlock };
        self.take_from_sender(channel).ok_or(nothing)
    }

    pub(super) fn use_channel(&mut self, operation: &'p Op) {
        let (kind, patience, cases) = match *operation {
            Op::Send { channel, patience } => {
                (ChannelKind::Send, patience, &[Case::Send { channel }][..])
            }
            Op::Receive { channel, patience } => {
                (ChannelKind::Receive, patience, &[Case::Receive { channel }][..])
            }
            Op::Select { ref cases, patience } => (ChannelKind::Select, patience, &cases[..]),
            _ => unreachable!("not an operation on channels"),
        };
        let enrolled: Vec<Enrolled> =
            cases.iter().filter_map(|&case| self.enrolled(case)).collect();
        if enrolled.is_empty() && kind != ChannelKind::Select {
            return self.log(What::NothingThere);
        }
        self.green().cases = enrolled;
        let only_tries = kind != ChannelKind::Select && patience == Patience::None;
        if !only_tries && self.due() {
            return self.unwind_from_channel();
        }
        let deadline = self.deadline(patience);
        self.try_cases(ChannelWait { kind, patience, deadline, timer: false });
    }

    fn enrolled(&mut self, case: Case) -> Option<Enrolled> {
        let now = self.now;
        Some(match case {
            Case::Send { channel } => {
                let channel = end(&self.green().sends, channel)?;
                Enrolled::Send { channel, value: Some(self.value()) }
            }
            Case::Receive { channel } => {
                let channel = end(&self.green().receives, channel)?;
                Enrolled::Receive { channel, value: None }
            }
            Case::After { millis } => {
                Enrolled::After(now.checked_add(millis).filter(|_| millis != super::NEVER))
            }
        })
    }

    /// Carries out the first case that is ready, or waits.
    fn try_cases(&mut self, wait: ChannelWait) {
        for index in 0..self.green().cases.len() {
            let result = match self.greens[self.current].cases[index] {
                Enrolled::Send { value: None, .. } => unreachable!("the message is not sent yet"),
                Enrolled::Send { channel, value: Some(value) } => {
                    let result = self.try_send(channel, value);
                    if result.is_ok() {
                        self.green().cases[index] = Enrolled::Send { channel, value: None };
                    }
                    result
                }
                Enrolled::Receive { channel, .. } => self.try_receive(channel).map(|value| {
                    self.green().cases[index] = Enrolled::Receive { channel, value: Some(value) };
                }),
                Enrolled::After(Some(moment)) if moment <= self.now => Ok(()),
                Enrolled::After(_) => Err(Failure::WouldBlock),
            };
            if result != Err(Failure::WouldBlock) {
                return self.go_on_with(wait, index);
            }
        }
        if wait.patience == Patience::None {
            self.give_up(wait, Failure::WouldBlock);
        } else {
            self.wait_for_channel(wait);
        }
    }

    fn wait_for_channel(&mut self, wait: ChannelWait) {
        let number = self.current;
        let mut deadline = wait.deadline;
        let mut timer = false;
        for case in 0..self.green().cases.len() {
            let place = match self.green().cases[case] {
                Enrolled::Send { channel, .. } => Place::Sending(channel),
                Enrolled::Receive { channel, .. } => Place::Receiving(channel),
                Enrolled::After(Some(moment)) => {
                    let earlier = match deadline {
                        Deadline::Never => true,
                        Deadline::Past => false,
                        Deadline::At(deadline) => moment < deadline,
                    };
                    if earlier {
                        deadline = Deadline::At(moment);
                        timer = true;
                    }
                    continue;
                }
                Enrolled::After(None) => continue,
            };
            if deadline != Deadline::Past {
                self.waiting.push(Waiter { place, number, case });
            }
        }
        self.wait(Wait::Other, deadline, Pending::Channel(ChannelWait { timer, ..wait }));
    }

    pub(super) fn channel_wait_ended(&mut self, wait: ChannelWait, ended: Ended) {
        match ended {
            Ended::Interrupted => self.unwind_from_channel(),
            Ended::Woken(case) => self.go_on_with(wait, case),
            Ended::Elapsed if !wait.timer => self.give_up(wait, Failure::Timeout),
            Ended::Elapsed if self.due() => self.unwind_from_channel(),
            Ended::Elapsed => self.try_cases(wait),
        }
    }

    /// Continues with the chosen case.
    fn go_on_with(&mut self, wait: ChannelWait, index: usize) {
        if wait.kind == ChannelKind::Select {
            self.log(What::Chosen(Some(index)));
        }
        match self.green().cases.get(index).copied().expect("the index of a case") {
            Enrolled::Send { channel, value: None } => {
                self.log(What::Sent { channel, result: Ok(()) });
            }
            Enrolled::Send { channel, value: Some(value) } => {
                self.log(What::Sent { channel, result: Err(Failure::Disconnected) });
                self.drop_value(value);
                self.green().cases[index] = Enrolled::Send { channel, value: None };
            }
            Enrolled::Receive { channel, value } => {
                self.log(What::Received { channel, result: value.ok_or(Failure::Disconnected) });
                if let Some(value) = value {
                    self.drop_value(value);
                }
            }
            Enrolled::After(moment) => {
                let millis = moment.expect("the timer has fired");
                self.log(What::Moment { millis });
            }
        }
        self.drop_cases();
    }

    fn give_up(&mut self, wait: ChannelWait, failure: Failure) {
        match (wait.kind, self.green().cases.first().copied()) {
            (ChannelKind::Send, Some(Enrolled::Send { channel, .. })) => {
                self.log(What::Sent { channel, result: Err(failure) });
            }
            (ChannelKind::Receive, Some(Enrolled::Receive { channel, .. })) => {
                self.log(What::Received { channel, result: Err(failure) });
            }
            _ => self.log(What::Chosen(None)),
        }
        self.drop_cases();
    }

    fn unwind_from_channel(&mut self) {
        self.unwind();
        self.drop_cases();
    }

    /// Drops the messages that were not sent.
    fn drop_cases(&mut self) {
        for case in mem::take(&mut self.green().cases) {
            if let Enrolled::Send { value: Some(value), .. } = case {
                self.drop_value(value);
            }
        }
    }

    pub(super) fn drop_sender_of(&mut self, channel: usize) {
        match end(&self.green().sends, channel) {
            Some(channel) => self.drop_sender(channel),
            None => self.log(What::NothingThere),
        }
    }

    pub(super) fn drop_receiver_of(&mut self, channel: usize) {
        match end(&self.green().receives, channel) {
            Some(channel) => self.drop_receiver(channel),
            None => self.log(What::NothingThere),
        }
    }

    fn drop_sender(&mut self, channel: usize) {
        self.green().sends[channel] = false;
        self.channels[channel].senders -= 1;
        if self.channels[channel].senders == 0 {
            self.wake_all(Place::Receiving(channel));
        }
    }

    fn drop_receiver(&mut self, channel: usize) {
        self.green().receives[channel] = false;
        self.channels[channel].receivers -= 1;
        if self.channels[channel].receivers == 0 {
            self.wake_all(Place::Sending(channel));
            for value in mem::take(&mut self.channels[channel].buffer) {
                self.drop_value(value);
            }
        }
    }

    /// Drops the ends of channels at the end of the body.
    pub(super) fn drop_ends(&mut self) {
        for channel in 0..self.channels.len() {
            if self.green().sends[channel] {
                self.drop_sender(channel);
            }
        }
        for channel in 0..self.channels.len() {
            if self.green().receives[channel] {
                self.drop_receiver(channel);
            }
        }
    }
}
