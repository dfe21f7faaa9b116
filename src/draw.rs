//! What `debug` and `weave` share to show a run: colours, text for XML, durations, and
//! which source files are the standard library's.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::path::Path;

/// The colours of lanes, repeated after the last. Their brightness suits a black and a
/// white background.
pub(crate) const COLOURS: [&str; 8] =
    ["#2f6fbb", "#c2571a", "#2e8b57", "#8a4fbf", "#b23a6b", "#7a7a00", "#00808f", "#8c5a3c"];

/// Returns `text` for XML, which has no representation of control characters.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Returns a duration in the unit that suits it, with up to three decimals.
pub(crate) fn duration(nanos: u64) -> String {
    let (unit, name) = match nanos {
        0 => return "0".to_owned(),
        1..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let decimals = format!("{:03}", nanos % unit * 1_000 / unit);
    let decimals = decimals.trim_end_matches('0');
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{}{point}{decimals} {name}", nanos / unit)
}

/// Returns `true` if `file` is one of the standard library's.
///
/// It is compiled as `/rustc/<commit>/library/core/src/..`, and its dependencies as
/// `/rust/deps/..`. Where its sources are installed (the component `rust-src`), they are in
/// `rustlib/src/rust/library` or the like.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_unit_that_suits_them() {
        let cases = [
            (0, "0"),
            (1, "1 ns"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (1_500, "1.5 µs"),
            (12_345_678, "12.345 ms"),
            (999_999_999, "999.999 ms"),
            (60_000_000_000, "60 s"),
            (1_001_000_000, "1.001 s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(duration(nanos), text);
        }
    }
}
