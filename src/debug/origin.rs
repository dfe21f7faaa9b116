//! Whose function a frame is: the program's, leno's, or the standard library's.
//!
//! The name of a function begins with its crate. But where the debug information is
//! line tables, a function that was inlined has the last part of its name only, so
//! the source file comes first, as far as it is known.

use std::path::{Path, PathBuf};

use crate::draw::is_of_std;

/// Whose function it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    Program,
    Leno,
    /// The standard library's: whoever calls it.
    Std,
    /// The program begins above it.
    Beginning,
}

/// Where the sources of leno and of its crate for backtraces are, as the debug
/// information has it.
#[derive(Default)]
pub(super) struct Sources {
    folders: Vec<PathBuf>,
}

/// This file, below leno's folder.
const THIS_FILE: &str = "src/debug/origin.rs";

impl Sources {
    /// From functions of which it is known where they are written.
    pub(super) fn find() -> Sources {
        let here: fn() -> Sources = Sources::find;
        // Without debug information of leno itself, what was inlined from it may
        // still have some; then it is in the words of the compiler.
        let here = file_of(here as *const ()).unwrap_or_else(|| PathBuf::from(file!()));
        let new: fn() -> backtrace::Backtrace = backtrace::Backtrace::new;
        let there = file_of(new as *const ());
        Sources::beside(&here, there.as_deref())
    }

    /// From the paths of this file and of one in `src` of the crate for backtraces.
    fn beside(here: &Path, there: Option<&Path>) -> Sources {
        let leno = here.ancestors().nth(Path::new(THIS_FILE).components().count());
        // A relative one would be any crate's.
        let leno = leno.filter(|folder| folder.is_absolute() && here.ends_with(THIS_FILE));
        let leno = leno.into_iter().flat_map(|folder| [folder.join("src"), folder.join("arch")]);
        let there = there.filter(|there| there.is_absolute()).and_then(Path::parent);
        Sources { folders: leno.chain(there.map(Path::to_path_buf)).collect() }
    }

    /// Whose function it is that has this name, and this file.
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

/// Where the function at this address is written.
fn file_of(function: *const ()) -> Option<PathBuf> {
    let mut file = None;
    // It takes the address for one of a return, and looks at the byte before.
    backtrace::resolve(function.wrapping_byte_add(1).cast_mut().cast(), |symbol| {
        // What was inlined comes first.
        file = symbol.filename().map(Path::to_path_buf);
    });
    file
}

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

/// Which frames, the innermost first, are the program's: its own functions and
/// those of the standard library that they call.
pub(super) fn shown(origins: &[Origin]) -> Vec<bool> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_frames_are_told_from_those_around_them_by_their_names() {
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
    fn they_are_told_by_their_files_where_names_are_short() {
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

    /// The folder of leno is the root of whatever is built there.
    #[test]
    fn what_is_beside_lenos_sources_is_the_programs() {
        let frames = [
            ("wait", "/work/leno/src/runtime/wait.rs", false),
            ("main", "/work/leno/tests/it/main.rs", true),
            ("work", "/work/leno/benches/peers/src/main.rs", true),
        ];
        by_file("/work/leno", "/work/vendor/backtrace/src", &frames);
    }

    #[test]
    fn a_file_that_might_be_any_crates_tells_nothing() {
        const NOWHERE: [PathBuf; 0] = [];
        let this = Path::new(THIS_FILE);
        assert_eq!(Sources::beside(this, Some(Path::new("src/capture.rs"))).folders, NOWHERE);
        assert_eq!(Sources::beside(Path::new("/elsewhere/x/y/z.rs"), None).folders, NOWHERE);
    }

    #[test]
    fn the_sources_are_found_in_the_debug_information() {
        let sources = Sources::find();
        let leno = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(sources.folders[..2], [leno.join("src"), leno.join("arch")]);
        assert!(sources.folders[2].ends_with("src"), "{}", sources.folders[2].display());
        let trace = sources.folders[2].join("backtrace/mod.rs");
        assert_eq!(sources.origin(Some("trace"), Some(&trace)), Origin::Leno);
    }
}
