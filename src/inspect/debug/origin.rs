//! The origin of a frame: the program, leno, or the standard library.
//!
//! The name of a function begins with its crate. But with line tables as debug information, a
//! function that was inlined has only the last part of its name, so the source file has precedence
//! where it is known.

use std::path::{Path, PathBuf};

use crate::inspect::std_files::is_of_std;

/// The origin of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    Program,
    Leno,
    /// The standard library, which counts as its caller.
    Std,
    /// The function of the standard library that calls the program.
    Beginning,
}

/// The folders with the sources of leno and of the crate `backtrace`, by the debug information.
#[derive(Default)]
pub(super) struct Sources {
    folders: Vec<PathBuf>,
}

/// The path of this file below leno's folder.
const THIS_FILE: &str = "src/inspect/debug/origin.rs";

impl Sources {
    /// Finds the folders by one function of each.
    pub(super) fn find() -> Sources {
        let here: fn() -> Sources = Sources::find;
        // Without debug information of leno itself, functions that were inlined from it may still
        // have some, with the path that the compiler was given.
        let here = file_of(here as *const ()).unwrap_or_else(|| PathBuf::from(file!()));
        let new: fn() -> backtrace::Backtrace = backtrace::Backtrace::new;
        let there = file_of(new as *const ());
        Sources::beside(&here, there.as_deref())
    }

    /// Returns the folders by the paths of this file and of a file in `src` of `backtrace`.
    fn beside(here: &Path, there: Option<&Path>) -> Sources {
        let leno = here.ancestors().nth(Path::new(THIS_FILE).components().count());
        // A relative path could be that of any crate.
        let leno = leno.filter(|folder| folder.is_absolute() && here.ends_with(THIS_FILE));
        let leno = leno.into_iter().flat_map(|folder| [folder.join("src"), folder.join("arch")]);
        let there = there.filter(|there| there.is_absolute()).and_then(Path::parent);
        Sources { folders: leno.chain(there.map(Path::to_path_buf)).collect() }
    }

    /// Returns the origin of the function with this name, in this file.
    pub(super) fn origin(&self, function: Option<&str>, file: Option<&Path>) -> Origin {
        if function.is_some_and(|name| name.contains("__rust_begin_short_backtrace")) {
            return Origin::Beginning;
        }
        match file {
            Some(file) if self.folders.iter().any(|folder| file.starts_with(folder)) => {
                Origin::Leno
            }
            Some(file) if is_of_std(file) => Origin::Std,
            _ => function.map_or(Origin::Program, origin_by_name),
        }
    }
}

/// Returns the source file of the function at this address.
fn file_of(function: *const ()) -> Option<PathBuf> {
    let mut file = None;
    // `resolve` takes the address for a return address, and looks up the byte before it.
    backtrace::resolve(function.wrapping_byte_add(1).cast_mut().cast(), |symbol| {
        // Inlined functions come first, the function itself last.
        file = symbol.filename().map(Path::to_path_buf);
    });
    file
}

/// Returns the origin of a function by the crate in its name.
fn origin_by_name(function: &str) -> Origin {
    // `<core::slice::Iter<T> as core::iter::Iterator>::fold`, and the like.
    let name = function.trim_start_matches(['<', '&']);
    let name = name.strip_prefix("dyn ").unwrap_or(name);
    let is_of = |krate: &str| name.strip_prefix(krate).is_some_and(|rest| rest.starts_with("::"));
    if is_of("leno") || is_of("backtrace") {
        Origin::Leno
    } else if ["core", "alloc", "std"].into_iter().any(is_of) || name == "__rust_try" {
        Origin::Std
    } else {
        Origin::Program
    }
}

