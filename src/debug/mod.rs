//! What a runtime tells about itself: timelines, and green threads that do not
//! let others run.

#![forbid(unsafe_code)]

mod timeline;

pub use crate::runtime::Recorder;
pub use timeline::{Timeline, record};
