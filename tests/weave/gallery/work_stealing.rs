//! A queue that one thread owns at one end, while others steal from the other end: the
//! THE protocol of Cilk (Frigo, Leiserson, Randall, "The implementation of the Cilk-5
//! multithreaded language", PLDI 1998), which became a test program of CHESS (Musuvathi
//! and Qadeer, "Iterative context bounding for systematic testing of multithreaded
//! programs", PLDI 2007) and of SCTBench as `WorkStealQueue`.
//!
//! The owner announces which element it takes before it looks for a thief, and a thief
//! does the same with respect to the owner. On a processor that takes a fence, and
//! without the fence the owner looks first. That order is the bug here, since memory is
//! sequentially consistent.

use leno::scope;
use leno::sync::Mutex;
use leno::weave::Shared;

use super::{Bug, PANIC, Proof, Search, bugs};

bugs! {
    work_stealing: Bug {
        wrong: || work_stealing(4, 2, Fence::Missing),
        right: || work_stealing(4, 2, Fence::There),
        says: "every item is worked on once",
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..PANIC
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fence {
    Missing,
    There,
}

/// Elements from `head`, where thieves take them, to `tail`, where the owner pushes and
/// pops. The position of an element is its index modulo the length of the ring.
struct Queue {
    head: Shared<usize>,
    tail: Shared<usize>,
    ring: Shared<Vec<usize>>,
    /// Held by a thief, and by the owner where it may have met one.
    lock: Mutex<()>,
    fence: Fence,
}

impl Queue {
    fn new(fence: Fence) -> Queue {
        Queue {
            head: Shared::new(0),
            tail: Shared::new(0),
            ring: Shared::new(vec![0; 2]),
            lock: Mutex::new(()),
            fence,
        }
    }

    fn element(&self, index: usize) -> usize {
        self.ring.with(|ring| ring[index % ring.len()])
    }

    fn push(&self, element: usize) {
        let tail = self.tail.get();
        // One position stays free, for a thief whose attempt fails.
        if tail + 1 >= self.head.get() + self.ring.with(Vec::len) {
            return self.push_into_larger(element);
        }
        self.put(tail, element);
    }

    fn put(&self, index: usize, element: usize) {
        self.ring.update(|ring| {
            let length = ring.len();
            ring[index % length] = element;
        });
        self.tail.set(index + 1);
    }

    fn push_into_larger(&self, element: usize) {
        let _held = self.lock.lock().unwrap();
        let (head, tail) = (self.head.get(), self.tail.get());
        let larger = |ring: &mut Vec<usize>| {
            let all = (head..tail).map(|index| ring[index % ring.len()]);
            let mut all: Vec<usize> = all.collect();
            all.resize(2 * ring.len(), 0);
            *ring = all;
        };
        self.ring.update(larger);
        self.head.set(0);
        self.put(tail - head, element);
    }

    fn pop(&self) -> Option<usize> {
        let last = self.tail.get().checked_sub(1)?;
        let head = match self.fence {
            Fence::There => {
                self.tail.set(last);
                self.head.get()
            }
            Fence::Missing => {
                let head = self.head.get();
                self.tail.set(last);
                head
            }
        };
        if head <= last {
            return Some(self.element(last));
        }
        // The queue is empty, or a thief is about to take the last element, or the
        // thief's attempt will fail.
        self.tail.set(last + 1);
        let _held = self.lock.lock().unwrap();
        if self.head.get() <= last {
            self.tail.set(last);
            return Some(self.element(last));
        }
        self.head.set(0);
        self.tail.set(0);
        None
    }

    fn steal(&self) -> Option<usize> {
        let _held = self.lock.lock().unwrap();
        let first = self.head.get();
        self.head.set(first + 1);
        if first < self.tail.get() {
            return Some(self.element(first));
        }
        self.head.set(first);
        None
    }
}

/// The owner repeatedly pushes two items and pops one, and then pops the rest, while a
/// thief tries to steal some.
fn work_stealing(items: usize, thefts: usize, fence: Fence) {
    let queue = Queue::new(fence);
    let worked: Vec<Shared<u32>> = (0..items).map(|_| Shared::new(0)).collect();
    let work = |item: Option<usize>| {
        if let Some(item) = item {
            worked[item].update(|count| *count += 1);
        }
    };
    scope(|scope| {
        scope.spawn(|| (0..thefts).for_each(|_| work(queue.steal())));
        for pair in 0..items / 2 {
            queue.push(2 * pair);
            queue.push(2 * pair + 1);
            work(queue.pop());
        }
        (0..items / 2).for_each(|_| work(queue.pop()));
    });
    let counts: Vec<u32> = worked.iter().map(Shared::get).collect();
    assert_eq!(counts, vec![1; items], "every item is worked on once");
}
