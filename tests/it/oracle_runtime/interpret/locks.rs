//! Operations on locks of leno.

use leno::sync::{
    AcquireTimeoutError, Condvar, LockResult, Mutex, PoisonError, RwLock, Semaphore,
    TryAcquireError, TryLockError, TryLockResult,
};

use super::super::{Failure, Lock, MUTEXES, Op, Patience, Poisoned, What};
use super::{Me, duration};

pub(super) struct Locks {
    mutexes: [Mutex<()>; MUTEXES],
    condvar: Condvar,
    rwlock: RwLock<()>,
    pub(super) semaphore: Semaphore,
}

impl Locks {
    pub(super) fn new(permits: usize) -> Locks {
        Locks {
            mutexes: std::array::from_fn(|_| Mutex::new(())),
            condvar: Condvar::new(),
            rwlock: RwLock::new(()),
            semaphore: Semaphore::new(permits),
        }
    }
}

type Held<G> = Result<(G, Poisoned), Failure>;

fn endless<G>(result: LockResult<G>) -> Held<G> {
    Ok(match result {
        Ok(guard) => (guard, false),
        Err(error) => (error.into_inner(), true),
    })
}

fn timed<G>(result: TryLockResult<G>) -> Held<G> {
    match result {
        Ok(guard) => Ok((guard, false)),
        Err(TryLockError::Poisoned(error)) => Ok((PoisonError::into_inner(error), true)),
        Err(TryLockError::WouldBlock) => Err(Failure::WouldBlock),
    }
}

impl Me<'_> {
    pub(super) fn hold(self, lock: Lock, patience: Patience, operations: &[Op]) {
        let Locks { mutexes, rwlock, semaphore, .. } = &self.world.locks;
        match lock {
            Lock::Mutex(index) => {
                let mutex = &mutexes[index];
                let held = match patience {
                    Patience::None => timed(mutex.try_lock()),
                    Patience::Millis(millis) => timed(mutex.lock_timeout(duration(millis))),
                    Patience::Endless => endless(mutex.lock()),
                };
                self.holding(lock, held, operations);
            }
            Lock::Notification => self.hold_when_notified(patience, operations),
            Lock::Read => {
                let held = match patience {
                    Patience::None => timed(rwlock.try_read()),
                    Patience::Millis(millis) => timed(rwlock.read_timeout(duration(millis))),
                    Patience::Endless => endless(rwlock.read()),
                };
                self.holding(lock, held, operations);
            }
            Lock::Write => {
                let held = match patience {
                    Patience::None => timed(rwlock.try_write()),
                    Patience::Millis(millis) => timed(rwlock.write_timeout(duration(millis))),
                    Patience::Endless => endless(rwlock.write()),
                };
                self.holding(lock, held, operations);
            }
            Lock::Permits(count) => {
                let held = match patience {
                    Patience::None => {
                        semaphore.try_acquire_many(count).map_err(|error| match error {
                            TryAcquireError::NoPermits => Failure::WouldBlock,
                            TryAcquireError::Closed => Failure::Closed,
                        })
                    }
                    Patience::Millis(millis) => (semaphore)
                        .acquire_many_timeout(count, duration(millis))
                        .map_err(|error| match error {
                            AcquireTimeoutError::Timeout => Failure::Timeout,
                            AcquireTimeoutError::Closed => Failure::Closed,
                        }),
                    Patience::Endless => semaphore.acquire_many(count).map_err(|_| Failure::Closed),
                };
                self.holding(lock, held.map(|permit| (permit, false)), operations);
            }
        }
    }

    fn holding<G>(self, lock: Lock, held: Held<G>, operations: &[Op]) {
        let result = held.as_ref().map(|(_, poisoned)| *poisoned).map_err(|failure| *failure);
        self.log(What::Held { lock, result });
        if held.is_ok() {
            self.block(operations);
        }
    }

    fn hold_when_notified(self, patience: Patience, operations: &[Op]) {
        let Locks { mutexes, condvar, .. } = &self.world.locks;
        let held = endless(mutexes[0].lock());
        let result = held.as_ref().map(|(_, poisoned)| *poisoned).map_err(|failure| *failure);
        self.log(What::Held { lock: Lock::Mutex(0), result });
        let Ok((guard, _)) = held else { return };
        let (_guard, timed_out, poisoned) = match patience {
            Patience::Millis(millis) => match condvar.wait_timeout(guard, duration(millis)) {
                Ok((guard, result)) => (guard, result.timed_out(), false),
                Err(error) => {
                    let (guard, result) = error.into_inner();
                    (guard, result.timed_out(), true)
                }
            },
            Patience::None | Patience::Endless => match condvar.wait(guard) {
                Ok(guard) => (guard, false, false),
                Err(error) => (error.into_inner(), false, true),
            },
        };
        self.log(What::Notified { timed_out, poisoned });
        self.block(operations);
    }

    pub(super) fn notify(self, all: bool) {
        if all {
            self.world.locks.condvar.notify_all();
        } else {
            self.world.locks.condvar.notify_one();
        }
    }
}
