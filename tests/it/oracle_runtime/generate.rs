//! Generation of random programs, decoded from lists of numbers, which are fast to
//! generate and shrink well.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Body, Case, Fate, Keep, Lock, MUTEXES, NEVER, Op, Patience, Program};

/// The subject of a program. A bug shows more often where many operations of one kind
/// meet.
#[derive(Clone, Copy)]
enum Subject {
    Everything,
    Channels,
    Locks,
    /// Threads that join and cancel each other, and deadlines.
    Threads,
}

/// Generates programs that choose the next thread at random (`chosen`), or in the
/// order of the run queue.
pub(super) fn programs(chosen: bool) -> impl Strategy<Value = Program> {
    let body = || vec(any::<u32>(), 2..16);
    let choices = vec(any::<u8>(), 0..if chosen { 40 } else { 1 });
    (any::<u32>(), vec(body(), 2..=5), choices).prop_map(move |(settings, bodies, choices)| {
        let [first, second, third, subject] = settings.to_le_bytes();
        let subject = match subject % 8 {
            0 | 1 => Subject::Everything,
            2..5 => Subject::Channels,
            5 | 6 => Subject::Locks,
            _ => Subject::Threads,
        };
        let count = 1 + usize::from(first % 8) / 4 + usize::from(first % 8) / 7;
        let capacity = |channel: usize| match (second >> (2 * channel)) & 3 {
            0 => Some(0),
            1 => Some(1),
            2 if third % 2 == 0 => None,
            2 => Some(2),
            _ => Some(0),
        };
        let mut threads: Vec<Body> =
            bodies.into_iter().map(|genes| thread(subject, count, genes)).collect();
        // A panic of the main thread would be printed next to a deadlock.
        let main = &mut threads[0];
        main.operations = vec![Op::Catch {
            then: Fate::Dropped,
            operations: std::mem::take(&mut main.operations),
        }];
        Program {
            capacities: (0..count).map(capacity).collect(),
            permits: 1 + usize::from(third / 2 % 3),
            threads,
            choices: chosen.then(|| choices.into_iter().map(usize::from).collect()),
        }
    })
}

fn thread(subject: Subject, channels: usize, genes: Vec<u32>) -> Body {
    let ends = genes[0];
    // Most threads have both ends of a channel.
    let has = |bit: usize| (ends >> bit) & 3 != 0;
    let mut decoder = Decoder { subject, genes: genes.into_iter().skip(1) };
    Body {
        sends: (0..channels).map(|channel| has(4 * channel)).collect(),
        receives: (0..channels).map(|channel| has(4 * channel + 2)).collect(),
        operations: decoder.block(usize::MAX),
    }
}

struct Decoder<I> {
    subject: Subject,
    genes: I,
}

fn millis(byte: usize) -> u64 {
    match byte % 16 {
        0 => 0,
        15 => NEVER,
        1..6 => 1,
        6..10 => 2,
        10..13 => 3,
        _ => 5,
    }
}

fn patience(byte: usize) -> Patience {
    match byte % 8 {
        0 => Patience::None,
        1..6 => Patience::Millis(millis(byte / 8)),
        _ => Patience::Endless,
    }
}

fn fate(byte: usize) -> Fate {
    match byte % 8 {
        0 | 1 => Fate::Lingers,
        2 => Fate::Kept,
        3 => Fate::Forgotten,
        _ => Fate::Dropped,
    }
}

fn case(byte: usize) -> Case {
    let channel = byte / 8;
    match byte % 8 {
        0..3 => Case::Send { channel },
        3..7 => Case::Receive { channel },
        _ => Case::After { millis: millis(byte / 8) },
    }
}

impl<I: Iterator<Item = u32>> Decoder<I> {
    fn block(&mut self, limit: usize) -> Vec<Op> {
        let mut operations = Vec::new();
        while operations.len() < limit
            && let Some(gene) = self.genes.next()
        {
            operations.push(self.operation(gene.to_le_bytes().map(usize::from)));
        }
        operations
    }

    fn operation(&mut self, [kind, first, second, third]: [usize; 4]) -> Op {
        let inner = 1 + third % 4;
        let group = match self.subject {
            Subject::Everything => kind % 4,
            Subject::Channels => [0, 0, 0, 0, 0, 2, 3, 3][kind % 8],
            Subject::Locks => [1, 1, 1, 1, 1, 2, 3, 3][kind % 8],
            Subject::Threads => [0, 1, 2, 2, 2, 3, 3, 3][kind % 8],
        };
        match (group, kind / 8) {
            (0, kind) => self.of_channels(kind, first, second),
            (1, kind) => self.of_locks(kind, [first, second, inner]),
            (2, 0..8) => Op::Yield,
            (2, 8..13) => Op::Sleep { millis: millis(second) },
            (2, 13..16) => Op::Park(patience(second)),
            (2, 16..20) => Op::Unpark { which: first },
            (2, 20..24) => Op::Join { which: first },
            (2, 24) => Op::Detach { which: first },
            (2, 25 | 26) => Op::IsFinished { which: first },
            (2, 27) => Op::Panic,
            (2, 28) => Op::Keep(Keep::Value),
            (2, 29) => Op::Keep(Keep::Yielding),
            (2, _) => Op::Keep(Keep::Sleeping { millis: second as u64 % 4 }),
            (3, 0..12) => Op::Cancel { which: first },
            (3, 12..16) => Op::Catch { then: fate(first), operations: self.block(inner) },
            (3, 16..25) => Op::Timeout { millis: millis(second), operations: self.block(inner) },
            (_, _) => Op::Shield(self.block(inner)),
        }
    }

    fn of_channels(&mut self, kind: usize, first: usize, second: usize) -> Op {
        match kind {
            0..9 => Op::Send { channel: first, patience: patience(second) },
            9..18 => Op::Receive { channel: first, patience: patience(second) },
            18..26 => {
                let genes = self.genes.next().unwrap_or(first as u32).to_le_bytes();
                let count = [2, 2, 1, 3][first % 4];
                let cases = genes.map(usize::from).into_iter().take(count).map(case).collect();
                Op::Select { cases, patience: patience(second) }
            }
            26..29 => Op::DropSender { channel: first },
            29..31 => Op::DropReceiver { channel: first },
            _ => Op::Yield,
        }
    }

    fn of_locks(&mut self, kind: usize, [first, second, inner]: [usize; 3]) -> Op {
        let lock = match kind {
            0..8 => Lock::Mutex(first % 4 / 3 % MUTEXES),
            8..12 => Lock::Notification,
            12..15 => Lock::Read,
            15..18 => Lock::Write,
            18..24 => Lock::Permits(first % 4),
            24..28 => return Op::Notify { all: first % 3 == 0 },
            28 => return Op::AddPermits(first % 3),
            29 if first % 4 == 0 => return Op::CloseSemaphore,
            _ => return Op::Yield,
        };
        Op::Hold { lock, patience: patience(second), operations: self.block(inner - 1) }
    }
}
