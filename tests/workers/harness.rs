//! Masters in child processes, which are this binary again with the test's name as its filter. So are their
//! workers.

use std::any::type_name;
use std::collections::HashSet;
use std::env;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use leno::workers::{Worker, Workers};

/// The environment variable with the scenario for a child: the path of its closure.
const SCENARIO: &str = "LENO_WORKERS_SCENARIO";
/// The environment variable with the number of seconds after which a test that waits has failed.
const LIMIT: &str = "LENO_TEST_LIMIT";
/// The bytes that a worker of [`serve`] sends after its first line.
pub const BODY_BYTES: usize = 100_000;

/// Returns the emulator with its arguments, if this test runs under one.
fn emulator() -> Vec<String> {
    let runner = env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").unwrap_or_default();
    let words = runner.split_whitespace().map(str::to_owned);
    if cfg!(target_arch = "aarch64") { words.collect() } else { Vec::new() }
}

/// Returns `true` if the processes are run by an emulator.
pub fn is_emulated() -> bool {
    !emulator().is_empty()
}

/// Returns `true` in a master or a worker.
pub fn is_child() -> bool {
    env::var_os(SCENARIO).is_some()
}

/// Returns a command that runs a binary, by the emulator if there is one.
pub fn command(binary: &Path) -> Command {
    let mut emulator = emulator().into_iter();
    match emulator.next() {
        None => Command::new(binary),
        Some(program) => {
            let mut command = Command::new(program);
            command.args(emulator).arg(binary);
            command
        }
    }
}

/// Returns the time after which a test that waits has failed: long enough for any machine.
fn patience() -> Duration {
    let seconds = env::var(LIMIT).ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(120))
}

/// Returns workers of this test.
pub fn workers(count: usize) -> Workers {
    let workers = Workers::new(count).stop_within(patience());
    let mut emulator = emulator().into_iter();
    match emulator.next() {
        None => workers,
        Some(program) => {
            // The system does not run the binary by itself.
            let binary = env::current_exe().expect("the binary has a path").into_os_string();
            let arguments = emulator.map(Into::into).chain([binary]).chain(env::args_os().skip(1));
            workers.program(which(&program)).args(arguments)
        }
    }
}

/// Returns the path of a program.
fn which(name: &str) -> PathBuf {
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut paths = env::split_paths(&folders).map(|folder| folder.join(name));
    paths.find(|path| path.is_file()).unwrap_or_else(|| name.into())
}

/// A master.
pub struct Master {
    child: Child,
    lines: Receiver<String>,
    /// The lines that have been looked at.
    seen: Vec<String>,
}

/// A scenario that is not run yet.
pub struct Scenario {
    path: &'static str,
    pub command: Command,
}

/// Prepares a master that runs `scenario`. A test must call this once, and first: in the child it does not
/// return.
pub fn scenario<F: Fn() -> io::Result<()>>(scenario: F) -> Scenario {
    scenario_by(&env::current_exe().expect("the binary has a path"), scenario)
}

/// Prepares a master as [`scenario`] does, from a copy of this binary.
pub fn scenario_by<F: Fn() -> io::Result<()>>(binary: &Path, scenario: F) -> Scenario {
    let path = type_name::<F>();
    if let Some(wanted) = env::var_os(SCENARIO) {
        assert_eq!(wanted, path, "a test with two scenarios");
        // Ends a child that hangs, after its test has failed.
        let seconds = u32::try_from(patience().as_secs()).expect("it is short");
        // SAFETY: no preconditions.
        unsafe { libc::alarm(60 + 2 * seconds) };
        let code = match scenario() {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("error: {error}");
                1
            }
        };
        // Without the test harness, which would print a result.
        process::exit(code);
    }
    let (_crate, test) = path.split_once("::").expect("a path");
    let test = test.trim_end_matches("::{{closure}}");
    let mut command = command(binary);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(SCENARIO, path).env_remove("RUST_BACKTRACE");
    Scenario { path, command }
}

impl Scenario {
    /// Starts the master.
    pub fn start(self) -> Master {
        self.start_with(Stdio::null())
    }

