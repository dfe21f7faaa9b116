//! The same seed gives the same run: on both architectures, optimised or not. The
//! timelines of such runs are compared with texts that are kept here.

mod program;

use std::fs;
use std::path::Path;

use leno::debug::Recorder;
use leno::{Builder, Policy};

/// What a run comes to: its value, and a digest of its timeline.
type Outcome = (u64, u64);

const FIFO: Outcome = (0xe8957a9b2403b08e, 0xd54316f05bbb03f7);

/// By seed.
const RANDOM: [Outcome; 8] = [
    (0x4cd7983c57c5fcb, 0x41b554c4f33182a2),
    (0x9f04139134995810, 0xc0de4cd24d3bb88d),
    (0xfe54147544064d3d, 0xa994c551c962b61d),
    (0x3dc156fe0d102363, 0xe619e1abe6be3dbf),
    (0x546f35703d0377ca, 0x5a78dcc6276b0ec9),
    (0x1d7c0ca7824b2178, 0xbf31b657dda0cf02),
    (0x7efa1084748ecc28, 0xa5ba80ff52acc48c),
    (0x78f69759e52e90fd, 0x9c02a3a1d0e0dcc8),
];

/// The timeline of the run with the first seed, in full.
const FIRST: &str = include_str!("determinism/seed_0.txt");

fn run(policy: Policy) -> (u64, String) {
    let recorder = Recorder::new();
    let builder = Builder::new().virtual_time().policy(policy).recorder(&recorder);
    let value = builder.run(program::run);
    (value, recorder.timeline().text(120, usize::MAX))
}

/// FNV-1a, which needs no table and no crate.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn outcome(policy: Policy) -> Outcome {
    let (value, text) = run(policy);
    (value, digest(&text))
}

#[test]
fn the_same_seed_gives_the_same_run_on_every_machine() {
    let (_, text) = run(Policy::random(0));
    if text != FIRST {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("seed_0.txt");
        fs::write(&path, &text).expect("the folder of the tests can be written to");
        panic!(
            "the run is not the one in tests/it/determinism/seed_0.txt: compare that with {}. If \
             it is to be another one, copy that here, and take over the outcomes that the next \
             run of this test prints.\n{text}",
            path.display()
        );
    }
    let outcomes: Vec<Outcome> = (0..8).map(|seed| outcome(Policy::random(seed))).collect();
    assert_eq!(outcomes, RANDOM);
    assert_eq!(outcome(Policy::fifo()), FIFO);
}

#[test]
fn the_same_seed_gives_the_same_run_again_and_again() {
    for seed in [3, 4, u64::MAX] {
        let first = run(Policy::random(seed));
        for _ in 0..5 {
            assert_eq!(run(Policy::random(seed)), first);
        }
    }
}

#[test]
fn another_seed_gives_another_run() {
    let mut digests: Vec<u64> = (0..50).map(|seed| outcome(Policy::random(seed)).1).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 50);
}
