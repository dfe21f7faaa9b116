//! Very many cancellations, after which nothing is left over.

use std::cell::Cell;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use leno::channel::{self, Receiver, Sender};
use leno::net::{TcpListener, TcpStream};
use leno::time::{Duration, Instant};

use super::datagrams;
use super::persist::{Interruption, Progress, persist};
use super::streams::{End, Flow, Stream, run_end};
use crate::pairs::{ends, join};
use crate::random::Random;
use crate::seed::scaled;
use crate::support::child;

/// The number of connections at the same time, and of pairs for datagrams.
const LANES: usize = 16;

/// What all lanes share.
struct World {
    random: Random,
    /// The number of interruptions that are wanted, and that have been made.
    wanted: u64,
    interrupted: Cell<u64>,
    connections: Cell<u64>,
    bytes: Cell<usize>,
    /// The lanes have ended, so no more connections are made.
    has_ended: Cell<bool>,
    listener: TcpListener,
    /// The accepted connections of each lane.
    accepted: Vec<(Sender<TcpStream>, Receiver<TcpStream>)>,
}

impl World {
    fn is_over(&self) -> bool {
        self.interrupted.get() >= self.wanted
    }

    /// Returns an interruption of any object, also of one without a timeout.
    fn interruption(&self) -> Interruption {
        let time = || self.random.below(30) as u16;
        match self.random.below(4) {
            0 => Interruption::CancelAfterTurns(self.random.below(6) as u8),
            1 => Interruption::CancelAfter(time()),
            2 => Interruption::Deadline(time()),
            _ => Interruption::Deadlines(time(), time()),
        }
    }

    fn interruptions(&self) -> Vec<Interruption> {
        let timeout = || Interruption::Timeout(1 + self.random.below(30) as u16);
        let any = || if self.random.below(5) == 0 { timeout() } else { self.interruption() };
        (0..100).map(|_| any()).collect()
    }

    fn end(&self) -> End {
        let sizes = || (0..5).map(|_| 1 + self.random.below(2_000) as usize).collect();
        End {
            bytes: self.random.below(50_000) as usize,
            writes: sizes(),
            reads: sizes(),
            readers: 1 + self.random.below(2) as usize,
            writing: self.interruptions(),
            reading: self.interruptions(),
        }
    }

    fn note(&self, interrupted: u64) {
        self.interrupted.set(self.interrupted.get() + interrupted);
    }
}

/// Accepts connections, and is interrupted, until the lanes have ended. The first byte of a connection is its
/// lane; a connection that was given up has none.
fn accept(world: &Rc<World>) {
    let accepting = world.clone();
    let calls = move || {
        while !accepting.has_ended.get() {
            let (stream, _) = accepting.listener.accept().unwrap();
            let world = accepting.clone();
            leno::spawn(move || {
                let mut lane = [0];
                if std::io::Read::read(&mut &stream, &mut lane).unwrap() == 1 {
                    world.accepted[usize::from(lane[0])].0.send(stream).unwrap();
                }
            });
        }
        Progress::Done
    };
    world.note(persist(1, || Some(world.interruption()), |_| (), calls));
}

/// Returns both ends of a connection to the listener.
fn connect(world: &Rc<World>, lane: usize) -> (Stream, Stream) {
    let connected = Rc::new(Cell::new(None));
    let (made, address) = (connected.clone(), world.listener.local_addr().unwrap());
    let calls = move || {
        made.set(Some(TcpStream::connect(address).unwrap()));
        Progress::Done
    };
    let mut left = 5;
    let next = || {
        left -= 1;
        (left > 0).then(|| world.interruption())
    };
    world.note(persist(1, next, |_| (), calls));
    let client = connected.take().unwrap();
    assert_eq!(std::io::Write::write(&mut &client, &[lane as u8]).unwrap(), 1);
    let server = world.accepted[lane].1.recv().unwrap();
    (Stream::Tcp(client), Stream::Tcp(server))
}

