//! 8. Async crates, used by green threads that block.
//!
//! `leno::block_on` waits for any future, and blocks only the calling green
//! thread. Here the channels are from `async-channel` and the timer is from
//! `async-io`; on the other side of the channels is async code on an OS thread of
//! its own. In the opposite direction, a green thread's join handle is a future.
//!
//! ```text
//! cargo run --example 08_async_bridge
//! ```

#[path = "shared/arguments.rs"]
mod arguments;

use std::time::Duration;

use async_channel::{Receiver, Sender, bounded};
use async_io::Timer;
use futures_lite::{FutureExt, future};
use leno::block_on;

fn main() {
    arguments::arguments(
        "Green threads that wait for futures, and futures that wait for green threads.",
        "cargo run --example 08_async_bridge",
    );
    let (orders, ordered) = bounded(1);
    let (cakes, baked) = bounded(1);
    let baker = std::thread::spawn(|| future::block_on(bake(ordered, cakes)));
    leno::run(|| {
        let waiter = leno::spawn(move || {
            for cake in ["apple", "plum"] {
                println!("waiter  orders {cake}");
                block_on(orders.send(cake)).expect("the baker is there");
            }
            "two tables"
        });
        let guest = leno::spawn(move || {
            let mut eaten = 0;
            while let Ok(cake) = block_on(baked.recv()) {
                println!("guest   eats {cake}");
                eaten += 1;
            }
            eaten
        });

        // Awaits two join handles together. The kitchen closes when the waiter ends.
        let (tables, eaten) = block_on(future::zip(waiter, guest));
        println!("main    {} served, {} cakes eaten", tables.unwrap(), eaten.unwrap());

        // Takes the first of two futures that completes. The other is dropped.
        let (_bell, silent) = bounded::<()>(1);
        let bell = async {
            let _ = silent.recv().await;
            "rings"
        };
        let patience = async {
            Timer::after(Duration::from_millis(20)).await;
            "stays silent"
        };
        println!("main    the bell {}", block_on(bell.or(patience)));
    });
    baker.join().expect("the baker comes to its end");
}

/// Bakes a cake for each order, as async code without a reference to green threads.
async fn bake(orders: Receiver<&str>, cakes: Sender<String>) {
    while let Ok(order) = orders.recv().await {
        Timer::after(Duration::from_millis(5)).await;
        cakes.send(format!("{order} cake")).await.expect("the guest eats");
    }
}
