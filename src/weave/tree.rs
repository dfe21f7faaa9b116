//! All executions, depth first.
//!
//! The choices of the execution that ran last say what has been tried: the next one
//! repeats them up to the last that has an alternative left, and takes that.

use crate::explore::{Choice, ChoicePath};

#[derive(Default)]
pub(super) struct Tree {
    /// The choices above are given: only what is below is gone through.
    root: usize,
}

impl Tree {
    /// What is below the choices `above`, which are put on the track.
    pub(super) fn below(above: Vec<Choice>, track: &mut ChoicePath) -> Tree {
        let root = above.len();
        *track.choices_mut() = above;
        Tree { root }
    }

    /// Goes to the next execution. False if there is none.
    pub(super) fn advance(&self, track: &mut ChoicePath) -> bool {
        let choices = track.choices_mut();
        while choices.len() > self.root {
            let last = choices.last_mut().expect("longer than the root");
            last.taken += 1;
            if last.taken < last.end {
                last.forget_thread();
                return true;
            }
            choices.pop();
        }
        false
    }

    /// How much of all has been gone through, between 0 and 1, if every choice were
    /// followed by as many others as its siblings.
    pub(super) fn progress(&self, track: &ChoicePath) -> f64 {
        let mut share = 1.0;
        let mut done = 0.0;
        for choice in &track.choices()[self.root..] {
            share /= f64::from(choice.end);
            done += share * f64::from(choice.taken);
        }
        done
    }

    /// Gives up what comes last of what is left: the alternatives that have not been
    /// tried at the first choice that has any. Each is for [`Tree::below`].
    pub(super) fn split(&self, track: &mut ChoicePath) -> Vec<Vec<Choice>> {
        let choices = track.choices_mut();
        let has_some = |choice: &Choice| choice.taken + 1 < choice.end;
        let first = choices[self.root..].iter().position(has_some);
        let Some(place) = first.map(|place| place + self.root) else { return Vec::new() };
        let given = (choices[place].taken + 1)..choices[place].end;
        choices[place].end = choices[place].taken + 1;
        let below = |taken| {
            let mut below = choices[..=place].to_vec();
            below[place].taken = taken;
            below[place].forget_thread();
            below
        };
        given.map(below).collect()
    }
}
