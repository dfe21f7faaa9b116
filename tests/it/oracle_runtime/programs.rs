//! Random programs: running them, and counting what they do.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::strategy::Strategy;
use proptest::test_runner::TestCaseError;

use crate::oracle_coroutine::{scaled, seeded_runner};

/// The number of times that programs did what they are meant to test, by name.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    pub(crate) fn add(&mut self, name: &'static str, count: usize) {
        *self.0.entry(name).or_default() += count;
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Checks that each name has more than `least` counts. A share of the programs deviates more from
    /// the average, so half of that suffices there.
    #[track_caller]
    pub(crate) fn check(&self, least: usize, names: &[&str]) {
        let least = if scaled(1_000) < 1_000 { least / 2 } else { least };
        for name in names {
            assert!(self.count(name) > least, "{name}: {self:?}");
        }
    }
}

/// Runs `test` with `cases` random programs, or fewer in an emulator. Returns the
/// number of programs, and the tally, which it prints.
pub(crate) fn run_programs<S: Strategy>(
    name: &str,
    cases: u32,
    programs: &S,
    test: impl Fn(&S::Value, &mut Tally) -> Result<(), String>,
) -> (usize, Tally) {
    let cases = scaled(cases);
    let (mut runner, repeat) = seeded_runner(name, cases);
    let tally = RefCell::new(Tally::default());
    let result = runner.run(programs, |program| {
        test(&program, &mut tally.borrow_mut()).map_err(TestCaseError::fail)
    });
    if let Err(error) = result {
        panic!("{repeat}\n{error}");
    }
    let tally = tally.into_inner();
    println!("  {tally:?}");
    (cases as usize, tally)
}
