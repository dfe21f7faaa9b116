//! Channels.

use super::Then::{self, GoesOn};
use super::state::{State, Wait, Woken};
use crate::program::{Patience, said};

impl State {
    pub fn send(&mut self, number: usize, patience: Patience, woken: Option<Woken>) -> Then {
        let who = self.who;
        let said = match woken {
            Some(Woken::Done) if self.threads[who].given.take().is_some() => said::YES,
            Some(Woken::Done) => said::DISCONNECTED,
            Some(_) => said::TIMED_OUT,
            None => {
                let me = &mut self.threads[who];
                me.sent += 1;
                let value = 16 * who as u8 + me.sent;
                if !me.senders[number] {
                    self.log(said::NOTHING);
                    return GoesOn;
                }
                if patience != Patience::None && self.unwinds_here() {
                    return GoesOn;
                }
                let channel = &mut self.channels[number];
                let has_room =
                    channel.capacity.is_none_or(|capacity| channel.buffer.len() < capacity);
                if channel.receivers == 0 {
                    said::DISCONNECTED
                } else if let Some(&receiver) = channel.receiving.first() {
                    self.threads[receiver].given = Some(value);
                    self.wake(receiver, Woken::Done);
                    said::YES
                } else if has_room {
                    channel.buffer.push(value);
                    said::YES
                } else if patience == Patience::None {
                    said::NO
                } else {
                    channel.sending.push((who, value));
                    return self.wait(Wait::Send(number), patience.millis());
                }
            }
        };
        self.log(said);
        GoesOn
    }

    pub fn receive(&mut self, number: usize, patience: Patience, woken: Option<Woken>) -> Then {
        let who = self.who;
        let said = match woken {
            Some(Woken::Done) => self.threads[who].given.take().unwrap_or(said::DISCONNECTED),
            Some(_) => said::TIMED_OUT,
            None => {
                if !self.threads[who].receivers[number] {
                    self.log(said::NOTHING);
                    return GoesOn;
                }
                if patience != Patience::None && self.unwinds_here() {
                    return GoesOn;
                }
                let channel = &mut self.channels[number];
                let first = (!channel.buffer.is_empty()).then(|| channel.buffer.remove(0));
                let sender = channel.sending.first().copied();
                if let Some((sender, value)) = sender {
                    if first.is_some() {
                        channel.buffer.push(value);
                    }
                    // It finds that its value was taken.
                    self.threads[sender].given = Some(value);
                    self.wake(sender, Woken::Done);
                }
                let channel = &mut self.channels[number];
                match first.or(sender.map(|(_, value)| value)) {
                    Some(value) => value,
                    None if channel.senders == 0 => said::DISCONNECTED,
                    None if patience == Patience::None => said::NO,
                    None => {
                        channel.receiving.push(who);
                        return self.wait(Wait::Receive(number), patience.millis());
                    }
                }
            }
        };
        self.log(said);
        GoesOn
    }

    pub fn drop_sender(&mut self, number: usize) -> Then {
        if std::mem::take(&mut self.threads[self.who].senders[number]) {
            let channel = &mut self.channels[number];
            channel.senders -= 1;
            if channel.senders == 0 {
                for receiver in channel.receiving.clone() {
                    self.wake(receiver, Woken::Done);
                }
            }
        }
        GoesOn
    }

    pub fn drop_receiver(&mut self, number: usize) -> Then {
        if std::mem::take(&mut self.threads[self.who].receivers[number]) {
            let channel = &mut self.channels[number];
            channel.receivers -= 1;
            if channel.receivers == 0 {
                channel.buffer.clear();
                for (sender, _) in channel.sending.clone() {
                    self.wake(sender, Woken::Done);
                }
            }
        }
        GoesOn
    }
}
