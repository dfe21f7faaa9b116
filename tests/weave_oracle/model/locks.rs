//! The mutexes, the condition variable and the semaphore of the model.

use super::Then::{self, GoesOn, Stops};
use super::state::{Done, State, Wait, Woken};
use crate::program::{Op, Patience, said};

impl State {
    pub fn mutex(&mut self, op: &Op, woken: Option<Woken>) -> Then {
        let current = self.current;
        match *op {
            Op::Lock(number) => {
                if woken.is_none() {
                    if self.unwinds_here() {
                        return GoesOn;
                    }
                    if !self.take_if_free(number) {
                        self.mutexes[number].waiting.push(current);
                        return self.wait(Wait::Lock(number), None);
                    }
                }
                self.threads[current].guards[number] = true;
            }
            Op::TryLock(number) => {
                let is_taken = self.take_if_free(number);
                self.threads[current].guards[number] |= is_taken;
                self.log(if is_taken { said::YES } else { said::NO });
            }
            Op::Unlock(number) => self.release(number),
            _ => unreachable!("no operation of a mutex"),
        }
        GoesOn
    }

    fn take_if_free(&mut self, number: usize) -> bool {
        let mutex = &mut self.mutexes[number];
        let is_free = mutex.holder.is_none();
        if is_free {
            mutex.holder = Some(self.current);
        }
        is_free
    }

    /// Releases the guard, if there is one, to the first waiter.
    fn release(&mut self, number: usize) {
        if !std::mem::take(&mut self.threads[self.current].guards[number]) {
            return;
        }
        let next = self.mutexes[number].waiting.first().copied();
        self.mutexes[number].holder = next;
        if let Some(next) = next {
            self.wake(next, Woken::Done);
        }
    }

    /// Drops the guards and channel halves of the current thread.
    pub fn drop_frame(&mut self) -> Then {
        for number in 0..self.mutexes.len() {
            if self.threads[self.current].guards[number] {
                if self.begin(false) == Stops {
                    return Stops;
                }
                self.release(number);
            }
        }
        for channel in 0..self.channels.len() {
            if self.threads[self.current].senders[channel] {
                if self.begin(false) == Stops {
                    return Stops;
                }
                self.drop_sender(channel);
            }
        }
        for channel in 0..self.channels.len() {
            if self.threads[self.current].receivers[channel] {
                if self.begin(false) == Stops {
                    return Stops;
                }
                self.drop_receiver(channel);
            }
        }
        GoesOn
    }

    pub fn wait_for_notification(&mut self, patience: Patience, woken: Option<Woken>) -> Then {
        let current = self.current;
        let Some(woken) = woken else {
            if !self.threads[current].guards[0] {
                self.log(said::NOTHING);
                return GoesOn;
            }
            self.release(0);
            if self.unwinds_here() {
                return GoesOn;
            }
            self.notified.push(current);
            return self.wait(Wait::Notification, patience.millis());
        };
        let me = &mut self.threads[current];
        if me.wait == Some(Wait::Notification) {
            me.is_timed_out = woken == Woken::Elapsed;
            self.done = Done::Something;
            if !self.take_if_free(0) {
                self.threads[current].is_shielded = true;
                self.mutexes[0].waiting.push(current);
                return self.wait(Wait::Lock(0), None);
            }
        }
        let me = &mut self.threads[current];
        me.is_shielded = false;
        me.guards[0] = true;
        let is_timed_out = me.is_timed_out;
        if patience.millis().is_some() {
            self.log(if is_timed_out { said::TIMED_OUT } else { said::WENT_ON });
        }
        GoesOn
    }

    pub fn notify(&mut self, all: bool) -> Then {
        let count = if all { self.notified.len() } else { 1 };
        for number in self.notified.iter().copied().take(count).collect::<Vec<_>>() {
            self.wake(number, Woken::Done);
        }
        GoesOn
    }

    pub fn acquire(&mut self, count: usize, patience: Patience, woken: Option<Woken>) -> Then {
        let said = match woken {
            Some(Woken::Done) => said::YES,
            Some(_) => {
                // Other threads may wait behind this one.
                self.done = Done::Something;
                self.grant();
                said::TIMED_OUT
            }
            None => {
                if patience != Patience::None && self.unwinds_here() {
                    return GoesOn;
                }
                if self.permits >= count && self.acquiring.is_empty() {
                    self.permits -= count;
                    said::YES
                } else if patience == Patience::None {
                    said::NO
                } else {
                    self.acquiring.push((self.current, count));
                    return self.wait(Wait::Permits, patience.millis());
                }
            }
        };
        self.log(said);
        GoesOn
    }

    pub fn add_permits(&mut self, count: usize) -> Then {
        self.permits += count;
        self.grant();
        GoesOn
    }

    pub fn grant(&mut self) {
        while let Some(&(number, count)) = self.acquiring.first()
            && self.permits >= count
        {
            self.permits -= count;
            self.wake(number, Woken::Done);
        }
    }
}
