//! The cycles of green threads that wait for each other.

use std::fmt::Write;

use super::plan::{CHARACTER, MARGIN, PADDING, Plan};
use crate::draw::svg::{colour, escaped, head};
use crate::draw::text::width;
use crate::draw::{plain, shortened};
use crate::weave::recording::Recording;
use crate::weave::story::line::Threads;

const PILL_HEIGHT: usize = 26;
/// The most cycles, and the most green threads of a cycle, that are drawn.
const MOST: usize = 6;
/// The most characters of what a green thread waits for.
const MOST_WANTED: usize = 28;

/// Draws the cycles at the end of the execution, below each other, from `plan.bottom` on.
pub(super) fn draw(plan: &mut Plan, recording: &Recording, threads: &Threads) -> String {
    let mut out = String::new();
    for cycle in recording.cycles.iter().take(MOST) {
        let links: Vec<Link> = cycle
            .iter()
            .take(MOST)
            .map(|(number, wanted)| {
                let index = threads.lane(*number);
                let lane = index.and_then(|index| plan.lane_of(index));
                let label = shortened(&plain(threads.label(*number)), 24);
                let wanted = wanted.as_deref().unwrap_or("its end");
                Link { lane, label, wanted: shortened(&plain(wanted), MOST_WANTED) }
            })
            .collect();
        let right = circle(&mut out, &links, cycle.len(), plan.bottom);
        plan.width = plan.width.max(right + MARGIN);
        plan.bottom += PILL_HEIGHT + 62;
    }
    out
}

struct Link {
    lane: Option<usize>,
    label: String,
    /// What the green thread waits for.
    wanted: String,
}

/// Draws a cycle. Returns its right end.
fn circle(out: &mut String, links: &[Link], count: usize, top: usize) -> usize {
    let _ = writeln!(out, r#"<text class="words bad" x="{MARGIN}" y="{}">cycle</text>"#, top + 27);
    let mut left = MARGIN + 60;
    let top = top + 10;
    let middle = top + PILL_HEIGHT / 2;
    let mut centres = Vec::new();
    for (place, link) in links.iter().enumerate() {
        let pill = width(&link.label) * 8 + 4 * PADDING;
        let centre = left + pill / 2;
        centres.push(centre);
        let fill = link.lane.map_or("#888", colour);
        let label = escaped(&link.label);
        let _ = writeln!(
            out,
            r#"<rect class="box" x="{left}" y="{top}" width="{pill}" height="{PILL_HEIGHT}" rx="13" fill="{fill}" stroke="{fill}"/><text class="name" x="{centre}" y="{}" text-anchor="middle">{label}</text>"#,
            middle + 5
        );
        left += pill;
        if place + 1 < links.len() {
            let words = format!("waits for {}", link.wanted);
            let arrow = width(&words) * CHARACTER + 24;
            arrow_to(out, left + 2, left + arrow - 2, middle, &words);
            left += arrow;
        }
    }
    let (Some(&first), Some(&last), Some(end)) = (centres.first(), centres.last(), links.last())
    else {
        return left;
    };
    let more = count - links.len();
    let words = match more {
        0 => format!("waits for {}", end.wanted),
        more => format!("and {more} more, back to the first"),
    };
    let low = top + PILL_HEIGHT + 20;
    let (start, tip) = (top + PILL_HEIGHT, top + PILL_HEIGHT + 1);
    // The arrow of a green thread that waits for itself begins and ends at its own pill.
    let first = if first == last { first - 12 } else { first };
    let last = if centres.len() == 1 { last + 12 } else { last };
    let _ = writeln!(
        out,
        r#"<path class="cycle" d="M{last} {start}V{} Q{last} {low} {} {low} H{} Q{first} {low} {first} {} V{}"/><path class="hot" d="{}"/><text x="{}" y="{}" text-anchor="middle">{}</text>"#,
        low - 8,
        last - 8,
        first + 8,
        low - 8,
        tip + 6,
        head((first, tip), (first, tip + 7)),
        (first + last) / 2,
        low + 15,
        escaped(&words)
    );
    left.max((first + last) / 2 + width(&words) * CHARACTER / 2)
}

/// Draws an arrow to the right, with words above it.
fn arrow_to(out: &mut String, from: usize, to: usize, y: usize, words: &str) {
    let back = to - 7;
    let _ = writeln!(
        out,
        r#"<path class="cycle" d="M{from} {y}H{back}"/><path class="hot" d="{}"/><text x="{}" y="{}" text-anchor="middle">{}</text>"#,
        head((to, y), (back, y)),
        (from + to) / 2,
        y - 6,
        escaped(words)
    );
}
