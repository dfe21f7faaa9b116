//! Random programs. Lists of numbers are decoded into programs, which is fast and
//! shrinks well.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::program::{CELLS, CHANNELS, Ending, Extra, MUTEXES, Op, Patience, Program};

/// A topic of programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Yields,
    Cells,
    Mutexes,
    Channels,
    Permits,
    Condvar,
    Tokens,
    Threads,
    Cancels,
    Time,
    Panics,
    Extras,
}

/// The size and the topics of programs.
#[derive(Clone, Copy)]
pub struct Mix {
    /// The topics, of which each program has one to three.
    pub subjects: &'static [Subject],
    /// The maximum number of green threads besides the main one and those that other
    /// threads start.
    pub most_threads: usize,
    pub most_operations: usize,
    /// Whether waits may have timeouts. In preemptive explorations other threads run
    /// before waits anyway.
    pub has_timeouts: bool,
}

pub fn programs(mix: Mix) -> impl Strategy<Value = Program> {
    let body = |least, most| vec(any::<u32>(), least..=most);
    let threads = vec(body(1, mix.most_operations), 1..=mix.most_threads);
    (any::<u64>(), body(0, mix.most_operations - 1), threads)
        .prop_map(move |(settings, main, threads)| decode(mix, settings, &main, &threads))
}

pub fn decode(mix: Mix, settings: u64, main: &[u32], threads: &[Vec<u32>]) -> Program {
    let bytes = settings.to_le_bytes().map(usize::from);
    let ending = match bytes[0] % 8 {
        0..4 => Ending::Scope,
        4..7 => Ending::Join,
        _ => Ending::Detach,
    };
    let capacity = |byte: usize| [Some(0), Some(1), None, Some(2)][byte % 4];
    // A program with few topics has more conflicts.
    let all = mix.subjects;
    let some = [bytes[1], bytes[2], bytes[3]].map(|byte| all[byte % all.len()]);
    let mut decoder = Decoder {
        subjects: &some[..1 + bytes[4] % 3],
        mix,
        started: threads.len(),
        bodies: vec![Vec::new(); 1 + threads.len()],
    };
    for (number, genes) in [main].into_iter().chain(threads.iter().map(Vec::as_slice)).enumerate() {
        decoder.bodies[number] = decoder.body(number, genes);
    }
    Program {
        started: decoder.started,
        bodies: decoder.bodies,
        ending,
        capacities: [capacity(bytes[5]), capacity(bytes[6])],
        permits: bytes[7] % 3,
    }
}

struct Decoder<'a> {
    subjects: &'a [Subject],
    mix: Mix,
    started: usize,
    bodies: Vec<Vec<Op>>,
}

/// The body that is being decoded.
#[derive(Default)]
struct Body {
    ops: Vec<Op>,
    held: [bool; MUTEXES],
    children: Vec<usize>,
    number: usize,
    is_inner: bool,
}

