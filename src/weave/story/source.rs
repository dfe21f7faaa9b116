//! Lines of the program's source, as far as that is to be found.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// A larger file is not read.
const MOST_BYTES: u64 = 4 << 20;
/// Lines further apart than that are not taken for one piece of code.
const FURTHEST: u32 = 40;
/// How many lines are told of what lies between two places.
const MOST_LINES: usize = 4;

/// What is known of the way that the code has taken.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) from: u32,
    /// `from` is where the green thread was spawned.
    pub(super) is_new: bool,
    /// The last line; nothing if that is the end of the green thread.
    pub(super) to: Option<u32>,
    /// Where the green thread was spawned, if that is in the same file.
    pub(super) spawned: Option<u32>,
}

/// The files that were asked for.
#[derive(Default)]
pub(super) struct Sources {
    files: HashMap<String, Option<Vec<String>>>,
}

impl Sources {
    fn lines(&mut self, file: &str) -> &[String] {
        if !self.files.contains_key(file) {
            self.files.insert(file.to_owned(), read(file));
        }
        self.files[file].as_deref().unwrap_or_default()
    }

    /// The text of a line, without the spaces around it.
    pub(super) fn line(&mut self, file: &str, line: u32) -> Option<String> {
        let text = self.lines(file).get((line as usize).checked_sub(1)?)?;
        Some(text.trim().replace(|c: char| c.is_control(), " "))
    }

    /// The lines that are likely to have run after `from` and until `to`, which is
    /// the last; or, if that is not known, until the block ends in which `from` is.
    ///
    /// Which way the code went from one to the other, nobody has seen: these are the
    /// lines in between, and if `to` comes before `from`, those round the loop.
    pub(super) fn between(&mut self, file: &str, way: Way) -> Vec<u32> {
        let code = Code(self.lines(file));
        let Way { from, is_new, to, spawned } = way;
        let mut lines = match to {
            None if is_new && !code.opens(from) => vec![from],
            None => code.rest(from, spawned),
            Some(to) if to > from => code.way(from, to),
            Some(to) => code.way_round(from, to),
        };
        lines.retain(|&line| Some(line) == to || code.says_something(line));
        let is_head = |line: u32| Some(line) != to && code.is_head(line);
        if lines.iter().any(|&line| Some(line) != to && !is_head(line)) {
            // What is done says more than on what condition.
            lines.retain(|&line| !is_head(line));
        }
        if lines.len() > MOST_LINES {
            lines.drain(MOST_LINES / 2..lines.len() - MOST_LINES / 2);
        }
        lines
    }
}

/// Looked for from the working directory and from that of the package upwards: the
/// compiler gives places from the root of the workspace.
fn read(file: &str) -> Option<Vec<String>> {
    let path = Path::new(file);
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let roots = [env::current_dir().ok(), package];
    let found = if path.is_absolute() {
        Some(path.to_owned()).filter(|path| path.is_file())
    } else {
        let paths = roots.iter().flatten().flat_map(|root| root.ancestors());
        paths.map(|root| root.join(path)).find(|path| path.is_file())
    };
    let found = found.filter(|path| path.metadata().is_ok_and(|file| file.len() <= MOST_BYTES))?;
    let text = fs::read(found).ok()?;
    Some(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
}

/// The lines of one file. Their numbers begin with 1.
struct Code<'a>(&'a [String]);

impl Code<'_> {
    fn text(&self, line: u32) -> &str {
        self.0.get(line as usize - 1).map_or("", |text| text)
    }

    fn trimmed(&self, line: u32) -> &str {
        self.text(line).trim()
    }

    fn last(&self) -> u32 {
        self.0.len() as u32
    }

    /// How far to the right it begins; nothing for an empty one.
    fn indent(&self, line: u32) -> Option<usize> {
        let text = self.text(line);
        let indent = text.len() - text.trim_start().len();
        (!text.trim().is_empty()).then_some(indent)
    }

    fn says_something(&self, line: u32) -> bool {
        let text = self.trimmed(line);
        text.chars().any(char::is_alphanumeric) && !text.starts_with("//") && text != "} else {"
    }

    fn opens(&self, line: u32) -> bool {
        self.trimmed(line).ends_with(['{', '(', '|'])
    }

    /// Does a function begin there?
    fn is_function(&self, line: u32) -> bool {
        let text = self.trimmed(line);
        ["fn ", "pub fn ", "impl", "pub(crate) fn ", "pub(super) fn ", "async fn ", "mod "]
            .iter()
            .any(|start| text.starts_with(start))
    }

    /// Straight down, if that stays in one function.
    fn way(&self, from: u32, to: u32) -> Vec<u32> {
        let is_one = to - from <= FURTHEST && !(from + 1..=to).any(|line| self.is_function(line));
        if is_one { (from + 1..=to).collect() } else { vec![to] }
    }

    /// To the end of a loop, and on from its beginning.
    fn way_round(&self, from: u32, to: u32) -> Vec<u32> {
        let Some(head) = self.head_of_loop(from.min(to)) else { return vec![to] };
        let Some(indent) = self.indent(head) else { return vec![to] };
        let inside = |line: &u32| self.indent(*line).is_none_or(|own| own > indent);
        let end = (head + 1..=self.last()).take_while(inside).last().unwrap_or(head);
        if end < from || end - head > FURTHEST {
            return vec![to];
        }
        (from + 1..=end).chain(head..=to).collect()
    }

    fn head_of_loop(&self, line: u32) -> Option<u32> {
        let mut indent = self.indent(line)?;
        for above in (line.saturating_sub(FURTHEST).max(1)..line).rev() {
            let Some(own) = self.indent(above).filter(|own| *own < indent) else { continue };
            indent = own;
            let words: Vec<&str> = self.trimmed(above).split(' ').take(2).collect();
            let is_loop = |word: &&str| ["for", "while", "loop"].contains(word);
            if words.iter().any(is_loop) || self.trimmed(above).contains(".for_each(") {
                return Some(above);
            }
            if self.is_function(above) {
                return None;
            }
        }
        None
    }

    /// What follows to the end of the closure that was spawned, or else of the block.
    fn rest(&self, from: u32, spawned: Option<u32>) -> Vec<u32> {
        let spawned = spawned.filter(|&line| self.opens(line));
        let closure = spawned.map(|line| self.block(line)).filter(|block| block.contains(&from));
        let end = match closure {
            Some(closure) => *closure.end(),
            None => *self.block(from).end(),
        };
        (from + 1..=end.min(from + FURTHEST)).collect()
    }

    /// From a line to the end of the block that it begins, or else of the one that it
    /// is in.
    fn block(&self, from: u32) -> RangeInclusive<u32> {
        let Some(indent) = self.indent(from) else { return from..=from };
        let indent = indent + usize::from(self.opens(from));
        let inside = |line: &u32| self.indent(*line).is_none_or(|own| own >= indent);
        from..=(from + 1..=self.last()).take_while(inside).last().unwrap_or(from)
    }

    /// Is it the beginning of a loop or of a condition?
    fn is_head(&self, line: u32) -> bool {
        let text = self.trimmed(line);
        let starts = ["for ", "while ", "if ", "loop ", "match ", "} else if "];
        text.ends_with('{') && starts.iter().any(|start| text.starts_with(start))
    }
}
