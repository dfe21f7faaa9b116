//! A story as a picture.
//!
//! ```text
//!          main              A               B          a lane for each, time going
//!     .  +-----------+                                  down
//!        | spawn A   |------>o               :
//!        +-----------+       |               :          a box for each step, a thick
//!              '-------.     |               :          arrow from one to the next
//!     1        :       +-----v-----+         :
//!              :       | set event |-------->|          a thin one to who is woken
//!              :       +-----------+         |
//! ```

mod cycle;
mod draw;
mod measure;

use super::Story;
use super::teller::{Line, Part};

/// More lines are left out.
const MOST_LINES: usize = 120;
/// With more green threads, the words stand beside the lanes.
const MOST_COLUMNS: usize = 5;
/// More lanes than that are not drawn.
const MOST_LANES: usize = 40;

/// All lines of a story.
fn lines(parts: &[Part]) -> impl Iterator<Item = &Line> {
    parts.iter().flat_map(|part| match part {
        Part::Step(lines) => lines.as_slice(),
        _ => &[],
    })
}

pub(super) fn draw(story: &Story) -> String {
    let parts = story.parts(MOST_LINES);
    let plan = measure::Plan::new(story, &parts);
    draw::Drawing::new(story, &parts, plan).finish()
}
