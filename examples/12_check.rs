//! 12. A rare bug, found and explained.
//!
//! Two people withdraw money from one account. Each first checks whether the balance
//! suffices, which is correct for each alone. A `#[test]` would call `check`. It
//! tries every order of the accesses to the account, and stops at the first
//! execution that fails, with the shortest story that leads to the failure:
//!
//! ```text
//! cargo run --example 12_check
//! cargo run --example 12_check -- story.svg
//! ```
//!
//! The second command draws that story.

use std::{env, fs};

use leno::thread::{self, Builder};
use leno::weave::{self, Explorer, Shared};

/// Withdraws 70 twice from an account that holds 100.
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
