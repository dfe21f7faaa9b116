//! Every order in which a `Select` meets operations that never wait.

use std::cell::Cell;

use leno::channel::bounded;
use leno::select;
use leno::weave::Explorer;

use super::SECOND;
use super::meeting::{to_receive, to_send};
use crate::weave::values;

/// Lets a select meet a `try_recv`, and another one a `select!` with default and a `try_send`.
fn four_that_may_meet() -> [i32; 4] {
    let (sender, receiver) = bounded(0);
    let got = [0; 4].map(Cell::new);
    leno::scope(|scope| {
        scope.spawn(|| {
            let mut select = to_send(&sender);
            if let Ok(selected) = select.select_timeout(SECOND) {
                selected.send(&sender, 1).unwrap();
                got[0].set(1);
            }
        });
        scope.spawn(|| got[1].set(receiver.try_recv().unwrap_or(-1)));
        scope.spawn(|| {
            got[2].set(select! { recv(receiver) -> got => got.unwrap(), default => -1 });
        });
        scope.spawn(|| {
            if to_receive(&receiver).ready_timeout(SECOND).is_ok() {
                got[3].set(receiver.try_recv().unwrap_or(-1));
            }
        });
    });
    got.map(Cell::into_inner)
}

/// Lets a select meet what sends without waiting.
fn three_that_may_send() -> [i32; 3] {
    let (sender, receiver) = bounded(0);
    let got = [0; 3].map(Cell::new);
    leno::scope(|scope| {
        scope.spawn(|| {
            if let Ok(selected) = to_receive(&receiver).select_timeout(SECOND) {
                got[0].set(selected.recv(&receiver).unwrap());
            }
        });
        scope.spawn(|| got[1].set(i32::from(sender.try_send(1).is_ok())));
        scope.spawn(|| {
            got[2]
                .set(select! { send(sender, 2) -> sent => i32::from(sent.is_ok()), default => 0 });
        });
    });
    got.map(Cell::into_inner)
}

#[test]
fn meetings_are_the_same_in_reduced_explorations() {
    fn check<const N: usize>(explorer: Explorer, program: fn() -> [i32; N], expected: &[[i32; N]]) {
        for explorer in [explorer.clone(), explorer.reduced()] {
            let report = explorer.explore(program);
            assert!(report.is_complete() && report.failures().is_empty(), "{report}");
            assert_eq!(values(&report), expected);
        }
    }
    let met = [[1, -1, -1, 1], [1, -1, 1, 0], [1, 1, -1, 0]];
    check(Explorer::new(), four_that_may_meet, &met);
    // Another thread receives between `ready` and `try_recv`.
    let met = [[1, -1, -1, 1], [1, -1, 1, -1], [1, -1, 1, 0], [1, 1, -1, -1], [1, 1, -1, 0]];
    check(Explorer::new().preemptive(), four_that_may_meet, &met);
    for explorer in [Explorer::new(), Explorer::new().preemptive()] {
        check(explorer, three_that_may_send, &[[0, 0, 0], [1, 1, 0], [2, 0, 1]]);
    }
}
