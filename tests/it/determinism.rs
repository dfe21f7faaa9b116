//! The same seed gives the same run: on both architectures, optimised or not. The
//! timelines of such runs are compared with texts that are kept here.

mod program;

use std::fs;
use std::path::Path;

use leno::debug::Recorder;
use leno::{Builder, Policy};

/// What a run comes to: its value, and a digest of its timeline.
type Outcome = (u64, u64);

const FIFO: Outcome = (0xaec111c38ecac632, 0x4a88356f138d7302);

/// By seed.
const RANDOM: [Outcome; 8] = [
    (0x354431dfe3ee1dc7, 0x9d3ab1168a3370d9),
    (0xff33c3db488afaec, 0xc82b7dbf2a0f051e),
    (0x46e7e6e51a64f06d, 0x1a16f6f7f5faec3d),
    (0x330fa3e731963b4c, 0xa8ad106bbba6f29b),
    (0xf668ffbe704df304, 0x5f0a8189d3ce4b30),
    (0x68b083d51e6ec38a, 0xa8d842b39da2ea43),
    (0xe97ff430a730b6d9, 0xd92707bc41a3faae),
    (0x9478e970811131c6, 0xac00d9b621e71400),
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
