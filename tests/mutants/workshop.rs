//! A copy of the package in which mutants are built and run.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::marker;
use super::mistakes::{Mistake, sources};

/// A function that is added to the copy of leno. It tells whether the variable `LENO_MISTAKE` selects a
/// mistake.
const PLANTED: &str = "
#[inline]
pub(crate) fn planted(name: &str) -> bool {
    static SELECTED: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| std::env::var(\"LENO_MISTAKE\").unwrap_or_default());
    **SELECTED == *name
}
";

/// The options of a build of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    pub fp_env: bool,
    pub optimised: bool,
}

/// An instruction set, and how its programs are run.
#[derive(Clone, Debug)]
pub struct Target {
    pub triple: String,
    /// The words before the name of a program.
    pub runner: Vec<String>,
    pub timeout: Duration,
}

/// The result of a mutant in one build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// The test that has detected the mutant.
    Failed(String),
    /// The mutant does not build.
    DoesNotBuild(String),
}

/// The tests that are built and run with each mutant, and the files that they need besides leno.
#[derive(Clone)]
pub struct Kit {
    /// The arguments of cargo that select the test binary.
    test: &'static [&'static str],
    /// Files and folders, and their names in the copy.
    copied: &'static [(&'static str, &'static str)],
    written: &'static [(&'static str, &'static str)],
    /// Development dependencies.
    packages: &'static [&'static str],
    variables: Vec<(&'static str, &'static str)>,
}

impl Kit {
    pub fn registers() -> Kit {
        Kit {
            test: &["--package", "leno-registers", "--test", "registers"],
            copied: &[("tests/registers", "tests/registers")],
            written: &[],
            packages: &[],
            // With wrong unwind tables, a backtrace may never end.
            variables: vec![("RUST_BACKTRACE", "0")],
        }
    }

    /// Returns the kit of the oracle of the runtime alone, with the same `programs` programs each time.
    pub fn oracle(programs: &'static str) -> Kit {
        const MAIN: &str = "//! The oracle.\n\nmod oracle_coroutine;\nmod oracle_runtime;\n\
                            #[allow(dead_code)]\nmod support;\n";
        Kit {
            test: &["--test", "it", "--no-default-features"],
            copied: &[
                ("tests/it/oracle_runtime", "tests/it/oracle_runtime"),
                ("tests/it/oracle_runtime.rs", "tests/it/oracle_runtime.rs"),
                ("tests/it/oracle_coroutine/seed.rs", "tests/it/oracle_coroutine.rs"),
                ("tests/it/support.rs", "tests/it/support.rs"),
            ],
            written: &[("tests/it/main.rs", MAIN)],
            packages: &["proptest", "corosensei"],
            variables: vec![
                ("RUST_BACKTRACE", "0"),
                ("LENO_TEST_SEED", "1"),
                ("LENO_TEST_PROGRAMS", programs),
                // The size of the failing program does not matter.
                ("PROPTEST_MAX_SHRINK_ITERS", "0"),
            ],
        }
    }
}

impl Kit {
    /// Returns the kit of the oracle of explorations, with the same `programs` programs each time. It does
    /// not compare the recorded totals of all explorations, which would make the detection too easy.
    pub fn weave(programs: &'static str) -> Kit {
        const MAIN: &str = "//! The oracle.\n\nmod audit;\nmod exact;\nmod found;\nmod generate;\n\
                            mod interpret;\nmod model;\nmod program;\nmod sampling;\n\
                            #[path = \"../it/oracle_coroutine.rs\"]\nmod seed;\nmod traces;\n";
        Kit {
            test: &["--test", "weave_oracle", "--no-default-features", "--features=weave"],
            copied: &[
                ("tests/weave_oracle", "tests/weave_oracle"),
                ("tests/it/oracle_coroutine/seed.rs", "tests/it/oracle_coroutine.rs"),
            ],
            written: &[("tests/weave_oracle/main.rs", MAIN)],
            ..Kit::oracle(programs)
        }
    }
}

