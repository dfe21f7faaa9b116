//! The wait graph: cycles of threads that wait for each other.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::ptr;

use crate::kernel::{ControlBlock, Need, ScopeMembers, WaitFor};

/// A thread in a cycle, and what it wants that the next thread holds; `None` if it waits for the
/// end of the next thread.
pub(crate) struct Step<'a> {
    pub(crate) thread: &'a ControlBlock,
    pub(crate) holds: Option<Need<'a>>,
}

/// An edge of the graph: the index of the thread that is waited for, and what it holds.
type Edge<'a> = (usize, Option<Need<'a>>);

/// Returns the index of the green thread with this number, if it has not ended.
pub(crate) fn index_of(all: &[&ControlBlock], number: u64) -> Option<usize> {
    all.binary_search_by_key(&number, |control| control.number()).ok()
}

/// The graph of threads that wait for each other.
struct Graph<'a, 'b> {
    all: &'b [&'a ControlBlock],
    /// The indices of the threads of each scope, so that a scope's edges are found without a look
    /// at all threads.
    members: HashMap<*const ScopeMembers, Vec<usize>>,
}

/// What the search knows of a thread.
#[derive(Clone, Copy)]
enum Mark {
    New,
    /// The thread is at this place of the path.
    OnPath(usize),
    Done,
}

/// Returns cycles in which every thread waits for the next. `all` are in the order of their
/// numbers. Each thread is in at most one of the returned cycles.
pub(crate) fn find<'a>(all: &[&'a ControlBlock]) -> Vec<Vec<Step<'a>>> {
    let graph = Graph::new(all);
    let mut marks = vec![Mark::New; all.len()];
    let mut found = Vec::new();
    for start in 0..all.len() {
        if !matches!(marks[start], Mark::New) {
            continue;
        }
        // Depth first, without recursion: a chain may be long, and the stack is that of a green
        // thread.
        marks[start] = Mark::OnPath(0);
        let mut path = vec![(start, graph.edges(start), None)];
        while let Some((index, ahead, taken)) = path.last_mut() {
            let Some((next, need)) = ahead.pop() else {
                marks[*index] = Mark::Done;
                path.pop();
                continue;
            };
            *taken = need;
            match marks[next] {
                Mark::New => {
                    marks[next] = Mark::OnPath(path.len());
                    path.push((next, graph.edges(next), None));
                }
                Mark::OnPath(first) => {
                    found.push(cycle(all, &path[first..]));
                    // Its threads are in no other cycle.
                    for (index, ..) in path.drain(first..) {
                        marks[index] = Mark::Done;
                    }
                }
                Mark::Done => {}
            }
        }
    }
    found
}

/// A node of the search path: its index, its remaining edges, and the need of the edge that was
/// taken.
type Visited<'a> = (usize, Vec<Edge<'a>>, Option<Need<'a>>);

/// Returns a cycle that begins with the thread that was spawned first.
fn cycle<'a>(all: &[&'a ControlBlock], path: &[Visited<'a>]) -> Vec<Step<'a>> {
    let mut steps: Vec<Step<'a>> =
        path.iter().map(|(index, _, taken)| Step { thread: all[*index], holds: *taken }).collect();
    let first = (0..steps.len()).min_by_key(|&index| steps[index].thread.number());
    steps.rotate_left(first.unwrap_or(0));
    steps
}

impl<'a, 'b> Graph<'a, 'b> {
    fn new(all: &'b [&'a ControlBlock]) -> Graph<'a, 'b> {
        let mut members: HashMap<*const ScopeMembers, Vec<usize>> = HashMap::new();
        for (index, control) in all.iter().enumerate() {
            if let Some(scope) = control.scope() {
                members.entry(ptr::from_ref(scope)).or_default().push(index);
            }
        }
        Graph { all, members }
    }

    /// Returns the edges to the threads each of which must act before the thread at `index` can go
    /// on.
    fn edges(&self, index: usize) -> Vec<Edge<'a>> {
        let Some(wait) = self.all[index].waits_for() else { return Vec::new() };
        let held = |need: Need<'a>| {
            let holders = need.resource.holders().into_iter();
            let indices = holders.filter_map(|holder| index_of(self.all, holder.number));
            indices.map(|index| (index, Some(need))).collect()
        };
        // Of several alternatives any one suffices, so only a single one is an edge.
        let what = match wait.what() {
            WaitFor::Any(all) => all.only(),
            what => Some(what),
        };
        match what.unwrap_or(WaitFor::Unpark) {
            WaitFor::Join(target) => {
                index_of(self.all, target.number()).map(|index| (index, None)).into_iter().collect()
            }
            WaitFor::Resource(need) => held(need),
            WaitFor::Scope(scope) => {
                let members = self.members.get(&ptr::from_ref(scope)).into_iter().flatten();
                members.rev().map(|&index| (index, None)).collect()
            }
            _ => Vec::new(),
        }
    }
}
