//! The distributions of sampled executions match the documentation.

use std::cell::RefCell;
use std::collections::BTreeMap;

use leno::weave::{Explorer, Report, Shared};

/// Returns a program whose threads take these numbers of turns and log each turn.
fn turns(counts: &'static [usize]) -> impl Fn() -> String {
    move || {
        let out = RefCell::new(String::new());
        leno::scope(|scope| {
            for (number, &count) in counts.iter().enumerate() {
                let out = &out;
                scope.spawn(move || {
                    for turn in 0..count {
                        if turn > 0 {
                            leno::yield_now();
                        }
                        out.borrow_mut().push(char::from(b'a' + number as u8));
                    }
                });
            }
        });
        out.into_inner()
    }
}

/// Returns Pearson's chi-square of the counts against equal ones.
fn chi_square(report: &Report<String>, kinds: usize) -> f64 {
    let expected = report.executions() as f64 / kinds as f64;
    let seen = report.outcomes().values().map(|outcome| outcome.count());
    let unseen = kinds - report.outcomes().len();
    let square = |count: u64| (count as f64 - expected).powi(2) / expected;
    seen.map(square).sum::<f64>() + unseen as f64 * expected
}

/// Returns the value that chi-square exceeds by chance once in a thousand times, for
/// this many degrees of freedom (Wilson and Hilferty's approximation).
fn limit(freedom: usize) -> f64 {
    const NORMAL: f64 = 3.09;
    let part = 2.0 / (9.0 * freedom as f64);
    freedom as f64 * (1.0 - part + NORMAL * part.sqrt()).powi(3)
}

fn factorial(number: usize) -> usize {
    (1..=number).product()
}

fn interleavings(counts: &[usize]) -> usize {
    let all: usize = counts.iter().sum();
    counts.iter().fold(factorial(all), |orders, &count| orders / factorial(count))
}

#[test]
fn uniform_draws_all_interleavings_equally_often() {
    for counts in [&[3, 3][..], &[3, 2, 2], &[1, 4]] {
        let kinds = interleavings(counts);
        for seed in 0..2 {
            let explorer = Explorer::new().max_executions(100 * kinds as u64);
            let uniform = explorer.clone().uniform(seed).explore(turns(counts));
            let random = explorer.random(seed).explore(turns(counts));
            let (uniform, random) = (chi_square(&uniform, kinds), chi_square(&random, kinds));
            let limit = limit(kinds - 1);
            println!("{counts:?}, seed {seed}: {uniform:.0} and {random:.0}, limit {limit:.0}");
            assert!(uniform < limit, "{counts:?}: {uniform} is more than {limit}");
            // An even choice at each step favours threads with few turns left.
            assert!(random > 2.0 * limit, "{counts:?}: {random}");
        }
    }
}

/// Returns the count and the schedule of each outcome, which identify the executions.
fn schedules(explorer: &Explorer) -> BTreeMap<String, (u64, String)> {
    let report = explorer.explore(turns(&[3, 2, 2]));
    let outcome = |(text, outcome): (&String, &leno::weave::Outcome)| {
        (text.clone(), (outcome.count(), outcome.schedule().to_string()))
    };
    report.outcomes().iter().map(outcome).collect()
}

#[test]
fn a_seed_repeats_its_executions() {
    let explorer = Explorer::new().max_executions(500);
    type Draw = fn(Explorer, u64) -> Explorer;
    let ways: [Draw; 4] = [
        Explorer::random,
        Explorer::uniform,
        |explorer, seed| explorer.pct(seed, 3),
        Explorer::portfolio,
    ];
    for way in ways {
        let draw = |seed| schedules(&way(explorer.clone(), seed));
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let explorer = Explorer::new().max_executions(300);
    let program = turns(&[3, 2, 2]);
    for explorer in [explorer.clone().uniform(3), explorer.clone().pct(3, 3), explorer.portfolio(3)]
    {
        let alone = explorer.explore(&program);
        let together = explorer.workers(3).explore(&program);
        assert_eq!(alone.to_string(), together.to_string());
    }
}

/// A program with a bug: `threads` green threads of `turns` turns each, in which the
/// turns of `order`, as pairs of thread and turn, come in this order.
struct Bug {
    threads: usize,
    turns: u32,
    order: &'static [(usize, u32)],
}

impl Bug {
    /// Returns the fraction of executions that find the bug.
    fn frequency(&self, depth: u32, executions: u64) -> f64 {
        let program = || {
            let seen = Shared::new(Vec::new());
            leno::scope(|scope| {
                for number in 0..self.threads {
                    let seen = &seen;
                    scope.spawn(move || {
                        for turn in 0..self.turns {
                            if turn > 0 {
                                leno::yield_now();
                            }
                            seen.update(|seen| seen.push((number, turn)));
                        }
                    });
                }
            });
            let seen = seen.into_inner();
            let mut wanted = self.order.iter();
            let mut next = wanted.next();
            for step in &seen {
                if next == Some(step) {
                    next = wanted.next();
                }
            }
            next.is_none()
        };
        let report = Explorer::new().max_executions(executions).pct(11, depth).explore(program);
        let found = report.outcomes().get(&true).map_or(0, |outcome| outcome.count());
        found as f64 / report.executions() as f64
    }

    /// Returns the bound of the paper, for the threads with the main one, and for their
    /// turns with its two.
    fn bound(&self, depth: u32) -> f64 {
        let threads = (self.threads + 1) as f64;
        let steps = f64::from(self.threads as u32 * self.turns + 2);
        1.0 / (threads * steps.powi(depth as i32 - 1))
    }
}

#[test]
fn pct_finds_bugs_at_the_promised_rate() {
    let bugs = [
        // The depth is the number of ordering constraints.
        (1, Bug { threads: 4, turns: 3, order: &[(3, 2), (0, 0)] }),
        (2, Bug { threads: 3, turns: 4, order: &[(0, 1), (1, 0), (0, 2)] }),
        (2, Bug { threads: 2, turns: 8, order: &[(1, 5), (0, 0), (1, 6)] }),
        (3, Bug { threads: 2, turns: 5, order: &[(0, 1), (1, 1), (0, 2), (1, 2)] }),
        (3, Bug { threads: 3, turns: 4, order: &[(2, 1), (0, 2), (2, 2), (0, 3)] }),
        (4, Bug { threads: 3, turns: 2, order: &[(0, 0), (1, 0), (2, 0), (1, 1), (0, 1)] }),
    ];
    for (depth, bug) in bugs {
        let executions = if depth < 3 { 2_000 } else { 6_000 };
        let (measured, bound) = (bug.frequency(depth, executions), bug.bound(depth));
        println!("depth {depth}: {measured:.4}, promised {bound:.4}");
        assert!(measured >= bound, "{measured} is less than {bound}");
        if depth > 1 {
            let without = bug.frequency(1, executions);
            assert_eq!(without, 0.0, "fixed priorities cannot find the bug");
        }
    }
}
