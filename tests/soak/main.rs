//! A long random load over all parts of the runtime, which must not grow: resident
//! memory, map entries and open descriptors are the same after the warm-up as at the
//! end, and every created value is dropped.
//! `sockets.rs` does the same with connections to a server.
//! Each takes two seconds by default. A longer run:
//! `LENO_SOAK=600 cargo test --release --test soak random_load -- --nocapture`.

mod figures;
mod random;
#[cfg(all(feature = "net", target_os = "linux"))]
mod sockets;

use std::cell::{Cell, RefCell};
use std::env;
use std::panic;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use leno::channel::{self, Receiver, Sender};
use leno::coroutine::Coroutine;
use leno::sync::{Barrier, Condvar, Event, Mutex, RwLock, Semaphore, WaitGroup};
use leno::thread::{self, JoinHandle};
use leno::time::{Duration, Instant, timeout};

use figures::Figures;
use random::Random;

/// The maximum number of green threads of the load.
const MOST: usize = 300;

/// A value that must be dropped.
struct Thing(Rc<Cell<u64>>);

impl Drop for Thing {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

leno::green_local! {
    static SCRATCH: RefCell<Vec<Thing>> = RefCell::default();
}

/// The state that all green threads of the load share.
struct World {
    random: Random,
    things: Rc<Cell<u64>>,
    /// The number of green threads of the load that have not ended.
    alive: Cell<usize>,
    done: Cell<u64>,
    mutex: Mutex<u64>,
    changed: Condvar,
    lock: RwLock<u64>,
    permits: Semaphore,
    event: Event,
    sender: Sender<Thing>,
    receiver: Receiver<Thing>,
}

impl World {
    fn thing(&self) -> Thing {
        self.things.set(self.things.get() + 1);
        Thing(self.things.clone())
    }

    fn spawn(self: &Rc<World>, f: impl FnOnce(&Rc<World>) + 'static) -> JoinHandle<Thing> {
        struct Alive(Rc<World>);
        impl Drop for Alive {
            fn drop(&mut self) {
                self.0.alive.set(self.0.alive.get() - 1);
                self.0.done.set(self.0.done.get() + 1);
            }
        }
        self.alive.set(self.alive.get() + 1);
        let alive = Alive(self.clone());
        let held = self.thing();
        leno::spawn(move || {
            let alive = alive;
            f(&alive.0);
            held
        })
    }
}

type Task = fn(&Rc<World>);

const TASKS: [Task; 18] = [
    yields,
    deep,
    panics,
    sleeps,
    nested_scopes,
    parks,
    coroutine,
    local,
    messages,
    pipeline,
    selects,
    locks,
    condition,
    permits,
    meeting,
    group,
    other_os_thread,
    futures,
];

fn yields(world: &Rc<World>) {
    for _ in 0..world.random.below(8) {
        leno::yield_now();
    }
}

/// Grows the stack. Its pages are given back afterwards.
fn deep(world: &Rc<World>) {
    #[inline(never)]
    fn grow(depth: u64) -> u64 {
        let bytes = std::hint::black_box([depth; 128]);
        if depth == 0 {
            leno::yield_now();
            return bytes[0];
        }
        grow(depth - 1) + bytes[7]
    }
    std::hint::black_box(grow(world.random.below(60)));
}

/// Waits twice in a destructor while it panics.
fn panics(world: &Rc<World>) {
    struct Sleeps<'a>(&'a World);
    impl Drop for Sleeps<'_> {
        fn drop(&mut self) {
            leno::sleep(self.0.random.short());
            leno::sleep(self.0.random.short());
        }
    }
    let _sleeps = Sleeps(world);
    panic::resume_unwind(Box::new("a panic of the load"));
}

fn sleeps(world: &Rc<World>) {
    leno::sleep(world.random.short());
}

fn nested_scopes(world: &Rc<World>) {
    let _held = world.thing();
    let _ = timeout(world.random.short(), || {
        let _ = timeout(world.random.short(), || {
            let _held = world.thing();
            thread::shield(|| leno::sleep(world.random.short()));
            thread::park();
        });
        leno::sleep(world.random.short());
    });
}

fn parks(world: &Rc<World>) {
    let me = thread::current();
    let waker = world.spawn(move |world| {
        leno::sleep(world.random.short());
        me.unpark();
    });
    thread::park_timeout(Duration::from_millis(2));
    let _ = waker.join();
}

/// Waits inside a coroutine, which may be dropped before its end.
fn coroutine(world: &Rc<World>) {
    let inner = world.clone();
    let coroutine = Coroutine::new(move |yielder, ()| {
        let _held = inner.thing();
        for _ in 0..4 {
            leno::sleep(inner.random.short());
            yielder.suspend(inner.thing());
        }
    });
    for _ in 0..world.random.below(6) {
        let _ = coroutine.resume(()).as_yield();
        if coroutine.is_done() {
            break;
        }
    }
}

