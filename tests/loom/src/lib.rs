//! The mailbox between OS threads, in every order that there is.
//!
//! `cargo test` runs the models of `models.rs` under loom, on
//! `src/remote/mailbox.rs` as it is and on copies with a bug in each, which must
//! be found. `cargo test --no-default-features` runs the same with the types of
//! std a few thousand times, for ThreadSanitizer.

#![cfg(test)]

#[macro_use]
mod models;

/// What `mailbox.rs` takes.
mod sync_shim {
    #[cfg(feature = "loom")]
    pub use loom::sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };
    #[cfg(not(feature = "loom"))]
    pub use std::sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };
}

#[path = "../../../src/remote/mailbox.rs"]
#[allow(dead_code)]
mod mailbox;

mod as_it_is {
    use crate::mailbox::{Bell, Mailbox};

    models!();
}

/// Copies with a bug in each, whose models are to fail.
#[cfg(feature = "loom")]
#[allow(dead_code)]
mod planted {
    include!(concat!(env!("OUT_DIR"), "/planted.rs"));

    /// Each in a process of its own: a model that has failed leaves stacks behind
    /// that cannot be unwound.
    #[test]
    fn each_bug_is_found() {
        for name in PLANTED {
            let binary = std::env::current_exe().expect("the binary has a path");
            let output = std::process::Command::new(binary)
                .args([
                    "--ignored",
                    "--nocapture",
                    "--test-threads=1",
                    &format!("planted::{name}::"),
                ])
                .env("RUST_BACKTRACE", "0")
                .output()
                .expect("the test binary can be run again");
            assert!(!output.status.success(), "nobody has found that it {name}");
            let text = String::from_utf8_lossy(&output.stderr);
            let mut lines = text.lines().skip_while(|line| !line.contains("panicked at"));
            let (test, complaint) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
            let test = test.split('\'').nth(1).and_then(|test| test.rsplit("::").next());
            println!("{name}: {}: {complaint}", test.expect("a test has panicked"));
        }
    }
}
