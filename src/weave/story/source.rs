//! Lines of the program's source, where it is available.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The size of the largest file that is read.
const MOST_BYTES: u64 = 4 << 20;
/// The largest distance of two lines that count as one piece of code.
const FURTHEST: u32 = 40;
/// The most lines that are shown between two places.
const MOST_LINES: usize = 4;

/// The known part of the path of the code during a step.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) from: u32,
    /// The green thread was spawned at `from`.
    pub(super) is_new: bool,
    /// The last line; `None` for the end of the green thread.
    pub(super) to: Option<u32>,
    /// The line of the spawn, if it is in the same file.
    pub(super) spawned: Option<u32>,
}

/// The files that have been read.
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

    /// Returns the text of a line, without the spaces around it.
    pub(super) fn line(&mut self, file: &str, line: u32) -> Option<String> {
        let text = self.lines(file).get((line as usize).checked_sub(1)?)?;
        Some(text.trim().replace(|c: char| c.is_control(), " "))
    }

    /// Returns the lines that are at most `near` lines away from this one, each with its number.
    pub(super) fn around(&mut self, file: &str, line: u32, near: u32) -> Vec<(u32, String)> {
        let lines = self.lines(file);
        let numbers = line.saturating_sub(near).max(1)..=line.saturating_add(near);
        let found = numbers.filter_map(|line| Some((line, lines.get(line as usize - 1)?)));
        found.map(|(line, text)| (line, text.trim_end().to_owned())).collect()
    }

    /// Returns the lines that have probably run after `from`, up to `to`; if that is not known, up
    /// to the end of the block that contains `from`.
    ///
    /// The path of the code is not observed: these are the lines in between, or, if `to` comes
    /// before `from`, the lines around the loop.
    pub(super) fn between(&mut self, file: &str, way: Way) -> Vec<u32> {
        let code = Code(self.lines(file));
        let Way { from, is_new, to, spawned } = way;
        let is_one_line = spawned == Some(from) && !code.opens(from);
        let mut lines = match to {
            None if is_new && !code.opens(from) => vec![from],
            // The other lines around a closure of one line are those of another thread.
            None if is_one_line => Vec::new(),
            Some(to) if is_one_line => vec![to],
            None => code.rest(from, spawned),
            Some(to) if to > from => code.way(from, to),
            Some(to) => code.way_round(from, to),
        };
        lines.retain(|&line| Some(line) == to || code.says_something(line));
        let is_head = |line: u32| Some(line) != to && code.is_head(line);
        if lines.iter().any(|&line| Some(line) != to && !is_head(line)) {
            // An action says more than its condition.
            lines.retain(|&line| !is_head(line));
        }
        if lines.len() > MOST_LINES {
            lines.drain(MOST_LINES / 2..lines.len() - MOST_LINES / 2);
        }
        lines
    }
}

