//! Runs in which the end of the main green thread cancels the rest.

use std::cell::Cell;
use std::panic;
use std::rc::Rc;

use leno::Builder;
use leno::channel::unbounded;
use leno::thread::{self, Cancelled};
use leno::time::{Duration, sleep};

use crate::support::{Ledger, OnDrop, SECOND, caught, text_of};

/// Spawns a worker without an end, which holds a value.
fn works(ledger: &Ledger, wait: fn()) -> thread::JoinHandle<()> {
    let value = ledger.value();
    leno::spawn(move || {
        let _value = value;
        loop {
            wait();
        }
    })
}

#[test]
fn the_end_of_the_main_thread_cancels_the_rest() {
    let runtime = Builder::new().virtual_time().cancel_rest().build();
    // The setting is that of the runtime, which may run again.
    for round in 0..2 {
        let ledger = Ledger::default();
        let (saved, spawned) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let (saves, spawns) = (saved.clone(), spawned.clone());
        let value = runtime.run(|| {
            let waits: [fn(); 3] = [leno::yield_now, || sleep(SECOND), || sleep(Duration::MAX)];
            let handles = waits.map(|wait| works(&ledger, wait));
            leno::spawn(move || {
                thread::shield(|| {
                    sleep(9 * SECOND);
                    saves.set(saves.get() + 1);
                });
                thread::park();
            });
            leno::spawn(move || {
                // What a destructor spawns is not cancelled.
                let _spawns = OnDrop(move || {
                    let spawns = spawns.clone();
                    drop(leno::spawn(move || {
                        sleep(SECOND);
                        spawns.set(true);
                    }));
                });
                thread::park();
            });
            // One that has not begun.
            leno::yield_now();
            drop(works(&ledger, || unreachable!("the closure never runs")));
            (round, handles)
        });
        ledger.check();
        assert_eq!((value.0, saved.get(), spawned.get()), (round, 1, true));
        for handle in value.1 {
            assert!(handle.join().unwrap_err().is::<Cancelled>());
        }
    }
}

#[test]
fn a_panic_of_the_main_thread_cancels_the_rest_as_well() {
    let ledger = Ledger::default();
    let payload = caught(|| {
        Builder::new().cancel_rest().run(|| {
            drop(works(&ledger, leno::yield_now));
            leno::yield_now();
            panic::resume_unwind(Box::new("the main thread's"))
        })
    });
    assert_eq!(text_of(payload.unwrap_err()), "the main thread's");
    ledger.check();
}

#[test]
fn a_run_without_that_setting_waits_for_the_rest() {
    let (sender, receiver) = unbounded();
    Builder::new().virtual_time().run(|| {
        drop(leno::spawn(move || {
            sleep(SECOND);
            sender.send("to its end").unwrap();
        }));
    });
    assert_eq!(receiver.try_recv(), Ok("to its end"));
}
