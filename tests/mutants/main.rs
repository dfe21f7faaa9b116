//! Mutation tests: checks that the suite detects every mistake in the assembly.
//!
//! Each instruction of `arch/` that saves, restores or adjusts is deleted or corrupted in turn, and the
//! register tests are built and run with the result. This test fails if a mutant is detected neither by
//! the register tests nor by the checks of the text in `tests/tidy`. `runtime.rs` plants mistakes in the
//! runtime, and `weave.rs` in the explorer, where `marker.rs` finds a marker in the source.
//!
//! The tests take minutes, so they run only on request:
//!
//! ```text
//! LENO_MUTANTS=1 cargo test --test mutants
//! ```
//!
//! `LENO_MUTANTS=aarch64` tests that instruction set alone, `runtime` the runtime and `weave` the
//! explorer, `net` the sockets, `files` the files and `ring` the engine of io_uring. `sample` tests a
//! tenth of each, drawn anew each time, because CI has no
//! time for more. The instruction set that is not the machine's own needs a linker and a runner, in the
//! variables that cargo reads.

#[path = "../tidy/assembly.rs"]
mod assembly;
mod catalogue;
mod files;
#[path = "../tidy/lexer.rs"]
mod lexer;
mod marker;
mod mistakes;
mod net;
mod page;
mod runtime;
mod shards;
mod weave;
mod workers;
mod workshop;

use std::env;
use std::fs;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use catalogue::{Dialect, Mutant};
use workshop::{Build, Kit, Outcome, Target, Workshop};

/// The number of mutants that are tested at the same time.
const WORKERS: usize = 2;
/// With `LENO_MUTANTS=sample`, one in this many mutants of each kind is tested.
const SAMPLED: usize = 10;
/// The timeout of a run without a mutant.
const FIRST_TIMEOUT: Duration = Duration::from_secs(600);
/// Held by each test that measures run times, so that these tests do not run in parallel.
static TURN: Mutex<()> = Mutex::new(());
const DIALECTS: [Dialect; 2] = [catalogue::X86_64, catalogue::AARCH64];

#[test]
fn every_mutant_of_the_assembly_is_noticed() {
    let dialects: Vec<&Dialect> =
        DIALECTS.iter().filter(|dialect| asked_for(dialect.name)).collect();
    if dialects.is_empty() {
        return say("not asked for: set LENO_MUTANTS=1 to try the mutants of the assembly");
    }
    let _turn = TURN.lock();
    let workshops: Vec<Workshop> = (0..WORKERS)
        .map(|worker| Workshop::new(root("assembly").join(worker.to_string()), &Kit::registers()))
        .map(|workshop| workshop.expect("a copy of the package"))
        .collect();
    let mut survivors = 0;
    let mut summary = Vec::new();
    for dialect in dialects {
        let (killed, all) = try_all(dialect, &workshops);
        survivors += all - killed;
        summary.push(format!("{}: killed {killed} / {all}", dialect.name));
    }
    say(&summary.join("\n"));
    assert_eq!(survivors, 0, "the suite does not notice every mistake");
}

/// Returns `true` if `LENO_MUTANTS` selects the mutants `name`.
fn asked_for(name: &str) -> bool {
    let Some(asked) = env::var_os("LENO_MUTANTS") else { return false };
    let known = [
        "1", "sample", "x86_64", "aarch64", "runtime", "weave", "page", "net", "files", "shards",
        "workers", "ring",
    ];
    assert!(known.iter().any(|known| asked == *known), "LENO_MUTANTS is one of {known:?}");
    asked == "1" || asked == "sample" || asked == name
}

/// The seed of a sample: `LENO_MUTANTS_SEED`, or a random number.
static SEED: LazyLock<u64> = LazyLock::new(|| match env::var("LENO_MUTANTS_SEED") {
    Ok(text) => text.parse().expect("LENO_MUTANTS_SEED is a number"),
    Err(_) => RandomState::new().hash_one(()) >> 32,
});

