//! A program for crossbeam's channels: numbers come from any number of sources, are
//! merged by a select over all of them, checked by workers over rendezvous channels,
//! and added up. `tests/port.rs` ports it to leno.

use crossbeam_channel::{Receiver, RecvError, Select, Sender, TrySendError};
use crossbeam_channel::{after, bounded, never, select, tick, unbounded};
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

const SOURCES: u64 = 7;
const WORKERS: usize = 3;

/// Sends multiples of `number`: source 2 sends 2 and 4, source 3 sends 3, 6 and 9.
fn source(number: u64, sender: Sender<u64>) {
    for factor in 1..=number {
        sender.send(number * factor).unwrap();
    }
}

/// Receives from the sources until all have ended.
fn merge(sources: &[Receiver<u64>], merged: &Sender<(usize, u64)>) {
    let mut select = Select::new();
    for source in sources {
        select.recv(source);
    }
    let mut left = sources.len();
    while left > 0 {
        let selected = select.select();
        let index = selected.index();
        match selected.recv(&sources[index]) {
            Ok(number) => merged.send((index, number)).unwrap(),
            Err(RecvError) => {
                select.remove(index);
                left -= 1;
            }
        }
    }
}

/// Sends each number to a free worker.
fn deal(merged: Receiver<(usize, u64)>, workers: Vec<Sender<(usize, u64)>>) -> usize {
    let mut dealt = 0;
    for message in merged {
        let mut select = Select::new();
        for worker in &workers {
            select.send(worker);
        }
        let selected = select.select();
        let index = selected.index();
        selected.send(&workers[index], message).unwrap();
        dealt += 1;
    }
    dealt
}

fn worker(orders: Receiver<(usize, u64)>, stop: Receiver<()>, results: Sender<(usize, u64)>) {
    loop {
        select! {
            recv(orders) -> order => match order {
                Ok((source, number)) => {
                    assert_eq!(number % (source as u64 + 1), 0);
                    results.send((source, number)).unwrap();
                }
                Err(RecvError) => return,
            },
            recv(stop) -> _ => return,
        }
    }
}

/// Receives the first number from a ready source.
fn first_of(sources: &[Receiver<u64>]) -> (usize, u64) {
    let mut select = Select::new_biased();
    sources.iter().for_each(|source| {
        select.recv(source);
    });
    loop {
        let index = select.ready();
        if let Ok(number) = sources[index].try_recv() {
            return (index, number);
        }
    }
}

pub fn main() {
    let (senders, sources): (Vec<_>, Vec<_>) = (0..SOURCES).map(|_| bounded(2)).unzip();
    for (number, sender) in (1..).zip(senders) {
        thread::spawn(move || source(number, sender));
    }
    let (merged, to_deal) = bounded(0);
    let merging = thread::spawn(move || merge(&sources, &merged));
    let (orders, to_workers): (Vec<_>, Vec<_>) = (0..WORKERS).map(|_| bounded(0)).unzip();
    let dealing = thread::spawn(move || deal(to_deal, orders));
    let (results, all) = unbounded();
    let (_stop, stopped) = bounded(0);
    for orders in to_workers {
        let (stopped, results) = (stopped.clone(), results.clone());
        thread::spawn(move || worker(orders, stopped, results));
    }
    drop(results);

    let mut sums = BTreeMap::new();
    for (source, number) in &all {
        *sums.entry(source + 1).or_insert(0) += number;
    }
    merging.join().unwrap();
    println!("{sums:?}, {} dealt", dealing.join().unwrap());

    let (late, receive_late) = bounded(0);
    let (early, receive_early) = unbounded();
    early.send(5).unwrap();
    println!("{:?}", first_of(&[receive_late.clone(), receive_early]));
    println!("{:?}", late.try_send(1) == Err(TrySendError::Full(1)));

    let ticks = tick(Duration::from_millis(2));
    let end = after(Duration::from_millis(50));
    let mut count = 0;
    loop {
        select! {
            recv(ticks) -> _ => count += 1,
            recv(end) -> _ => break,
            recv(never::<u8>()) -> _ => unreachable!(),
        }
    }
    println!("ticks: {}", if count >= 3 { "several" } else { "few" });

    let mut select = Select::new();
    select.recv(&receive_late);
    println!("{}", select.try_select().is_err());
    println!("{}", select.select_timeout(Duration::from_millis(1)).is_err());
    println!("{:?}", select.try_ready().is_err());
    drop(late);
    println!("{:?}", select.select().recv(&receive_late));
}
