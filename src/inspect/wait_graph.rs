//! Who waits for whom, in a circle.

#![forbid(unsafe_code)]

use std::ptr;

use crate::kernel::control_block::ControlBlock;
use crate::kernel::wait_reason::{Need, WaitFor};

/// One who is in a cycle, and what it wants that the next one holds; nothing if
/// it waits for the next one to end.
pub(crate) struct Step<'a> {
    pub(crate) who: &'a ControlBlock,
    pub(crate) holds: Option<Need<'a>>,
}

/// Why one waits for another: the other's index, and what it holds.
type Edge<'a> = (usize, Option<Need<'a>>);

/// Where the green thread with this number is, if it has not ended.
pub(crate) fn index_of(all: &[&ControlBlock], number: u64) -> Option<usize> {
    all.binary_search_by_key(&number, |control| control.number()).ok()
}

/// Cycles in which everybody waits for the next, if there are any. `all` are in the
/// order of their numbers. Each green
/// thread is in at most one of those that are given.
pub(crate) fn find<'a>(all: &[&'a ControlBlock]) -> Vec<Vec<Step<'a>>> {
    let mut seen = vec![false; all.len()];
    let mut found = Vec::new();
    for start in 0..all.len() {
        if seen[start] {
            continue;
        }
        // Depth first, without recursion: a chain may be long, and our stack is
        // that of a green thread.
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
                // Whoever is in it is in no other.
                path.truncate(first);
            } else if !seen[next] {
                seen[next] = true;
                path.push((next, edges(all, next), None));
            }
        }
    }
    found
}

/// What the search has come through: an index, where else it leads, and by what
/// it was left.
type Visited<'a> = (usize, Vec<Edge<'a>>, Option<Option<Need<'a>>>);

/// Begins with the one that was spawned first.
fn cycle<'a>(all: &[&'a ControlBlock], path: &[Visited<'a>]) -> Vec<Step<'a>> {
    let mut steps: Vec<Step<'a>> = path
        .iter()
        .map(|(index, _, taken)| Step { who: all[*index], holds: taken.flatten() })
        .collect();
    let first = (0..steps.len()).min_by_key(|&index| steps[index].who.number());
    steps.rotate_left(first.unwrap_or(0));
    steps
}

/// Those of whom each must do something before `all[index]` can go on.
fn edges<'a>(all: &[&'a ControlBlock], index: usize) -> Vec<Edge<'a>> {
    let Some(wait) = all[index].waits_for() else { return Vec::new() };
    let held = |need: Need<'a>| {
        let holder = need.resource.holder()?;
        Some((index_of(all, holder.number)?, Some(need)))
    };
    match wait.what {
        WaitFor::Join(target) => {
            index_of(all, target.number()).map(|index| (index, None)).into_iter().collect()
        }
        WaitFor::Resource(need) => held(need).into_iter().collect(),
        // Of several any will do, so only a single one must.
        WaitFor::Any(needs) => needs.only().and_then(held).into_iter().collect(),
        WaitFor::Scope(scope) => (0..all.len())
            .rev()
            .filter(|&index| ptr::eq(all[index].scope(), scope))
            .map(|index| (index, None))
            .collect(),
        _ => Vec::new(),
    }
}
