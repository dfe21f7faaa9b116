//! What the examples share: arguments, signals, certificates, and the protocol of Redis.

#[path = "../../shared/arguments.rs"]
mod arguments;

pub mod certificate;
pub mod resp;

use std::error::Error;
use std::io::{self, Read};
use std::process::ExitCode;

use leno::os::unix::net::UnixStream;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// The result of an example. An error is for a person to read, and need not be `Send`.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// An example, in the words of its help.
pub struct Example {
    pub about: &'static str,
    pub usage: &'static str,
    /// What to do when it fails.
    pub advice: &'static str,
}

impl Example {
    /// Runs the example: `settings` reads the arguments, and `run` does the work.
    pub fn start<S>(
        &self,
        settings: impl FnOnce(&[&str]) -> std::result::Result<S, String>,
        run: impl FnOnce(S) -> Result,
    ) -> ExitCode {
        let arguments = arguments::arguments(self.about, self.usage);
        let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        match settings(&texts).map(run) {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(error)) => {
                eprintln!("error: {}\n next: {}", with_sources(&*error), self.advice);
                ExitCode::from(1)
            }
            Err(what) => {
                eprintln!("error: {what}\n next: {}", self.usage);
                ExitCode::from(2)
            }
        }
    }
}

/// Returns the text of an error, and of the errors that caused it.
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

/// Returns the number that an argument is.
///
/// # Errors
///
/// If it is no number from 1 to `most`.
pub fn number(text: &str, most: usize, what: &str) -> std::result::Result<usize, String> {
    let number = text.replace(['_', ','], "").parse().ok();
    let number = number.filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("{text:?} is not a number of {what} from 1 to {most}"))
}

/// Waits for Ctrl-C or SIGTERM. Their handler writes a byte to a socket.
///
/// # Errors
///
/// If there are no more descriptors.
pub fn wait_for_signal() -> io::Result<()> {
    let (mut receiver, sender) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        pipe::register(signal, sender.try_clone()?)?;
    }
    receiver.read_exact(&mut [0])
}
