//! 12. A rare bug, found and explained.
//!
//! Two people withdraw money from one account. Each first checks whether the balance
//! suffices, which is correct for each alone. A `#[test]` would call `check`. It
//! tries every order of the accesses to the account, and stops at the first
//! execution that fails, with the shortest story that leads to the failure:
//!
//! ```text
//! cargo run --example 12_check
//! cargo run --example 12_check -- mended
//! cargo run --example 12_check -- story.svg
//! cargo run --example 12_check -- --html page.html
//! ```
//!
//! The second command checks the program without the bug, the third one draws the
//! story, and the fourth one writes the page of all executions, for a browser.

#[path = "shared/arguments.rs"]
mod arguments;

use std::ffi::OsStr;
use std::process::ExitCode;
use std::{fs, path::Path};

use leno::thread::{self, Builder};
use leno::weave::{self, Explorer, Failure, Shared};

/// Withdraws 70 twice from an account that holds 100.
fn two_withdrawals(withdraw: fn(&Shared<i32>, i32)) {
    let balance = Shared::named("balance", 100);
    thread::scope(|scope| {
        for name in ["ann", "bob"] {
            let person = Builder::new().name(name.to_owned());
            let visit = || withdraw(&balance, 70);
            person.spawn_scoped(scope, visit).expect("a stack for a person");
        }
    });
    assert!(balance.get() >= 0, "the account is overdrawn");
}

/// Withdraws in two accesses, so that another withdrawal can come between them.
fn careless(balance: &Shared<i32>, amount: i32) {
    if balance.get() >= amount {
        balance.update(|left| *left -= amount);
    }
}

/// Withdraws in one access.
fn careful(balance: &Shared<i32>, amount: i32) {
    balance.update(|left| *left -= if *left >= amount { amount } else { 0 });
}

/// Counts the executions that fail, and explains one of them.
fn check(program: fn()) {
    let explorer = Explorer::new().preemptive();
    let report = explorer.explore(program);
    let failed: u64 = report.failures().iter().map(Failure::count).sum();
    println!("{failed} of {} executions fail", report.executions());
    explorer.check(program);
}

const USAGE: &str = "cargo run --example 12_check -- [mended | FILE.svg | --html FILE]";

/// Writes a file, or says why not.
fn write(path: &OsStr, content: &str) -> ExitCode {
    match fs::write(path, content) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}\n next: another file", path.display());
            ExitCode::from(2)
        }
    }
}

fn main() -> ExitCode {
    let arguments = arguments::arguments("A rare bug, found and explained.", USAGE);
    let bug = || two_withdrawals(careless);
    match &arguments[..] {
        [] => check(bug),
        [word] if word == "mended" => check(|| two_withdrawals(careful)),
        [path] if Path::new(path).extension().is_some_and(|end| end == "svg") => {
            return write(path, &weave::story("preemptive: ann1 bob2", bug).to_svg());
        }
        [option, path] if option == "--html" => {
            return write(path, &Explorer::new().preemptive().page(bug).to_html());
        }
        _ => {
            eprintln!("error: {arguments:?}: \"mended\" or one file is enough\n next: {USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
