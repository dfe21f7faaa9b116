//! A worker's process, as its master knows it.

#![forbid(unsafe_code)]

use std::cell::OnceCell;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;

use super::frame::{Received, Said};
use super::handover::{Handover, VARIABLE};
use super::program::Program;
use crate::channel::{Receiver, Sender, bounded, never, unbounded};
use crate::net::Shutdown;
use crate::os::unix::net::UnixStream;
use crate::process::{Child, Command};
use crate::sys::inherit;
use crate::thread;

/// The most bytes that are read from a worker at once.
const BUFFER_BYTES: usize = 16 * 1024;

/// A worker's process.
pub(super) struct Process {
    pub(super) pid: u32,
    /// The stream to the worker. Its end tells the worker to stop.
    pub(super) control: UnixStream,
    /// What the worker says. It has an end when the process has ended, and been waited for.
    pub(super) said: Receiver<Said>,
    kill: Sender<()>,
    end: Rc<OnceCell<io::Result<ExitStatus>>>,
}

impl Process {
    /// Starts a worker with some listeners.
    ///
    /// # Errors
    ///
    /// If the system refuses a descriptor or the process. In an exploration.
    pub(super) fn start(
        program: &Program,
        id: usize,
        listeners: Vec<RawFd>,
    ) -> io::Result<Process> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let control = theirs.as_raw_fd();
        let identity = inherit::identity(control)?;
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).stdin(Stdio::null());
        let passed = [&[control][..], &listeners].concat();
        let handover = Handover { id, control, identity, listeners };
        command.env(VARIABLE, handover.to_text());
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
            command.env_remove(name);
        }
        command.inner.arg0(&program.name);
        inherit::pass_on(&mut command.inner, passed);
        let child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", program.path.display()))
        })?;
        drop(theirs);
        Ok(Process::attend(child, ours.into()))
    }

    /// Begins to receive what a worker says, until its process ends.
    fn attend(child: Child, control: UnixStream) -> Process {
        let (say, said) = unbounded();
        let (kill, killed) = bounded(1);
        let (pid, end) = (child.id(), Rc::new(OnceCell::new()));
        let (its_end, its_control) = (end.clone(), UnixStream(control.0.clone()));
        thread::spawn(move || {
            let ended = attend(child, its_control, &killed, &say);
            its_end.set(ended).expect("a process ends once");
            // After the end is known.
            drop(say);
        });
        Process { pid, control, said, kill, end }
    }

    /// Tells the worker to stop. It may have ended.
    pub(super) fn tell_to_stop(&self) {
        // mistake: workers-stop-unsaid
        let _ = self.control.shutdown(Shutdown::Write);
    }

    /// Ends the process by SIGKILL, unless it has ended.
    pub(super) fn kill(&self) {
        let _ = self.kill.try_send(());
    }

    /// Waits until the process has ended.
    pub(super) fn wait(&self) {
        while self.said.recv().is_ok() {}
    }

    /// Returns how the process has ended.
    pub(super) fn end(&self) -> String {
        match self.end.get() {
            Some(Ok(status)) => status.to_string(),
            Some(Err(error)) => format!("its status is not known: {error}"),
            None => "it has not ended".to_owned(),
        }
    }
}

/// Receives what a worker says until its process ends. Returns how.
fn attend(
    mut child: Child,
    mut control: UnixStream,
    killed: &Receiver<()>,
    say: &Sender<Said>,
) -> io::Result<ExitStatus> {
    let (mut received, mut bytes) = (Received::default(), vec![0; BUFFER_BYTES]);
    let (none, mut is_open) = (never(), true);
    let mut killed = killed;
    while is_open {
        // What was said before the end is received before it.
        crate::select_biased! {
            readable(control) => match control.read(&mut bytes) {
                Ok(count) => {
                    is_open = count > 0;
                    received.add(&bytes[..count]);
                    while let Some(said) = received.take() {
                        let _ = say.send(said);
                    }
                }
                Err(_) => is_open = false,
            },
            recv(killed) -> order => match order {
                Ok(()) => child.kill()?,
                Err(_) => killed = &none,
            },
            readable(child) => return child.wait(),
        }
    }
    loop {
        crate::select_biased! {
            recv(killed) -> order => match order {
                Ok(()) => child.kill()?,
                Err(_) => killed = &none,
            },
            readable(child) => return child.wait(),
        }
    }
}