impl Kit {
    /// Returns the kit of the tests of pages.
    pub fn page() -> Kit {
        Kit {
            test: &["--test", "weave", "--no-default-features", "--features=weave"],
            copied: &[
                ("tests/weave/page", "tests/weave/page"),
                ("tests/weave/page.rs", "tests/weave/page.rs"),
                // Stories show lines of the source, which is searched for from the working directory.
                ("tests/weave/page", "../tests/weave/page"),
            ],
            written: &[("tests/weave/main.rs", "//! Pages.\n\nmod page;\n")],
            packages: &["serde_json"],
            variables: vec![("RUST_BACKTRACE", "0")],
        }
    }

    /// Returns the kit of the tests of sockets.
    pub fn net() -> Kit {
        Kit {
            test: &["--test", "net", "--no-default-features", "--features=net,debug,weave"],
            copied: &[
                ("tests/net", "tests/net"),
                ("tests/it/support.rs", "tests/it/support.rs"),
                ("tests/it/oracle_coroutine/seed.rs", "tests/it/oracle_coroutine/seed.rs"),
                ("tests/soak/random.rs", "tests/soak/random.rs"),
            ],
            written: &[],
            packages: &["proptest", "corosensei"],
            variables: vec![
                ("RUST_BACKTRACE", "0"),
                // A test that waits for ever has failed after this number of seconds.
                ("LENO_TEST_LIMIT", "10"),
                ("LENO_TEST_SHARE", "10"),
                ("PROPTEST_MAX_SHRINK_ITERS", "0"),
            ],
        }
    }
}

impl Kit {
    /// Returns the kit of the tests of files.
    pub fn files() -> Kit {
        Kit {
            test: &["--test", "files", "--no-default-features", "--features=net,debug,weave"],
            copied: &[
                ("tests/files", "tests/files"),
                ("tests/net/pairs.rs", "tests/net/pairs.rs"),
                ("tests/it/support.rs", "tests/it/support.rs"),
                ("tests/it/oracle_coroutine/seed.rs", "tests/it/oracle_coroutine/seed.rs"),
            ],
            variables: vec![
                ("RUST_BACKTRACE", "0"),
                // A disk may be slow.
                ("LENO_TEST_LIMIT", "60"),
                ("LENO_TEST_SHARE", "20"),
                ("PROPTEST_MAX_SHRINK_ITERS", "0"),
            ],
            ..Kit::net()
        }
    }

    /// Returns the kit of the unit tests, with those of the engine of io_uring.
    pub fn ring() -> Kit {
        Kit {
            // Those of `debug` need the debugging information, which the copy has not.
            test: &["--lib", "--no-default-features", "--features=net,weave"],
            copied: &[],
            packages: &["proptest"],
            ..Kit::net()
        }
    }
}

impl Kit {
    /// Returns the kit of the tests of shards.
    pub fn shards() -> Kit {
        Kit {
            test: &["--test", "shards", "--no-default-features"],
            copied: &[("tests/shards", "tests/shards")],
            packages: &[],
            variables: vec![("RUST_BACKTRACE", "0")],
            ..Kit::net()
        }
    }

    /// Returns the kit of the tests of workers.
    pub fn workers() -> Kit {
        Kit {
            test: &["--test", "workers", "--no-default-features", "--features=net,weave"],
            copied: &[("tests/workers", "tests/workers")],
            variables: vec![("RUST_BACKTRACE", "0"), ("LENO_TEST_LIMIT", "10")],
            ..Kit::shards()
        }
    }
}

pub struct Workshop {
    root: PathBuf,
    kit: Kit,
}

