//! The tree of executions: a node for each step, below the steps before it.

use std::fmt::Write;

use crate::explore::Choice;

/// The place above the first step.
pub(super) const ROOT: u32 = 0;
/// The bit that an alternative has in a key, and a green thread has not.
const TAKEN: u32 = 1 << 31;

/// The choices with which a step begins and that are made in it. A forced step has none.
pub(super) type Key = Vec<u32>;

#[derive(Default)]
struct Node {
    parent: u32,
    depth: u32,
    key: Key,
    step: u32,
    /// The number of the values plus one, or 0.
    values: u32,
    children: Vec<u32>,
    leaves: Vec<Leaf>,
    /// Not all executions below are known.
    is_open: bool,
}

/// Executions that end at a node, or leave the tree there.
#[derive(Clone, Copy)]
struct Leaf {
    outcome: u32,
    count: u64,
    /// The depth of the step that went wrong.
    wrong: Option<u32>,
    /// The steps of the executions below this node are not in the tree.
    is_cut: bool,
}

pub(super) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub(super) fn new() -> Tree {
        Tree { nodes: vec![Node::default()] }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    /// Returns the node that the steps with these keys lead to as far as they are known, and the number
    /// of these steps.
    pub(super) fn known(&self, keys: &[Key]) -> (u32, usize) {
        let mut node = ROOT;
        for (depth, key) in keys.iter().enumerate() {
            let children = self.node(node).children.iter();
            match children.copied().find(|&child| self.node(child).key == *key) {
                Some(child) => node = child,
                None => return (node, depth),
            }
        }
        (node, keys.len())
    }

    /// Returns the last node that is known on the way of these choices.
    pub(super) fn known_by_choices(&self, choices: &[Choice]) -> u32 {
        let of = |choice: &Choice| match choice.number {
            Choice::VALUE => taken(choice.taken),
            number => number,
        };
        let choices: Vec<u32> = choices.iter().map(of).collect();
        let (mut node, mut rest) = (ROOT, &choices[..]);
        loop {
            let children = self.node(node).children.iter();
            let next = children.copied().find(|&child| rest.starts_with(&self.node(child).key));
            let Some(next) = next else { return node };
            rest = &rest[self.node(next).key.len()..];
            node = next;
        }
    }

    /// Adds a step below `parent`.
    pub(super) fn add(&mut self, parent: u32, key: Key, step: u32, values: u32) -> u32 {
        let new = self.nodes.len() as u32;
        let depth = self.node(parent).depth + 1;
        self.nodes.push(Node { parent, depth, key, step, values, ..Node::default() });
        self.nodes[parent as usize].children.push(new);
        new
    }

    /// Adds an execution that ends at `node`, or leaves the tree there.
    pub(super) fn end(&mut self, node: u32, outcome: u32, wrong: Option<usize>, is_cut: bool) {
        let leaves = &mut self.nodes[node as usize].leaves;
        match leaves.iter_mut().find(|leaf| leaf.outcome == outcome && leaf.is_cut == is_cut) {
            // mistake: page-counts-once
            Some(leaf) => leaf.count += 1,
            None => {
                let wrong = wrong.map(|wrong| wrong as u32);
                leaves.push(Leaf { outcome, count: 1, wrong, is_cut });
            }
        }
    }

    /// Notes that not all executions are known below `node`, and so below the nodes before it.
    pub(super) fn open(&mut self, mut node: u32) {
        while !self.node(node).is_open {
            self.nodes[node as usize].is_open = true;
            node = self.node(node).parent;
        }
    }

    /// Returns the nodes from the first step to `node`.
    pub(super) fn path(&self, mut node: u32) -> Vec<u32> {
        let mut path = Vec::new();
        while node != ROOT {
            path.push(node);
            node = self.node(node).parent;
        }
        path.reverse();
        path
    }

    /// Returns the place of the first step on the way to `node` from which every continuation fails,
    /// though another continuation of the step before does not.
    pub(super) fn lost(&self, node: u32, fails: impl Fn(u32) -> bool) -> Option<usize> {
        let mut passes = vec![false; self.nodes.len()];
        for index in (0..self.nodes.len()).rev() {
            passes[index] |= self.nodes[index].leaves.iter().any(|leaf| !fails(leaf.outcome));
            let parent = self.nodes[index].parent as usize;
            passes[parent] |= passes[index];
        }
        // mistake: page-lost-unexplored
        let is_lost = |node: u32| !self.node(node).is_open && !passes[node as usize];
        let place = self.path(node).iter().position(|&node| is_lost(node))?;
        // Where every execution fails, no turn is to blame.
        let parent = self.node(self.path(node)[place]).parent;
        // mistake: page-lost-everywhere
        passes[parent as usize].then_some(place)
    }

    /// Returns the tree as text: the executions in depth-first order, each as the steps that it has in
    /// common with the one before and its new steps.
    ///
    /// `keep,outcome,count,wrong;step.values,step|..` where a count of 1 is left out, `+` before it says
    /// that the steps of these executions are not in the tree, and `!` after a step that not all
    /// executions below are known.
    pub(super) fn encode(&self, outcome: impl Fn(u32) -> u32) -> String {
        let mut out = String::new();
        let (mut keep, mut new) = (0, Vec::new());
        let mut stack = vec![ROOT];
        while let Some(index) = stack.pop() {
            let node = self.node(index);
            if index != ROOT {
                if new.is_empty() {
                    keep = node.depth - 1;
                }
                new.push(index);
            }
            for leaf in &node.leaves {
                self.encode_leaf(&mut out, keep, &new, leaf, outcome(leaf.outcome));
                keep = node.depth;
                new.clear();
            }
            stack.extend(node.children.iter().rev());
        }
        out
    }

    fn encode_leaf(&self, out: &mut String, keep: u32, new: &[u32], leaf: &Leaf, outcome: u32) {
        if !out.is_empty() {
            out.push('|');
        }
        let cut = if leaf.is_cut { "+" } else { "" };
        let count = if leaf.count == 1 { String::new() } else { leaf.count.to_string() };
        let wrong = leaf.wrong.map_or_else(String::new, |wrong| format!(",{wrong}"));
        let _ = match (&*count, &*wrong, cut) {
            ("", "", "") => write!(out, "{keep},{outcome};"),
            _ => write!(out, "{keep},{outcome},{cut}{count}{wrong};"),
        };
        for (index, &new) in new.iter().enumerate() {
            let node = self.node(new);
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(out, "{comma}{}", node.step);
            if node.values > 0 {
                let _ = write!(out, ".{}", node.values);
            }
            if node.is_open {
                out.push('!');
            }
        }
    }
}

