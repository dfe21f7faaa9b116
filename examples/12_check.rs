//! 12. A bug that shows itself once in a while, found and explained.
//!
//! Two people withdraw money from one account. Each looks whether there is enough,
//! and takes it: correct for each alone. `check` is what a `#[test]` would call. It
//! tries every order in which the two can come to the account, and stops at the
//! first that breaks the rule, with the shortest story of how that comes about:
//!
//! ```text
//! cargo run --example 12_check
//! cargo run --example 12_check -- story.svg
//! ```
//!
//! The second draws that story.

use std::{env, fs};

use leno::thread::{self, Builder};
use leno::weave::{self, Explorer, Shared};

/// An account holds 100, and two people want 70.
fn two_withdrawals() {
    let balance = Shared::named("balance", 100);
    let withdraw = |amount| {
        if balance.get() >= amount {
            balance.update(|left| *left -= amount);
        }
    };
    thread::scope(|scope| {
        for name in ["ann", "bob"] {
            let person = Builder::new().name(name.to_owned());
            person.spawn_scoped(scope, || withdraw(70)).expect("a stack for a person");
        }
    });
    assert!(balance.get() >= 0, "the account is overdrawn");
}

fn main() {
    if let Some(path) = env::args_os().nth(1) {
        let story = weave::story("preemptive: ann1 bob2", two_withdrawals);
        return fs::write(path, story.to_svg()).expect("a file that can be written");
    }
    Explorer::new().preemptive().check(two_withdrawals);
}