impl Workshop {
    /// Copies the files that the kit needs, without other development dependencies.
    pub fn new(root: PathBuf, kit: &Kit) -> io::Result<Workshop> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workshop = Workshop { root, kit: kit.clone() };
        let copy = workshop.package();
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        for folder in ["tests/it/oracle_coroutine", "tests/net", "tests/soak"] {
            fs::create_dir_all(copy.join(folder))?;
        }
        let leno = ["arch", "src", "build.rs", "Cargo.lock"].map(|name| (name, name));
        for (from, to) in leno.iter().chain(kit.copied) {
            let (from, to) = (package.join(from), copy.join(to));
            if from.is_dir() {
                copy_folder(&from, &to)?;
            } else {
                fs::copy(from, to)?;
            }
        }
        for (file, text) in kit.written {
            fs::write(copy.join(file), text)?;
        }
        let manifest = fs::read_to_string(package.join("Cargo.toml"))?;
        let mut manifest = without_development(&manifest, kit.packages);
        if copy.join("tests/registers").exists() {
            manifest += "members = [\"tests/registers\"]\n";
        }
        fs::write(copy.join("Cargo.toml"), manifest)?;
        Ok(workshop)
    }

    fn package(&self) -> PathBuf {
        self.root.join("package")
    }

    pub fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.package().join(file), text)
    }

    /// Plants the mistakes in the copy. A run selects one of them, or none.
    pub fn plant(&self, mistakes: &[Mistake]) -> io::Result<()> {
        let replacement = |name: &str| {
            mistakes.iter().find(|mistake| mistake.name == name).map(|found| found.replacement)
        };
        let leno = self.package().join("src");
        for file in sources(&leno) {
            fs::write(&file, marker::plant(&fs::read_to_string(&file)?, replacement))?;
        }
        let root = leno.join("lib.rs");
        fs::write(&root, fs::read_to_string(&root)? + PLANTED)
    }

    /// Builds the tests and runs them. Returns the outcome and the time of the run.
    pub fn try_out(&self, target: &Target, build: Build) -> io::Result<(Outcome, Duration)> {
        match self.build(target, build)? {
            Ok(program) => {
                let start = Instant::now();
                Ok((self.run(target, &program, None)?, start.elapsed()))
            }
            Err(errors) => {
                // A line of the form `error: text` or `error[E0308]: text`.
                let first = errors.split("error").nth(1).unwrap_or(&errors);
                let line = first.lines().next().unwrap_or_default();
                Ok((Outcome::DoesNotBuild(line.chars().take(70).collect()), Duration::ZERO))
            }
        }
    }

    /// Builds the tests. Returns the program, or the errors of the compiler.
    pub fn build(&self, target: &Target, build: Build) -> io::Result<Result<PathBuf, String>> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["test", "--offline", "--no-run", "--quiet"])
            .args(self.kit.test)
            .args([
                "--message-format=json-render-diagnostics",
                "--target",
                &target.triple,
                "--target-dir",
            ])
            .arg(self.root.join("target"))
            .current_dir(self.package())
            .env("RUSTFLAGS", "-Awarnings")
            // A mutant is a change of one line, and most of the time is that of its build.
            .env("CARGO_INCREMENTAL", "1");
        cargo.args(build.optimised.then_some("--release"));
        cargo.args(build.fp_env.then_some("--features=fp-env"));
        let output = cargo.output()?;
        let messages = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let executable = messages
            .lines()
            .filter_map(|line| line.split_once("\"executable\":\"")?.1.split_once('"'))
            .map(|(path, _)| PathBuf::from(path))
            .next_back();
        executable.map(Ok).ok_or_else(|| io::Error::other("cargo names no executable"))
    }

    /// Runs the tests until one of them fails, with the planted mistake of this name.
    pub fn run(
        &self,
        target: &Target,
        program: &Path,
        mistake: Option<&str>,
    ) -> io::Result<Outcome> {
        let said = self.root.join(format!("output-{}", mistake.unwrap_or("none")));
        let output = File::create(&said)?;
        let words: Vec<&str> = (target.runner.iter().map(String::as_str))
            .chain([program.to_str().expect("the path is text")])
            .collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .arg("--test-threads=1")
            .current_dir(&self.root)
            .envs(self.kit.variables.iter().copied())
            .envs(mistake.map(|name| ("LENO_MISTAKE", name)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let deadline = Instant::now() + target.timeout;
        let status = loop {
            let status = child.try_wait()?;
            if status.is_some() {
                break status;
            }
            if Instant::now() > deadline || failed_test(&beginning(&said)?).is_some() {
                child.kill()?;
                child.wait()?;
                break None;
            }
            thread::sleep(Duration::from_millis(5));
        };
        Ok(judge(status, &beginning(&said)?))
    }
}

/// Returns the beginning of the output. With a mistake, a run may print without an end.
fn beginning(output: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(output)?.take(1 << 20).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the outcome of a run of the tests. A status of `None` means that the run was ended.
fn judge(status: Option<ExitStatus>, said: &str) -> Outcome {
    let crashed = || last_test(said).unwrap_or("the start");
    let by = match (status, failed_test(said)) {
        (Some(status), _) if status.success() => return Outcome::Passed,
        (_, Some(test)) => test.to_owned(),
        (None, None) => format!("no end, in {}", crashed()),
        (Some(status), None) => match status.signal() {
            Some(signal) => format!("{}, in {}", signal_name(signal), crashed()),
            None => format!("{status}, in {}", crashed()),
        },
    };
    Outcome::Failed(by)
}

fn signal_name(signal: i32) -> String {
    let known = [
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGTRAP, "SIGTRAP"),
    ];
    let found = known.iter().find(|(number, _)| *number == signal);
    found.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned())
}