    /// Starts the master with a standard input.
    pub fn start_with(mut self, stdin: Stdio) -> Master {
        // One pipe keeps the order of the lines.
        let (output, writer) = io::pipe().expect("a pipe");
        let both = writer.try_clone().expect("a descriptor");
        self.command.stdin(stdin).stdout(both).stderr(writer);
        // A signal for the group of this test is not for it.
        self.command.process_group(0);
        let child = self.command.spawn().expect("the master starts");
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        eprintln!("{}: master {}", self.path, child.id());
        Master { child, lines, seen: Vec::new() }
    }
}

impl Master {
    /// Waits for a line of the output with this part, and returns it.
    #[track_caller]
    pub fn line(&mut self, part: &str) -> String {
        loop {
            match self.lines.recv_timeout(patience()) {
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("no line with {part:?}: {error}\n{self}"),
            }
            if let Some(line) = self.seen.last().filter(|line| line.contains(part)) {
                return line.clone();
            }
        }
    }

    /// Waits for the address of its listener.
    #[track_caller]
    pub fn address(&mut self) -> SocketAddr {
        let line = self.line("listens on ");
        line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("an address")
    }

    /// Waits until `count` workers are ready.
    #[track_caller]
    pub fn ready(&mut self, count: usize) {
        for _ in 0..count {
            self.line(" is ready");
        }
    }

    pub fn signal(&self, number: i32) {
        signal(self.child.id(), number);
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of the master, and of all processes that have its output.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        loop {
            match self.lines.recv_timeout(patience()) {
                Ok(line) => self.seen.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("the output has no end: {error}\n{self}"),
            }
        }
        let status = self.child.wait().expect("the master can be waited for");
        Ended { status, output: self.to_string() }
    }

    /// Stops the master, and waits for its end.
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.signal(libc::SIGTERM);
        let ended = self.end();
        assert!(ended.status.success(), "{}\n{}", ended.status, ended.output);
        ended
    }
}

pub fn signal(process: u32, number: i32) {
    // SAFETY: no preconditions.
    assert_eq!(unsafe { libc::kill(process as i32, number) }, 0);
}

/// The output, as far as it has been looked at.
impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seen.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        // Its workers end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
}

impl Ended {
    /// Returns the number of lines with this part.
    pub fn count(&self, part: &str) -> usize {
        self.output.lines().filter(|line| line.contains(part)).count()
    }
}

/// Answers each request, which is a line, with a line that tells the worker and its process, and a body.
pub fn serve(worker: Worker) -> io::Result<()> {
    let listener = worker.listener(0);
    let id = worker.id();
    let acceptor = leno::spawn(move || -> io::Result<()> {
        loop {
            let (mut stream, _) = listener.accept()?;
            leno::spawn(move || -> io::Result<()> {
                let mut byte = [0];
                while byte != *b"\n" {
                    stream.read_exact(&mut byte)?;
                }
                let head = format!("{id} {}\n", process::id());
                stream.write_all(&[head.as_bytes(), &vec![b'x'; BODY_BYTES]].concat())
            });
        }
    });
    worker.ready();
    leno::select! {
        readable(worker.stopping()) => {}
        join(acceptor) -> result => return result.expect("it does not panic"),
    }
    acceptor.cancel();
    let _ = acceptor.join();
    Ok(())
}

/// Makes a request. Returns the number of the worker, and that of its process.
pub fn request(address: SocketAddr) -> io::Result<(usize, u32)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(patience()))?;
    stream.write_all(b"GET\n")?;
    answer(&mut stream)
}

/// Receives an answer to the end.
pub fn answer(stream: &mut TcpStream) -> io::Result<(usize, u32)> {
    stream.shutdown(Shutdown::Write)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    let (head, body) = text.split_once('\n').ok_or(io::ErrorKind::UnexpectedEof)?;
    let (id, process) = head.split_once(' ').ok_or(io::ErrorKind::InvalidData)?;
    if body.len() != BODY_BYTES {
        return Err(io::Error::other(format!("a body of {} bytes", body.len())));
    }
    Ok((id.parse().map_err(io::Error::other)?, process.parse().map_err(io::Error::other)?))
}

/// Makes requests until another worker answers than those of `known`, and returns its process.
#[track_caller]
pub fn other_than(address: SocketAddr, known: &HashSet<u32>) -> u32 {
    loop {
        let (_, process) = request(address).expect("an answer");
        if !known.contains(&process) {
            return process;
        }
    }
}