fn local(world: &Rc<World>) {
    for _ in 0..3 {
        let thing = world.thing();
        SCRATCH.with(|scratch| scratch.borrow_mut().push(thing));
        leno::yield_now();
    }
}

/// Uses the shared channel.
fn messages(world: &Rc<World>) {
    for _ in 0..world.random.below(6) {
        let time = world.random.short();
        match world.random.below(4) {
            0 => drop(world.sender.try_send(world.thing())),
            1 => drop(world.receiver.try_recv()),
            2 => drop(world.sender.send_timeout(world.thing(), time)),
            _ => drop(world.receiver.recv_timeout(time)),
        }
    }
}

fn pipeline(world: &Rc<World>) {
    let capacity = world.random.below(4) as usize;
    let (sender, receiver) = channel::bounded(capacity);
    let count = world.random.below(20);
    let producer = world.spawn(move |world| {
        for _ in 0..count {
            if sender.send(world.thing()).is_err() {
                break;
            }
        }
    });
    let wanted = world.random.below(25) as usize;
    let received = receiver.iter().take(wanted).count() as u64;
    drop(receiver);
    let ended = producer.join().is_ok();
    assert!(!ended || received == count.min(wanted as u64), "{received} of {count}");
}

fn selects(world: &Rc<World>) {
    let (sender, receiver) = channel::bounded(1);
    let (other, others) = channel::unbounded();
    let producer = world.spawn(move |world| {
        for _ in 0..5 {
            leno::select! {
                send(sender, world.thing()) -> sent => drop(sent),
                send(other, world.thing()) -> sent => drop(sent),
                recv(world.receiver) -> thing => drop(thing),
                default(world.random.short()) => {}
            }
        }
    });
    let end = channel::after(Duration::from_millis(1));
    loop {
        leno::select! {
            recv(receiver) -> thing => if thing.is_err() { break },
            recv(others) -> thing => if thing.is_err() { break },
            recv(end) -> _ => break,
        }
    }
    drop(producer);
}

fn locks(world: &Rc<World>) {
    for _ in 0..3 {
        match world.random.below(5) {
            0 => *world.mutex.lock().unwrap_or_else(|error| error.into_inner()) += 1,
            1 => drop(world.mutex.lock_timeout(world.random.short())),
            2 => {
                let guard = world.lock.read();
                leno::yield_now();
                drop(guard);
            }
            3 => {
                let guard = world.lock.write_timeout(world.random.short());
                leno::yield_now();
                drop(guard);
            }
            _ => {
                let guard = world.mutex.lock();
                leno::sleep(world.random.short());
                drop(guard);
            }
        }
    }
}

fn condition(world: &Rc<World>) {
    let guard = world.mutex.lock().unwrap_or_else(|error| error.into_inner());
    match world.random.below(3) {
        0 => world.changed.notify_one(),
        1 => world.changed.notify_all(),
        _ => drop(world.changed.wait_timeout(guard, world.random.short())),
    }
}

fn permits(world: &Rc<World>) {
    let count = 1 + world.random.below(3) as usize;
    if let Ok(permits) = world.permits.acquire_many_timeout(count, world.random.short()) {
        leno::sleep(world.random.short());
        drop(permits);
    }
    world.event.set();
    world.event.reset();
}

fn meeting(world: &Rc<World>) {
    let (barrier, group) = (Rc::new(Barrier::new(3)), WaitGroup::new());
    for _ in 0..2 {
        let (barrier, group) = (barrier.clone(), group.clone());
        drop(world.spawn(move |world| {
            let _group = group;
            leno::sleep(world.random.short());
            let _ = barrier.wait_timeout(Duration::from_millis(1));
        }));
    }
    let _ = barrier.wait_timeout(Duration::from_millis(1));
    let _ = group.wait_timeout(Duration::from_millis(2));
    let _ = world.event.wait_timeout(world.random.short());
}

fn group(world: &Rc<World>) {
    let fails = world.random.one_in(3);
    let _: Result<(), ()> = thread::task_group(|group| {
        for number in 0..3 {
            group.spawn(move || {
                let _held = world.thing();
                leno::sleep(world.random.short());
                if fails && number == 1 { Err(()) } else { Ok(()) }
            });
        }
        Ok(())
    });
    leno::scope(|scope| {
        let one = scope.spawn(|| leno::sleep(world.random.short()));
        scope.spawn(|| drop(world.thing()));
        one.cancel();
    });
}

/// Uses an OS thread, rarely, since it costs much more than the other tasks.
fn other_os_thread(world: &Rc<World>) {
    if !world.random.one_in(20) {
        return;
    }
    let (handle, me) = (leno::Handle::current(), thread::current().id());
    let other = std::thread::spawn(move || {
        let answer = handle.spawn(|| 42);
        handle.unpark(me);
        answer.is_ok_and(|answer| matches!(answer.join(), Ok(42)))
    });
    thread::park_timeout(Duration::from_millis(2));
    thread::shield(|| assert!(leno::unblock(move || other.join().unwrap())));
}

