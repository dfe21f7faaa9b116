//! The same seed gives the same run on both architectures, optimised or not. The
//! timelines of such runs are compared with stored texts.

mod program;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use leno::debug::Recorder;
use leno::{Builder, Policy};

/// The value and a digest of the timeline of several runs.
const OUTCOMES: &str = include_str!("determinism/outcomes.txt");

/// The complete timeline of the run with seed 0, which shows the first difference.
const TIMELINE: &str = include_str!("determinism/seed_0.txt");

fn run(policy: Policy) -> (u64, String) {
    let recorder = Recorder::new();
    let builder = Builder::new().virtual_time().policy(policy).recorder(&recorder);
    let value = builder.run(program::run);
    (value, recorder.timeline().text(120, usize::MAX))
}

/// Returns the FNV-1a hash, which needs neither a table nor a crate.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn outcome(name: &str, policy: Policy) -> String {
    let (value, text) = run(policy);
    format!("{name}  value {value:016x}  timeline {:016x}\n", digest(&text))
}

/// Compares `text` with that of a file of this test.
fn compare(name: &str, text: &str, expected: &str) -> Result<(), String> {
    if text == expected {
        return Ok(());
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("the folder of the tests can be written to");
    Err(format!(
        "the runs differ from tests/it/determinism/{name}\n next: if the difference is intended, \
         copy {} there",
        path.display()
    ))
}

#[test]
fn a_seed_determines_the_run_on_every_machine() {
    let mut outcomes = outcome("fifo  ", Policy::fifo());
    for seed in 0..8 {
        let _ = write!(outcomes, "{}", outcome(&format!("seed {seed}"), Policy::random(seed)));
    }
    let complaints = [
        compare("seed_0.txt", &run(Policy::random(0)).1, TIMELINE),
        compare("outcomes.txt", &outcomes, OUTCOMES),
    ];
    let complaints: Vec<String> = complaints.into_iter().filter_map(Result::err).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn the_same_seed_repeats_its_run() {
    for seed in [3, 4, u64::MAX] {
        let first = run(Policy::random(seed));
        for _ in 0..5 {
            assert_eq!(run(Policy::random(seed)), first);
        }
    }
}

#[test]
fn another_seed_gives_another_run() {
    let mut digests: Vec<u64> = (0..50).map(|seed| digest(&run(Policy::random(seed)).1)).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 50);
}
