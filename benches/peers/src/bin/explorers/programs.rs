//! The explored programs. A macro expands them with the threads and locks of each library. The rest
//! is the same for all libraries: `Arc`, and the lock in which a program records its steps.

/// The number of yields of each thread in an exhaustive exploration.
pub const FEW: u64 = 3;
/// The number of yields of each thread in a long execution.
pub const MANY: u64 = 1_000;

/// The capacity of the bounded buffer.
pub const CAPACITY: usize = 2;
pub const PRODUCERS: u64 = 3;
pub const CONSUMERS: u64 = 3;
pub const ITEMS_EACH: u64 = 2;

/// The number of random executions.
pub const DRAWN: u64 = 1_000;
pub const DRAWN_LONG: u64 = 50;
pub const SEED: u64 = 7;

macro_rules! programs {
    ($library:ident) => {
        pub mod programs {
            use std::sync::Arc;

            use $library::sync::Mutex;
            use $library::thread;

            use $crate::programs::FEW;

            /// Runs two threads that each yield `each` times.
            pub fn yields(each: u64) {
                let threads = [(); 2].map(|()| {
                    thread::spawn(move || {
                        for _ in 0..each {
                            thread::yield_now();
                        }
                    })
                });
                for thread in threads {
                    thread.join().expect("no thread panics");
                }
            }

            /// Runs two threads that yield, and returns the thread that had each turn.
            pub fn yields_told() -> Vec<u8> {
                let said = Arc::new(std::sync::Mutex::new(Vec::with_capacity(8)));
                let threads = [0, 1].map(|number| {
                    let said = said.clone();
                    thread::spawn(move || {
                        for _ in 0..FEW {
                            said.lock().expect("no thread panics").push(number);
                            thread::yield_now();
                        }
                    })
                });
                for thread in threads {
                    thread.join().expect("no thread panics");
                }
                std::mem::take(&mut *said.lock().expect("no thread panics"))
            }

            /// Runs two threads that lock and unlock one mutex.
            pub fn locks() {
                let mutex = Arc::new(Mutex::new(0));
                let threads = [(); 2].map(|()| {
                    let mutex = mutex.clone();
                    thread::spawn(move || {
                        for _ in 0..FEW {
                            *mutex.lock().expect("no thread panics") += 1;
                        }
                    })
                });
                for thread in threads {
                    thread.join().expect("no thread panics");
                }
            }

            /// Runs [`locks`], and returns the thread that had the lock each time.
            pub fn locks_told() -> Vec<u8> {
                let mutex = Arc::new(Mutex::new(Vec::with_capacity(8)));
                let threads = [0, 1].map(|number| {
                    let mutex = mutex.clone();
                    thread::spawn(move || {
                        for _ in 0..FEW {
                            mutex.lock().expect("no thread panics").push(number);
                        }
                    })
                });
                for thread in threads {
                    thread.join().expect("no thread panics");
                }
                std::mem::take(&mut *mutex.lock().expect("no thread panics"))
            }
        }
    };
}
pub(crate) use programs;

/// Expands more programs, for libraries that have scopes and seven threads.
macro_rules! larger_programs {
    ($library:ident) => {
        pub mod larger_programs {
            use std::collections::VecDeque;
            use std::sync::Arc;

            use $library::sync::{Condvar, Mutex};
            use $library::thread;

            use $crate::programs::{CAPACITY, CONSUMERS, FEW, ITEMS_EACH, PRODUCERS};

            /// Runs `THREADS` threads of three steps, with yields between the steps, in a scope.
            pub fn steps<const THREADS: usize>() {
                thread::scope(|scope| {
                    for _ in 0..THREADS {
                        scope.spawn(|| {
                            for _ in 1..FEW {
                                thread::yield_now();
                            }
                        });
                    }
                });
            }

            struct Buffer {
                items: Mutex<VecDeque<u64>>,
                has_room: Condvar,
                has_items: Condvar,
            }

            impl Buffer {
                fn put(&self, item: u64) {
                    let mut items = self.items.lock().expect("no thread panics");
                    while items.len() == CAPACITY {
                        items = self.has_room.wait(items).expect("no thread panics");
                    }
                    items.push_back(item);
                    self.has_items.notify_one();
                }

                fn take(&self) -> u64 {
                    let mut items = self.items.lock().expect("no thread panics");
                    loop {
                        if let Some(item) = items.pop_front() {
                            self.has_room.notify_one();
                            return item;
                        }
                        items = self.has_items.wait(items).expect("no thread panics");
                    }
                }
            }

            /// Runs producers and consumers with a small buffer.
            pub fn buffer() {
                let buffer = Arc::new(Buffer {
                    items: Mutex::new(VecDeque::with_capacity(CAPACITY)),
                    has_room: Condvar::new(),
                    has_items: Condvar::new(),
                });
                let producers = (0..PRODUCERS).map(|number| {
                    let buffer = buffer.clone();
                    thread::spawn(move || {
                        for item in 0..ITEMS_EACH {
                            buffer.put(number * ITEMS_EACH + item);
                        }
                        0
                    })
                });
                let consumers = (0..CONSUMERS).map(|_| {
                    let buffer = buffer.clone();
                    thread::spawn(move || (0..ITEMS_EACH).map(|_| buffer.take()).sum())
                });
                let threads: Vec<_> = producers.chain(consumers).collect();
                let sum = threads
                    .into_iter()
                    .map(|thread| thread.join().expect("no thread panics"))
                    .sum::<u64>();
                let items = PRODUCERS * ITEMS_EACH;
                assert_eq!(sum, items * (items - 1) / 2, "each item was taken once");
            }
        }
    };
}
pub(crate) use larger_programs;
