//! All executions, by depth-first search.
//!
//! The choices of the last execution say what has been tried: the next execution repeats them up
//! to the last choice that has an untried alternative, and takes that alternative.

use crate::explore::{Choice, ChoicePath};

#[derive(Default)]
pub(super) struct Dfs {
    /// The number of fixed choices: only the executions below them are explored.
    root: usize,
}

impl Dfs {
    /// Returns the search below the choices `above`, and puts them on the path.
    pub(super) fn below(above: Vec<Choice>, path: &mut ChoicePath) -> Dfs {
        let root = above.len();
        *path.choices_mut() = above;
        Dfs { root }
    }

    /// Advances to the next execution. Returns `false` if there is none.
    pub(super) fn advance(&self, path: &mut ChoicePath) -> bool {
        let choices = path.choices_mut();
        while choices.len() > self.root {
            let last = choices.last_mut().expect("longer than the root");
            // mistake: alternative-skipped
            last.taken += 1;
            if last.taken < last.end {
                last.forget_thread();
                return true;
            }
            choices.pop();
        }
        false
    }

    /// Returns the explored share of all executions, between 0 and 1, on the assumption that the
    /// subtrees of a choice are of equal size.
    pub(super) fn progress(&self, path: &ChoicePath) -> f64 {
        let mut share = 1.0;
        let mut done = 0.0;
        for choice in &path.choices()[self.root..] {
            share /= f64::from(choice.end);
            done += share * f64::from(choice.taken);
        }
        done
    }

    /// Removes the last part of what is left from this search: the untried alternatives of the
    /// first choice that has any. Returns the choices that lead to each, for [`Dfs::below`].
    pub(super) fn split(&self, path: &mut ChoicePath) -> Vec<Vec<Choice>> {
        let choices = path.choices_mut();
        let has_untried = |choice: &Choice| choice.taken + 1 < choice.end;
        let first = choices[self.root..].iter().position(has_untried);
        let Some(place) = first.map(|place| place + self.root) else { return Vec::new() };
        let untried = (choices[place].taken + 1)..choices[place].end;
        choices[place].end = choices[place].taken + 1;
        let below = |taken| {
            let mut below = choices[..=place].to_vec();
            below[place].taken = taken;
            below[place].forget_thread();
            below
        };
        untried.map(below).collect()
    }
}