impl Decoder<'_> {
    fn body(&mut self, number: usize, genes: &[u32]) -> Vec<Op> {
        let children = if number == 0 { (1..=self.started).collect() } else { Vec::new() };
        let mut body = Body { number, children, ..Body::default() };
        for gene in genes {
            self.operation(&mut body, gene.to_le_bytes().map(usize::from));
        }
        body.ops
    }

    fn patience(&self, byte: usize) -> Patience {
        match byte % 8 {
            0 => Patience::None,
            1 | 2 if self.mix.has_timeouts => Patience::Millis(1 + byte as u64 / 8 % 2),
            _ => Patience::Endless,
        }
    }

    /// Returns a patience of more than zero.
    fn waiting(&self, byte: usize) -> Patience {
        match self.patience(byte) {
            Patience::None => Patience::Endless,
            patience => patience,
        }
    }

    fn operation(&mut self, body: &mut Body, [subject, kind, first, second]: [usize; 4]) {
        let subject = self.subjects[subject % self.subjects.len()];
        match subject {
            Subject::Yields => body.ops.push(Op::Yield),
            Subject::Cells => body.ops.push(cells(kind, first % CELLS, 1 + second as u8 % 3)),
            Subject::Mutexes => self.mutexes(body, kind, first % MUTEXES),
            Subject::Channels => self.channels(body, kind, first % CHANNELS, second),
            Subject::Permits => body.ops.push(match kind % 5 {
                0..3 => Op::Acquire(1 + first % 2, self.patience(second)),
                _ => Op::AddPermits(1 + first % 2),
            }),
            Subject::Condvar => self.condvar(body, kind, second),
            Subject::Tokens => body.ops.push(match kind % 2 {
                0 => Op::Park(self.waiting(second)),
                _ => Op::Unpark(first % (1 + self.started)),
            }),
            Subject::Threads => self.threads(body, kind, first, second),
            Subject::Cancels => body.ops.push(Op::Cancel(1 + first % self.started)),
            Subject::Time => self.time(body, kind, [first, second]),
            Subject::Panics => {
                let panics = kind.is_multiple_of(3);
                body.ops.push(if panics { Op::Panic } else { cells(first, 0, 1) });
            }
            Subject::Extras => body.ops.push(Op::Extra(extra(kind, first % CELLS, second))),
        }
    }

    fn mutexes(&self, body: &mut Body, kind: usize, mutex: usize) {
        let is_held = &mut body.held[mutex];
        let op = match (*is_held, kind % 4) {
            (true, _) => Op::Unlock(mutex),
            (false, 0) => Op::TryLock(mutex),
            (false, _) => Op::Lock(mutex),
        };
        *is_held = op != Op::Unlock(mutex);
        body.ops.push(op);
    }

    fn channels(&self, body: &mut Body, kind: usize, channel: usize, second: usize) {
        // Threads that are started later have no halves of channels.
        let channel = if body.number > self.started { return } else { channel };
        body.ops.push(match kind % 16 {
            0..7 => Op::Send(channel, self.patience(second)),
            13 => Op::Select(self.patience(second)),
            7..13 => Op::Receive(channel, self.patience(second)),
            14 => Op::DropSender(channel),
            _ => Op::DropReceiver(channel),
        });
    }

    fn condvar(&self, body: &mut Body, kind: usize, second: usize) {
        match kind % 4 {
            0 | 1 => {
                if !body.held[0] {
                    body.held[0] = true;
                    body.ops.push(Op::Lock(0));
                }
                body.ops.push(Op::Wait(self.waiting(second)));
            }
            2 if body.held[0] => {
                body.held[0] = false;
                body.ops.push(Op::Unlock(0));
            }
            _ => body.ops.push(Op::Notify { all: second.is_multiple_of(2) }),
        }
    }

    fn threads(&mut self, body: &mut Body, kind: usize, first: usize, second: usize) {
        let may_spawn = body.number <= self.started && !body.is_inner && self.bodies.len() < 5;
        if kind.is_multiple_of(2) && may_spawn {
            let number = self.bodies.len();
            self.bodies.push(Vec::new());
            let genes = [first, second].map(|byte| (byte as u32 + 1).wrapping_mul(0x9e37_79b1));
            self.bodies[number] = self.body(number, &genes[..1 + kind / 2 % 2]);
            if kind % 8 < 4 {
                body.children.push(number);
                return body.ops.push(Op::Spawn(number));
            }
            let outer = std::mem::take(&mut body.ops);
            body.is_inner = true;
            if kind % 16 < 8 {
                let gene = (first ^ second) as u32;
                self.operation(body, gene.wrapping_mul(0x9e37_79b1).to_le_bytes().map(usize::from));
            }
            body.is_inner = false;
            let inner = std::mem::replace(&mut body.ops, outer);
            body.ops.push(Op::Within(number, inner));
        } else if body.children.is_empty() {
            body.ops.push(cells(first, second % CELLS, 1));
        } else {
            let child = body.children[first % body.children.len()];
            body.ops.push(if second.is_multiple_of(4) {
                Op::IsFinished(child)
            } else {
                Op::Join(child)
            });
        }
    }

    fn time(&mut self, body: &mut Body, kind: usize, [first, second]: [usize; 2]) {
        let millis = 1 + first as u64 % 2;
        if !kind.is_multiple_of(3) || body.is_inner {
            return body.ops.push(Op::Sleep(millis));
        }
        let outer = std::mem::take(&mut body.ops);
        body.is_inner = true;
        let genes = [first / 2, second];
        for &gene in &genes[..1 + kind / 3 % 2] {
            self.operation(body, [gene, gene / 3, gene / 7, gene / 11].map(|byte| byte * 37 % 256));
        }
        body.is_inner = false;
        let inner = std::mem::replace(&mut body.ops, outer);
        body.ops.push(Op::Timeout(millis, inner));
    }
}

fn extra(kind: usize, cell: usize, second: usize) -> Extra {
    let millis = 1 + second as u64 % 2;
    match kind % 6 {
        0 => Extra::Await(cell),
        1 => Extra::Remote,
        2 => Extra::DropHandle(cell),
        3 => Extra::Text,
        4 => Extra::Tick(millis),
        _ => Extra::WaitWhileZero(cell, millis),
    }
}

fn cells(kind: usize, cell: usize, value: u8) -> Op {
    match kind % 6 {
        0 => Op::Get(cell),
        1 => Op::Set(cell, value),
        2 => Op::Add(cell),
        3 => Op::Load(cell),
        4 => Op::Store(cell),
        _ => Op::Exchange(cell, value),
    }
}
