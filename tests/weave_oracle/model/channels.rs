//! The channels of the model.

use super::Then::{self, GoesOn, Stops};
use super::state::{State, Wait, Woken};
use crate::program::{Patience, said};

impl State {
    pub fn send(&mut self, number: usize, patience: Patience, woken: Option<Woken>) -> Then {
        let current = self.current;
        let said = match woken {
            Some(Woken::Done) if self.threads[current].given.take().is_some() => said::YES,
            Some(Woken::Done) => said::DISCONNECTED,
            Some(_) => said::TIMED_OUT,
            None => {
                let me = &mut self.threads[current];
                me.sent += 1;
                let value = 16 * current as u8 + me.sent;
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
                    self.threads[receiver].came_from = number;
                    self.wake(receiver, Woken::Done);
                    said::YES
                } else if has_room {
                    channel.buffer.push(value);
                    said::YES
                } else if patience == Patience::None {
                    said::NO
                } else {
                    channel.sending.push((current, value));
                    return self.wait(Wait::Send(number), patience.millis());
                }
            }
        };
        self.log(said);
        GoesOn
    }

    pub fn receive(&mut self, number: usize, patience: Patience, woken: Option<Woken>) -> Then {
        let current = self.current;
        let said = match woken {
            Some(Woken::Done) => self.threads[current].given.take().unwrap_or(said::DISCONNECTED),
            Some(_) => said::TIMED_OUT,
            None => {
                if !self.threads[current].receivers[number] {
                    self.log(said::NOTHING);
                    return GoesOn;
                }
                if patience != Patience::None && self.unwinds_here() {
                    return GoesOn;
                }
                match self.take_message(number) {
                    Some(value) => value,
                    None if self.channels[number].senders == 0 => said::DISCONNECTED,
                    None if patience == Patience::None => said::NO,
                    None => {
                        self.channels[number].receiving.push(current);
                        return self.wait(Wait::Receive(number), patience.millis());
                    }
                }
            }
        };
        self.log(said);
        GoesOn
    }

    /// Takes the next message, if there is one.
    fn take_message(&mut self, number: usize) -> Option<u8> {
        let channel = &mut self.channels[number];
        let first = (!channel.buffer.is_empty()).then(|| channel.buffer.remove(0));
        let sender = channel.sending.first().copied();
        if let Some((sender, value)) = sender {
            if first.is_some() {
                channel.buffer.push(value);
            }
            // The sender sees at its wake that its value was taken.
            self.threads[sender].given = Some(value);
            self.wake(sender, Woken::Done);
        }
        first.or(sender.map(|(_, value)| value))
    }

    pub fn select(&mut self, patience: Patience, woken: Option<Woken>) -> Then {
        let current = self.current;
        let (arm, said) = match woken {
            Some(Woken::Done) => {
                let me = &mut self.threads[current];
                (me.came_from, me.given.take().unwrap_or(said::DISCONNECTED))
            }
            Some(_) => {
                self.log(said::TIMED_OUT);
                return GoesOn;
            }
            None => {
                if self.threads[current].receivers != [true; 2] {
                    self.log(said::NOTHING);
                    return GoesOn;
                }
                if self.unwinds_here() {
                    return GoesOn;
                }
                let is_ready = |&number: &usize| {
                    let channel = &self.channels[number];
                    let is_empty = channel.buffer.is_empty() && channel.sending.is_empty();
                    channel.senders == 0 || !is_empty
                };
                let ready: Vec<usize> = (0..2).filter(is_ready).collect();
                if ready.is_empty() && patience == Patience::None {
                    self.log(said::NO);
                    return GoesOn;
                }
                if ready.is_empty() {
                    self.channels.iter_mut().for_each(|channel| channel.receiving.push(current));
                    return self.wait(Wait::Either, patience.millis());
                }
                let Some(taken) = self.alternative(ready.len()) else { return Stops };
                let arm = ready[taken];
                (arm, self.take_message(arm).unwrap_or(said::DISCONNECTED))
            }
        };
        self.log(arm as u8);
        self.log(said);
        GoesOn
    }

    pub fn drop_sender(&mut self, number: usize) -> Then {
        if std::mem::take(&mut self.threads[self.current].senders[number]) {
            let channel = &mut self.channels[number];
            channel.senders -= 1;
            if channel.senders == 0 {
                for receiver in channel.receiving.clone() {
                    self.threads[receiver].came_from = number;
                    self.wake(receiver, Woken::Done);
                }
            }
        }
        GoesOn
    }

    pub fn drop_receiver(&mut self, number: usize) -> Then {
        if std::mem::take(&mut self.threads[self.current].receivers[number]) {
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
