//! Examples that listen, as processes that run beside the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Ran, command};

/// The time after which a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running example, which is killed when this is dropped.
pub struct Listening {
    child: Child,
    output: BufReader<ChildStdout>,
    pub address: String,
}

impl Listening {
    /// Starts an example that prints its address at the end of the first line.
    pub fn start(name: &str, arguments: &[&str]) -> Listening {
        let mut command = command(name);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the example can be started");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the first line is text");
        let address = line.trim_end().rsplit([' ', '/']).next().expect("it has an address");
        Listening { child, output, address: address.to_owned() }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("the example listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("it is no zero");
        stream.set_nodelay(true).expect("it is a socket of TCP");
        stream
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        let id = self.child.id().try_into().expect("the number of a process");
        // SAFETY: it sends a signal to a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0);
    }

    /// Returns the output that is left, up to the end.
    pub fn output(mut self) -> String {
        let mut output = String::new();
        self.output.read_to_string(&mut output).expect("the output is text");
        output
    }

    /// Waits for the end. Returns the signal that was its cause.
    pub fn ending_signal(mut self) -> Option<i32> {
        self.child.wait().expect("it is a child").signal()
    }

    /// Waits for the end. The output is what comes after the first line.
    pub fn end(mut self) -> Ran {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("it is a child") {
                Some(status) => break status,
                None => sleep(Duration::from_millis(5)),
            }
            assert!(start.elapsed() < PATIENCE, "the example does not end");
        };
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.output.read_to_string(&mut stdout).expect("the output is text");
        let errors = self.child.stderr.as_mut().expect("it is piped");
        errors.read_to_string(&mut stderr).expect("the errors are text");
        let status = status.code().unwrap_or_else(|| panic!("ended by {status}: {stderr}"));
        Ran { status, stdout, stderr }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends bytes, as far as the peer receives them.
pub fn send(mut stream: &TcpStream, bytes: impl AsRef<[u8]>) {
    let _ = stream.write_all(bytes.as_ref());
}

/// Returns all that comes up to the end of the connection.
pub fn receive(mut stream: &TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the connection ends in time, and not by a reset");
    String::from_utf8(bytes).expect("text")
}
