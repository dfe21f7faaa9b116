//! Every schedule of a small program, and every small program of a family.

use std::cell::RefCell;
use std::env;
use std::fmt::Debug;
use std::rc::Rc;

use leno::Policy;

/// The choices of one run: which alternative was taken, of how many.
#[derive(Default)]
struct Choices {
    made: Vec<(usize, usize)>,
    position: usize,
}

/// Goes through all schedules, depth first: the next run repeats the last one up
/// to the last choice that has an alternative left, and takes that.
#[derive(Default)]
pub struct Schedules(Rc<RefCell<Choices>>);

impl Choices {
    fn choose(&mut self, alternatives: usize) -> usize {
        let position = self.position;
        self.position += 1;
        match self.made.get(position) {
            Some(&(taken, of)) => {
                assert_eq!(of, alternatives, "choice {position}: the program does not repeat");
                taken
            }
            None => {
                self.made.push((0, alternatives));
                0
            }
        }
    }

    fn advance(&mut self) -> bool {
        assert_eq!(self.position, self.made.len(), "the program does not repeat: it is shorter");
        self.position = 0;
        while let Some((taken, of)) = self.made.pop() {
            if taken + 1 < of {
                self.made.push((taken + 1, of));
                return true;
            }
        }
        false
    }
}

impl Schedules {
    fn policy(&self) -> Policy {
        let choices = self.0.clone();
        Policy::choose(move |ready| choices.borrow_mut().choose(ready.len()))
    }
}

/// Says which program and schedule it was, if a check fails.
struct Context<'a>(&'a dyn Debug, &'a Schedules);

impl Drop for Context<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let taken: Vec<usize> = self.1.0.borrow().made.iter().map(|made| made.0).collect();
            eprintln!("the program: {:?}\nits schedule: {taken:?}", self.0);
        }
    }
}

/// How much was tried.
#[derive(Default)]
pub struct Totals {
    programs: u64,
    executions: u64,
    most: u64,
}

impl Totals {
    /// Runs a program under every schedule. `run` is given the policy.
    pub fn explore(&mut self, program: &dyn Debug, mut run: impl FnMut(Policy)) {
        let schedules = Schedules::default();
        let mut executions = 0;
        loop {
            let context = Context(program, &schedules);
            run(schedules.policy());
            executions += 1;
            drop(context);
            if !schedules.0.borrow_mut().advance() {
                break;
            }
        }
        self.programs += 1;
        self.executions += executions;
        self.most = self.most.max(executions);
    }

    pub fn executions(&self) -> u64 {
        self.executions
    }

    pub fn print(&self, family: &str) {
        eprintln!(
            "{family}: {} programs, {} executions, at most {} of one program",
            self.programs, self.executions, self.most
        );
    }
}

/// How large the programs may be: `LENO_MODELS=large` asks for more than CI has
/// time for.
#[derive(Clone, Copy)]
pub enum Bounds {
    Small,
    Large,
}

impl Bounds {
    pub fn wanted() -> Bounds {
        match env::var("LENO_MODELS").as_deref() {
            Ok("large") => Bounds::Large,
            Ok(other) => panic!("LENO_MODELS is {other:?}; it can be \"large\", or be left out"),
            Err(_) => Bounds::Small,
        }
    }

    pub fn pick<T>(self, small: T, large: T) -> T {
        match self {
            Bounds::Small => small,
            Bounds::Large => large,
        }
    }
}

/// All lists of 1 to `longest` of these.
pub fn lists<T: Clone>(alphabet: &[T], longest: usize) -> Vec<Vec<T>> {
    let mut all: Vec<Vec<T>> = Vec::new();
    let mut last = vec![Vec::new()];
    for _ in 0..longest {
        let longer = |list: &Vec<T>| {
            let list = list.clone();
            alphabet.iter().map(move |letter| {
                let mut longer = list.clone();
                longer.push(letter.clone());
                longer
            })
        };
        last = last.iter().flat_map(longer).collect();
        all.extend(last.iter().cloned());
    }
    all
}

/// All programs of 2 to `threads` green threads with these lists, of at most
/// `total` operations together. Two that differ in the order of their green
/// threads only are one: every schedule of it is tried.
pub fn programs<T: Clone>(lists: &[Vec<T>], threads: usize, total: usize) -> Vec<Vec<Vec<T>>> {
    let mut all = Vec::new();
    let mut chosen = Vec::new();
    extend(lists, 0, threads, total, &mut chosen, &mut all);
    all
}

fn extend<T: Clone>(
    lists: &[Vec<T>],
    first: usize,
    threads: usize,
    total: usize,
    chosen: &mut Vec<Vec<T>>,
    all: &mut Vec<Vec<Vec<T>>>,
) {
    if chosen.len() >= 2 {
        all.push(chosen.clone());
    }
    if chosen.len() == threads {
        return;
    }
    for (index, list) in lists.iter().enumerate().skip(first) {
        if list.len() <= total {
            chosen.push(list.clone());
            extend(lists, index, threads, total - list.len(), chosen, all);
            chosen.pop();
        }
    }
}

#[test]
fn the_schedules_of_two_and_three_threads_are_all_there() {
    for (threads, steps, expected) in [(2, 3, 20), (3, 2, 90), (3, 3, 1_680)] {
        let mut totals = Totals::default();
        let mut seen = std::collections::BTreeSet::new();
        totals.explore(&(threads, steps), |policy| {
            let story = Rc::new(RefCell::new(Vec::new()));
            let log = story.clone();
            leno::Builder::new().policy(policy).run(move || {
                for thread in 0..threads {
                    let log = log.clone();
                    leno::spawn(move || {
                        for step in 0..steps {
                            if step > 0 {
                                leno::yield_now();
                            }
                            log.borrow_mut().push(thread);
                        }
                    });
                }
            });
            seen.insert(story.take());
        });
        assert_eq!(totals.executions(), expected);
        assert_eq!(seen.len() as u64, expected);
    }
}

#[test]
fn programs_are_counted_up_to_the_order_of_their_threads() {
    let lists = lists(&['a', 'b'], 2);
    assert_eq!(lists.len(), 6);
    // Pairs with repetition, and triples.
    assert_eq!(programs(&lists, 3, 6).len(), 21 + 56);
    // aa, ab, bb.
    assert_eq!(programs(&lists, 3, 2).len(), 3);
}
