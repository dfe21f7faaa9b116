//! From addresses to functions and lines.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

/// One function at an address. There are several where some were inlined.
#[derive(Clone)]
struct Symbol {
    function: Option<String>,
    /// The file, its line and column.
    place: Option<String>,
}

/// Prints frames, and remembers what it has looked up.
pub(super) struct Symbols {
    known: HashMap<usize, Vec<Symbol>>,
    /// Paths below it are printed without it.
    folder: Option<PathBuf>,
    all: bool,
}

impl Symbols {
    /// For all frames, or for those of the program only.
    pub(super) fn new(all: bool) -> Symbols {
        Symbols { known: HashMap::new(), folder: env::current_dir().ok(), all }
    }

    fn look_up(&mut self, address: usize) -> &[Symbol] {
        let folder = self.folder.as_deref();
        self.known.entry(address).or_insert_with(|| {
            let mut found = Vec::new();
            backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
                found.push(Symbol {
                    function: symbol.name().map(|name| format!("{name:#}")),
                    place: symbol
                        .filename()
                        .map(|file| place(file, folder, symbol.lineno(), symbol.colno())),
                });
            });
            if found.is_empty() {
                found.push(Symbol { function: None, place: None });
            }
            found
        })
    }

    /// Prints the frames at these addresses, the innermost first. Each line begins
    /// with a line break.
    pub(super) fn print(
        &mut self,
        f: &mut fmt::Formatter<'_>,
        addresses: &[usize],
        more: bool,
    ) -> fmt::Result {
        let mut frames = Vec::new();
        for (index, &address) in addresses.iter().enumerate() {
            let symbols = self.look_up(address).iter();
            frames.extend(symbols.map(|symbol| (index, address, symbol.clone())));
        }
        let all = self.all;
        let origins: Vec<Origin> =
            frames.iter().map(|(_, _, symbol)| Origin::of(symbol.function.as_deref())).collect();
        for ((index, address, symbol), shown) in frames.iter().zip(shown(&origins)) {
            if !all && !shown {
                continue;
            }
            write!(f, "\n    {index:>3}: ")?;
            if all || symbol.function.is_none() {
                write!(f, "{address:#x} ")?;
            }
            f.write_str(symbol.function.as_deref().unwrap_or("(unknown)"))?;
            if let Some(place) = &symbol.place {
                write!(f, "\n           at {place}")?;
            }
        }
        if more { f.write_str("\n         ... and more") } else { Ok(()) }
    }
}

/// Whose function it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    Program,
    Leno,
    /// The standard library's: whoever calls it.
    Std,
    /// The program begins above it.
    Beginning,
}

impl Origin {
    fn of(function: Option<&str>) -> Origin {
        let Some(function) = function else { return Origin::Program };
        // `<core::slice::Iter<T> as core::iter::Iterator>::fold`, and the like.
        let name = function.trim_start_matches(['<', '&']);
        let name = name.strip_prefix("dyn ").unwrap_or(name);
        let is_of =
            |krate: &str| name.strip_prefix(krate).is_some_and(|rest| rest.starts_with("::"));
        if function.contains("__rust_begin_short_backtrace") {
            Origin::Beginning
        } else if is_of("leno") || is_of("backtrace") {
            Origin::Leno
        } else if ["core", "alloc", "std"].into_iter().any(is_of) || name == "__rust_try" {
            Origin::Std
        } else {
            Origin::Program
        }
    }
}

/// Which frames, the innermost first, are the program's: its own functions and
/// those of the standard library that they call.
fn shown(origins: &[Origin]) -> Vec<bool> {
    let end = origins.iter().position(|&origin| origin == Origin::Beginning);
    let end = end.unwrap_or(origins.len());
    let mut shown = vec![false; origins.len()];
    // From the outside, where somebody begins who is not the program.
    let mut caller = Origin::Beginning;
    for (index, &origin) in origins[..end].iter().enumerate().rev() {
        if origin != Origin::Std {
            caller = origin;
        }
        shown[index] = caller == Origin::Program;
    }
    shown
}

fn place(file: &Path, folder: Option<&Path>, line: Option<u32>, column: Option<u32>) -> String {
    let inside = folder.and_then(|folder| file.strip_prefix(folder).ok());
    let mut text = inside.unwrap_or(file).display().to_string();
    for number in [line, column].into_iter().flatten() {
        text += &format!(":{number}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_frames_are_told_from_those_around_them() {
        let frames = [
            ("backtrace::backtrace::trace", false),
            ("core::iter::Iterator::fold", false),
            ("<leno::channel::Receiver<T> as leno::channel::Case>::enroll", false),
            ("leno::thread::park", false),
            ("<alloc::vec::Vec<T> as core::iter::Extend<T>>::extend", true),
            ("lenox::work", true),
            ("<demo::Job as core::ops::Drop>::drop", true),
            ("core::ptr::drop_in_place", true),
            ("demo::main::{{closure}}", true),
            ("__rust_try", false),
            ("std::panicking::catch_unwind", false),
            ("leno::runtime::control::entry", false),
            ("demo::main", true),
            ("core::ops::function::FnOnce::call_once", false),
            ("std::sys::backtrace::__rust_begin_short_backtrace", false),
            ("main", false),
        ];
        let origins = frames.map(|(name, _)| Origin::of(Some(name)));
        assert_eq!(shown(&origins), frames.map(|(_, shown)| shown));
        // Where symbols are missing, everything is shown.
        assert_eq!(shown(&[Origin::of(None); 2]), [true; 2]);
    }
}
