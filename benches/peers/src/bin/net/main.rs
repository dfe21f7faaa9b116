//! Measures servers on sockets of leno and of its peers over loopback, and prints a table in Markdown.
//!
//!     cargo run --release --bin net                  everything, about two minutes
//!     cargo run --release --bin net -- accept        the rows with names that contain that word
//!     cargo run --release --bin net -- only=leno     the servers with names that contain that word
//!     cargo run --release --bin net -- rounds=9      a rough measurement; the default is 41
//!     cargo run --release --bin net -- --quick       a rougher one, in 20 seconds
//!     cargo run --release --bin net -- --calls       counts system calls, too; needs perf(1)
//!
//! Each server is a process of its own, on one processor: this program, started again. The load comes
//! from this process, on another processor. The servers of a row take turns of a few milliseconds.
//! `LENO_IO=epoll` or `LENO_IO=uring` leaves only that engine of leno.

mod async_servers;
mod bare_server;
mod blocking_servers;
mod load;
mod server;
mod system;

use std::time::Duration;

use leno_peers::table::{self, Spread};

use load::{Load, Turn};
use server::{Job, Serve, Server};

/// A server that is measured.
struct Peer {
    name: &'static str,
    serve: Serve,
    /// The engine of leno that it is to use.
    engine: Option<&'static str>,
}

const PEERS: &[Peer] = &[
    Peer { name: "leno, epoll", serve: blocking_servers::leno, engine: Some("epoll") },
    Peer { name: "leno, uring", serve: blocking_servers::leno, engine: Some("uring") },
    Peer { name: "tokio", serve: async_servers::tokio, engine: None },
    Peer { name: "may", serve: blocking_servers::may, engine: None },
    Peer { name: "smol", serve: async_servers::smol, engine: None },
    Peer { name: "bare epoll loop", serve: bare_server::serve, engine: None },
    Peer { name: OS_THREADS, serve: blocking_servers::std, engine: None },
];

/// The measure of latency, and of nothing else.
const OS_THREADS: &str = "std, OS threads";

/// What a row measures.
#[derive(Clone, Copy, PartialEq)]
enum Figure {
    /// The processor time of the server for a message of so many bytes that is echoed.
    Echo(usize),
    /// The median of the time until a message is answered, of one connection and blocking calls.
    Latency,
    /// The processor time of the server for so many bytes that are read.
    Read(usize),
    /// The processor time of the server for a connection that is accepted and closed.
    Accept,
    /// The memory of the server for a connection that waits.
    Idle,
}

struct Row {
    name: &'static str,
    figure: Figure,
    connections: usize,
    /// The server is on the same processor as the load.
    shares_processor: bool,
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { name: "64 B, 64 connections", figure: Figure::Echo(64), connections: 64, shares_processor: false },
    Row { name: "64 B, 64 connections, one processor", figure: Figure::Echo(64), connections: 64, shares_processor: true },
    Row { name: "64 B, 1,000 connections", figure: Figure::Echo(64), connections: 1_000, shares_processor: false },
    Row { name: "16 KiB, 64 connections", figure: Figure::Echo(16 << 10), connections: 64, shares_processor: false },
    Row { name: "reading 64 KiB, 4 connections", figure: Figure::Read(64 << 10), connections: 4, shares_processor: false },
    Row { name: "accept, spawn, close", figure: Figure::Accept, connections: 64, shares_processor: false },
    Row { name: "64 B, 1 connection: p50", figure: Figure::Latency, connections: 1, shares_processor: false },
    Row { name: "idle connection: memory", figure: Figure::Idle, connections: 10_000, shares_processor: false },
];

/// The bytes of a message where a row names none.
const MESSAGE_BYTES: usize = 64;

impl Row {
    fn message_bytes(&self) -> usize {
        match self.figure {
            Figure::Echo(bytes) | Figure::Read(bytes) => bytes,
            _ => MESSAGE_BYTES,
        }
    }

    fn job(&self) -> Job {
        match self.figure {
            // A buffer is larger than a message, so that a read that gets all of it is short.
            Figure::Echo(_) | Figure::Latency | Figure::Idle => Job::Echo(4 * self.message_bytes()),
            Figure::Read(bytes) => Job::Read(bytes),
            Figure::Accept => Job::Close,
        }
    }
}

/// What the arguments ask for.
struct Wanted {
    row: String,
    server: String,
    rounds: usize,
    turn: Duration,
    counts_calls: bool,
}

