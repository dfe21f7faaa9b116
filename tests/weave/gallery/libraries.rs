//! Bugs of libraries and programs in use.

use leno::scope;
use leno::sync::{Condvar, Mutex};
use leno::weave::Shared;

use super::{Bug, PANIC, Proof, Search, bugs};

bugs! {
    string_buffer: Bug {
        wrong: || string_buffer(StringBuffer::append_in_two_steps),
        right: || string_buffer(StringBuffer::append_in_one_step),
        says: "is out of bounds",
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..PANIC
    },
    pbzip2: Bug {
        wrong: || pbzip2(false),
        right: || pbzip2(true),
        says: "the queue has been freed",
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..PANIC
    },
}

/// `java.lang.StringBuffer`: each method holds the lock of its own buffer.
struct StringBuffer(Mutex<Vec<char>>);

impl StringBuffer {
    fn new(text: &str) -> StringBuffer {
        StringBuffer(Mutex::new(text.chars().collect()))
    }

    fn length(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn get_chars(&self, end: usize, into: &mut Vec<char>) {
        let chars = self.0.lock().unwrap();
        assert!(end <= chars.len(), "index {end} is out of bounds for length {}", chars.len());
        into.extend(&chars[..end]);
    }

    fn delete(&self, from: usize, to: usize) {
        self.0.lock().unwrap().drain(from..to);
    }

    /// As in JDK 1.4: `length` may be outdated at the second step.
    fn append_in_two_steps(&self, other: &StringBuffer) {
        let mut own = self.0.lock().unwrap();
        let length = other.length();
        other.get_chars(length, &mut own);
    }

    fn append_in_one_step(&self, other: &StringBuffer) {
        let mut own = self.0.lock().unwrap();
        own.extend(&*other.0.lock().unwrap());
    }
}

/// One thread appends a buffer to another, while a second thread deletes from it
/// (Flanagan and Qadeer, "A type and effect system for atomicity", PLDI 2003;
/// SCTBench's `stringbuffer-jdk1.4`, from the bugs collected by Yu and Narayanasamy,
/// ISCA 2009).
fn string_buffer(append: fn(&StringBuffer, &StringBuffer)) {
    let buffer = StringBuffer::new("abc");
    let other = StringBuffer::new("");
    scope(|scope| {
        scope.spawn(|| append(&other, &buffer));
        scope.spawn(|| buffer.delete(0, 3));
    });
}

/// The queue of `pbzip2` 0.9.4. Freeing it only sets a flag here.
struct Blocks {
    waiting: Mutex<(u32, bool)>,
    changed: Condvar,
    is_freed: Shared<bool>,
}

impl Blocks {
    fn touch(&self) {
        assert!(!self.is_freed.get(), "the queue has been freed");
    }

    /// The body of a thread that compresses blocks until all are done.
    fn consume(&self, compressed: &Shared<u32>) {
        loop {
            self.touch();
            let queue = self.waiting.lock().unwrap();
            let nothing = |(blocks, is_closed): &mut (u32, bool)| *blocks == 0 && !*is_closed;
            let mut queue = self.changed.wait_while(queue, nothing).unwrap();
            if queue.0 == 0 {
                // This access stands for the release of the queue's lock.
                self.touch();
                return;
            }
            queue.0 -= 1;
            drop(queue);
            compressed.update(|count| *count += 1);
        }
    }
}

/// A parallel compressor: the main thread frees the queue after the last block is
/// written, and does not wait for the threads that take from it (Yu and Narayanasamy,
/// "A case for an interleaving constrained shared-memory multi-processor", ISCA 2009;
/// one of the programs of the PCT paper, and SCTBench's `pbzip2-0.9.4`).
fn pbzip2(joins: bool) {
    let blocks = Blocks {
        waiting: Mutex::new((0, false)),
        changed: Condvar::new(),
        is_freed: Shared::new(false),
    };
    let compressed = Shared::new(0);
    scope(|scope| {
        let consumer = scope.spawn(|| blocks.consume(&compressed));
        *blocks.waiting.lock().unwrap() = (1, true);
        blocks.changed.notify_all();
        // The main thread waits for the thread that writes the compressed blocks.
        let writer = scope.spawn(|| {
            while compressed.get() < 1 {
                leno::yield_now();
            }
        });
        writer.join().unwrap();
        if joins {
            consumer.join().unwrap();
        }
        blocks.is_freed.set(true);
    });
}
