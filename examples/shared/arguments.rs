//! What every example does first: it answers `--help`, refuses what it does not know, and ends
//! quietly when the reader of its output does.

use std::env;
use std::ffi::OsString;
use std::process;

/// Returns the arguments. `usage` is the command: arguments follow `--`, if the example takes any,
/// and options among them begin with a dash.
pub fn arguments(about: &str, usage: &str) -> Vec<OsString> {
    // SAFETY: the default action of a signal is no code of this process. Rust ignores SIGPIPE, and
    // a print to a closed pipe would be a panic.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{about}\n\nusage: {usage}");
        process::exit(0);
    }
    let taken = usage.split_once(" -- ").map(|(_, taken)| taken);
    let is_option = |argument: &OsString| {
        let text = argument.to_string_lossy();
        text.strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_alphabetic()))
    };
    let is_odd = |argument: &&OsString| {
        taken.is_none_or(|taken| !taken.contains("--") && is_option(argument))
    };
    if let Some(odd) = arguments.iter().find(is_odd) {
        eprintln!("error: this example knows no argument {odd:?}\n next: {usage}");
        process::exit(2);
    }
    arguments
}
