//! The master: starts the workers, and acts on signals.

#![forbid(unsafe_code)]

use std::cell::{Cell, OnceCell};
use std::convert::Infallible;
use std::io;
use std::rc::Rc;

use super::listen::Listening;
use super::order::Order;
use super::settings::Settings;
use super::signals::{receive, stops};
use super::slot::{Common, Job, Slot};
use crate::channel::{Receiver, Sender, bounded, never};
use crate::signal::Signal;
use crate::thread;

/// An order to replace a worker, with an answer that says whether that was done.
type Replacement = Sender<bool>;

/// Workers that have been started.
pub(super) struct Started {
    pub(super) common: Rc<Common>,
    replacements: Vec<Sender<Replacement>>,
    /// Has an end when all processes have ended.
    pub(super) ended: Receiver<Infallible>,
}

/// Starts `count` workers.
pub(super) fn start(
    count: usize,
    settings: Settings,
    listening: Vec<Listening>,
    jobs: Receiver<Job>,
) -> Started {
    let common = Rc::new(Common {
        settings,
        listening,
        stop: Order::new(),
        kill: Order::new(),
        ready: Cell::new(0),
        ready_once: Order::new(),
        failure: OnceCell::new(),
    });
    let (alive, ended) = bounded(0);
    let start = |id| {
        let (replace, replacements) = bounded(0);
        let (common, jobs, alive) = (common.clone(), jobs.clone(), alive.clone());
        let slot = Slot { id, common, replacements, jobs, alive };
        thread::spawn(move || slot.keep());
        replace
    };
    let replacements = (0..count).map(start).collect();
    Started { common, replacements, ended }
}

/// Starts `count` workers, and keeps them running until a signal stops them.
pub(super) fn run(count: usize, settings: Settings, listening: Vec<Listening>) -> io::Result<()> {
    let signals = receive()?;
    for listening in &listening {
        settings.log(format_args!("listens on {}", listening.address()));
    }
    let Started { common, replacements, ended } = start(count, settings, listening, never());
    // While one replacement goes on, another may wait, and others would add nothing to that.
    // mistake: workers-second-order-lost
    let (replace, orders) = bounded(1);
    let replacing = thread::spawn({
        let common = common.clone();
        move || replace_on_order(&common, &orders, &replacements)
    });
    loop {
        crate::select! {
            recv(ended) -> _ => break,
            readable(signals) => on_signal(&common, signals.recv()?, &replace),
        }
    }
    drop(replace);
    let _ = replacing.join();
    match common.failure.get() {
        Some(failure) => Err(io::Error::other(failure.clone())),
        None => Ok(()),
    }
}

fn on_signal(common: &Common, signal: Signal, replace: &Sender<()>) {
    let Common { settings, stop, kill, .. } = common;
    if !stops(signal) {
        let is_noted = replace.try_send(()).is_ok();
        let what = if is_noted { "replaces the workers" } else { "is replacing the workers" };
        settings.log(format_args!("master {what} ({signal})"));
    } else if stop.is_given() {
        settings.log(format_args!("master kills the workers ({signal})"));
        kill.give();
    } else {
        settings.log(format_args!("master stops the workers ({signal})"));
        stop.give();
    }
}

/// Replaces the workers one by one for each order.
fn replace_on_order(common: &Common, orders: &Receiver<()>, workers: &[Sender<Replacement>]) {
    for () in orders {
        let mut replaced = 0;
        for worker in workers {
            let (answer, answered) = bounded(1);
            // Both fail if the master stops.
            if worker.send(answer).is_ok() && answered.recv() == Ok(true) {
                replaced += 1;
            } else {
                // mistake: workers-replace-on
                break;
            }
        }
        let count = workers.len();
        common.settings.log(format_args!("master has replaced {replaced} of {count} workers"));
    }
}