/// Returns `mutants`, or with `LENO_MUTANTS=sample` one in [`SAMPLED`] of them, drawn with
/// [`SEED`], which it prints.
fn sampled<M>(name: &str, mutants: Vec<M>) -> Vec<M> {
    if env::var_os("LENO_MUTANTS").is_none_or(|asked| asked != "sample") {
        return mutants;
    }
    let seed = *SEED;
    say(&format!("{name}: one in {SAMPLED} mutants; the same with LENO_MUTANTS_SEED={seed}"));
    // Mutants of one instruction are neighbours, so one of each group of neighbours is drawn.
    let count = mutants.len();
    let drawn = |index: usize| {
        let group = index / SAMPLED;
        let size = SAMPLED.min(count - group * SAMPLED);
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((seed, group));
        index % SAMPLED == hash as usize % size
    };
    let mutants = mutants.into_iter().enumerate();
    mutants.filter(|(index, _)| drawn(*index)).map(|(_, mutant)| mutant).collect()
}

/// Prints `text`, also if the test passes and its output is captured.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Tests all mutants of one instruction set. Returns the number of killed mutants and the number of
/// mutants.
fn try_all(dialect: &Dialect, workshops: &[Workshop]) -> (usize, usize) {
    let file = format!("arch/{}.rs", dialect.name);
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).unwrap();
    let mutants = sampled(dialect.name, catalogue::mutants(dialect, &source));
    let mut target = target(dialect.name);
    let longest = check_that_all_is_well(&workshops[0], &target);
    // Some mutants never end, and waiting for them takes most of the time.
    target.timeout = 8 * longest + Duration::from_secs(3);
    let verdicts = try_in(workshops, &mutants, |workshop, mutant| {
        let mutated = mutant.apply(&source);
        workshop.write(&file, &mutated).expect("the copy can be written");
        let verdict = judge(workshop, &target, mutant, &mutated);
        workshop.write(&file, &source).expect("the copy can be written");
        verdict
    });
    report(dialect, &mutants, &verdicts)
}

/// Returns the folder of the workshops of a kind of mutants.
fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants").join(name)
}

/// Tests all mutants, with all workers at the same time, and returns the verdicts.
fn try_in<W: Sync, M: Sync, V: Clone + Send>(
    workers: &[W],
    mutants: &[M],
    judge: impl Fn(&W, &M) -> V + Sync,
) -> Vec<V> {
    forbid_core_dumps();
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(vec![None; mutants.len()]);
    thread::scope(|scope| {
        for worker in workers {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(mutant) = mutants.get(index) else { return };
                    let verdict = judge(worker, mutant);
                    verdicts.lock().unwrap()[index] = Some(verdict);
                    if (index + 1).is_multiple_of(20) {
                        say(&format!("{} of {}", index + 1, mutants.len()));
                    }
                }
            });
        }
    });
    verdicts.into_inner().unwrap().into_iter().flatten().collect()
}

/// Checks that the unchanged sources pass, without which no verdict has a meaning. Returns the time of
/// the longest run.
fn check_that_all_is_well(workshop: &Workshop, target: &Target) -> Duration {
    let mut longest = Duration::ZERO;
    for (fp_env, optimised) in [(false, false), (true, false), (false, true), (true, true)] {
        let build = Build { fp_env, optimised };
        let (outcome, took) = workshop.try_out(target, build).expect("cargo runs");
        assert_eq!(outcome, Outcome::Passed, "{} as it is, {build:?}", target.triple);
        longest = longest.max(took);
    }
    longest
}

/// The result of testing a mutant.
#[derive(Clone, Debug)]
enum Verdict {
    KilledBy(String),
    /// The mutant does not build, so it proves nothing and is not counted.
    Stillborn(String),
    Survived,
}

fn judge(workshop: &Workshop, target: &Target, mutant: &Mutant, mutated: &str) -> Verdict {
    for build in builds(mutant) {
        match workshop.try_out(target, build).expect("cargo runs").0 {
            Outcome::Passed => {}
            Outcome::Failed(by) => return Verdict::KilledBy(by),
            Outcome::DoesNotBuild(why) => return Verdict::Stillborn(why),
        }
    }
    match assembly::complaints(mutated).first() {
        Some(complaint) => Verdict::KilledBy(format!("tidy: {complaint}")),
        None => Verdict::Survived,
    }
}

