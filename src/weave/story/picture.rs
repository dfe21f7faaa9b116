//! A story as a picture.
//!
//! ```text
//!          main              A               B          a lane for each green thread,
//!     .  +-----------+                                  time going down
//!        | spawn A   |------>o               :
//!        +-----------+       |               :          a box for each step, a thick
//!              '-------.     |               :          arrow from one to the next
//!     1        :       +-----v-----+         :
//!              :       | set event |-------->|          a thin arrow to the thread that
//!              :       +-----------+         |          is woken
//! ```

mod cycle;
mod drawing;
mod plan;

pub(super) use drawing::draw;