/// Reads a file. It is searched for from the working directory and from that of the package
/// upwards, since the compiler gives paths from the root of the workspace.
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

    /// Returns the indentation of a line; `None` for an empty line.
    fn indent(&self, line: u32) -> Option<usize> {
        let text = self.text(line);
        let indent = text.len() - text.trim_start().len();
        (!text.trim().is_empty()).then_some(indent)
    }

    /// Returns `true` if the line contains code of interest.
    fn says_something(&self, line: u32) -> bool {
        let text = self.trimmed(line);
        text.chars().any(char::is_alphanumeric) && !text.starts_with("//") && text != "} else {"
    }

    /// Returns `true` if the line opens a block.
    fn opens(&self, line: u32) -> bool {
        self.trimmed(line).ends_with(['{', '(', '|'])
    }

    /// Returns `true` if a function begins at the line.
    fn is_function(&self, line: u32) -> bool {
        let text = self.trimmed(line);
        ["fn ", "pub fn ", "impl", "pub(crate) fn ", "pub(super) fn ", "async fn ", "mod "]
            .iter()
            .any(|start| text.starts_with(start))
    }

    /// Returns the lines down to `to`, if they are in one function.
    fn way(&self, from: u32, to: u32) -> Vec<u32> {
        let is_one = to - from <= FURTHEST && !(from + 1..=to).any(|line| self.is_function(line));
        if is_one { (from + 1..=to).collect() } else { vec![to] }
    }

    /// Returns the lines to the end of a loop, and from its beginning to `to`.
    fn way_round(&self, from: u32, to: u32) -> Vec<u32> {
        let Some(head) = self.head_of_loop(from.min(to)) else { return vec![to] };
        let Some(indent) = self.indent(head) else { return vec![to] };
        let inside = |line: &u32| self.indent(*line).is_none_or(|other| other > indent);
        let end = (head + 1..=self.last()).take_while(inside).last().unwrap_or(head);
        if end < from || end - head > FURTHEST {
            return vec![to];
        }
        (from + 1..=end).chain(head..=to).collect()
    }

    fn head_of_loop(&self, line: u32) -> Option<u32> {
        let mut indent = self.indent(line)?;
        for above in (line.saturating_sub(FURTHEST).max(1)..line).rev() {
            let Some(outer) = self.indent(above).filter(|other| *other < indent) else { continue };
            indent = outer;
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

    /// Returns the lines to the end of the closure that was spawned, or else of the block.
    fn rest(&self, from: u32, spawned: Option<u32>) -> Vec<u32> {
        let spawned = spawned.filter(|&line| self.opens(line));
        let closure = spawned.map(|line| self.block(line)).filter(|block| block.contains(&from));
        let end = match closure {
            Some(closure) => *closure.end(),
            None => *self.block(from).end(),
        };
        (from + 1..=end.min(from + FURTHEST)).collect()
    }

    /// Returns the lines to the end of the block that `from` opens, or else of the block that
    /// contains `from`.
    fn block(&self, from: u32) -> RangeInclusive<u32> {
        let Some(indent) = self.indent(from) else { return from..=from };
        let indent = indent + usize::from(self.opens(from));
        let inside = |line: &u32| self.indent(*line).is_none_or(|other| other >= indent);
        from..=(from + 1..=self.last()).take_while(inside).last().unwrap_or(from)
    }

    /// Returns `true` if the line is the head of a loop or of a condition.
    fn is_head(&self, line: u32) -> bool {
        let text = self.trimmed(line);
        let starts = ["for ", "while ", "if ", "loop ", "match ", "} else if "];
        text.ends_with('{') && starts.iter().any(|start| text.starts_with(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "\
fn demo() {
    scope(|scope| {
        for value in 1..3 {
            scope.spawn(move || last.set(value));
            other(value);
        }
        scope.spawn(|| withdraw(70));
        rest();
        scope.spawn(|| {
            last.set(1);
            other(2);
        });
    });
}
fn withdraw(amount: i32) {
    if balance.get() >= amount {
        balance.update(amount);
    }
}
";

    #[test]
    fn a_closure_of_one_line_has_no_line_of_its_surroundings() {
        let lines = PROGRAM.lines().map(str::to_owned).collect();
        let files = HashMap::from([("demo.rs".to_owned(), Some(lines))]);
        let mut sources = Sources { files };
        let mut between = |spawned, from, to| {
            let way = Way { from, is_new: from == spawned, to, spawned: Some(spawned) };
            sources.between("demo.rs", way)
        };
        // In a loop: its other lines are those of the thread that spawns.
        assert_eq!(between(4, 4, Some(4)), [4]);
        assert_eq!(between(4, 4, None), [4]);
        // A function that is called from there.
        assert_eq!(between(7, 7, Some(16)), [16]);
        assert_eq!(between(7, 16, Some(17)), [17]);
        assert_eq!(between(7, 16, None), [17]);
        // A closure of several lines.
        assert_eq!(between(9, 9, Some(10)), [10]);
        assert_eq!(between(9, 10, None), [11]);
        let way = Way { from: 4, is_new: false, to: None, spawned: Some(4) };
        assert_eq!(sources.between("demo.rs", way), [0; 0]);
    }
}