/// Returns the name of the first test that has failed.
fn failed_test(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
}

/// Returns the name of the test that was running when the output ended.
fn last_test(said: &str) -> Option<&str> {
    let line = said.lines().rfind(|line| line.starts_with("test ") && line.contains(" ..."))?;
    line.strip_prefix("test ")?.split(" ...").next()
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &copy)?;
        } else {
            fs::copy(entry.path(), copy)?;
        }
    }
    Ok(())
}

/// Returns the manifest without benchmarks, without development dependencies other than these packages,
/// and with settings for fast builds.
fn without_development(manifest: &str, packages: &[&str]) -> String {
    let mut kept = String::new();
    let mut packages: Vec<&str> = (packages.iter())
        .map(|package| {
            let line = manifest.lines().find(|line| line.split(' ').next() == Some(package));
            line.unwrap_or_else(|| panic!("Cargo.toml has no line for {package}"))
        })
        .collect();
    packages.insert(0, "[dev-dependencies]");
    let mut keep = true;
    for line in manifest.lines() {
        if line.starts_with('[') {
            let dropped =
                ["[dev-dependencies", "[[bench", "[[test", "[[example", "[profile", "[workspace"];
            keep = !dropped.iter().any(|start| line.starts_with(start));
        }
        if keep {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.push_str(&packages.join("\n"));
    kept + "\n[profile.dev]\ndebug = false\n[profile.release]\ndebug = false\n\n[workspace]\n"
}

#[test]
fn a_run_is_judged_by_what_it_says() {
    let ended = |code: i32| Some(ExitStatus::from_raw(code));
    let failed = |text: &str| Outcome::Failed(text.to_owned());
    assert_eq!(judge(ended(0), "test a ... ok\n"), Outcome::Passed);
    assert_eq!(judge(ended(101 << 8), "test a ... ok\ntest b ... FAILED\n"), failed("b"));
    assert_eq!(judge(ended(11), "test a ... ok\ntest b ... "), failed("SIGSEGV, in b"));
    assert_eq!(judge(None, "test a ... "), failed("no end, in a"));
    assert_eq!(judge(None, "test a ... FAILED\ntest b ... "), failed("a"));
    assert_eq!(judge(ended(9), ""), failed("signal 9, in the start"));
}
