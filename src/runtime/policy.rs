//! Policies: which thread runs next, when several can.

#![forbid(unsafe_code)]

use std::fmt;

use super::arrivals::Arrivals;
use super::random::Random;
use crate::kernel::ThreadId;

/// A policy: which green thread runs next when several can; see
/// [`Builder::policy`](crate::Builder::policy).
///
/// A choice is made at every switch at which at least two green threads can run.
/// They are counted in the order in which they became ready. A thread that yields is the last, so
/// it can be chosen to go on.
pub struct Policy(pub(super) Kind);

pub(super) enum Kind {
    Fifo,
    Random(Random, Arrivals),
    Chosen(Box<Chooser>),
}

type Chooser = dyn FnMut(&[ThreadId]) -> usize;

impl Policy {
    /// Returns the policy first come, first served: the default, and the fastest.
    #[must_use]
    pub fn fifo() -> Policy {
        Policy(Kind::Fifo)
    }

    /// Returns a policy that chooses each thread with the same probability. The same seed gives
    /// the same run, on every machine. A choice takes time in proportion to the logarithm of the
    /// number of threads that can run.
    #[must_use]
    pub fn random(seed: u64) -> Policy {
        Policy(Kind::Random(Random::new(seed), Arrivals::default()))
    }

    /// Returns a policy that follows a script: the n-th choice takes the green thread with that
    /// index, where 0 is the thread that would be first come, first served. After the end of the
    /// script, each choice is 0.
    ///
    /// # Panics
    ///
    /// The run panics at a choice with too large an index, and names the choice.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::{Builder, Policy};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let out = Rc::new(RefCell::new(String::new()));
    /// let log = out.clone();
    /// Builder::new().policy(Policy::script([1, 0, 0])).run(move || {
    ///     for name in ["a", "b", "c"] {
    ///         let log = log.clone();
    ///         leno::spawn(move || log.borrow_mut().push_str(name));
    ///     }
    /// });
    /// assert_eq!(*out.borrow(), "bac");
    /// ```
    pub fn script(choices: impl IntoIterator<Item = usize>) -> Policy {
        let script: Vec<usize> = choices.into_iter().collect();
        let mut made = 0;
        Policy::choose(move |ready| {
            let Some(&choice) = script.get(made) else { return 0 };
            assert!(
                choice < ready.len(),
                "choice {made} of the script is {choice}, but only {} green threads can run \
                 then: the script belongs to another program, or to another state of this one",
                ready.len()
            );
            made += 1;
            choice
        })
    }

    /// Returns a policy that calls `choose` for each choice, with the threads that can run.
    /// `choose` returns an index and must not use the runtime. A choice takes time in proportion to
    /// the number of these threads.
    pub fn choose(choose: impl FnMut(&[ThreadId]) -> usize + 'static) -> Policy {
        Policy(Kind::Chosen(Box::new(choose)))
    }

    pub(crate) fn is_fifo(&self) -> bool {
        matches!(self.0, Kind::Fifo)
    }

    /// Chooses among `ready`, which is not empty.
    ///
    /// # Panics
    ///
    /// As the user's function does, or if it gives no index into `ready`.
    pub(super) fn pick(&mut self, ready: &[ThreadId]) -> usize {
        let Kind::Chosen(choose) = &mut self.0 else { return 0 };
        let choice = choose(ready);
        assert!(
            choice < ready.len(),
            "the policy chose number {choice} of {} green threads; it must be less",
            ready.len()
        );
        choice
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Fifo => "Policy::fifo()",
            Kind::Random(..) => "Policy::random(..)",
            Kind::Chosen(_) => "Policy::choose(..)",
        })
    }
}