fn run_lane(world: &Rc<World>, lane: usize) {
    while !world.is_over() {
        world.connections.set(world.connections.get() + 1);
        if lane % 4 == 3 {
            let flow = datagrams::Flow::new(200, |_| false);
            let (sender, receiver) = datagrams::Socket::pair(lane % 8 == 3);
            let (sending, receiving) = (world.interruptions(), world.interruptions());
            world.note(datagrams::run_flow(&flow, sender, receiver, sending, receiving));
            continue;
        }
        let (one, other) = if lane % 4 == 2 { Stream::pair(true) } else { connect(world, lane) };
        let plans = [world.end(), world.end()];
        let flows = [Flow::new(plans[0].bytes, false), Flow::new(plans[1].bytes, true)];
        let serving = leno::spawn({
            let (plan, flows) = (plans[1].clone(), flows.clone());
            move || run_end(&plan, other, &flows[1], &flows[0], false)
        });
        world.note(run_end(&plans[0], one, &flows[0], &flows[1], false));
        world.note(join(serving));
        for flow in flows {
            world.bytes.set(world.bytes.get() + flow.check());
        }
    }
}

/// Returns what each descriptor of this process refers to, with its number.
fn descriptors() -> Vec<(String, String)> {
    let paths: Vec<_> =
        fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path()).collect();
    // The descriptor of the folder is closed by now.
    let target = |path: &PathBuf| Some(fs::read_link(path).ok()?.display().to_string());
    let number = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().filter_map(|path| Some((number(path), target(path)?))).collect()
}

/// Returns the number of descriptors that the engine of this process waits for, and of reports that it
/// holds, as the system tells.
fn left_in_engine() -> (usize, u64) {
    let engines = ["anon_inode:[eventpoll]", "anon_inode:[io_uring]"];
    let (number, _) = descriptors()
        .into_iter()
        .find(|(_, target)| engines.contains(&&**target))
        .expect("the runtime has an engine");
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    // An engine that waits for none has no such line.
    let waits =
        text.lines().filter(|line| line.starts_with("tfd:") || line.contains("op=")).count();
    let count = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |rest| rest.trim().parse().unwrap())
    };
    (waits, count("CqTail:") - count("CqHead:"))
}

/// Interrupts calls until as many as are wanted were interrupted. Prints what was done.
fn run_all(wanted: u64) {
    let start = Instant::now();
    let world = Rc::new(World {
        random: Random(Cell::new(0x1e40)),
        wanted,
        interrupted: Cell::default(),
        connections: Cell::default(),
        bytes: Cell::default(),
        has_ended: Cell::default(),
        listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        accepted: (0..LANES).map(|_| channel::unbounded()).collect(),
    });
    let accepting = leno::spawn({
        let world = world.clone();
        move || accept(&world)
    });
    let lanes = (0..LANES).map(|lane| {
        let world = world.clone();
        leno::spawn(move || run_lane(&world, lane))
    });
    lanes.collect::<Vec<_>>().into_iter().for_each(join);
    world.has_ended.set(true);
    join(accepting);
    // The ends of connections that were given up are read.
    while Rc::strong_count(&world) > 1 {
        leno::sleep(Duration::from_millis(1));
    }
    println!(
        "{} interruptions, {} connections and pairs, {} bytes of streams, in {:?}",
        world.interrupted.get(),
        world.connections.get(),
        world.bytes.get(),
        start.elapsed()
    );
    drop(world);
    // With io_uring, the engine waits for the inbox.
    let is_empty = |(waits, reports)| waits <= 1 && reports == 0;
    // It is looked at while the runtime is idle.
    for _ in 0..1_000 {
        leno::sleep(Duration::from_millis(1));
        if is_empty(left_in_engine()) {
            break;
        }
    }
    let (waits, reports) = left_in_engine();
    println!("{waits} waits and {reports} reports are left in the engine");
    assert!(is_empty((waits, reports)));
}

/// One in `LENO_TEST_SHARE` of 4,000 interruptions, or as many as `LENO_CANCELLATIONS` says.
#[test]
fn many_cancellations_lose_and_leak_nothing() {
    let ended = child(|| {
        let wanted = match env::var("LENO_CANCELLATIONS") {
            Ok(text) => text.parse().expect("LENO_CANCELLATIONS is a number"),
            Err(_) => u64::from(scaled(4_000)),
        };
        let before = descriptors();
        ends(move || leno::run(|| run_all(wanted)));
        assert_eq!(descriptors(), before);
    });
    println!("{}", ended.assert_survived().stdout());
}
