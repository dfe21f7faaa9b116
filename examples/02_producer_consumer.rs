//! 2. A producer and a consumer, without a lock and without a queue.
//!
//! A coroutine receives a value each time it is resumed, and returns a value each
//! time it suspends. A channel needs no more: `send` resumes the consumer with an
//! item, `receive` suspends until there is an item, and `close` resumes the
//! consumer without one. The item is not stored anywhere. It crosses in a
//! register, together with the OS thread, from one stack to the other, and the
//! consumer's answer comes back in the same way.
//!
//! ```text
//! cargo run --example 02_producer_consumer
//! ```

#[path = "shared/arguments.rs"]
mod arguments;

use leno::coroutine::{Coroutine, Yielder};

type Answer = &'static str;

fn main() {
    arguments::arguments(
        "A producer and a consumer, without a lock and without a queue.",
        "cargo run --example 02_producer_consumer",
    );
    let consumer = Sender::to(consume);
    for item in 1..=5 {
        println!("[PRODUCER] Producing {item}...");
        let answer = consumer.send(item);
        println!("[PRODUCER] Consumer return: {answer}");
    }
    consumer.close();
}

fn consume(producer: Receiver) {
    let mut answer = "ready";
    while let Some(item) = producer.receive(answer) {
        println!("[CONSUMER] Consuming {item}...");
        answer = "200 OK";
    }
}

/// The producer's half of the channel: the consumer itself, suspended in `receive`.
struct Sender(Coroutine<Option<u32>, Answer, ()>);

impl Sender {
    /// Runs the consumer up to its first `receive`.
    fn to(consumer: fn(Receiver)) -> Sender {
        let coroutine = Coroutine::new(move |yielder, _| consumer(Receiver(yielder)));
        coroutine.resume(None);
        Sender(coroutine)
    }

    /// Hands an item over, and returns the answer when the consumer requests the
    /// next item.
    fn send(&self, item: u32) -> Answer {
        self.0.resume(Some(item)).as_yield().expect("the consumer receives until we close")
    }

    /// Closes the channel. The consumer runs to its end.
    fn close(self) {
        self.0.resume(None);
    }
}

/// The consumer's half of the channel, which leads back to the producer.
struct Receiver<'a>(&'a Yielder<Option<u32>, Answer>);

impl Receiver<'_> {
    /// Answers the last item and waits for the next. Returns `None` if the channel is closed.
    fn receive(&self, answer: Answer) -> Option<u32> {
        self.0.suspend(answer)
    }
}
