//! The seed of random programs, with which a run can be repeated.

use std::hash::{BuildHasher, RandomState};

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const DEFAULT_SEED: u64 = 0x1e40;

/// Returns a runner with programs that depend only on a seed. Prints and returns how
/// to repeat them.
pub(crate) fn seeded_runner(name: &str, cases: u32) -> (TestRunner, String) {
    let seed = match std::env::var("LENO_TEST_SEED") {
        Ok(text) if text == "random" => RandomState::new().hash_one(name),
        Ok(text) => text.parse().expect("LENO_TEST_SEED is a number or `random`"),
        Err(_) => DEFAULT_SEED,
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let repeat = format!("{name}: {cases} programs; repeat them with LENO_TEST_SEED={seed}");
    println!("{repeat}");
    (TestRunner::new_with_rng(config, rng), repeat)
}

/// Returns the number of programs: `LENO_TEST_PROGRAMS` if it is set, otherwise one in [`share`] of
/// `cases`.
pub(crate) fn scaled(cases: u32) -> u32 {
    let programs = number("LENO_TEST_PROGRAMS");
    programs.unwrap_or_else(|| (cases / share().unwrap_or(1)).max(1))
}

/// Returns `LENO_TEST_SHARE`, of which one program is run. The default is all of them, or one in 20 in
/// an emulator.
pub(crate) fn share() -> Option<u32> {
    number("LENO_TEST_SHARE").or(is_emulated().then_some(20)).map(|share| share.max(1))
}

fn number(name: &str) -> Option<u32> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Returns `true` if each instruction is emulated.
pub(crate) fn is_emulated() -> bool {
    cfg!(target_arch = "aarch64")
        && std::env::var_os("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").is_some()
}