impl Wanted {
    fn of(arguments: &[String]) -> Wanted {
        let mut wanted = Wanted {
            row: String::new(),
            server: String::new(),
            rounds: 41,
            turn: Duration::from_millis(50),
            counts_calls: false,
        };
        for argument in arguments {
            if let Some(number) = argument.strip_prefix("rounds=") {
                wanted.rounds = number.parse().expect("rounds= needs a number");
            } else if let Some(word) = argument.strip_prefix("only=") {
                wanted.server = word.to_owned();
            } else if argument == "--quick" {
                (wanted.rounds, wanted.turn) = (7, Duration::from_millis(20));
            } else if argument == "--calls" {
                wanted.counts_calls = true;
            } else {
                wanted.row.clone_from(argument);
            }
        }
        wanted
    }
}

/// The result of one turn of a server.
struct Sample {
    /// The nanoseconds or bytes of one operation.
    cost: f64,
    per_second: f64,
    /// The median and the 99th percentile of the nanoseconds until an answer.
    latency: Option<(f64, f64)>,
}

/// The result of one server in a row.
struct Line {
    row: &'static str,
    server: &'static str,
    cost: String,
    /// The cost divided by that of the row's first server: leno, if it is measured.
    ratio: Spread,
    per_second: String,
    latency: Option<(f64, f64)>,
    /// The system calls of one operation.
    calls: Option<f64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, name, job, bytes, processor] = &arguments[..]
        && word == "serve"
    {
        let peer = PEERS.iter().find(|peer| peer.name == name).expect("a known server");
        return server::run(peer.serve, Job::of(job, bytes), processor);
    }
    let wanted = Wanted::of(&arguments);
    let most_descriptors = system::raise_limit_of_descriptors();
    let [server_processor, load_processor] = system::two_processors();
    let peers = peers(&wanted.server, load_processor);
    system::pin(load_processor);

    let mut lines = Vec::new();
    for row in ROWS.iter().filter(|row| row.name.contains(&wanted.row)) {
        eprintln!("{} ...", row.name);
        let processor = if row.shares_processor { load_processor } else { server_processor };
        lines.extend(match row.figure {
            Figure::Idle => idle(row, &peers, processor, most_descriptors),
            _ => measure(row, &peers, &wanted, processor),
        });
    }
    print(&lines, wanted.counts_calls);
}

/// Returns the servers to measure: those with names that contain a word. Of leno's engines only the one
/// that `LENO_IO` names, if it does, and those that the system has.
fn peers(word: &str, processor: usize) -> Vec<&'static Peer> {
    let forced = std::env::var("LENO_IO").ok();
    let is_wanted = |peer: &&Peer| {
        let Some(engine) = peer.engine else { return true };
        if forced.as_ref().is_some_and(|forced| forced != engine) {
            return false;
        }
        let used = Server::start(peer.name, peer.engine, Job::Close, processor).engine();
        if used != engine {
            eprintln!("{} cannot be had: the server uses {used}", peer.name);
        }
        used == engine
    };
    PEERS.iter().filter(|peer| peer.name.contains(word)).filter(is_wanted).collect()
}

/// Starts the servers of a row.
fn start(
    row: &Row,
    peers: &[&'static Peer],
    processor: usize,
) -> Vec<(&'static str, Server, Load)> {
    let has = |peer: &&&Peer| row.figure == Figure::Latency || peer.name != OS_THREADS;
    let start = |peer: &&'static Peer| {
        let server = Server::start(peer.name, peer.engine, row.job(), processor);
        let load = Load::new(server.address(), row.message_bytes());
        (peer.name, server, load)
    };
    peers.iter().filter(has).map(start).collect()
}

