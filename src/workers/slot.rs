//! The place of one worker: it has a process at any time, and another one when that ends.

#![forbid(unsafe_code)]

use std::cell::{Cell, OnceCell};
use std::convert::Infallible;
use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use super::frame::Said;
use super::listen::{Listening, numbers};
use super::order::Order;
use super::process::Process;
use super::settings::Settings;
use crate::channel::{Receiver, Sender, TryRecvError, never};
use crate::thread;
use crate::time::Instant;

/// After this many starts in a row that have failed, a master may give up.
const STARTS: u32 = 5;
/// The time after an end until the next start. It doubles with each end that comes early.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// A worker that has been ready for so long has not ended early.
const SETTLED: Duration = Duration::from_secs(10);

/// What the workers of a master have in common.
pub(super) struct Common {
    pub(super) settings: Settings,
    pub(super) listening: Vec<Listening>,
    /// All workers are to stop.
    pub(super) stop: Order,
    /// All workers are to be killed.
    pub(super) kill: Order,
    /// The number of workers that are ready.
    pub(super) ready: Cell<usize>,
    /// A worker has been ready.
    pub(super) ready_once: Order,
    /// Why the master has given up.
    pub(super) failure: OnceCell<String>,
}

/// The place of one worker.
pub(super) struct Slot {
    pub(super) id: usize,
    pub(super) common: Rc<Common>,
    /// Orders to replace the process. The answer says whether that was done.
    pub(super) replacements: Receiver<Sender<bool>>,
    pub(super) jobs: Receiver<Job>,
    /// Has an end when all green threads of the master that wait for a process have ended.
    pub(super) alive: Sender<Infallible>,
}

/// A job of a pool.
pub(super) struct Job {
    /// What is sent to the worker.
    pub(super) bytes: Vec<u8>,
    pub(super) answer: Sender<io::Result<Vec<u8>>>,
    /// Has an end when the caller does not wait any more.
    pub(super) caller: Receiver<Infallible>,
}

/// What has become of a start.
enum Start {
    Ready(Process),
    Failed(String),
    /// The master stops.
    Stopped,
}

/// What has become of a worker that was ready.
enum End {
    /// It has ended by itself.
    Unasked,
    /// It was killed, since its job was not wanted any more.
    Killed,
    /// The master stops.
    Stopped,
}

impl Slot {
    /// Keeps a worker running until the master stops.
    pub(super) fn keep(self) {
        // Ends in a row that came early, and starts in a row that have failed.
        let (mut early, mut failed, mut was_ready) = (0, 0, false);
        let mut replacement: Option<Sender<bool>> = None;
        loop {
            let start = self.start();
            if let Some(replacement) = replacement.take() {
                let _ = replacement.send(matches!(start, Start::Ready(_)));
            }
            match start {
                Start::Stopped => return,
                Start::Ready(process) => {
                    (failed, was_ready) = (0, true);
                    let since = Instant::now();
                    match self.attend(process) {
                        End::Stopped => return,
                        End::Killed => continue,
                        End::Unasked => {
                            let is_settled = since.elapsed() >= SETTLED;
                            early = if is_settled { 1 } else { early + 1 };
                        }
                    }
                }
                Start::Failed(reason) => {
                    (failed, early) = (failed + 1, early + 1);
                    self.log(format_args!("has failed to start: {reason}"));
                    let is_useless = !was_ready || self.common.ready.get() == 0;
                    // mistake: workers-never-give-up
                    let is_hopeless = failed >= STARTS && is_useless;
                    if is_hopeless {
                        return self.give_up(failed, &reason);
                    }
                }
            }
            let delay = delay(early);
            self.log(format_args!("starts again in {delay:?}"));
            crate::select! {
                recv(self.common.stop.given) -> _ => return,
                recv(self.replacements) -> order => replacement = order.ok(),
                default(delay) => {}
            }
        }
    }

    fn log(&self, event: fmt::Arguments<'_>) {
        self.common.settings.log(format_args!("worker {} {event}", self.id));
    }

    fn give_up(&self, count: u32, reason: &str) {
        let failure = format!(
            "worker {} has failed to start {count} times in a row, the last time so: {reason}",
            self.id
        );
        let _ = self.common.failure.set(failure);
        self.common.stop.give();
    }

    /// Starts a process, and waits until it is ready.
    fn start(&self) -> Start {
        let Common { settings, listening, stop, .. } = &*self.common;
        if stop.is_given() {
            return Start::Stopped;
        }
        let listeners = numbers(listening, self.id);
        let process = match Process::start(&settings.program, self.id, listeners) {
            Ok(process) => process,
            Err(error) => return Start::Failed(error.to_string()),
        };
        let pid = process.pid;
        self.log(format_args!("starts as process {pid}"));
        let deadline = Instant::now() + settings.ready_within;
        let mut reason = None;
        loop {
            crate::select_biased! {
                recv(process.said) -> said => match said {
                    Ok(Said::Ready) => {
                        self.log(format_args!("is ready (process {pid})"));
                        return Start::Ready(process);
                    }
                    Ok(Said::Failed(text)) => reason = Some(text),
                    Ok(_) => {}
                    Err(_) => {
                        let end = process.end();
                        return Start::Failed(match reason {
                            Some(reason) => format!("{reason} ({end})"),
                            None => format!("it ended before it was ready ({end})"),
                        });
                    }
                },
                recv(stop.given) -> _ => {
                    self.stop(&process);
                    return Start::Stopped;
                }
                default(deadline.saturating_duration_since(Instant::now())) => {
                    // mistake: workers-hang-for-ever
                    process.kill();
                    process.wait();
                    return Start::Failed(format!(
                        "it was not ready within {:?}, and has been killed",
                        settings.ready_within
                    ));
                }
            }
        }
    }

