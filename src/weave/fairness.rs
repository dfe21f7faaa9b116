//! Fairness: a green thread that yields lets the others go first.
//!
//! Without this, a loop that waits for another green thread by yielding would have executions
//! without end, in which it has every turn. The rule is that of Musuvathi and Qadeer ("Fair
//! stateless model checking", PLDI 2008): between two yields of a green thread, some enabled
//! threads had no turn. From its second yield on they have priority over it, until each has had a
//! turn.

use super::line::Line;

/// Green threads from this number on are not kept waiting.
const MOST: usize = 64;

#[derive(Clone, Copy, Default)]
struct Thread {
    /// The set of threads that have priority over this one.
    behind: u64,
    /// The threads that were enabled all the time since this thread last yielded.
    enabled: u64,
    /// The threads that a step of this thread has disabled since then.
    disabled: u64,
    /// The threads that have had a turn since then.
    had_turn: u64,
}

pub(super) struct Fairness {
    threads: [Thread; MOST],
    /// The number of threads that have been enabled so far: one more than the largest index.
    count: usize,
    /// The threads that were enabled before the last step.
    before: u64,
    /// The thread of the last step.
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
        // The entries are initialised when their threads are first enabled.
        self.count = 0;
        self.before = 0;
        self.last = None;
        self.yielded = false;
        self.has_a_say = false;
    }

    /// Notes that the current thread yields.
    pub(super) fn yields(&mut self, number: u64) {
        self.yielded = true;
        self.last = Some(number);
        self.has_a_say = true;
    }

    /// Returns `true` if a thread may be kept waiting. That is never so before the first
    /// yield, and steps before it do not count.
    pub(super) fn has_a_say(&self) -> bool {
        self.has_a_say
    }

    /// Fills `allowed` with the indices of the threads of `ready` that may go on.
    pub(super) fn allow(&mut self, ready: &[u64], allowed: &mut Vec<usize>) {
        let now = self.begin_step(ready.iter().copied());
        allowed.clear();
        allowed.extend((0..ready.len()).filter(|&place| !self.is_behind(ready[place], now)));
        // The priority relation has no cycle, so a thread is left.
        debug_assert!(!allowed.is_empty());
    }

    /// Fills `waiting` with the threads of `line` that may not go on.
    pub(super) fn hold_back(&mut self, line: &Line, waiting: &mut Vec<u64>) {
        let now = self.begin_step((0..MOST as u64).filter(|&number| line.contains(number)));
        waiting.clear();
        waiting.extend(
            (0..MOST as u64).filter(|&number| line.contains(number) && self.is_behind(number, now)),
        );
        debug_assert!(waiting.len() < line.len());
    }

    /// Ends the last step, after which the threads of `ready` are enabled, and returns their set.
    fn begin_step(&mut self, ready: impl Iterator<Item = u64>) -> u64 {
        let mut now = 0;
        for number in ready {
            if let Some(index) = index(number) {
                now |= bit(index);
                while self.count <= index {
                    // The first yield of a thread gives no other thread priority.
                    self.threads[self.count] = Thread { had_turn: u64::MAX, ..Thread::default() };
                    self.count += 1;
                }
            }
        }
        self.step(now);
        self.before = now;
        now
    }

    /// Returns `true` if a thread that is enabled `now` has priority over this one.
    fn is_behind(&self, number: u64, now: u64) -> bool {
        index(number).is_some_and(|index| self.threads[index].behind & now != 0)
    }

    /// Notes that this thread has the next step.
    pub(super) fn took(&mut self, number: u64) {
        self.last = Some(number);
    }

    /// Ends the last step, after which the threads of `now` are enabled.
    fn step(&mut self, now: u64) {
        let yielded = std::mem::take(&mut self.yielded);
        let Some(last) = self.last.take().and_then(index) else { return };
        let had = bit(last);
        for thread in &mut self.threads[..self.count] {
            // mistake: fairness-inverted
            thread.behind &= !had;
            thread.enabled &= now;
            thread.had_turn |= had;
        }
        let disabled = self.before & !now;
        let thread = &mut self.threads[last];
        thread.disabled |= disabled;
        if yielded {
            thread.behind |= (thread.enabled | thread.disabled) & !thread.had_turn;
            thread.enabled = now;
            thread.disabled = 0;
            thread.had_turn = 0;
        }
    }
}

fn index(number: u64) -> Option<usize> {
    usize::try_from(number).ok().filter(|&index| index < MOST)
}

fn bit(index: usize) -> u64 {
    1 << index
}
