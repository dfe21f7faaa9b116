//! Mistakes that are planted in the sources, where a [marker](super::marker) has their name. All mistakes
//! of a table are compiled into one build. An oracle then runs once with each of them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::marker;
use super::workshop::{Build, Kit, Outcome, Target, Workshop};
use super::{
    TURN, WORKERS, asked_for, files, net, page, root, runtime, sampled, say, shards, target,
    try_in, weave, workers,
};

/// A mistake.
pub struct Mistake {
    /// The name, which the marker has.
    pub name: &'static str,
    /// The code with the mistake. `$` stands for the original code.
    pub replacement: &'static str,
    /// A description of the behaviour with the mistake.
    what: &'static str,
}

pub const fn mistake(name: &'static str, replacement: &'static str, what: &'static str) -> Mistake {
    Mistake { name, replacement, what }
}

/// Checks that the oracle of `kit` finds each of the mistakes.
pub fn try_mistakes(name: &str, kit: &Kit, mistakes: &[Mistake]) {
    if !asked_for(name) {
        return say(&format!(
            "not asked for: set LENO_MUTANTS=1 to try the mistakes in the {name}"
        ));
    }
    let _turn = TURN.lock();
    let start = Instant::now();
    let workshop = Workshop::new(root(name), kit).expect("a copy of the package");
    workshop.plant(mistakes).expect("the copy can be written");
    let mut target = target(env::consts::ARCH);
    let program = workshop
        .build(&target, Build { fp_env: false, optimised: false })
        .expect("cargo runs")
        .unwrap_or_else(|errors| panic!("a mistake in the {name} does not compile:\n{errors}"));
    let built = Instant::now();
    let run = |target: &Target, mistake| {
        workshop.run(target, &program, mistake).expect("the program runs")
    };
    assert_eq!(run(&target, None), Outcome::Passed, "{name}: without a mistake");
    // A run that other processes slow down must not count as one that never ends.
    target.timeout = 10 * built.elapsed() + Duration::from_secs(10);
    let mistakes = sampled(name, mistakes.iter().collect());
    let outcomes = try_in(&[(); WORKERS], &mistakes, |(), mistake| {
        let start = Instant::now();
        (run(&target, Some(mistake.name)), start.elapsed())
    });
    let mut missed = 0;
    for (Mistake { name, what, .. }, (outcome, took)) in mistakes.iter().zip(&outcomes) {
        let by = match outcome {
            Outcome::Failed(by) => by,
            Outcome::Passed | Outcome::DoesNotBuild(_) => "NOT FOUND",
        };
        missed += usize::from(*outcome == Outcome::Passed);
        say(&format!("{name:29} {:5.1} s  {by} ({what})", took.as_secs_f64()));
    }
    say(&format!(
        "{name}: found {} of {}; the build took {:?}, and all took {:?}",
        mistakes.len() - missed,
        mistakes.len(),
        built - start,
        start.elapsed()
    ));
    assert_eq!(missed, 0, "the oracle does not find every mistake");
}

/// Returns the Rust files in `folder`.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn each_mistake_has_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |path: PathBuf| {
        let relative = path.strip_prefix(root).expect("inside the root");
        (relative.display().to_string(), fs::read_to_string(&path).expect("the file can be read"))
    };
    let files: Vec<(String, String)> = sources(&root.join("src")).into_iter().map(file).collect();
    let tables = [
        runtime::MISTAKES,
        weave::MISTAKES,
        page::MISTAKES,
        net::MISTAKES,
        net::RING,
        files::MISTAKES,
        shards::MISTAKES,
        workers::MISTAKES,
    ];
    let mistakes = tables.into_iter().flatten();
    let names: Vec<&str> = mistakes.map(|mistake| mistake.name).collect();
    let complaints = marker::complaints(&files, &names);
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
