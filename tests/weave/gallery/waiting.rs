//! Waiting threads that are never woken.

use leno::scope;
use leno::sync::{Condvar, Mutex};

use super::{Bug, DEADLOCK, Proof, Search, bugs};

bugs! {
    sync01: Bug {
        wrong: || sync01(false),
        right: || sync01(true),
        ..DEADLOCK
    },
    sync02: Bug {
        wrong: || sync02(2),
        right: || sync02(0),
        proof: Proof::Reduced,
        ..DEADLOCK
    },
    bounded_buffer: Bug {
        wrong: || bounded_buffer(Condvar::notify_one),
        right: || bounded_buffer(Condvar::notify_all),
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..DEADLOCK
    },
}

/// A count under a lock, and condition variables for its changes.
struct Count {
    number: Mutex<u32>,
    empty: Condvar,
    full: Condvar,
}

impl Count {
    fn new(number: u32) -> Count {
        Count { number: Mutex::new(number), empty: Condvar::new(), full: Condvar::new() }
    }

    fn produce(&self) {
        let mut number = self.number.lock().unwrap();
        while *number > 0 {
            number = self.empty.wait(number).unwrap();
        }
        *number += 1;
        drop(number);
        self.full.notify_one();
    }

    fn consume(&self, takes: bool) {
        let mut number = self.number.lock().unwrap();
        while *number == 0 {
            number = self.full.wait(number).unwrap();
        }
        if takes {
            *number -= 1;
        }
        drop(number);
        self.empty.notify_one();
    }
}

/// `sync01_bad`: a consumer that forgets to consume.
fn sync01(takes: bool) {
    let count = Count::new(1);
    scope(|scope| {
        scope.spawn(|| count.produce());
        scope.spawn(|| count.consume(takes));
    });
}

/// `sync02_bad`: two rounds of both threads, but the count begins with the number of
/// elements that will be consumed.
fn sync02(start: u32) {
    let count = Count::new(start);
    scope(|scope| {
        scope.spawn(|| (0..2).for_each(|_| count.produce()));
        scope.spawn(|| (0..2).for_each(|_| count.consume(true)));
    });
}

/// Tom Cargill's bounded buffer, as two threads that take and one that puts, with one
/// slot (c2 wiki, "Extreme Programming Challenge Fourteen" and "... The Bug"). All
/// threads wait in one queue, so the notified thread may be unable to continue.
fn bounded_buffer(notify: fn(&Condvar)) {
    let slot = Mutex::new(None);
    let changed = Condvar::new();
    let take = || {
        let mut slot = changed.wait_while(slot.lock().unwrap(), |slot| slot.is_none()).unwrap();
        notify(&changed);
        *slot = None;
    };
    scope(|scope| {
        scope.spawn(take);
        scope.spawn(take);
        scope.spawn(|| {
            for element in 0..2 {
                let mut slot =
                    changed.wait_while(slot.lock().unwrap(), |slot| slot.is_some()).unwrap();
                notify(&changed);
                *slot = Some(element);
            }
        });
    });
}