    /// Lets a worker do its work until it ends, or the master stops. Replaces it on order.
    fn attend(&self, mut process: Process) -> End {
        let Common { stop, ready, .. } = &*self.common;
        ready.update(|count| count + 1);
        self.common.ready_once.give();
        let end = loop {
            crate::select! {
                recv(process.said) -> said => match said {
                    Ok(Said::Failed(reason)) => self.log(format_args!("fails: {reason}")),
                    Ok(_) => {}
                    Err(_) => {
                        self.has_ended(&process);
                        break End::Unasked;
                    }
                },
                recv(self.replacements) -> order => if let Ok(order) = order {
                    // mistake: workers-stop-first
                    let start = self.start();
                    match start {
                        Start::Ready(new) => {
                            let old = mem::replace(&mut process, new);
                            // mistake: workers-replaced-stay
                            self.stop_later(old);
                            let _ = order.send(true);
                        }
                        Start::Failed(reason) => {
                            let pid = process.pid;
                            self.log(format_args!("is not replaced, process {pid} goes on: {reason}"));
                            let _ = order.send(false);
                        }
                        Start::Stopped => {
                            self.stop(&process);
                            break End::Stopped;
                        }
                    }
                },
                recv(self.jobs) -> job => match job {
                    Ok(job) => if let Some(end) = self.perform(&process, &job) {
                        break end;
                    },
                    Err(_) => {
                        self.stop(&process);
                        break End::Stopped;
                    }
                },
                recv(stop.given) -> _ => {
                    self.stop(&process);
                    break End::Stopped;
                }
            }
        };
        ready.update(|count| count - 1);
        end
    }

    fn has_ended(&self, process: &Process) {
        self.log(format_args!("has ended (process {}, {})", process.pid, process.end()));
    }

    /// Tells a process to stop, and waits until it has ended. It is killed at the deadline.
    fn stop(&self, process: &Process) {
        let Common { settings, kill, .. } = &*self.common;
        let (pid, limit) = (process.pid, settings.stop_within);
        process.tell_to_stop();
        let deadline = Instant::now() + limit;
        let reason = loop {
            crate::select_biased! {
                recv(process.said) -> said => match said {
                    Ok(Said::Failed(reason)) => self.log(format_args!("fails: {reason}")),
                    Ok(_) => {}
                    Err(_) => break None,
                },
                recv(kill.given) -> _ => break Some("the master was told twice".to_owned()),
                default(deadline.saturating_duration_since(Instant::now())) => {
                    break Some(format!("it did not end within {limit:?}"));
                }
            }
        };
        if let Some(reason) = reason {
            self.log(format_args!("is killed (process {pid}): {reason}"));
            // mistake: workers-outlive-deadline
            process.kill();
            process.wait();
        }
        self.has_ended(process);
    }

    /// Stops a process that has been replaced, meanwhile.
    fn stop_later(&self, old: Process) {
        self.log(format_args!("is replaced: process {} stops", old.pid));
        let slot = Slot {
            id: self.id,
            common: self.common.clone(),
            replacements: never(),
            jobs: never(),
            alive: self.alive.clone(),
        };
        thread::spawn(move || slot.stop(&old));
    }

    /// Gives a job to a process, and waits for the answer. Returns how the process has ended, if it has.
    fn perform(&self, process: &Process, job: &Job) -> Option<End> {
        if job.caller.try_recv() == Err(TryRecvError::Disconnected) {
            return None;
        }
        thread::scope(|scope| {
            // It fails if the process ends.
            let sending = scope.spawn(|| (&process.control).write_all(&job.bytes));
            let end = self.await_answer(process, job);
            sending.cancel();
            end
        })
    }

    fn await_answer(&self, process: &Process, job: &Job) -> Option<End> {
        let (answer, end) = loop {
            crate::select! {
                recv(process.said) -> said => match said {
                    Ok(Said::Answer(bytes)) => break (Ok(bytes), None),
                    Ok(Said::Panicked(text)) => {
                        break (Err(format!("the job has panicked: {text}")), None);
                    }
                    Ok(_) => {}
                    Err(_) => {
                        self.has_ended(process);
                        let text = format!("the worker has ended during the job ({})", process.end());
                        break (Err(text), Some(End::Unasked));
                    }
                },
                recv(job.caller) -> _ => {
                    let pid = process.pid;
                    self.log(format_args!("is killed (process {pid}): its job was cancelled"));
                    // mistake: workers-cancelled-job-runs
                    process.kill();
                    process.wait();
                    return Some(End::Killed);
                }
            }
        };
        let _ = job.answer.send(answer.map_err(io::Error::other));
        end
    }
}

/// Returns the time until the next start.
fn delay(early: u32) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1 << early.saturating_sub(1).min(20));
    doubled.min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_limit() {
        let millis = |early| delay(early).as_millis();
        assert_eq!([0, 1, 2, 3, 4].map(millis), [100, 100, 200, 400, 800]);
        assert_eq!([8, 100, u32::MAX].map(millis), [10_000; 3]);
    }
}
