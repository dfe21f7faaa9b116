//! The wait graph: cycles of threads that wait for each other.

#![forbid(unsafe_code)]

use std::ptr;

use crate::kernel::{ControlBlock, Need, WaitFor};

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

/// Returns cycles in which every thread waits for the next. `all` are in the order of their
/// numbers. Each thread is in at most one of the returned cycles.
pub(crate) fn find<'a>(all: &[&'a ControlBlock]) -> Vec<Vec<Step<'a>>> {
    let mut seen = vec![false; all.len()];
    let mut found = Vec::new();
    for start in 0..all.len() {
        if seen[start] {
            continue;
        }
        // Depth first, without recursion: a chain may be long, and the stack is that of a green
        // thread.
        seen[start] = true;
        let mut path = vec![(start, edges(all, start), None)];
        while let Some((_, ahead, taken)) = path.last_mut() {
            let Some((next, need)) = ahead.pop() else {
                path.pop();
                continue;
            };
            *taken = Some(need);
            if let Some(first) = path.iter().position(|(index, ..)| *index == next) {
                found.push(cycle(all, &path[first..]));
                // Its threads are in no other cycle.
                path.truncate(first);
            } else if !seen[next] {
                seen[next] = true;
                path.push((next, edges(all, next), None));
            }
        }
    }
    found
}

/// A node of the search path: its index, its remaining edges, and the need of the edge that was
/// taken.
type Visited<'a> = (usize, Vec<Edge<'a>>, Option<Option<Need<'a>>>);

/// Returns a cycle that begins with the thread that was spawned first.
fn cycle<'a>(all: &[&'a ControlBlock], path: &[Visited<'a>]) -> Vec<Step<'a>> {
    let mut steps: Vec<Step<'a>> = path
        .iter()
        .map(|(index, _, taken)| Step { thread: all[*index], holds: taken.flatten() })
        .collect();
    let first = (0..steps.len()).min_by_key(|&index| steps[index].thread.number());
    steps.rotate_left(first.unwrap_or(0));
    steps
}

/// Returns the edges to the threads each of which must act before `all[index]` can go on.
fn edges<'a>(all: &[&'a ControlBlock], index: usize) -> Vec<Edge<'a>> {
    let Some(wait) = all[index].waits_for() else { return Vec::new() };
    let held = |need: Need<'a>| {
        let holder = need.resource.holder()?;
        Some((index_of(all, holder.number)?, Some(need)))
    };
    match wait.what() {
        WaitFor::Join(target) => {
            index_of(all, target.number()).map(|index| (index, None)).into_iter().collect()
        }
        WaitFor::Resource(need) => held(need).into_iter().collect(),
        // Of several needs any one suffices, so only a single need is an edge.
        WaitFor::Any(needs) => needs.only().and_then(held).into_iter().collect(),
        WaitFor::Scope(scope) => (0..all.len())
            .rev()
            .filter(|&index| all[index].scope().is_some_and(|other| ptr::eq(other, scope)))
            .map(|index| (index, None))
            .collect(),
        _ => Vec::new(),
    }
}
