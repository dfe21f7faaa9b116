//! Programs whose data is always under a lock, and whose order still matters.

use leno::scope;
use leno::sync::{Condvar, Mutex};

use super::{Bug, PANIC, Proof, Search, bugs};

bugs! {
    account: Bug {
        wrong: || account(|start, deposit, withdrawal| start - deposit - withdrawal),
        right: || account(|start, deposit, withdrawal| start + deposit - withdrawal),
        says: "the balance",
        ..PANIC
    },
    lazy01: Bug {
        wrong: || lazy(3),
        right: || lazy(4),
        says: "the third thread was last",
        ..PANIC
    },
    circular_buffer: Bug {
        wrong: || circular_buffer(7, Turns::Counted),
        right: || circular_buffer(3, Turns::Awaited),
        says: "the next element",
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..PANIC
    },
    queue: Bug {
        wrong: || queue(20, Turns::Counted),
        right: || queue(4, Turns::Awaited),
        says: "the next element",
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..PANIC
    },
    stack: Bug {
        wrong: || stack(10, |stack| stack.is_used),
        right: || stack(4, |stack| !stack.elements.is_empty()),
        says: "underflow",
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..PANIC
    },
}

/// `account_bad`: a deposit, a withdrawal, and a check of the balance after both, with
/// the wrong sum.
fn account(balance: fn(i32, i32, i32) -> i32) {
    struct Account {
        balance: i32,
        is_deposited: bool,
        is_withdrawn: bool,
    }
    let (start, deposit, withdrawal) = (1, 2, 4);
    let account = Account { balance: start, is_deposited: false, is_withdrawn: false };
    let account = Mutex::new(account);
    scope(|scope| {
        scope.spawn(|| {
            let account = account.lock().unwrap();
            if account.is_deposited && account.is_withdrawn {
                let expected = balance(start, deposit, withdrawal);
                assert_eq!(account.balance, expected, "the balance");
            }
        });
        scope.spawn(|| {
            let mut account = account.lock().unwrap();
            account.balance += deposit;
            account.is_deposited = true;
        });
        scope.spawn(|| {
            let mut account = account.lock().unwrap();
            account.balance -= withdrawal;
            account.is_withdrawn = true;
        });
    });
}

/// `lazy01_bad`: one thread adds 1, one adds 2, and the third assumes that it runs
/// before one of them.
fn lazy(limit: i32) {
    let data = Mutex::new(0);
    scope(|scope| {
        scope.spawn(|| *data.lock().unwrap() += 1);
        scope.spawn(|| *data.lock().unwrap() += 2);
        scope.spawn(|| assert!(*data.lock().unwrap() < limit, "the third thread was last"));
    });
}

/// The way in which two threads take turns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turns {
    /// Each thread makes a fixed number of attempts, and works if it has the turn. An
    /// early attempt is lost.
    Counted,
    /// Each thread waits for its turn.
    Awaited,
}

/// The shared state of two threads that take turns.
struct Handover<T> {
    shared: Mutex<(T, bool)>,
    changed: Condvar,
    turns: Turns,
}

impl<T> Handover<T> {
    fn new(value: T, turns: Turns) -> Handover<T> {
        Handover { shared: Mutex::new((value, true)), changed: Condvar::new(), turns }
    }

    /// Works if the sender, or else the other thread, has the turn.
    fn look(&self, sends: bool, work: impl FnOnce(&mut T)) {
        let mut shared = self.shared.lock().unwrap();
        if self.turns == Turns::Awaited {
            shared = self.changed.wait_while(shared, |(_, turn)| *turn != sends).unwrap();
        }
        let (value, turn) = &mut *shared;
        if *turn == sends {
            work(value);
            *turn = !sends;
            self.changed.notify_one();
        }
    }
}

/// `circular_buffer_bad`: one thread inserts 0, 1, 2 and so on, and one removes them,
/// in turns. The remover counts its attempts instead of its elements.
fn circular_buffer(count: usize, turns: Turns) {
    const SIZE: usize = 10;
    struct Buffer {
        elements: [usize; SIZE],
        first: usize,
        next: usize,
    }
    let buffer = Buffer { elements: [0; SIZE], first: 0, next: 0 };
    let handover = Handover::new(buffer, turns);
    scope(|scope| {
        scope.spawn(|| {
            for element in 0..count {
                handover.look(true, |buffer| {
                    buffer.elements[buffer.next] = element;
                    buffer.next = (buffer.next + 1) % SIZE;
                });
            }
        });
        scope.spawn(|| {
            for expected in 0..count {
                handover.look(false, |buffer| {
                    let element = buffer.elements[buffer.first];
                    buffer.first += 1;
                    assert_eq!(element, expected, "the next element");
                });
            }
        });
    });
}

/// `queue_bad`: like the circular buffer, with a first element that is enqueued out of
/// turn.
fn queue(count: usize, turns: Turns) {
    #[derive(Default)]
    struct Queue {
        elements: std::collections::VecDeque<usize>,
        /// All enqueued elements, in order.
        stored: Vec<usize>,
    }
    impl Queue {
        fn enqueue(&mut self, element: usize) {
            self.elements.push_back(element);
            self.stored.push(element);
        }
    }
    let handover = Handover::new(Queue::default(), turns);
    scope(|scope| {
        scope.spawn(|| {
            handover.shared.lock().unwrap().0.enqueue(0);
            for element in 1..count {
                handover.look(true, |queue| queue.enqueue(element));
            }
        });
        scope.spawn(|| {
            // With awaited turns, every element but the first has one.
            let looks = if turns == Turns::Awaited { count - 1 } else { count };
            for look in 0..looks {
                handover.look(false, |queue| {
                    let element = queue.elements.pop_front();
                    let expected = queue.stored.get(look).copied();
                    assert_eq!(element, expected, "the next element");
                });
            }
        });
    });
}

/// A stack, and whether an element was ever pushed.
#[derive(Default)]
struct Stack {
    elements: Vec<usize>,
    is_used: bool,
}

/// `stack_bad`: one thread pushes; the other pops once an element was ever pushed, even
/// if the stack is empty again.
fn stack(count: usize, may_pop: fn(&Stack) -> bool) {
    let stack = Mutex::new(Stack::default());
    scope(|scope| {
        scope.spawn(|| {
            for element in 0..count {
                let mut stack = stack.lock().unwrap();
                stack.elements.push(element);
                stack.is_used = true;
            }
        });
        scope.spawn(|| {
            for _ in 0..count {
                let mut stack = stack.lock().unwrap();
                if may_pop(&stack) {
                    stack.elements.pop().expect("underflow");
                }
            }
        });
    });
}
