//! The programs of the pages. The golden page has their line numbers.

use leno::thread::{self, Builder};
use leno::weave::Shared;

/// Withdraws 70 twice from an account that holds 100, in two accesses each.
pub fn bank() {
    let balance = Shared::named("balance", 100);
    thread::scope(|scope| {
        for name in ["ann", "bob"] {
            let person = Builder::new().name(name.to_owned());
            let withdraw = || {
                if balance.get() >= 70 {
                    balance.update(|left| *left -= 70);
                }
            };
            person.spawn_scoped(scope, withdraw).expect("a stack for a person");
        }
    });
    assert!(balance.get() >= 0, "the account is overdrawn");
}

/// Prints the letters of each word in its own thread, with a yield between two letters.
pub fn letters(words: &[&str]) -> String {
    let out = Shared::named("out", String::new());
    leno::scope(|scope| {
        for word in words {
            scope.spawn(|| {
                for (index, letter) in word.chars().enumerate() {
                    if index > 0 {
                        leno::yield_now();
                    }
                    out.update(|out| out.push(letter));
                }
            });
        }
    });
    out.into_inner()
}
