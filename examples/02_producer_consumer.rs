//! 2. A producer and a consumer, without a lock and without a queue.
//!
//! A coroutine takes a value in each time it is resumed, and gives one out each
//! time it suspends. That is all a channel needs: to `send` is to resume the
//! consumer with an item, to `receive` is to suspend until there is one, and to
//! `close` is to resume it with none. The item is not put anywhere. It crosses
//! in a register, as the thread crosses from one stack to the other, and the
//! consumer's answer comes back the same way.
//!
//! ```text
//! cargo run --example 02_producer_consumer
//! ```

use leno::coroutine::{Coroutine, Yielder};

type Answer = &'static str;

fn main() {
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

/// The producer's end: the consumer itself, suspended in `receive`.
struct Sender(Coroutine<Option<u32>, Answer, ()>);

impl Sender {
    /// Lets the consumer run up to its first `receive`.
    fn to(consumer: fn(Receiver)) -> Sender {
        let coroutine = Coroutine::new(move |yielder, _| consumer(Receiver(yielder)));
        coroutine.resume(None);
        Sender(coroutine)
    }

    /// Hands an item over, and returns with the answer when the consumer wants
    /// the next one.
    fn send(&self, item: u32) -> Answer {
        self.0.resume(Some(item)).as_yield().expect("the consumer receives until we close")
    }

    /// Says that there is nothing more. The consumer runs to its end.
    fn close(self) {
        self.0.resume(None);
    }
}

/// The consumer's end: the way back to whoever sends.
struct Receiver<'a>(&'a Yielder<Option<u32>, Answer>);

impl Receiver<'_> {
    /// Answers the last item and waits for the next; `None` when there is none.
    fn receive(&self, answer: Answer) -> Option<u32> {
        self.0.suspend(answer)
    }
}