fn futures(world: &Rc<World>) {
    let one = world.spawn(sleeps);
    let _ = leno::block_on(one);
}

/// Spawns, joins, detaches and cancels green threads until the deadline.
fn load(world: &Rc<World>, until: Instant) {
    let mut handles: Vec<JoinHandle<Thing>> = Vec::new();
    while Instant::now() < until {
        let random = &world.random;
        if world.alive.get() < MOST {
            let task = TASKS[random.below(TASKS.len() as u64) as usize];
            handles.push(world.spawn(task));
        }
        if handles.len() > 50 || random.one_in(4) && !handles.is_empty() {
            let handle = handles.swap_remove(random.below(handles.len() as u64) as usize);
            match random.below(4) {
                0 => drop(handle),
                1 => handle.cancel(),
                2 => drop(handle.join_timeout(random.short())),
                _ => drop(handle.join()),
            }
        }
        if random.one_in(3) {
            leno::yield_now();
        }
    }
    for handle in handles {
        handle.cancel();
        drop(handle.join());
    }
    while world.alive.get() > 0 {
        leno::sleep(Duration::from_millis(1));
    }
}

/// Spawns and cancels green threads from another OS thread.
fn meddle(handle: &leno::Handle, stop: &AtomicBool, sent: &Arc<AtomicU64>) {
    while !stop.load(Ordering::Relaxed) {
        let (sender, receiver) = mpsc::channel();
        let count = sent.clone();
        let spawned = handle.spawn(move || {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = sender.send(thread::current().id());
            thread::park();
        });
        if let (Ok(spawned), Ok(id)) = (spawned, receiver.recv()) {
            handle.cancel(id);
            assert!(spawned.join().is_err(), "the green thread was cancelled");
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn world(seed: u64) -> Rc<World> {
    let (sender, receiver) = channel::bounded(2);
    Rc::new(World {
        random: Random(Cell::new(seed)),
        things: Rc::default(),
        alive: Cell::new(0),
        done: Cell::new(0),
        mutex: Mutex::new(0),
        changed: Condvar::new(),
        lock: RwLock::new(0),
        permits: Semaphore::new(4),
        event: Event::new(),
        sender,
        receiver,
    })
}

/// Returns the duration of a load.
fn seconds() -> u64 {
    match env::var("LENO_SOAK") {
        Ok(text) => text.parse().expect("LENO_SOAK is a number of seconds"),
        Err(_) => 2,
    }
}

#[test]
fn a_random_load_does_not_grow() {
    let seconds = seconds();
    let seed = 0x9e37_79b9_7f4a_7c15;
    const ROUNDS: u32 = 20;
    /// Before this many green threads have ended, the maximum of stacks in use has not
    /// been reached. A number and not a time, since an emulator may need longer than a
    /// quarter of the run.
    const WARM_UP_THREADS: u64 = 2_000;
    let round = Duration::from_secs(seconds) / ROUNDS;
    let mut warm = None;
    let things = leno::run(|| {
        let world = world(seed);
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (handle, stopped, count) = (leno::Handle::current(), stop.clone(), sent.clone());
        let meddler = std::thread::spawn(move || meddle(&handle, &stopped, &count));
        let load_for_a_round = || {
            load(&world, Instant::now() + round);
            while world.receiver.try_recv().is_ok() {}
        };
        while world.done.get() < WARM_UP_THREADS {
            load_for_a_round();
        }
        for number in 1..=ROUNDS {
            load_for_a_round();
            let figures = Figures::of_this_process();
            println!(
                "{:>5} s: {:>6} KiB resident, {:>4} map entries, {:>3} descriptors; {} green \
                 threads, {} from outside",
                (round * number).as_secs(),
                figures.resident_kib,
                figures.map_entries,
                figures.descriptors,
                world.done.get(),
                sent.load(Ordering::Relaxed)
            );
            assert_eq!(world.things.get(), 0, "things that were not dropped");
            assert_eq!(world.permits.available_permits(), 4);
            assert!(world.mutex.try_lock().is_ok() || world.mutex.is_poisoned());
            if number == ROUNDS / 4 {
                warm = Some(figures);
            }
        }
        stop.store(true, Ordering::Relaxed);
        leno::unblock(move || meddler.join().unwrap());
        assert_eq!(Rc::strong_count(&world), 1, "another owner of the world is left");
        world.things.clone()
    });
    assert_eq!((things.get(), Rc::strong_count(&things)), (0, 1));
    warm.expect("the warm-up was measured").check(Figures::of_this_process());
}
