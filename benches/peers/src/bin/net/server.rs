//! A server in a process of its own: its side, and that of the program that measures it.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::system;

/// A function that serves all connections, on one OS thread.
pub type Serve = fn(Job) -> io::Result<()>;

/// The address of a server before it has a port.
pub const ANY_PORT: &str = "127.0.0.1:0";

/// The bytes for which a server that reads sends an answer of one byte.
pub const READ_UNIT_BYTES: usize = 16 << 20;

/// What a server does with each connection. The number is that of the bytes of its buffer.
#[derive(Clone, Copy, PartialEq)]
pub enum Job {
    /// Sends what it receives.
    Echo(usize),
    /// Receives, and sends a byte for each [`READ_UNIT_BYTES`].
    Read(usize),
    /// Closes it.
    Close,
}

impl Job {
    /// Returns the job with this name.
    pub fn of(name: &str, bytes: &str) -> Job {
        let bytes = bytes.parse().expect("a number of bytes");
        match name {
            "echo" => Job::Echo(bytes),
            "read" => Job::Read(bytes),
            _ => Job::Close,
        }
    }

    fn words(self) -> (&'static str, usize) {
        match self {
            Job::Echo(bytes) => ("echo", bytes),
            Job::Read(bytes) => ("read", bytes),
            Job::Close => ("close", 0),
        }
    }

    /// Returns the buffer of a connection.
    pub fn buffer(self) -> Vec<u8> {
        vec![0; self.words().1]
    }

    /// Returns what to send after `bytes` have been received, and counts them in `received`.
    pub fn answer<'a>(self, bytes: &'a [u8], received: &mut usize) -> &'a [u8] {
        if let Job::Echo(_) = self {
            return bytes;
        }
        *received += bytes.len();
        if *received < READ_UNIT_BYTES {
            return &[];
        }
        *received -= READ_UNIT_BYTES;
        b"."
    }
}

/// Runs a server until the program that has started it ends it.
pub fn run(serve: Serve, job: Job, processor: &str) {
    system::pin(processor.parse().expect("the number of a processor"));
    system::end_with_parent();
    serve(job).expect("a server on loopback");
}

/// Tells the program that has started this server where it listens.
pub fn announce(address: SocketAddr) {
    println!("{address}");
}

/// A server that runs.
pub struct Server {
    process: Child,
    address: SocketAddr,
    clock: libc::clockid_t,
}

impl Server {
    /// Starts a server, on one processor.
    pub fn start(name: &str, engine: Option<&str>, job: Job, processor: usize) -> Server {
        let program = std::env::current_exe().expect("the path of this program is known");
        let mut command = Command::new(program);
        let (job, bytes) = job.words();
        command.args(["serve", name, job, &bytes.to_string(), &processor.to_string()]);
        if let Some(engine) = engine {
            command.env("LENO_IO", engine);
        }
        let mut process =
            command.stdout(Stdio::piped()).spawn().expect("this program can start itself");
        let mut line = String::new();
        let output = process.stdout.take().expect("it is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the server tells its address");
        let address = line.trim().parse().expect("the server tells its address");
        let clock = system::clock_of(process.id());
        Server { process, address, clock }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the processor time of the server so far. The kernel reads its clock, so the server does
    /// nothing for it.
    pub fn processor_time(&self) -> Duration {
        system::time(self.clock)
    }

    /// Returns the engine that waits for descriptors in the server, by the descriptor that it has.
    pub fn engine(&self) -> &'static str {
        let folder = format!("/proc/{}/fd", self.process.id());
        // The server has told its address, and is about to wait.
        for _ in 0..100 {
            let entries = fs::read_dir(&folder).expect("the server runs").flatten();
            let links: Vec<_> = entries.filter_map(|it| fs::read_link(it.path()).ok()).collect();
            for (word, engine) in [("io_uring", "uring"), ("eventpoll", "epoll")] {
                if links.iter().any(|link| link.to_string_lossy().contains(word)) {
                    return engine;
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        "neither epoll nor io_uring"
    }

    /// Returns the bytes of the server's memory and page tables. The kernel's memory for sockets is not
    /// in them.
    pub fn resident_bytes(&self) -> f64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(path).expect("the server runs");
        let kib = |name: &str| -> f64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
        };
        1024.0 * (kib("VmRSS:") + kib("VmPTE:"))
    }

    /// Returns the number of the server's system calls for each of the operations that `work` makes
    /// and counts, if perf(1) can tell.
    pub fn calls(&self, work: impl FnOnce() -> u64) -> Option<f64> {
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p"]);
        perf.arg(self.process.id().to_string()).args(["sleep", "1"]);
        let perf = perf.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
        // perf begins to count.
        thread::sleep(Duration::from_millis(400));
        let operations = work();
        let output = perf.wait_with_output().ok()?;
        let calls: f64 = String::from_utf8_lossy(&output.stderr).split(',').next()?.parse().ok()?;
        Some(calls / operations as f64)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // They fail if the server has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