/// Returns the part of a key for an alternative.
pub(super) fn taken(value: u32) -> u32 {
    value | TAKEN
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds an execution of steps that are their own keys.
    fn add(tree: &mut Tree, steps: &[u32], outcome: u32) -> u32 {
        let keys: Vec<Key> = steps.iter().map(|&step| vec![step]).collect();
        let (mut node, from) = tree.known(&keys);
        for (key, &step) in keys[from..].iter().zip(&steps[from..]) {
            node = tree.add(node, key.clone(), step, 0);
        }
        tree.end(node, outcome, None, false);
        node
    }

    #[test]
    fn executions_share_their_first_steps() {
        let mut tree = Tree::new();
        add(&mut tree, &[1, 2, 3], 0);
        add(&mut tree, &[1, 4], 1);
        add(&mut tree, &[1, 2, 5], 1);
        assert_eq!(tree.encode(|outcome| outcome), "0,0;1,2,3|2,1;5|1,1;4");
        assert_eq!(tree.len(), 6);
    }

    #[test]
    fn the_losing_step_is_the_first_without_a_way_out() {
        let mut tree = Tree::new();
        let failing = add(&mut tree, &[1, 2, 3, 4], 0);
        add(&mut tree, &[1, 2, 3, 5], 0);
        add(&mut tree, &[1, 2, 6], 1);
        let fails = |outcome| outcome == 0;
        assert_eq!(tree.lost(failing, fails), Some(2));
        add(&mut tree, &[1, 2, 3, 7], 1);
        assert_eq!(tree.lost(failing, fails), Some(3));
        tree.open(failing);
        assert_eq!(tree.lost(failing, fails), None, "executions are missing below each step");
    }

    #[test]
    fn no_step_is_to_blame_if_all_fail() {
        let mut tree = Tree::new();
        let failing = add(&mut tree, &[1, 2], 0);
        add(&mut tree, &[1, 3], 0);
        assert_eq!(tree.lost(failing, |_| true), None);
    }
}
