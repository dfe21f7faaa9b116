//! Symbols: the functions and lines of addresses.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use super::origin::{Origin, Sources, shown};

/// A function at an address. An address has several where functions were inlined.
#[derive(Clone)]
struct Symbol {
    function: Option<String>,
    /// The file, the line and the column.
    place: Option<String>,
    origin: Origin,
}

/// Prints frames, and caches symbols.
pub(crate) struct Symbols {
    known: HashMap<usize, Vec<Symbol>>,
    /// The folder that is left out of the paths below it.
    folder: Option<PathBuf>,
    sources: Sources,
    all: bool,
}

impl Symbols {
    /// Creates a cache that prints all frames, or only those of the program.
    pub(crate) fn new(all: bool) -> Symbols {
        Symbols {
            known: HashMap::new(),
            folder: env::current_dir().ok(),
            sources: Sources::find(),
            all,
        }
    }

    /// Returns the symbols of an address, the innermost function first.
    fn look_up(&mut self, address: usize) -> &[Symbol] {
        let (folder, sources) = (self.folder.as_deref(), &self.sources);
        self.known.entry(address).or_insert_with(|| {
            let mut found = Vec::new();
            backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
                let function = symbol.name().map(|name| format!("{name:#}"));
                found.push(Symbol {
                    origin: sources.origin(function.as_deref(), symbol.filename()),
                    function,
                    place: symbol
                        .filename()
                        .map(|file| place(file, folder, symbol.lineno(), symbol.colno())),
                });
            });
            if found.is_empty() {
                found.push(Symbol { function: None, place: None, origin: Origin::Program });
            }
            found
        })
    }

    /// Prints the frames at these addresses, the innermost first. Each line begins
    /// with a line break.
    pub(crate) fn print(
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
        let origins: Vec<Origin> = frames.iter().map(|(.., symbol)| symbol.origin).collect();
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

    /// Returns the names and places of the functions of the standard library that are called by
    /// the innermost function of another origin, the innermost first.
    pub(super) fn calls_of_std(&mut self, addresses: &[usize]) -> Vec<String> {
        let mut calls = Vec::new();
        for &address in addresses {
            for Symbol { function, place, origin } in self.look_up(address) {
                let function = function.as_deref().unwrap_or_default();
                // The functions of the C library have no path.
                if *origin != Origin::Std && function.contains("::") {
                    return calls;
                }
                calls.push(format!("{function} {}", place.as_deref().unwrap_or_default()));
            }
        }
        calls
    }
}

/// Formats a place in a file.
fn place(file: &Path, folder: Option<&Path>, line: Option<u32>, column: Option<u32>) -> String {
    let inside = folder.and_then(|folder| file.strip_prefix(folder).ok());
    let mut text = inside.unwrap_or(file).display().to_string();
    for number in [line, column].into_iter().flatten() {
        text += &format!(":{number}");
    }
    text
}
