//! Explorations in tests.

use std::env;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::thread;

use super::run_loop::{Ended, outside_of_runtimes};
use super::explorer::Explorer;
use super::failure::{Failure, FailureKind};
use super::report::grouped;
use super::sampling::Kind;
use super::schedule::Schedule;

/// As many executions are run if nothing else is said.
const DEFAULT_EXECUTIONS: u64 = 100_000;

/// The part of the environment that says what [`check`](super::check) does.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    seed: Option<u64>,
    executions: Option<u64>,
    replay: Option<Schedule>,
}

const SEED: &str = "LENO_WEAVE_SEED";
const EXECUTIONS: &str = "LENO_WEAVE_EXECUTIONS";
const REPLAY: &str = "LENO_WEAVE_REPLAY";

impl Settings {
    /// # Errors
    ///
    /// If a variable is set to something that makes no sense; the text says what
    /// does.
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, String> {
        let number = |name: &str| {
            let read = |text: String| {
                u64::from_str(text.trim()).map_err(|_| {
                    format!("{name} is {text:?}; it must be a number, as in {name}=1000")
                })
            };
            variable(name).map(read).transpose()
        };
        let executions = number(EXECUTIONS)?;
        if executions == Some(0) {
            return Err(format!("{EXECUTIONS} is 0; it must be at least 1"));
        }
        let parse = |text: String| {
            text.parse().map_err(|error| format!("{REPLAY} is no schedule: {error}"))
        };
        Ok(Settings {
            seed: number(SEED)?,
            executions,
            replay: variable(REPLAY).map(parse).transpose()?,
        })
    }
}

impl Explorer {
    /// Explores a program in a test. Panics at the first execution that fails, with
    /// a schedule that has been made short, the story of what happens under it, and
    /// the line that replays it.
    ///
    /// Runs at most 100,000 executions if nothing else is said, and then 10,000 more
    /// that are drawn by chance if those were not all. The environment may say
    /// otherwise:
    ///
    /// - `LENO_WEAVE_EXECUTIONS=n`: at most so many;
    /// - `LENO_WEAVE_SEED=n`: executions drawn by chance with this seed, instead of
    ///   all;
    /// - `LENO_WEAVE_REPLAY=schedule`: this one.
    ///
    /// # Panics
    ///
    /// If an execution fails. Inside a runtime.
    #[track_caller]
    pub fn check<F, T>(&self, program: F)
    where
        F: Fn() -> T,
    {
        outside_of_runtimes("leno::weave::check");
        if let Err(text) = self.checked(&program) {
            panic!("{text}");
        }
    }

    /// Gives the text of a check that fails.
    fn checked<T>(&self, program: &impl Fn() -> T) -> Result<(), String> {
        let settings = Settings::read(|name| {
            env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })?;
        if let Some(schedule) = &settings.replay {
            self.replayed(schedule, program).map_err(|failure| match failure.kind() {
                FailureKind::Misfit => format!("{REPLAY} is {schedule}: {}", failure.message()),
                _ => self.explain(&failure, 1, program),
            })?;
            eprintln!("leno::weave: the execution of {REPLAY} does not fail");
            return Ok(());
        }
        let mut explorer = self.clone().progress(false);
        if let Some(seed) = settings.seed {
            explorer = explorer.with_seed(seed);
        }
        explorer.max_executions = settings.executions.or(self.max_executions);
        let is_bounded = explorer.max_executions.is_some() || self.max_time.is_some();
        if !is_bounded && explorer.is_exhaustive() {
            explorer.max_executions = Some(DEFAULT_EXECUTIONS);
        }
        let failed = |explorer: &Explorer, failure: Failure, executions| {
            explorer.explain(&explorer.shrink(failure, program), executions, program)
        };
        let (executions, result) = explorer.until_failure(program);
        let ended = result.map_err(|failure| failed(&explorer, *failure, executions))?;
        if ended == Ended::Early && explorer.is_exhaustive() && !is_bounded {
            let sampled =
                explorer.clone().portfolio(0).max_executions(super::run_loop::DEFAULT_SAMPLES);
            let (more, result) = sampled.until_failure(program);
            result.map_err(|failure| failed(&sampled, *failure, executions + more))?;
            eprintln!(
                "leno::weave: {} executions and {} drawn by chance have not failed; there are more. \
                 {EXECUTIONS} says how many to try",
                grouped(executions),
                grouped(more),
            );
        }
        Ok(())
    }

