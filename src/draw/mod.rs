//! Drawing: columns of text, and pictures in SVG. `debug` and `weave` are built on it.

#![forbid(unsafe_code)]

pub(crate) mod svg;
pub(crate) mod text;

pub(crate) use text::{duration, file_name, plain, rest_note, shortened, widest_columns};
