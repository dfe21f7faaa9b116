//! All executions, depth first.

/// A choice that has been made, of how many, among whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix {
    pub(super) taken: u32,
    of: u32,
    /// Of those among whom the choice was, so that a program that does not repeat
    /// itself is noticed.
    signature: u32,
}

struct Node {
    made: Prefix,
    /// Alternatives from here on are tried by others.
    end: u32,
}

/// The path to the execution that runs, and with it what has been tried: the next
/// execution repeats it up to the last choice that has an alternative left, and
/// takes that.
#[derive(Default)]
pub(super) struct Tree {
    path: Vec<Node>,
    depth: usize,
    /// What is above is given: only what is below is gone through.
    root: usize,
}

/// The program does not do again what it did.
#[derive(Debug)]
pub(super) struct Differs;

impl Tree {
    /// What is below the choices `prefix`.
    pub(super) fn below(prefix: Vec<Prefix>) -> Tree {
        let root = prefix.len();
        let node = |made: Prefix| Node { made, end: made.of };
        Tree { path: prefix.into_iter().map(node).collect(), depth: 0, root }
    }

    /// The next choice, of `of`. The first way is 0.
    #[inline]
    pub(super) fn choose(&mut self, of: usize, signature: u64) -> Result<usize, Differs> {
        let depth = self.depth;
        self.depth += 1;
        if let Some(node) = self.path.get(depth) {
            let made = &node.made;
            if made.of as usize != of || made.signature != signature as u32 {
                return Err(Differs);
            }
            return Ok(made.taken as usize);
        }
        let of = of as u32;
        let signature = signature as u32;
        self.path.push(Node { made: Prefix { taken: 0, of, signature }, end: of });
        Ok(0)
    }

    /// The execution is over. False if it was shorter than the one that it should
    /// have repeated.
    pub(super) fn end(&mut self) -> bool {
        let depth = std::mem::take(&mut self.depth);
        depth == self.path.len()
    }

    /// Goes to the next execution. False if there is none.
    pub(super) fn advance(&mut self) -> bool {
        self.depth = 0;
        while self.path.len() > self.root {
            let last = self.path.last_mut().expect("longer than the root");
            last.made.taken += 1;
            if last.made.taken < last.end {
                return true;
            }
            self.path.pop();
        }
        false
    }

    /// How much of all has been gone through, between 0 and 1, if every choice were
    /// followed by as many others as its siblings.
    pub(super) fn progress(&self) -> f64 {
        let mut share = 1.0;
        let mut done = 0.0;
        for node in &self.path[self.root..] {
            share /= f64::from(node.end);
            done += share * f64::from(node.made.taken);
        }
        done
    }

    /// Gives up what comes last of what is left: the alternatives that have not been
    /// tried at the first choice that has any. Each is for [`Tree::below`].
    pub(super) fn split(&mut self) -> Vec<Vec<Prefix>> {
        let has_some = |node: &Node| node.made.taken + 1 < node.end;
        let first = self.path[self.root..].iter().position(has_some);
        let Some(place) = first.map(|place| place + self.root) else { return Vec::new() };
        let above: Vec<Prefix> = self.path[..place].iter().map(|node| node.made).collect();
        let node = &mut self.path[place];
        let given = (node.made.taken + 1)..node.end;
        node.end = node.made.taken + 1;
        let made = node.made;
        let below = |taken| {
            let mut below = above.clone();
            below.push(Prefix { taken, ..made });
            below
        };
        given.map(below).collect()
    }

    /// Where the run is that differs from an earlier one: the number of choices
    /// that were the same.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }
}
