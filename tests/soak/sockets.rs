//! A server with very many connections, which must not grow. Clients come and go, are reset and cancelled.
//! Server and load are processes of their own.
//!
//! It has 200 connections for two seconds by default. A longer run, with a limit of 20,000 descriptors:
//! `LENO_SOAK=600 LENO_SOAK_CONNECTIONS=10000 cargo test --release --test soak sockets -- --nocapture`.

use std::cell::Cell;
use std::env;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use leno::io::Watched;
use leno::net::{TcpListener, TcpStream};
use leno::thread::Cancelled;
use leno::time::{Duration, Instant, timeout};

use super::figures::Figures;
use super::random::Random;
use super::seconds;

/// The variable that makes a process of this binary the server or the load.
const ROLE: &str = "LENO_SOAK_ROLE";

/// The server listens at so many addresses, since each has only some 28,000 ports for clients, and one
/// that was in use is free again after a minute.
const ADDRESSES: u8 = 8;

const ROUNDS: u32 = 20;

/// The most bytes of a request.
const MOST_BYTES: u64 = 8_000;

fn connections() -> usize {
    match env::var("LENO_SOAK_CONNECTIONS") {
        Ok(text) => text.parse().expect("LENO_SOAK_CONNECTIONS is a number"),
        Err(_) => 200,
    }
}

/// Fills `bytes`. Some reads are interrupted, and none loses a byte. Returns `false` at the end.
fn read_interrupted(mut stream: &TcpStream, bytes: &mut [u8], random: &Random) -> io::Result<bool> {
    let mut filled = 0;
    while filled < bytes.len() {
        let mut read = || stream.read(&mut bytes[filled..]);
        let result = match random.below(4) {
            0 => timeout(Duration::from_micros(random.below(2_000)), read),
            _ => Ok(read()),
        };
        match result {
            Err(_elapsed) => {}
            Ok(count) => match count? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            },
        }
    }
    Ok(true)
}

/// Answers requests until the end: each is a number of bytes, and these.
fn serve(mut stream: &TcpStream, random: &Random) -> io::Result<()> {
    let mut head = [0; 4];
    while read_interrupted(stream, &mut head, random)? {
        let mut bytes = vec![0; u32::from_le_bytes(head) as usize];
        if !read_interrupted(stream, &mut bytes, random)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        stream.write_all(&bytes)?;
    }
    Ok(())
}

/// Accepts connections until standard input ends.
fn server() {
    leno::run(|| {
        let random = Rc::new(Random(Cell::new(0x1e40)));
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let others = (2..=ADDRESSES)
            .map(|last| TcpListener::bind(SocketAddr::from(([127, 0, 0, last], port))).unwrap());
        let accepting: Vec<_> = [first]
            .into_iter()
            .chain(others)
            .map(|listener| {
                let random = random.clone();
                leno::spawn(move || {
                    for stream in listener.incoming() {
                        let (stream, random) = (stream.unwrap(), random.clone());
                        leno::spawn(move || match serve(&stream, &random) {
                            Ok(()) => {}
                            Err(error) => assert_ne!(error.kind(), ErrorKind::WouldBlock),
                        });
                    }
                })
            })
            .collect();
        println!("port {port}");
        Watched::new(io::stdin()).readable().unwrap();
        accepting.iter().for_each(leno::thread::JoinHandle::cancel);
    });
}

/// What the clients have done.
#[derive(Default)]
struct Counts {
    connections: Cell<u64>,
    requests: Cell<u64>,
    resets: Cell<u64>,
    cancelled: Cell<u64>,
}

fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// Makes a connection and some requests with pauses, and ends it in one of several ways.
fn client(
    address: SocketAddr,
    pause: Duration,
    random: &Random,
    counts: &Counts,
) -> io::Result<()> {
    let stream = TcpStream::connect(address)?;
    count(&counts.connections);
    for _ in 0..random.below(10) {
        let size = 1 + random.below(MOST_BYTES) as usize;
        let first = random.below(256) as usize;
        let bytes: Vec<u8> = (first..first + size).map(|number| number as u8).collect();
        (&stream).write_all(&(size as u32).to_le_bytes())?;
        let cut = if random.one_in(20) { random.below(size as u64) as usize } else { size };
        (&stream).write_all(&bytes[..cut])?;
        if cut < size {
            count(&counts.resets);
            return socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        let mut answer = vec![0; size];
        assert!(read_interrupted(&stream, &mut answer, random)?, "no answer");
        assert!(answer == bytes, "another answer");
        count(&counts.requests);
        leno::sleep(pause.mul_f64(random.below(200) as f64 / 100.0));
    }
    if random.one_in(2) {
        stream.shutdown(Shutdown::Write)?;
        assert_eq!((&stream).read(&mut [0])?, 0);
    }
    Ok(())
}

/// Keeps as many connections as are wanted until the end, and prints what was done.
fn load(port: u16) {
    let end = Instant::now() + Duration::from_secs(seconds());
    // Some ten thousand requests a second, however many connections there are.
    let pause = Duration::from_micros(100 * connections() as u64);
    leno::run(|| {
        let (random, counts) = (Rc::new(Random(Cell::new(7))), Rc::new(Counts::default()));
        let lanes: Vec<_> = (0..connections())
            .map(|lane| {
                let (random, counts) = (random.clone(), counts.clone());
                let last = 1 + (lane % usize::from(ADDRESSES)) as u8;
                let address = SocketAddr::from(([127, 0, 0, last], port));
                leno::spawn(move || {
                    // Not all at once.
                    leno::sleep(pause.mul_f64(random.below(100) as f64 / 100.0));
                    while Instant::now() < end {
                        let (making, counted) = (random.clone(), counts.clone());
                        let client =
                            leno::spawn(move || client(address, pause, &making, &counted).unwrap());
                        if random.one_in(8) {
                            leno::sleep(pause.mul_f64(random.below(500) as f64 / 100.0));
                            client.cancel();
                        }
                        match client.join() {
                            Ok(()) => {}
                            Err(payload) if payload.is::<Cancelled>() => count(&counts.cancelled),
                            // The panic has been printed.
                            Err(_) => std::process::exit(1),
                        }
                    }
                })
            })
            .collect();
        while !lanes.iter().all(leno::thread::JoinHandle::is_finished) {
            leno::sleep(Duration::from_millis(50));
            let Counts { connections, requests, resets, cancelled } = &*counts;
            println!(
                "{} connections, {} requests, {} resets, {} cancelled",
                connections.get(),
                requests.get(),
                resets.get(),
                cancelled.get()
            );
        }
        for lane in lanes {
            lane.join().unwrap();
        }
    });
}

/// Starts a process of this binary. Returns it, with a reader of its output.
fn process(role: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let binary = env::current_exe().unwrap();
    let runner = env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").unwrap_or_default();
    let words = runner.split_whitespace().filter(|_| cfg!(target_arch = "aarch64"));
    let mut words = words.map(Into::into).chain([binary.into_os_string()]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(["--exact", TEST, "--nocapture"]).env(ROLE, role);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

const TEST: &str = "sockets::a_server_with_many_connections_does_not_grow";

#[test]
fn a_server_with_many_connections_does_not_grow() {
    if let Ok(role) = env::var(ROLE) {
        if role == "server" {
            server()
        } else {
            load(role.parse().unwrap())
        }
        // The harness would report to a pipe that is not read any more.
        std::process::exit(0);
    }
    let (mut server, output) = process("server");
    let mut lines = output.lines().map(Result::unwrap);
    let port = lines.find_map(|line| line.split_once("port ").map(|(_, port)| port.to_owned()));
    // The harness of the server writes, too.
    std::thread::spawn(move || lines.for_each(drop));
    let (mut load, output) = process(&port.expect("the server tells its port"));
    let names = [&server, &load].map(|child| child.id().to_string());
    let figures = || Figures::of(&names[0]);
    let before = figures();
    let said = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let hearing = std::thread::spawn({
        let said = said.clone();
        move || output.lines().map(Result::unwrap).for_each(|line| *said.lock().unwrap() = line)
    });
    let round = Duration::from_secs(seconds()) / ROUNDS;
    let mut warm = before;
    for number in 1..=ROUNDS {
        std::thread::sleep(round);
        let now = figures();
        println!(
            "{:>6.1} s: {:>7} KiB resident, {:>4} map entries, {:>5} descriptors; {}",
            (round * number).as_secs_f64(),
            now.resident_kib,
            now.map_entries,
            now.descriptors,
            said.lock().unwrap()
        );
        if number == ROUNDS / 4 {
            warm = now;
        }
        if number == ROUNDS {
            // Connections that are being closed are still counted.
            let descriptors = warm.descriptors.max(connections() * 11 / 10);
            Figures { descriptors, ..warm }.check(now);
        }
    }
    assert!(load.wait().unwrap().success());
    hearing.join().unwrap();
    // The server closes its ends after the clients.
    while figures().descriptors > before.descriptors + 4 {
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("   end: {:?}", figures());
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}
