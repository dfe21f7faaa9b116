//! 3. Turning a recursive walk inside out.
//!
//! `walk` reads nested lists, such as `(a (b c))`, and calls a closure for each
//! word. It is written in the simple way: it recurses where the text nests, and
//! keeps control until the text ends. A `for` loop needs the opposite: the loop
//! keeps control and requests one word at a time. A generator turns the first
//! form into the second without a change of `walk`: the closure yields from any
//! number of open calls, and these calls are suspended on the generator's stack
//! until the next word is requested.
//!
//! Two generators can do what no callback can: read two texts in lockstep, and
//! stop at the first difference (the "same fringe" problem).
//!
//! ```text
//! cargo run --example 03_inside_out
//! ```

#[path = "shared/arguments.rs"]
mod arguments;

use leno::coroutine;

/// Calls `visit(word, depth)` for each word of a list, and returns the text after the list. It has
/// no reference to coroutines.
fn walk<'t>(mut text: &'t str, depth: usize, visit: &mut dyn FnMut(&'t str, usize)) -> &'t str {
    loop {
        text = text.trim_start();
        match text.chars().next() {
            None => return text,
            Some(')') => return &text[1..],
            Some('(') => text = walk(&text[1..], depth + 1, visit),
            Some(_) => {
                let end = text.find([' ', '(', ')']).unwrap_or(text.len());
                visit(&text[..end], depth);
                text = &text[end..];
            }
        }
    }
}

fn main() {
    arguments::arguments(
        "A recursive walk that a loop pulls words out of; two of them compared in lockstep.",
        "cargo run --example 03_inside_out",
    );
    let cloth = "((warp weft) (heddle (shed)) reed)";
    println!("Each parenthesis beside a word is a call of `walk` that is open there.\n");
    compare(cloth, "(warp (weft heddle) ((shed reed)))");
    compare(cloth, "(warp ((weft) treadle) (and much more (that is never read)))");
}

/// Prints the words of two texts side by side, up to the first difference.
fn compare(left: &str, right: &str) {
    println!("left   {left}\nright  {right}\n");
    coroutine::scope(|scope| {
        // The generators borrow the texts, hence the scope.
        let words = |text| {
            scope.generator(move |yielder| {
                walk(text, 0, &mut |word, depth| yielder.suspend((word, depth)));
            })
        };
        let (mut left_words, mut right_words) = (words(left), words(right));
        let same = loop {
            match (left_words.next(), right_words.next()) {
                (None, None) => break true,
                (ours, theirs) => {
                    let same = ours.map(|(word, _)| word) == theirs.map(|(word, _)| word);
                    let (ours, our_depth) = ours.unwrap_or(("(end)", 0));
                    let (theirs, their_depth) = theirs.unwrap_or(("(end)", 0));
                    let sign = if same { "=" } else { "≠" };
                    println!(
                        "{:>12} {ours:>8}  {sign}  {theirs:<8} {}",
                        "(".repeat(our_depth),
                        ")".repeat(their_depth)
                    );
                    if !same {
                        break false;
                    }
                }
            }
        };
        println!(
            "\n{}\n",
            if same { "the same words" } else { "not the same; the rest is never read" }
        );
    });
}