/// Returns for each frame, the innermost first, whether it belongs to the program: the program's own
/// functions, and functions of the standard library that they call.
pub(super) fn shown(origins: &[Origin]) -> Vec<bool> {
    let end = origins.iter().position(|&origin| origin == Origin::Beginning);
    let end = end.unwrap_or(origins.len());
    let mut shown = vec![false; origins.len()];
    // The outermost caller is not the program.
    let mut caller = Origin::Beginning;
    for (index, &origin) in origins[..end].iter().enumerate().rev() {
        if origin != Origin::Std {
            caller = origin;
        }
        shown[index] = caller == Origin::Program;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_program_are_found_by_names() {
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
            ("leno::kernel::control_block::entry", false),
            ("demo::main", true),
            ("core::ops::function::FnOnce::call_once", false),
            ("std::sys::backtrace::__rust_begin_short_backtrace", false),
            ("main", false),
        ];
        let sources = Sources::default();
        let origins = frames.map(|(name, _)| sources.origin(Some(name), None));
        assert_eq!(shown(&origins), frames.map(|(_, shown)| shown));
        // Where symbols are missing, everything is shown.
        assert_eq!(shown(&[sources.origin(None, None); 2]), [true; 2]);
    }

    const STD: &str = "/rustc/59807616/library/core/src/ops/function.rs";

    fn by_file(leno: &str, backtrace: &str, frames: &[(&str, &str, bool)]) {
        let this = format!("{leno}/{THIS_FILE}");
        let there = format!("{backtrace}/capture.rs");
        let sources = Sources::beside(Path::new(&this), Some(Path::new(&there)));
        let origin =
            |(name, file, _): &(&str, &str, _)| sources.origin(Some(name), Some(Path::new(file)));
        let origins: Vec<Origin> = frames.iter().map(origin).collect();
        let expected: Vec<bool> = frames.iter().map(|(.., shown)| *shown).collect();
        assert_eq!(shown(&origins), expected, "{origins:?}");
    }

    #[test]
    fn frames_with_short_names_are_found_by_files() {
        by_file(
            "/registry/leno-0.1.0",
            "/registry/backtrace-0.3.77/src",
            &[
                ("trace", "/registry/backtrace-0.3.77/src/backtrace/libunwind.rs", false),
                ("{closure#1}", "/registry/leno-0.1.0/src/runtime/survey.rs", false),
                ("do_call<core::panic::AssertUnwindSafe<()>, ()>", STD, false),
                ("switch", "/registry/leno-0.1.0/arch/x86_64.rs", false),
                ("call_once<demo::main::{closure_env#0}, ()>", STD, true),
                ("find", "/rust/deps/hashbrown-0.16.0/src/raw.rs", true),
                ("trace", "/demo/src/backtrace/mod.rs", true),
                ("entry", "/demo/src/runtime/survey.rs", true),
                ("eat", "/registry/leno-0.1.0/examples/09_deadlock.rs", true),
                ("eat", "/registry/leno-0.1.0x/src/lib.rs", true),
                ("core::work", "/home/rust/library/src/lib.rs", true),
                ("work", "/home/rust/library/src/lib.rs", true),
                ("work", "/home/demo/library/core/src/lib.rs", true),
                ("fold", "/toolchain/lib/rustlib/src/rust/library/core/src/iter.rs", false),
                ("fold", "/usr/src/rustc-1.95.0/library/alloc/src/iter.rs", false),
                ("run<demo::main::{closure_env#0}, ()>", "/registry/leno-0.1.0/src/lib.rs", false),
                ("main", "/demo/src/main.rs", true),
                ("call_once<fn(), ()>", STD, false),
                ("std::sys::backtrace::__rust_begin_short_backtrace<fn(), ()>", STD, false),
                ("main", "/demo/src/main.rs", false),
            ],
        );
    }

    /// Tests and benchmarks of leno are built in its folder.
    #[test]
    fn tests_of_leno_belong_to_the_program() {
        let frames = [
            ("wait", "/work/leno/src/runtime/wait.rs", false),
            ("main", "/work/leno/tests/it/main.rs", true),
            ("work", "/work/leno/benches/peers/src/main.rs", true),
        ];
        by_file("/work/leno", "/work/vendor/backtrace/src", &frames);
    }

    #[test]
    fn a_relative_path_is_ignored() {
        const NOWHERE: [PathBuf; 0] = [];
        let this = Path::new(THIS_FILE);
        assert_eq!(Sources::beside(this, Some(Path::new("src/capture.rs"))).folders, NOWHERE);
        assert_eq!(Sources::beside(Path::new("/elsewhere/x/y/z.rs"), None).folders, NOWHERE);
    }

    #[test]
    fn sources_are_found_in_the_debug_information() {
        let sources = Sources::find();
        let leno = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(sources.folders[..2], [leno.join("src"), leno.join("arch")]);
        assert!(sources.folders[2].ends_with("src"), "{}", sources.folders[2].display());
        let trace = sources.folders[2].join("backtrace/mod.rs");
        assert_eq!(sources.origin(Some("trace"), Some(&trace)), Origin::Leno);
    }
}
