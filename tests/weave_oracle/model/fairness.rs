//! The rule of fairness: a yield lets other threads go first (Musuvathi and Qadeer,
//! "Fair stateless model checking", PLDI 2008, algorithm 1), with sets of green threads
//! as in the paper.

use std::collections::BTreeSet;

type Set = BTreeSet<usize>;

#[derive(Clone)]
pub struct Fairness {
    threads: Vec<Thread>,
    /// The threads that could run before the last step, and the thread of that step.
    last: Option<(Set, usize)>,
}

/// The sets of the paper: the pairs (t, u) of P, and E, D and S of t.
#[derive(Clone)]
struct Thread {
    priority: Set,
    enabled: Set,
    disabled: Set,
    scheduled: Set,
}

impl Fairness {
    pub fn new(count: usize) -> Fairness {
        let thread = Thread {
            priority: Set::new(),
            enabled: Set::new(),
            disabled: Set::new(),
            // All threads, so that the first yield of a thread gives no priorities.
            scheduled: (0..count).collect(),
        };
        Fairness { threads: vec![thread; count], last: None }
    }

    /// Ends the last step. Returns the threads of `ready` that may run.
    pub fn allowed(&mut self, ready: &[usize], yielded: bool) -> Vec<usize> {
        let now: Set = ready.iter().copied().collect();
        if let Some((before, last)) = self.last.take() {
            for thread in &mut self.threads {
                thread.priority.remove(&last);
                thread.enabled = &thread.enabled & &now;
                thread.scheduled.insert(last);
            }
            let own = &mut self.threads[last];
            own.disabled.extend(&before - &now);
            if yielded {
                let could = &own.enabled | &own.disabled;
                own.priority.extend(&could - &own.scheduled);
                own.enabled = now.clone();
                own.disabled.clear();
                own.scheduled.clear();
            }
        }
        let waits = |number: &usize| self.threads[*number].priority.is_disjoint(&now);
        ready.iter().copied().filter(waits).collect()
    }

    pub fn took(&mut self, ready: &[usize], number: usize) {
        self.last = Some((ready.iter().copied().collect(), number));
    }
}
