//! Explorations through the public API.

mod sampling;
mod time;
