//! Processes that run beside a test: examples, servers, clients.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The time after which a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running process, which is killed when this is dropped.
pub struct Process {
    name: String,
    child: Child,
    /// Lines of both outputs, as they come. It ends with both.
    lines: Receiver<(Stream, String)>,
    stdout: String,
    stderr: String,
}

#[derive(Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

/// The result of a process.
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    pub fn start(mut command: Command) -> Process {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let (sender, lines) = channel();
        pass_on(child.stdout.take().unwrap(), Stream::Stdout, sender.clone());
        pass_on(child.stderr.take().unwrap(), Stream::Stderr, sender);
        Process { name, child, lines, stdout: String::new(), stderr: String::new() }
    }

    /// Starts an example.
    pub fn example(name: &str, arguments: &[&str]) -> Process {
        let folder = Path::new(env!("CARGO_BIN_EXE_tls")).parent().unwrap();
        let mut command = Command::new(folder.join(name));
        command.args(arguments);
        Process::start(command)
    }

    /// Starts an example that listens. Returns its address, which ends the first line.
    pub fn listening(name: &str, arguments: &[&str]) -> (Process, String) {
        let mut example = Process::example(name, arguments);
        let line =
            example.line_with("listening on ").unwrap_or_else(|ran| panic!("{}", ran.stderr));
        let address = line.trim_end().rsplit([' ', '/']).next().unwrap().to_owned();
        (example, address)
    }

    /// Starts a server that must be given a port, on one that is free.
    pub fn on_free_port(command: impl Fn(u16) -> Command, ready: &str) -> (Process, u16) {
        const TRIES: usize = 10;
        let mut said = String::new();
        for _ in 0..TRIES {
            let probe = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = probe.local_addr().unwrap().port();
            drop(probe);
            let mut server = Process::start(command(port));
            match server.line_with(ready) {
                Ok(_) => return (server, port),
                // Another process may have taken the port.
                Err(ran) => said = ran.stdout + &ran.stderr,
            }
        }
        panic!("the server does not start: {said}");
    }

    /// Returns the next line that contains a text. If the process ends before, returns its result.
    pub fn line_with(&mut self, text: &str) -> Result<String, Ran> {
        let start = Instant::now();
        while let Some((_, line)) = self.next_line(start) {
            if line.contains(text) {
                return Ok(line);
            }
        }
        Err(self.result(start))
    }

    /// Receives a line of either output. Returns `None` at the end of both.
    fn next_line(&mut self, start: Instant) -> Option<(Stream, String)> {
        match self.lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
            Ok((stream, line)) => {
                match stream {
                    Stream::Stdout => self.stdout.push_str(&line),
                    Stream::Stderr => self.stderr.push_str(&line),
                }
                Some((stream, line))
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let Process { name, stdout, stderr, .. } = self;
                panic!("{name} takes too long. It has said:\n{stdout}{stderr}");
            }
        }
    }

    fn result(&mut self, start: Instant) -> Ran {
        while self.next_line(start).is_some() {}
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None => thread::sleep(Duration::from_millis(5)),
            }
            assert!(start.elapsed() < PATIENCE, "{} does not end", self.name);
        };
        let take = std::mem::take::<String>;
        Ran { status, stdout: take(&mut self.stdout), stderr: take(&mut self.stderr) }
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ran {
        self.child.stdin = None;
        self.result(Instant::now())
    }

    /// Checks that it ends well, without a message. Returns its output.
    #[track_caller]
    pub fn succeeds(self) -> String {
        let name = self.name.clone();
        let ran = self.end();
        assert_eq!((ran.status, &*ran.stderr), (Some(0), ""), "{name}: {}", ran.stdout);
        ran.stdout
    }

    /// Checks that it ends with a status and one error, followed by advice. Returns the error.
    #[track_caller]
    pub fn fails(self, status: i32) -> String {
        let name = self.name.clone();
        let Ran { stderr, stdout, .. } = &self.end_with(status);
        let error = stderr.strip_prefix("error: ").and_then(|text| text.split_once("\n next: "));
        let (error, _) = error.unwrap_or_else(|| panic!("{name}: {stdout}{stderr}"));
        error.to_owned()
    }

    #[track_caller]
    fn end_with(self, status: i32) -> Ran {
        let ran = self.end();
        assert_eq!(ran.status, Some(status), "{}{}", ran.stdout, ran.stderr);
        ran
    }

    /// Writes a line to its input.
    pub fn say(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub fn signal(&self, signal: i32) {
        let id = self.child.id().try_into().unwrap();
        // SAFETY: it sends a signal to a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes the lines of an output on, by an OS thread.
fn pass_on(output: impl Read + Send + 'static, stream: Stream, lines: Sender<(Stream, String)>) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if lines.send((stream, text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}

/// Returns the command of a program, which a package of Debian has.
pub fn tool(name: &str, package: &str) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian's programs of PostgreSQL are in a folder for each version.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    let found = env::split_paths(&path).chain(folders).map(|folder| folder.join(name));
    let found = found.into_iter().find(|path| path.is_file());
    Command::new(found.unwrap_or_else(|| panic!("no {name} here: apt-get install {package}")))
}

/// A folder that is removed when this is dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = env::temp_dir().join(format!("leno-net-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Folder(path)
    }

    /// Returns the path of a file in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the path is text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
