//! 9. A program that hangs, and the report that explains why.
//!
//! ```sh
//! cargo run --example 09_deadlock                 the report of a deadlock
//! cargo run --example 09_deadlock -- stalled      before that, the long waits
//! cargo run --example 09_deadlock -- dump         before that, all backtraces
//! ```
//!
//! Ann and Bob need knife and fork to eat, and take them in opposite orders. Carl
//! waits for orders, and ends when the last sender is dropped; but he holds a
//! sender himself. When no green thread can ever run again, `leno::run` unwinds
//! all of them and panics with a report. The program enables nothing in advance,
//! and needs no debugger.
//!
//! Time is virtual here, so the dinner takes no time, and every run prints the
//! same.

#[path = "shared/arguments.rs"]
mod arguments;

use std::process;
use std::rc::Rc;

use leno::channel::bounded;
use leno::debug;
use leno::sync::Mutex;
use leno::thread;
use leno::time::{Duration, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Spawns a green thread with a name. The report shows the name and the caller's
/// line.
#[track_caller]
fn spawn(name: &str, f: impl FnOnce() + 'static) {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(f);
    spawned.expect("there is room for one more stack");
}

/// Locks the first mutex, waits a second, and locks the second.
fn eat(first: &Mutex<()>, second: &Mutex<()>) {
    let _one = first.lock();
    sleep(SECOND);
    let _other = second.lock();
    println!("never said: enjoy your meal");
}

fn dinner(look: fn()) {
    let knife = Rc::new(Mutex::new(()));
    let fork = Rc::new(Mutex::new(()));
    // A lock without a name is reported with the line at which it was created.
    knife.set_name("knife");

    let (anns_knife, anns_fork) = (knife.clone(), fork.clone());
    spawn("ann", move || eat(&anns_knife, &anns_fork));
    spawn("bob", move || eat(&fork, &knife));

    let (order, orders) = bounded::<&str>(3);
    orders.set_name("orders");
    let carls = order.clone();
    spawn("carl", move || {
        for order in &orders {
            println!("carl brings {order}");
        }
        drop(carls);
    });
    order.send("wine").expect("carl is there");
    drop(order);

    sleep(20 * SECOND);
    look();
}

fn main() {
    let about = "A deadlock report; or what stalls, or every green thread, before the deadlock.";
    let usage = "cargo run --example 09_deadlock -- [stalled | dump]";
    let arguments = arguments::arguments(about, usage);
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let look: fn() = match &*words.iter().map(|word| &**word).collect::<Vec<_>>() {
        [] => || (),
        ["stalled"] => || {
            // For a program of which only a part hangs.
            if let Some(report) = debug::stalled(10 * SECOND) {
                println!("{report}");
            }
        },
        ["dump"] => || println!("{}", debug::dump()),
        other => {
            eprintln!("error: {} is nothing to look at", other.join(" "));
            eprintln!(" next: cargo run --example 09_deadlock -- stalled");
            process::exit(2);
        }
    };
    leno::Builder::new().virtual_time().run(|| dinner(look));
}
