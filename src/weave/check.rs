//! Explorations in tests.

use std::env;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::str::FromStr;
use std::thread;

use super::executor::ExecutionEnd;
use super::failure::{Failure, FailureKind};
use super::fault::Abort;
use super::options::{Coverage, DEFAULT_SAMPLES, Options};
use super::page::{self, pages};
use super::report::grouped;
use super::run_loop::{self, LoopEnd, run_loop};
use super::sampling::Method;
use super::schedule::Schedule;
use super::shrink::shrink;
use super::story;

/// The default limit of executions.
const DEFAULT_EXECUTIONS: u64 = 100_000;

/// The environment variables that change what a check does.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    seed: Option<u64>,
    executions: Option<u64>,
    replay: Option<Schedule>,
}

const SEED: &str = "LENO_WEAVE_SEED";
const EXECUTIONS: &str = "LENO_WEAVE_EXECUTIONS";
const REPLAY: &str = "LENO_WEAVE_REPLAY";
/// The folder for pages of checks that fail.
const HTML: &str = "LENO_WEAVE_HTML";
/// If this is 1, there are also pages of checks that do not fail.
const HTML_ALL: &str = "LENO_WEAVE_HTML_ALL";

impl Settings {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    ///
    /// A text that names the variable that is invalid, and says what would be valid.
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

/// Explores the program as a test does.
///
/// # Errors
///
/// The text with which the test fails.
pub(super) fn check<T>(options: &Options, program: &impl Fn() -> T) -> Result<(), String> {
    let settings =
        Settings::read(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))?;
    if let Some(schedule) = &settings.replay {
        run_loop::replay(options, schedule, program).map_err(|failure| match failure.kind() {
            FailureKind::Misfit => format!("{REPLAY} is {schedule}: {}", failure.message()),
            _ => explain(options, &failure, 1, program),
        })?;
        eprintln!("leno::weave: the execution of {REPLAY} does not fail");
        return Ok(());
    }
    let mut options = match settings.seed {
        Some(seed) => options.with_seed(seed),
        None => options.clone(),
    };
    options.shows_progress = false;
    options.max_executions = settings.executions.or(options.max_executions);
    let is_bounded = options.max_executions.is_some() || options.max_time.is_some();
    if !is_bounded && options.is_exhaustive() {
        options.max_executions = Some(DEFAULT_EXECUTIONS);
    }
    let failed = |options: &Options, failure: Failure, executions| {
        explain(options, &shrink(options, failure, program), executions, program)
    };
    let (executions, result) = until_failure(&options, program);
    let end = result.map_err(|failure| failed(&options, *failure, executions))?;
    if end == LoopEnd::Early && options.is_exhaustive() && !is_bounded {
        options.coverage = Coverage::Sampled(Method::Portfolio, 0);
        options.max_executions = Some(DEFAULT_SAMPLES);
        let (more, result) = until_failure(&options, program);
        result.map_err(|failure| failed(&options, *failure, executions + more))?;
        eprintln!(
            "leno::weave: {} executions and {} drawn by chance have not failed; there are more. \
             {EXECUTIONS} says how many to try",
            grouped(executions),
            grouped(more),
        );
    }
    if env::var_os(HTML_ALL).is_some_and(|value| value == "1") {
        write_passing(&options, program);
    }
    Ok(())
}

/// Writes the page of a check that does not fail, if there is a folder for it.
fn write_passing<T>(options: &Options, program: &impl Fn() -> T) {
    let Some(folder) = env::var_os(HTML) else { return };
    let page = page::page(options, &|| drop(program()));
    if let Err(error) = pages::write(Path::new(&folder), &page, page.verdict()) {
        eprintln!("leno::weave: {HTML} is {}: {error}", folder.display());
    }
}

/// Runs executions until one fails. Returns the number of executions, and the failure or the
/// reason why the exploration has ended.
pub(super) fn until_failure<T>(
    options: &Options,
    program: &impl Fn() -> T,
) -> (u64, Result<LoopEnd, Box<Failure>>) {
    let mut executor = options.executor();
    let mut executions = 0;
    let mut failure = None;
    let end = run_loop(
        options,
        &mut executor,
        program,
        |_, _| true,
        |executor, end| {
            executions += 1;
            if matches!(end, ExecutionEnd::Aborted(Abort::Redundant)) {
                return ControlFlow::Continue(());
            }
            match executor.failure_of(end) {
                Ok(_) => ControlFlow::Continue(()),
                Err(found) => {
                    failure = Some(found);
                    ControlFlow::Break(())
                }
            }
        },
    );
    (executions, failure.map_or(Ok(end), Err))
}

/// Returns the text of a failed check.
fn explain<T>(
    options: &Options,
    failure: &Failure,
    executions: u64,
    program: &impl Fn() -> T,
) -> String {
    let schedule = failure.schedule();
    let mut text = format!("execution {} fails\n\n", grouped(executions));
    let has_story = !matches!(failure.kind(), FailureKind::NotRepeatable);
    let around = if has_story { page::around(options, schedule, program) } else { None };
    let lost = around.as_ref().and_then(|around| around.lost);
    let story = has_story.then(|| story::tell(options, schedule, program).lost_at(lost));
    let _ = match &story {
        Some(story) => write!(text, "{}", story.for_stderr().trim_end()),
        None => write!(text, "{failure}"),
    };
    let literal = format!("{:?}", schedule.to_string());
    let replay = options.replayed_by();
    let _ = write!(text, "\n\nto run it again: {replay}({literal}, program)");
    let current = thread::current();
    if let Some(test) = current.name().filter(|name| *name != "main") {
        let _ = write!(text, "\n              or: {REPLAY}={} cargo test {test}", shell(schedule));
    }
    if let (Some(folder), Some(around)) = (env::var_os(HTML), around) {
        let story = story.map(|story| story.to_string()).unwrap_or_default();
        let _ = match pages::write(Path::new(&folder), &around.page, &story) {
            Ok(path) => write!(text, "\n   page to explore: {}", path.display()),
            Err(error) => write!(text, "\n{HTML} is {}: {error}", folder.display()),
        };
    }
    text
}

/// Formats the schedule as a word for a shell.
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
    fn settings_come_from_the_environment() {
        assert_eq!(read(&[]), Ok(Settings::default()));
        let all = read(&[(SEED, "7"), (EXECUTIONS, " 10 "), (REPLAY, "A1 B2")]).unwrap();
        assert_eq!((all.seed, all.executions), (Some(7), Some(10)));
        assert_eq!(all.replay.unwrap().to_string(), "A1 B2");
    }

    #[test]
    fn invalid_settings_are_refused() {
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