    /// The first execution that fails, and how many were begun until then, with that
    /// one. `None` if none fails of those that this explorer is for.
    ///
    /// # Panics
    ///
    /// Inside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::{Explorer, Shared};
    ///
    /// let found = Explorer::new().preemptive().first_failure(|| {
    ///     let total = Shared::new(0);
    ///     leno::scope(|scope| {
    ///         for _ in 0..2 {
    ///             scope.spawn(|| total.set(total.get() + 1));
    ///         }
    ///     });
    ///     assert_eq!(total.get(), 2);
    /// });
    /// let (failure, executions) = found.expect("an update can be lost");
    /// assert!(failure.message().contains("left: 1"));
    /// assert_eq!(executions, 1);
    /// ```
    #[track_caller]
    pub fn first_failure<F, T>(&self, program: F) -> Option<(Failure, u64)>
    where
        F: Fn() -> T,
    {
        outside_of_runtimes("leno::weave::Explorer::first_failure");
        let (executions, result) = self.until_failure(&program);
        result.err().map(|failure| (*failure, executions))
    }

    /// Runs executions until one fails, and says how many.
    fn until_failure<T>(&self, program: &impl Fn() -> T) -> (u64, Result<Ended, Box<Failure>>) {
        let mut session = self.session(self.strategy(), self.rules);
        let mut executions = 0;
        let mut failure = None;
        let ended = self.drive(
            &mut session,
            program,
            |_, _| true,
            |session, ran| {
                executions += 1;
                if matches!(&ran, super::executor::Ran::Cut(super::controller::Cut::Redundant)) {
                    return ControlFlow::Continue(());
                }
                match session.failure_of(ran) {
                    Ok(_) => ControlFlow::Continue(()),
                    Err(found) => {
                        failure = Some(found);
                        ControlFlow::Break(())
                    }
                }
            },
        );
        (executions, failure.map_or(Ok(ended), Err))
    }

    /// The text of a failed check.
    fn explain<T>(&self, failure: &Failure, executions: u64, program: &impl Fn() -> T) -> String {
        let schedule = failure.schedule();
        let mut text = format!("execution {} fails\n\n", grouped(executions));
        let has_story = !matches!(failure.kind(), FailureKind::NotRepeatable);
        let told = has_story.then(|| self.story(schedule, program));
        let _ = match told {
            Some(story) => write!(text, "{}", story.for_stderr().trim_end()),
            None => write!(text, "{failure}"),
        };
        let literal = format!("{:?}", schedule.to_string());
        let _ = write!(text, "\n\nto run it again: leno::weave::replay({literal}, program)");
        let current = thread::current();
        if let Some(test) = current.name().filter(|name| *name != "main") {
            let _ =
                write!(text, "\n              or: {REPLAY}={} cargo test {test}", shell(schedule));
        }
        text
    }

    /// The same, by chance.
    fn with_seed(self, seed: u64) -> Explorer {
        use super::explorer::Order::Sampled;
        match self.order {
            Sampled(kind, _) => Explorer { order: Sampled(kind, seed), ..self },
            _ => Explorer { order: Sampled(Kind::Portfolio, seed), ..self },
        }
    }
}

/// The schedule as a word for a shell.
fn shell(schedule: &Schedule) -> String {
    let text = schedule.to_string();
    if text.contains(['\'', '!', '$', '`', '\\', '"']) {
        format!("'{}'", text.replace('\'', r"'\''"))
    } else {
        format!("\"{text}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(|name| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_is_read() {
        assert_eq!(read(&[]), Ok(Settings::default()));
        let all = read(&[(SEED, "7"), (EXECUTIONS, " 10 "), (REPLAY, "A1 B2")]).unwrap();
        assert_eq!((all.seed, all.executions), (Some(7), Some(10)));
        assert_eq!(all.replay.unwrap().to_string(), "A1 B2");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |name, value| read(&[(name, value)]).unwrap_err();
        assert_eq!(refused(EXECUTIONS, "0"), "LENO_WEAVE_EXECUTIONS is 0; it must be at least 1");
        let number = "LENO_WEAVE_SEED is \"x\"; it must be a number, as in LENO_WEAVE_SEED=1000";
        assert_eq!(refused(SEED, "x"), number);
        let schedule = refused(REPLAY, "B1 A0");
        assert!(schedule.starts_with("LENO_WEAVE_REPLAY is no schedule: `A0`, at "), "{schedule}");
    }

    #[test]
    fn schedules_are_quoted_for_a_shell() {
        let quoted = |text: &str| shell(&text.parse().unwrap());
        assert_eq!(quoted("A1 B1"), "\"A1 B1\"");
        assert_eq!(quoted("'a b'1"), r"''\''a b'\''1'");
    }
}
