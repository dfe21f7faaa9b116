//! OS threads that watch a runtime, and the environment variable `LENO_WATCH`, which asks for one.

#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write};
use std::sync::{Once, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::hog_sampler::{Hog, WatchEnd, begin_watch, wait_at_the_end};
use crate::kernel::Scheduler;

const VARIABLE: &str = "LENO_WATCH";

/// Starts an OS thread that calls `report` for each hog of the runtime.
pub(crate) fn watch(
    scheduler: &Scheduler,
    limit: Duration,
    mut report: impl FnMut(Hog) + Send + 'static,
) -> io::Result<(WatchEnd, JoinHandle<()>)> {
    let (mut watch, end) = begin_watch(scheduler, limit)?;
    let watching = thread::Builder::new().name("leno watchdog".to_owned()).spawn(move || {
        while let Some(hog) = watch.next_hog() {
            report(hog);
        }
    });
    match watching {
        Ok(thread) => Ok((end, thread)),
        Err(error) => {
            end.end();
            Err(error)
        }
    }
}

/// Prints a hog to standard error.
pub(crate) fn print(hog: &Hog) {
    say(&hog.to_string());
}

fn say(text: &str) {
    // An error means that standard error is closed, so no report is wanted.
    let _ = io::stderr().write_all(format!("leno: {text}\n").as_bytes());
}

/// Watches a new runtime until it ends, if the environment asks for that.
pub(super) fn watch_if_asked(scheduler: &Scheduler) {
    static LIMIT: OnceLock<Option<Duration>> = OnceLock::new();
    static FAILED: Once = Once::new();
    let Some(limit) = *LIMIT.get_or_init(limit) else { return };
    match watch(scheduler, limit, |hog| print(&hog)) {
        Ok((_, watching)) => wait_at_the_end(scheduler, watching),
        Err(error) => FAILED.call_once(|| say(&format!("{VARIABLE} has no effect: {error}"))),
    }
}

/// Returns the limit that the environment asks for.
fn limit() -> Option<Duration> {
    let text = env::var_os(VARIABLE).filter(|text| !text.is_empty())?;
    let limit = text.to_str().and_then(parsed);
    if limit.is_none() {
        say(&format!("{VARIABLE}={} is no duration: write {VARIABLE}=200ms", text.display()));
    }
    limit
}

/// Returns the duration that a text names: a number, and `ms` or `s`.
fn parsed(text: &str) -> Option<Duration> {
    let milliseconds = |number: &str| number.parse().ok().map(Duration::from_millis);
    let seconds = |number: &str| number.parse().ok().map(Duration::from_secs);
    let limit =
        text.strip_suffix("ms").map_or_else(|| seconds(text.strip_suffix('s')?), milliseconds)?;
    (!limit.is_zero()).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_a_number_and_a_unit() {
        assert_eq!(parsed("200ms"), Some(Duration::from_millis(200)));
        assert_eq!(parsed("2s"), Some(Duration::from_secs(2)));
        for text in ["", "200", "ms", "s", "0ms", "0s", "-1s", "1.5s", "1 s", "2m", "200ns"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
