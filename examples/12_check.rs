//! 12. A bug that shows itself once in a while, found and explained.
//!
//! Two people withdraw money from one account. Each looks whether there is enough,
//! and takes it: correct for each alone. `check` is what a `#[test]` would call. It
//! tries every order in which the two can come to the account, and stops at the
//! first that breaks the rule, with the shortest story of how that comes about:
//!
//! ```text
//! cargo run --example 12_check
//! ```

use leno::thread::{self, Builder};
use leno::weave::{Explorer, Shared};

/// An account holds 100, and two people want 70.
fn two_withdrawals() {
    let balance = Shared::new(100);
    balance.set_name("balance");
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
    Explorer::new().preemptive().check(two_withdrawals);
}
