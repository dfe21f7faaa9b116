//! The mailbox and the queue between OS threads, in every possible order.
//!
//! `cargo test` runs the models of `models.rs` under loom, on `src/remote/mailbox.rs`
//! and `src/shards/queue.rs`, and on copies with one planted bug each, which must be found. `cargo test
//! --no-default-features` runs the same models with the types of std a few thousand
//! times, for ThreadSanitizer.

#![cfg(test)]

#[macro_use]
mod models;
#[macro_use]
mod queue_models;

/// The types that `mailbox.rs` and `queue.rs` use.
mod sync_shim {
    #[cfg(feature = "loom")]
    pub use loom::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };
    #[cfg(not(feature = "loom"))]
    pub use std::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };
}

#[path = "../../../src/remote/mailbox.rs"]
#[allow(dead_code)]
mod mailbox;

#[path = "../../../src/shards/queue.rs"]
#[allow(dead_code)]
mod queue;

mod as_it_is {
    use crate::mailbox::{Bell, Mailbox};

    models!();
}

mod queue_as_it_is {
    use crate::queue::{Queue, Ticket, Unreceived, Unsent, Wake};

    queue_models!();
}

/// Copies with one bug each. Their models must fail.
#[cfg(feature = "loom")]
#[allow(dead_code)]
mod planted {
    include!(concat!(env!("OUT_DIR"), "/planted.rs"));

    /// Each copy runs in its own process, since a failed model leaves stacks behind
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
            assert!(!output.status.success(), "no model finds the bug {name}");
            let text = String::from_utf8_lossy(&output.stderr);
            let mut lines = text.lines().skip_while(|line| !line.contains("panicked at"));
            let (test, complaint) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
            let test = test.split('\'').nth(1).and_then(|test| test.rsplit("::").next());
            println!("{name}: {}: {complaint}", test.expect("a test has panicked"));
        }
    }
}
