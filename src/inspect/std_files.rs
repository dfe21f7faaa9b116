//! The source files of the standard library.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::path::Path;

/// Returns `true` if `file` belongs to the standard library.
///
/// The standard library is compiled as `/rustc/<commit>/library/core/src/..`, and its dependencies as
/// `/rust/deps/..`. Installed sources (the component `rust-src`) are in `rustlib/src/rust/library` or
/// the like.
pub(crate) fn is_of_std(file: &Path) -> bool {
    if file.starts_with("/rustc") || file.starts_with("/rust/deps") {
        return true;
    }
    let names: Vec<&OsStr> = file.iter().collect();
    names.windows(4).any(|names| {
        names[0].to_string_lossy().starts_with("rust")
            && names[1] == "library"
            && ["core", "alloc", "std"].iter().any(|name| names[2] == *name)
            && names[3] == "src"
    })
}
