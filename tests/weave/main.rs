//! Explorations through the public API.

mod time;
