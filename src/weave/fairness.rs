//! Who yields lets others go first.
//!
//! Without this, a loop that waits for another by yielding would have executions
//! without end, in which it has every turn. The rule is that of Musuvathi and
//! Qadeer ("Fair stateless model checking", PLDI 2008): whoever yields for the
//! second time has given no turn in between to some others who could have gone on;
//! from then on those go first, until each has had a turn.

/// Green threads above this number are not kept waiting.
const MOST: usize = 64;

#[derive(Clone, Copy, Default)]
struct Thread {
    /// Who goes first.
    behind: u64,
    /// Since it last yielded: who could always run, who was stopped by it, and who
    /// had a turn.
    enabled: u64,
    stopped: u64,
    had_turn: u64,
}

pub(super) struct Fairness {
    threads: [Thread; MOST],
    /// One more than the largest number that was seen.
    count: usize,
    /// Who could run before the last step, and whose step that was.
    before: u64,
    last: Option<u64>,
    yielded: bool,
    has_a_say: bool,
}

impl Fairness {
    pub(super) fn new() -> Fairness {
        let threads = [Thread::default(); MOST];
        Fairness { threads, count: 0, before: 0, last: None, yielded: false, has_a_say: false }
    }

    pub(super) fn begin(&mut self) {
        // The green threads are made as they are seen.
        self.count = 0;
        self.before = 0;
        self.last = None;
        self.yielded = false;
        self.has_a_say = false;
    }

    /// The one that has run yields.
    pub(super) fn yields(&mut self, number: u64) {
        self.yielded = true;
        self.last = Some(number);
        self.has_a_say = true;
    }

    /// Nobody is kept waiting before somebody has yielded, and nothing that was
    /// before counts.
    pub(super) fn has_a_say(&self) -> bool {
        self.has_a_say
    }

    /// Puts the indices into `allowed` of those of `ready` who may go on.
    pub(super) fn allow(&mut self, ready: &[u64], allowed: &mut Vec<usize>) {
        let mut now = 0;
        for &number in ready {
            if let Some(index) = index(number) {
                now |= bit(index);
                while self.count <= index {
                    // The first yield of all keeps nobody waiting.
                    self.threads[self.count] = Thread { had_turn: u64::MAX, ..Thread::default() };
                    self.count += 1;
                }
            }
        }
        self.step(now);
        allowed.clear();
        allowed.extend((0..ready.len()).filter(|&place| {
            index(ready[place]).is_none_or(|index| self.threads[index].behind & now == 0)
        }));
        // The relation has no cycle, so somebody is left.
        debug_assert!(!allowed.is_empty());
        self.before = now;
    }

    pub(super) fn took(&mut self, number: u64) {
        self.last = Some(number);
    }

    /// The last step is over; now these can run.
    fn step(&mut self, now: u64) {
        let yielded = std::mem::take(&mut self.yielded);
        let Some(last) = self.last.take().and_then(index) else { return };
        let had = bit(last);
        for thread in &mut self.threads[..self.count] {
            thread.behind &= !had;
            thread.enabled &= now;
            thread.had_turn |= had;
        }
        let stopped = self.before & !now;
        let own = &mut self.threads[last];
        own.stopped |= stopped;
        if yielded {
            own.behind |= (own.enabled | own.stopped) & !own.had_turn;
            own.enabled = now;
            own.stopped = 0;
            own.had_turn = 0;
        }
    }
}

fn index(number: u64) -> Option<usize> {
    usize::try_from(number).ok().filter(|&index| index < MOST)
}

fn bit(index: usize) -> u64 {
    1 << index
}
