//! Locks, the condvar and the semaphore. A released lock is handed over to the
//! longest waiter before that runs.

use super::super::{Failure, Lock, Op, Patience, What};
use super::Model;
use super::state::{Deadline, Ended, Holding, Kind, Pending, Place, Wait, Waiter};

fn place(lock: Lock) -> Place {
    match lock {
        Lock::Mutex(index) => Place::Mutex(index),
        Lock::Notification => Place::Mutex(0),
        Lock::Read | Lock::Write => Place::RwLock,
        Lock::Permits(_) => Place::Permits,
    }
}

impl<'p> Model<'p> {
    /// Returns `true` if the lock, or the number of permits, is free.
    fn is_free(&self, lock: Lock) -> bool {
        match lock {
            Lock::Mutex(index) => !self.mutexes[index].held,
            Lock::Notification => !self.mutexes[0].held,
            Lock::Read => !self.rwlock.written,
            Lock::Write => !self.rwlock.written && self.rwlock.readers == 0,
            Lock::Permits(count) => self.semaphore.permits >= count,
        }
    }

    fn take(&mut self, lock: Lock) {
        match lock {
            Lock::Mutex(index) => self.mutexes[index].held = true,
            Lock::Notification => self.mutexes[0].held = true,
            Lock::Read => self.rwlock.readers += 1,
            Lock::Write => self.rwlock.written = true,
            Lock::Permits(count) => self.semaphore.permits -= count,
        }
    }

    /// Takes the lock if it is free and no thread waits for it. Acquiring zero
    /// permits never waits.
    fn try_take(&mut self, lock: Lock) -> bool {
        let overtakes = self.first(place(lock)).is_some() && lock != Lock::Permits(0);
        let free = self.is_free(lock) && !overtakes;
        if free {
            self.take(lock);
        }
        free
    }

    /// Hands over what is free to the waiters, as long as there is enough for the
    /// first of them.
    fn hand_over(&mut self, place: Place) {
        while let Some((number, _)) = self.first(place) {
            let lock = self.greens[number].wanted.expect("the thread waits for a lock");
            if !self.is_free(lock) {
                return;
            }
            self.take(lock);
            self.greens[number].wanted = None;
            self.wake(number, Ended::Woken(0));
        }
    }

    fn is_poisoned(&self, lock: Lock) -> bool {
        match lock {
            Lock::Mutex(index) => self.mutexes[index].poisoned,
            Lock::Notification => self.mutexes[0].poisoned,
            Lock::Read | Lock::Write => self.rwlock.poisoned,
            Lock::Permits(_) => false,
        }
    }

    pub(super) fn hold(&mut self, lock: Lock, patience: Patience, operations: &'p [Op]) {
        let holding = Holding { lock, patience, operations };
        // The deadline of the operation is that of the notification.
        let limit = if lock == Lock::Notification { Patience::Endless } else { patience };
        if limit != Patience::None && self.due() {
            return self.unwind();
        }
        if matches!(lock, Lock::Permits(_)) && self.semaphore.closed {
            self.log(What::Held { lock, result: Err(Failure::Closed) });
        } else if self.try_take(lock) {
            self.held(holding);
        } else if limit == Patience::None {
            self.log(What::Held { lock, result: Err(Failure::WouldBlock) });
        } else {
            self.wait_for_lock(lock, self.deadline(limit), Pending::Lock(holding));
        }
    }

    fn wait_for_lock(&mut self, lock: Lock, deadline: Deadline, pending: Pending<'p>) {
        self.green().wanted = Some(lock);
        if deadline != Deadline::Past {
            self.waiting.push(Waiter { place: place(lock), number: self.current, case: 0 });
        }
        self.wait(Wait::Other, deadline, pending);
    }

    pub(super) fn lock_wait_ended(&mut self, holding: Holding<'p>, ended: Ended) {
        if self.green().wanted.take().is_none() {
            return self.held(holding);
        }
        let lock = holding.lock;
        // Other threads may have waited behind this one.
        self.hand_over(place(lock));
        let failure = match (lock, ended) {
            (_, Ended::Interrupted) => return self.unwind(),
            (Lock::Permits(_), Ended::Woken(_)) => Failure::Closed,
            (Lock::Permits(_), Ended::Elapsed) => Failure::Timeout,
            _ => Failure::WouldBlock,
        };
        self.log(What::Held { lock, result: Err(failure) });
    }

    fn held(&mut self, Holding { lock, patience, operations }: Holding<'p>) {
        let result = Ok(self.is_poisoned(lock));
        if lock != Lock::Notification {
            self.log(What::Held { lock, result });
            return self.enter(Kind::Hold(lock), operations);
        }
        self.log(What::Held { lock: Lock::Mutex(0), result });
        self.release(Lock::Mutex(0));
        if self.due() {
            return self.unwind();
        }
        let patience = if patience == Patience::None { Patience::Endless } else { patience };
        let deadline = self.deadline(patience);
        if deadline != Deadline::Past {
            let (place, number) = (Place::Notification, self.current);
            self.waiting.push(Waiter { place, number, case: 0 });
        }
        self.wait(Wait::Other, deadline, Pending::Notification(operations));
    }

    pub(super) fn notify(&mut self, all: bool) {
        if all {
            self.wake_all(Place::Notification);
        } else if let Some((number, case)) = self.first(Place::Notification) {
            self.wake(number, Ended::Woken(case));
        }
    }

    /// Ends the wait for a notification. Only a deadlock prevents the thread from
    /// taking the mutex again.
    pub(super) fn notified(&mut self, operations: &'p [Op], ended: Ended) {
        if ended == Ended::Interrupted {
            return self.unwind();
        }
        let timed_out = ended == Ended::Elapsed;
        self.green().shields += 1;
        if self.try_take(Lock::Mutex(0)) {
            self.locked_again(operations, timed_out);
        } else {
            let pending = Pending::LockAgain { operations, timed_out };
            self.wait_for_lock(Lock::Mutex(0), Deadline::Never, pending);
        }
    }

    pub(super) fn locked_again(&mut self, operations: &'p [Op], timed_out: bool) {
        self.green().shields -= 1;
        if self.green().wanted.take().is_some() {
            return self.unwind();
        }
        self.log(What::Notified { timed_out, poisoned: self.mutexes[0].poisoned });
        self.enter(Kind::Hold(Lock::Mutex(0)), operations);
    }

    pub(super) fn release(&mut self, lock: Lock) {
        let poisoned = self.is_panicking();
        match lock {
            Lock::Mutex(index) => {
                self.mutexes[index].poisoned |= poisoned;
                self.mutexes[index].held = false;
            }
            Lock::Notification => unreachable!("the thread holds a mutex"),
            Lock::Read => self.rwlock.readers -= 1,
            Lock::Write => {
                self.rwlock.poisoned |= poisoned;
                self.rwlock.written = false;
            }
            Lock::Permits(count) => self.semaphore.permits += count,
        }
        self.hand_over(place(lock));
    }

    pub(super) fn add_permits(&mut self, count: usize) {
        self.semaphore.permits += count;
        self.hand_over(Place::Permits);
    }

    pub(super) fn close_semaphore(&mut self) {
        self.semaphore.closed = true;
        self.wake_all(Place::Permits);
    }
}
