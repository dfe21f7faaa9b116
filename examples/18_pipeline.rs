//! 18. Files through a filter, several at once, with a deadline for all.
//!
//! ```text
//! cargo run --example 18_pipeline -- 10 'tr a-z A-Z' README.md CHANGELOG.md
//! ls *.md | cargo run --example 18_pipeline -- 10 gzip
//! ```
//!
//! Each file has a child process. One green thread feeds it with the file, while another one writes
//! what it prints to a file beside: a filter that reads everything before it prints, and one that
//! prints at once, both get along. A task group ends both at the first failure.
//!
//! One deadline around everything unwinds all that is left, wherever it waits: for a file, for a
//! child, or for the names on standard input. Destructors kill the children and remove what is
//! unfinished.

#[path = "shared/arguments.rs"]
mod arguments;

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leno::fs::{self, File};
use leno::process::{Command, Stdio};
use leno::sync::Semaphore;
use leno::thread::task_group;
use leno::time::{Duration, timeout};

/// The most children at once.
const CHILDREN: usize = 8;

/// A file that is removed unless it is finished.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is not there once it has been renamed.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Returns the path with an ending added.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// Passes a file through a command of the shell, to a file beside. Returns the number of bytes.
fn filter(command: &str, path: &Path) -> io::Result<u64> {
    let mut source = File::open(path)?;
    let unfinished = Unfinished(with_ending(path, ".part"));
    let mut target = File::create(&unfinished.0)?;
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = shell.spawn()?;
    let mut input = child.stdin.take().expect("it is piped");
    let mut output = child.stdout.take().expect("it is piped");
    let bytes = task_group(|group| {
        group.spawn(move || match leno::io::copy(&mut source, &mut input) {
            // The filter wants no more, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            copied => copied.map(drop),
        });
        leno::io::copy(&mut output, &mut target)
    })?;
    let status = child.wait()?;
    if !status.success() {
        return Err(io::Error::other(format!("the command ends by {status}")));
    }
    fs::rename(&unfinished.0, with_ending(path, ".out"))?;
    Ok(bytes)
}

/// How many files have been passed through the command, or not.
#[derive(Default)]
struct Counts {
    done: Cell<usize>,
    failed: Cell<usize>,
}

/// Passes all files through a command, and says what has become of each.
fn filter_all(
    command: &str,
    paths: impl Iterator<Item = io::Result<PathBuf>>,
    counts: &Counts,
) -> io::Result<()> {
    let places = &Semaphore::new(CHILDREN);
    task_group(|group| {
        for path in paths {
            let path = path?;
            let place = places.acquire().expect("it is never closed");
            group.spawn(move || {
                let _place = place;
                let filtered = filter(command, &path);
                let count = if filtered.is_ok() { &counts.done } else { &counts.failed };
                count.update(|count| count + 1);
                match filtered {
                    Ok(bytes) => writeln!(leno::io::stdout(), "{}: {bytes} bytes", path.display()),
                    Err(error) => writeln!(leno::io::stderr(), "{}: {error}", path.display()),
                }
            });
        }
        Ok(())
    })
}

/// Returns the paths that are typed or piped, a line for each.
fn typed_paths() -> impl Iterator<Item = io::Result<PathBuf>> {
    let input = leno::io::stdin();
    if input.is_terminal() {
        println!("the files, one a line, and then Ctrl-D:");
    }
    input.lines().map(|line| line.map(PathBuf::from))
}

const ABOUT: &str = "Passes files through a command, to files that end in .out, with a deadline.";
const USAGE: &str = "cargo run --example 18_pipeline -- [SECONDS COMMAND [FILE]...]";

fn main() -> ExitCode {
    let arguments = arguments::arguments(ABOUT, USAGE);
    let (deadline, command, files) = match settings(&arguments) {
        Ok(settings) => settings,
        Err(what) => {
            eprintln!("error: {what}\n next: {USAGE}");
            return ExitCode::from(2);
        }
    };
    let counts = Counts::default();
    let ended = leno::run(|| {
        timeout(deadline, || match files {
            [] => filter_all(&command, typed_paths(), &counts),
            files => filter_all(&command, files.iter().map(|it| Ok(it.into())), &counts),
        })
    });
    let (done, failed) = (counts.done.get(), counts.failed.get());
    let told = match ended {
        Ok(Ok(())) if failed == 0 => {
            println!("{done} files");
            return ExitCode::SUCCESS;
        }
        Ok(Ok(())) => format!("{failed} of {} files failed", done + failed),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("out of time after {done} files"),
    };
    eprintln!("error: {told}");
    ExitCode::from(1)
}

/// Returns the deadline, the command and the files.
fn settings(arguments: &[OsString]) -> Result<(Duration, String, &[OsString]), String> {
    let (seconds, command, files) = match arguments {
        [] => ("10".into(), "sort".into(), &[][..]),
        [_] => return Err("a number of seconds needs a command".to_owned()),
        [seconds, command, files @ ..] => {
            (seconds.to_string_lossy(), command.to_string_lossy(), files)
        }
    };
    let deadline = seconds.parse().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
    let deadline = deadline.filter(|deadline| !deadline.is_zero());
    let deadline = deadline.ok_or_else(|| format!("{seconds:?} is not a number of seconds"))?;
    Ok((deadline, command.into_owned(), files))
}
