//! Blocking bugs of Go programs, from the kernels of GoBench (Yuan et al., "GoBench: a
//! benchmark suite of real-world Go concurrency bugs", CGO 2021). Each is named after
//! its project and the number of its issue there. A goroutine that waits for ever is a
//! deadlock here, since a run ends after all its green threads.

use std::time::Duration;

use leno::channel::{Receiver, TryRecvError, bounded};
use leno::sync::{Condvar, Mutex, RwLock};
use leno::weave::Shared;
use leno::{scope, select};

use super::{Bug, DEADLOCK, Proof, Search, bugs};

bugs! {
    kubernetes_10182: Bug {
        wrong: || kubernetes_10182(false),
        right: || kubernetes_10182(true),
        ..GO
    },
    kubernetes_58107: Bug {
        wrong: || kubernetes_58107(false),
        right: || kubernetes_58107(true),
        ..GO
    },
    kubernetes_25331: Bug {
        wrong: || kubernetes_25331(0),
        right: || kubernetes_25331(1),
        ..GO
    },
    kubernetes_5316: Bug {
        wrong: || kubernetes_5316(0),
        right: || kubernetes_5316(1),
        is_timed: true,
        ..GO
    },
    moby_28462: Bug {
        wrong: || moby_28462(false),
        right: || moby_28462(true),
        ..GO
    },
    moby_25384: Bug {
        wrong: || moby_25384(false),
        right: || moby_25384(true),
        ..GO
    },
    grpc_1353: Bug {
        wrong: || grpc_1353(false),
        right: || grpc_1353(true),
        ..GO
    },
    istio_16224: Bug {
        wrong: || istio_16224(0),
        right: || istio_16224(1),
        ..GO
    },
    cockroach_1055: Bug {
        wrong: || cockroach_1055(false),
        right: || cockroach_1055(true),
        ..GO
    },
}

const GO: Bug = Bug { search: Search::Reduced, proof: Proof::Reduced, ..DEADLOCK };

/// A `sync.WaitGroup`, which is a count and not a set of members.
struct WaitGroup {
    count: Mutex<usize>,
    done: Condvar,
}

impl WaitGroup {
    fn new(count: usize) -> WaitGroup {
        WaitGroup { count: Mutex::new(count), done: Condvar::new() }
    }

    fn add(&self) {
        *self.count.lock().unwrap() += 1;
    }

    fn done(&self) {
        *self.count.lock().unwrap() -= 1;
        self.done.notify_all();
    }

    fn wait(&self) {
        let count = self.count.lock().unwrap();
        drop(self.done.wait_while(count, |count| *count > 0));
    }
}

/// A sender sends a status while it holds the lock that the receiver takes before the
/// next receive.
fn kubernetes_10182(sends_unlocked: bool) {
    let statuses = Mutex::new(());
    let (sender, receiver) = bounded(0);
    scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2 {
                receiver.recv().unwrap();
                drop(statuses.lock().unwrap());
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut held = Some(statuses.lock().unwrap());
                if sends_unlocked {
                    held = None;
                }
                sender.send(()).unwrap();
                drop(held);
            });
        }
    });
}

/// Each worker waits for its queue while it holds a read lock. A waiting writer keeps
/// out all other workers, even the one whose queue is full and whose work the first
/// worker waits for.
fn kubernetes_58107(waits_unlocked: bool) {
    let lock = RwLock::new(());
    let (first, into_first) = bounded(1);
    let (second, into_second) = bounded(1);
    let work = |queue: &Receiver<()>| {
        let mut held = Some(lock.read().unwrap());
        if waits_unlocked {
            held = None;
        }
        queue.recv().unwrap();
        drop(held);
    };
    second.send(()).unwrap();
    scope(|scope| {
        scope.spawn(|| work(&into_first));
        scope.spawn(|| {
            work(&into_second);
            first.send(()).unwrap();
        });
        scope.spawn(|| drop(lock.write().unwrap()));
    });
}

