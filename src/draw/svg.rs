//! Elements of an SVG picture.

/// The colours of lanes, as bright as to be readable on black and on white. After the last colour
/// comes the first again.
const COLOURS: [&str; 8] =
    ["#2f6fbb", "#c2571a", "#2e8b57", "#8a4fbf", "#b23a6b", "#7a7a00", "#00808f", "#8c5a3c"];

/// Half the width of the head of an arrow.
const HALF_HEAD: usize = 4;

/// Returns the colour of a lane.
pub(crate) fn colour(lane: usize) -> &'static str {
    COLOURS[lane % COLOURS.len()]
}

/// Replaces the characters of a text that XML does not allow.
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

/// Returns the path of the head of an arrow, with its tip and the middle of its base in one row or
/// one column.
pub(crate) fn head((x, y): (usize, usize), base: (usize, usize)) -> String {
    let half = HALF_HEAD;
    let (one, other) = if base.0 == x {
        ((x - half, base.1), (x + half, base.1))
    } else {
        ((base.0, y - half), (base.0, y + half))
    };
    format!("M{} {}L{x} {y}L{} {}z", one.0, one.1, other.0, other.1)
}

/// Returns the path of a diagonal cross.
pub(crate) fn cross((x, y): (usize, usize), half: usize) -> String {
    let (left, right, top, bottom) = (x - half, x + half, y - half, y + half);
    format!("M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}")
}
