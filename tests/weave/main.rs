//! Explorations through the public API.

mod gallery;
mod sampling;
mod time;
