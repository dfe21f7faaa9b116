//! Workers that compute.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::fmt;
use std::io;

use super::frame::Said;
use super::master::Started;
use super::slot::Job;
use crate::channel::{Sender, bounded};

/// Processes that do jobs.
///
/// Dropping it stops them, once they have done their jobs.
///
/// # Examples
///
/// See [`Workers::pool`](super::Workers::pool).
pub struct Pool {
    started: Started,
    jobs: Sender<Job>,
}

impl Pool {
    pub(super) fn new(started: Started, jobs: Sender<Job>) -> Pool {
        Pool { started, jobs }
    }

    /// Gives a job to a process, and waits for the result. Jobs for which no process is free wait in the order
    /// in which they came.
    ///
    /// Costs two copies of the job and of the result, and a switch of processes each.
    ///
    /// # Errors
    ///
    /// If the job panics, with the text of the panic; the process does other jobs after that. If the
    /// process ends; it is replaced, and the job is not done again. If all processes have failed to start again.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. A process that does the job is killed and replaced, since a computation
    /// cannot be cancelled in another way: so a deadline around the call holds for any job.
    ///
    /// # Examples
    ///
    /// See [`Workers::pool`](super::Workers::pool).
    #[track_caller]
    pub fn call(&self, job: impl Into<Vec<u8>>) -> io::Result<Vec<u8>> {
        let (answer, answered) = bounded(1);
        // Dropped when the call returns, or is unwound.
        let (_waiting, caller) = bounded::<Infallible>(0);
        let job = Job { bytes: Said::Job(job.into()).to_bytes(), answer, caller };
        if self.jobs.send(job).is_err() {
            return Err(self.gone());
        }
        answered.recv().unwrap_or_else(|_| Err(self.gone()))
    }

    fn gone(&self) -> io::Error {
        let failure = self.started.common.failure.get();
        io::Error::other(failure.map_or("the workers have been stopped", |it| it))
    }

    /// Waits until one of the workers is ready.
    ///
    /// # Errors
    ///
    /// If all have failed to start.
    pub(super) fn wait_until_ready(self) -> io::Result<Pool> {
        crate::select! {
            recv(self.started.common.ready_once.given) -> _ => {}
            recv(self.started.ended) -> _ => return Err(self.gone()),
        }
        Ok(self)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.started.common.stop.give();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
