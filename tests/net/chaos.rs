//! No byte is lost: random streams and datagrams, with cancellations and deadlines at both ends and bad
//! weather between them.
//!
//! ```text
//!   an end:  writer, readers --- stream --> way --> stream --- readers, writer
//!            interrupted                 a proxy               interrupted
//! ```
//!
//! A model counts the bytes that single calls have sent and received. A call that was interrupted has
//! done nothing, so what the next one reads or writes follows on what the last one did.

mod datagrams;
mod many;
mod persist;
mod proxy;
mod streams;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::pairs::ends;
use crate::seed::{scaled, seeded_runner};

/// Runs `case` in a runtime for random plans. Returns the number of interruptions.
fn run_cases<P: Clone + std::fmt::Debug + Send + 'static>(
    name: &str,
    cases: u32,
    plans: impl Strategy<Value = P>,
    case: fn(&P) -> u64,
) -> u64 {
    let (mut runner, repeat): (TestRunner, String) = seeded_runner(name, scaled(cases));
    let interruptions = std::cell::Cell::new(0);
    let result = runner.run(&plans, |plan| {
        let interrupted = ends(move || leno::run(move || case(&plan)));
        interruptions.set(interruptions.get() + interrupted);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{repeat}\n{error}");
    }
    println!("{name}: {} interruptions", interruptions.get());
    interruptions.get()
}