/// A failing watcher cancels everything before it sends the reason, by when the
/// receiver may have left.
fn kubernetes_25331(capacity: usize) {
    let (errors, from_errors) = bounded(0);
    let (results, from_results) = bounded(capacity);
    let (cancel, cancelled) = bounded::<()>(0);
    let cancel = Shared::new(Some(cancel));
    scope(|scope| {
        scope.spawn(|| {
            select! {
                recv(from_errors) -> error => {
                    drop(cancel.take());
                    results.send(error.is_ok()).unwrap();
                }
                recv(cancelled) -> _ => {}
            }
        });
        scope.spawn(|| {
            errors.send("it failed").unwrap();
            drop(cancel.take());
        });
        scope.spawn(|| {
            select! {
                recv(from_results) -> _ => {}
                recv(cancelled) -> _ => {}
            }
        });
    });
}

/// A request is answered after its caller has timed out.
fn kubernetes_5316(capacity: usize) {
    let (answers, from_answers) = bounded(capacity);
    // A Go channel does not notice that its receiver has gone, so this receiver stays.
    let stays = from_answers.clone();
    leno::spawn(move || {
        answers.send(()).unwrap();
        drop(stays);
    });
    select! {
        recv(from_answers) -> _ => {}
        default(Duration::from_millis(1)) => {}
    }
}

/// A health monitor takes a lock for each probe. The thread that tells it to stop holds
/// this lock, and waits until the monitor has received the message.
fn moby_28462(closes: bool) {
    let container = Mutex::new(());
    let (stop, stopped) = bounded(0);
    scope(|scope| {
        scope.spawn(|| {
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                drop(container.lock().unwrap());
                leno::yield_now();
            }
        });
        let container = &container;
        scope.spawn(move || {
            let _held = container.lock().unwrap();
            if closes {
                drop(stop);
            } else {
                stop.send(()).unwrap();
            }
        });
    });
}

/// The main thread waits for all plugins before it starts the second one.
fn moby_25384(waits_at_the_end: bool) {
    let group = WaitGroup::new(2);
    scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| group.done());
            if !waits_at_the_end {
                group.wait();
            }
        }
        group.wait();
    });
}

/// A balancer sends each update while it holds a lock that the receiver takes to
/// process the previous update.
fn grpc_1353(drains: bool) {
    let balancer = Mutex::new(());
    let balancer = &balancer;
    let (sender, receiver) = bounded(usize::from(drains));
    let own = receiver.clone();
    scope(|scope| {
        scope.spawn(move || {
            for update in 0..2 {
                let _held = balancer.lock().unwrap();
                if drains {
                    let _ = own.try_recv();
                }
                sender.send(update).unwrap();
            }
        });
        scope.spawn(move || {
            for _update in receiver {
                drop(balancer.lock().unwrap());
            }
        });
    });
}

/// A handler reports its end while it holds a lock that the receiver of the report
/// takes first.
fn istio_16224(capacity: usize) {
    let lock = Mutex::new(());
    let lock = &lock;
    let (events, from_events) = bounded(0);
    let (stop, stopped) = bounded::<()>(0);
    let (done, from_done) = bounded(capacity);
    scope(|scope| {
        scope.spawn(move || {
            loop {
                select! {
                    recv(stopped) -> _ => return,
                    recv(from_events) -> event => if event.is_ok() {
                        let _held = lock.lock().unwrap();
                        done.send(()).unwrap();
                    }
                }
            }
        });
        events.send(()).unwrap();
        drop(lock.lock().unwrap());
        from_done.recv().unwrap();
        drop(stop);
    });
}

/// A stopper holds a lock while it waits for a worker, which needs that lock to learn
/// that it must stop.
fn cockroach_1055(is_fixed: bool) {
    let is_draining = Shared::new(false);
    let lock = Mutex::new(());
    let (tasks, workers) = (WaitGroup::new(0), WaitGroup::new(1));
    let (stop, stopped) = bounded::<()>(0);
    scope(|scope| {
        scope.spawn(|| {
            let may_start = is_fixed || !is_draining.get();
            if may_start {
                let held = lock.lock().unwrap();
                let starts = !is_fixed || !is_draining.get();
                if starts {
                    tasks.add();
                }
                drop(held);
                if starts {
                    tasks.done();
                }
            }
            // The worker waits until everything is stopped.
            stopped.recv().unwrap_err();
            workers.done();
        });
        let mut held = Some(lock.lock().unwrap());
        is_draining.set(true);
        if is_fixed {
            held = None;
        }
        tasks.wait();
        drop(stop);
        workers.wait();
        drop(held);
    });
}
