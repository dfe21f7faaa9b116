//! All executions, depth first.

/// A choice that has been made, of how many, among whom.
struct Node {
    taken: u32,
    of: u32,
    /// Of those among whom the choice was, so that a program that does not repeat
    /// itself is noticed.
    signature: u64,
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
    pub(super) fn below(prefix: &[(u32, u32, u64)]) -> Tree {
        let node = |&(taken, of, signature): &(u32, u32, u64)| Node { taken, of, signature };
        Tree { path: prefix.iter().map(node).collect(), depth: 0, root: prefix.len() }
    }

    /// The next choice, of `of`. The first way is 0.
    #[inline]
    pub(super) fn choose(&mut self, of: usize, signature: u64) -> Result<usize, Differs> {
        let depth = self.depth;
        self.depth += 1;
        if let Some(node) = self.path.get(depth) {
            if node.of as usize != of || node.signature != signature {
                return Err(Differs);
            }
            return Ok(node.taken as usize);
        }
        self.path.push(Node { taken: 0, of: of as u32, signature });
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
            last.taken += 1;
            if last.taken < last.of {
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
            share /= f64::from(node.of);
            done += share * f64::from(node.taken);
        }
        done
    }

    /// The path, for [`Tree::below`].
    pub(super) fn path(&self) -> impl Iterator<Item = (u32, u32, u64)> {
        self.path.iter().map(|node| (node.taken, node.of, node.signature))
    }

    /// Where the run is that differs from an earlier one: the number of choices
    /// that were the same.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }
}
