//! Explorations through the public API.

mod gallery;
mod page;
mod sampling;
mod time;
