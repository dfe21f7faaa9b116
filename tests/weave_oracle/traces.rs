//! Each execution of a reduced exploration belongs to another equivalence class. Two
//! executions are equivalent if each conflict between two threads has the same order in
//! both (Mazurkiewicz' traces). The classes can be counted.

use std::collections::BTreeSet;

use leno::thread;
use leno::weave::{Explorer, Report, Shared};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::seed::{scaled, seeded_runner};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use {
    cell: usize,
    writes: bool,
}

/// The uses of each green thread, of which each is a step.
type Threads = Vec<Vec<Use>>;

/// A thread and the index of its step.
type Step = (usize, usize);

/// Counts the equivalence classes: sets of ordered pairs of conflicting uses.
fn kinds(threads: &Threads) -> usize {
    let mut found = BTreeSet::new();
    let mut places = vec![0; threads.len()];
    go_on(threads, &mut places, &mut Vec::new(), &mut found);
    found.len()
}

fn go_on(
    threads: &Threads,
    places: &mut [usize],
    run: &mut Vec<Step>,
    found: &mut BTreeSet<Vec<(Step, Step)>>,
) {
    let mut is_over = true;
    for thread in 0..threads.len() {
        if places[thread] < threads[thread].len() {
            is_over = false;
            run.push((thread, places[thread]));
            places[thread] += 1;
            go_on(threads, places, run, found);
            places[thread] -= 1;
            run.pop();
        }
    }
    if is_over {
        let mut pairs = Vec::new();
        for (index, &one) in run.iter().enumerate() {
            for &other in &run[index + 1..] {
                let (first, second) = (threads[one.0][one.1], threads[other.0][other.1]);
                let conflict = first.cell == second.cell && (first.writes || second.writes);
                if one.0 != other.0 && conflict {
                    pairs.push((one, other));
                }
            }
        }
        pairs.sort_unstable();
        found.insert(pairs);
    }
}

fn explore(threads: &Threads) -> Report<()> {
    let count = 1 + threads.iter().flatten().map(|used| used.cell).max().unwrap_or(0);
    Explorer::new().preemptive().reduced().explore(|| {
        let cells: Vec<Shared<u32>> = (0..count).map(|_| Shared::new(0)).collect();
        leno::scope(|scope| {
            for uses in threads {
                let cells = &cells;
                scope.spawn(move || {
                    for used in uses {
                        match used.writes {
                            true => cells[used.cell].set(1),
                            false => _ = cells[used.cell].get(),
                        }
                    }
                });
            }
        });
    })
}

#[test]
fn each_execution_is_of_another_class() {
    let name = "kinds of executions";
    let (mut runner, repeat) = seeded_runner(name, scaled(1_500));
    let used = (0..3_usize, any::<bool>()).prop_map(|(cell, writes)| Use { cell, writes });
    let redundant = std::cell::Cell::new((0, 0));
    let result = runner.run(&vec(vec(used, 1..=3), 2..=3), |threads| {
        let report = explore(&threads);
        let kinds = kinds(&threads);
        let (all, more) = redundant.get();
        redundant.set((all + report.executions(), more + report.redundant()));
        match report.executions() == kinds as u64 {
            true => Ok(()),
            false => Err(TestCaseError::fail(format!("{kinds} kinds, {report}"))),
        }
    });
    println!("  executions, and redundant ones: {:?}", redundant.get());
    if let Err(error) = result {
        panic!("{repeat}\n{error}");
    }
}

/// Explores a program of `count` green threads with this body.
fn alike(count: usize, body: impl Fn(&[Shared<u32>], usize)) -> Report<()> {
    Explorer::new().preemptive().reduced().explore(|| {
        let cells: Vec<Shared<u32>> = (0..count).map(|_| Shared::new(0)).collect();
        leno::scope(|scope| {
            for number in 0..count {
                let (cells, body) = (&cells, &body);
                scope.spawn(move || body(cells, number));
            }
        });
    })
}

#[test]
fn independent_threads_run_in_one_order() {
    for count in 1..=6 {
        let report = alike(count, |cells, number| cells[number].set(1));
        assert_eq!((report.executions(), report.redundant()), (1, 0));
        let report = alike(count, |cells, _| _ = cells[0].get());
        assert_eq!((report.executions(), report.redundant()), (1, 0));
    }
}

#[test]
fn writers_run_in_every_order() {
    let mut orders = 1;
    for count in 1..=5 {
        orders *= count;
        let report = alike(count, |cells, _| cells[0].set(1));
        assert_eq!(report.executions(), orders as u64, "{report}");
    }
}

/// Each reader comes either before the writer or after it.
#[test]
fn readers_run_before_or_after_a_writer() {
    for readers in 1..=5 {
        let report = alike(readers + 1, |cells, number| match number {
            0 => cells[0].set(1),
            _ => _ = cells[0].get(),
        });
        assert_eq!(report.executions(), 1 << readers, "{report}");
    }
}

/// Joining one thread after the other equals joining all at once.
#[test]
fn joins_are_independent() {
    for explorer in [Explorer::new(), Explorer::new().preemptive()] {
        for count in 1..=5 {
            let report = explorer.clone().reduced().explore(|| {
                let spawn = |_| thread::spawn(|| {});
                let all: Vec<_> = (0..count).map(spawn).collect();
                all.into_iter().for_each(|handle| handle.join().unwrap());
            });
            assert_eq!((report.executions(), report.redundant()), (1, 0));
        }
    }
}

/// The program of the paper on source sets (figure 2 there): one thread writes, and the
/// others each write a cell of their own and then read the first.
#[test]
fn readers_with_writes_run_before_or_after_a_writer() {
    for readers in 1..=4 {
        let report = alike(readers + 1, |cells, number| match number {
            0 => cells[0].set(1),
            _ => {
                cells[number].set(1);
                cells[0].get();
            }
        });
        assert_eq!(report.executions(), 1 << readers, "{report}");
    }
}