/// Returns the builds that may detect a mutant, the most likely first.
fn builds(mutant: &Mutant) -> Vec<Build> {
    let mut all = Vec::new();
    for optimised in [mutant.optimised, !mutant.optimised] {
        for fp_env in [false, true] {
            if mutant.fp_env.is_none_or(|only| only == fp_env) {
                all.push(Build { fp_env, optimised });
            }
        }
    }
    all
}

fn report(dialect: &Dialect, mutants: &[Mutant], verdicts: &[Verdict]) -> (usize, usize) {
    let mut lines: Vec<[String; 4]> = Vec::new();
    let (mut killed, mut stillborn) = (0, 0);
    for (mutant, verdict) in mutants.iter().zip(verdicts) {
        let verdict = match verdict {
            Verdict::KilledBy(by) => {
                killed += 1;
                by.clone()
            }
            Verdict::Stillborn(why) => {
                stillborn += 1;
                format!("(does not build, not counted: {why})")
            }
            Verdict::Survived => "SURVIVED".to_owned(),
        };
        lines.push([mutant.place.clone(), mutant.before.clone(), mutant.what.clone(), verdict]);
    }
    let mut table = format!("\n{}: mutants, and what noticed each\n", dialect.name);
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let (place, before, what) = (width(0), width(1), width(2));
    for [in_place, instruction, change, verdict] in &lines {
        table += &format!("{in_place:place$}  {instruction:before$}  {change:what$}  {verdict}\n");
    }
    say(&table);
    (killed, mutants.len() - stillborn)
}

/// Returns how programs for an instruction set are built and run on this machine.
///
/// # Panics
///
/// If the instruction set needs a linker or a runner that is not configured.
fn target(isa: &str) -> Target {
    let triple = format!("{isa}-unknown-linux-gnu");
    if isa == env::consts::ARCH {
        return Target { triple, runner: Vec::new(), timeout: FIRST_TIMEOUT };
    }
    let prefix = format!("CARGO_TARGET_{}_", triple.to_uppercase().replace('-', "_"));
    let variable = |name: &str| {
        let name = format!("{prefix}{name}");
        env::var(&name).unwrap_or_else(|_| {
            panic!("the mutants of {isa} need {name}; see CONTRIBUTING.md, or how CI sets it")
        })
    };
    let _used_by_cargo = variable("LINKER");
    let runner = variable("RUNNER").split_whitespace().map(str::to_owned).collect();
    Target { triple, runner, timeout: FIRST_TIMEOUT }
}

/// Disables core dumps, because most mutants crash and their dumps are of no use.
fn forbid_core_dumps() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // Children inherit the limit.
    // SAFETY: `none` is a live rlimit, which setrlimit only reads.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}

#[test]
fn the_catalogue_has_every_instruction_of_a_switch() {
    for dialect in &DIALECTS {
        let file = format!("{}/arch/{}.rs", env!("CARGO_MANIFEST_DIR"), dialect.name);
        let source = fs::read_to_string(file).unwrap();
        let mutants = catalogue::mutants(dialect, &source);
        let regions = assembly::regions(&source);
        for name in assembly::SWITCHING {
            for instruction in assembly::flatten(&regions, name, true) {
                let covered = mutants
                    .iter()
                    .any(|mutant| mutant.what == "deleted" && mutant.before == instruction.text);
                let exempt = !catalogue::is_mutable(&instruction.text);
                assert!(covered || exempt, "{}: `{}`", dialect.name, instruction.text);
            }
        }
        for mutant in &mutants {
            assert_ne!(mutant.apply(&source), source, "{mutant:?} changes nothing");
        }
        let of_saved = mutants.iter().filter(|mutant| mutant.place == "Saved").count();
        assert!(of_saved >= 3, "{}: two swapped pairs of fields, an environment", dialect.name);
    }
}