/// Measures all servers of a row, which take turns.
fn measure(
    row: &'static Row,
    peers: &[&'static Peer],
    wanted: &Wanted,
    processor: usize,
) -> Vec<Line> {
    let mut servers = start(row, peers, processor);
    for (_, _, load) in &mut servers {
        if row.figure != Figure::Accept {
            load.add(row.connections, !matches!(row.figure, Figure::Read(_)));
        }
        turn(row, load, wanted.turn);
    }
    let mut samples: Vec<Vec<Sample>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..wanted.rounds {
        for ((_, server, load), samples) in servers.iter_mut().zip(&mut samples) {
            let before = server.processor_time();
            let turn = turn(row, load, wanted.turn);
            samples.push(sample(row, &turn, server.processor_time() - before));
        }
    }
    let mut lines: Vec<Line> =
        servers.iter().zip(&samples).map(|(it, own)| line(row, it.0, own, &samples[0])).collect();
    if wanted.counts_calls {
        for ((_, server, load), line) in servers.iter_mut().zip(&mut lines) {
            line.calls = server.calls(|| turn(row, load, wanted.turn * 4).operations);
        }
    }
    lines
}

fn turn(row: &Row, load: &mut Load, time: Duration) -> Turn {
    match row.figure {
        Figure::Echo(_) => load.echo(time),
        Figure::Latency => load.echo_blocking(time),
        Figure::Read(_) => load.send(time),
        Figure::Accept => load.connect(time, row.connections),
        Figure::Idle => unreachable!("memory is measured once"),
    }
}

fn sample(row: &Row, turn: &Turn, processor_time: Duration) -> Sample {
    let each = processor_time.as_nanos() as f64 / turn.operations as f64;
    let (latency, per_second) = (turn.latency(), turn.per_second());
    match (row.figure, latency) {
        (Figure::Latency, Some((p50, _))) => Sample { cost: p50, per_second, latency },
        // Of the processor's time, since the load may be slower than the server.
        (Figure::Read(bytes), _) => {
            Sample { cost: each, per_second: bytes as f64 / each * 1e9, latency }
        }
        _ => Sample { cost: each, per_second, latency },
    }
}

/// Measures the memory of connections that wait.
fn idle(
    row: &'static Row,
    peers: &[&'static Peer],
    processor: usize,
    most_descriptors: usize,
) -> Vec<Line> {
    let count = row.connections.min(most_descriptors.saturating_sub(100));
    if count < row.connections {
        eprintln!("  {count} connections: the limit of open files is lower (`ulimit -n`)");
    }
    let samples = |(name, server, mut load): (&'static str, Server, Load)| {
        // What the server allocates once is there before.
        load.add(1, true);
        let before = server.resident_bytes();
        load.add(count, true);
        let cost = (server.resident_bytes() - before) / count as f64;
        (name, vec![Sample { cost, per_second: 0.0, latency: None }])
    };
    let samples: Vec<_> = start(row, peers, processor).into_iter().map(samples).collect();
    samples.iter().map(|(name, these)| line(row, name, these, &samples[0].1)).collect()
}

fn line(row: &'static Row, server: &'static str, samples: &[Sample], lenos: &[Sample]) -> Line {
    let costs = |samples: &[Sample]| -> Vec<f64> { samples.iter().map(|it| it.cost).collect() };
    let median = |of: fn(&Sample) -> f64| Spread::of(samples.iter().map(of)).median;
    let (cost, per_second) = (median(|it| it.cost), median(|it| it.per_second));
    let latency = samples[0].latency.map(|_| {
        let part = |of: fn((f64, f64)) -> f64| {
            Spread::of(samples.iter().filter_map(|it| it.latency).map(of)).median
        };
        (part(|it| it.0), part(|it| it.1))
    });
    Line {
        row: row.name,
        server,
        cost: match row.figure {
            Figure::Idle => format!("{cost:.0} B"),
            _ => table::in_words(cost),
        },
        ratio: Spread::of_ratios(&costs(samples), &costs(lenos)),
        per_second: match row.figure {
            Figure::Idle => String::new(),
            Figure::Read(_) => format!("{:.1} GB", per_second / 1e9),
            _ => format!("{per_second:.0}"),
        },
        latency,
        calls: None,
    }
}

/// Prints the table in Markdown. A row's name is only on its first line.
fn print(lines: &[Line], with_calls: bool) {
    let Some(first) = lines.first().map(|line| line.server) else { return };
    let (title, rule) = if with_calls { (" system calls |", " ---: |") } else { ("", "") };
    println!(
        "| operation | server | cost | against {first} | middle half | per second | p50 | p99 \
         |{title}"
    );
    println!("| --- | --- | ---: | ---: | --- | ---: | ---: | ---: |{rule}");
    let mut last = "";
    for line in lines {
        let row = if line.row == last { "" } else { line.row };
        let ratio = table::ratio_in_words(line.ratio.median);
        let (low, high) = line.ratio.quartiles;
        let spread = if row.is_empty() && low != high {
            format!("{} - {}", table::ratio_in_words(low), table::ratio_in_words(high))
        } else {
            String::new()
        };
        last = line.row;
        let (p50, p99) = line.latency.map_or_else(Default::default, |(p50, p99)| {
            (table::in_words(p50), table::in_words(p99))
        });
        print!("| {row} | {} | {} | {ratio} | {spread} ", line.server, line.cost);
        print!("| {} | {p50} | {p99} |", line.per_second);
        if with_calls {
            print!(" {} |", line.calls.map_or_else(String::new, |calls| format!("{calls:.2}")));
        }
        println!();
    }
}
