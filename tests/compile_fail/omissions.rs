//! An access to shared state that is not named does not compile.
//!
//! A copy of leno's sources gets several omissions, each in a file of its own, and is checked
//! once. The compiler must complain of each file.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// An omission: the file, a text in it and its replacement, and the code of the error.
const OMISSIONS: [(&str, &str, &str, &str); 6] = [
    // The state is not in reach of the cell.
    (
        "src/sync/semaphore.rs",
        "self.state.note(Access::Read, \"look at\").permits.get()",
        "self.state.permits.get()",
        "E0609",
    ),
    // The field of the cell is private.
    (
        "src/sync/event.rs",
        "self.state.note(Access::Write, \"reset\").is_set.set(false)",
        "self.state.state.is_set.set(false)",
        "E0616",
    ),
    // `Debug` and destructors are no exceptions.
    (
        "src/sync/wait_group.rs",
        "self.group.note(Access::Read, \"look at\")",
        "&self.group",
        "E0609",
    ),
    (
        "src/thread/task_group.rs",
        "self.group.state.note_where_made(Access::Commute, \"end a task of\")",
        "&self.group.state",
        "E0609",
    ),
    // A wait ends the access before it.
    (
        "src/sync/barrier.rs",
        "        let state = self.state.note(Access::Write, \"give up\");\n",
        "",
        "E0382",
    ),
    // An operation of a select is one of an operation that has begun.
    (
        "src/channel/search.rs",
        "Ended::Changed => begun = begin(all),",
        "Ended::Changed => {}",
        "E0382",
    ),
];

/// Copies the Rust files of a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy's folder can be made");
    for entry in fs::read_dir(from).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let target = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a file can be copied");
        }
    }
}

/// Copies what the library is built from. Tests and benchmarks are left out, and so are their
/// dependencies.
fn copy_package() -> PathBuf {
    let leno = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("omissions");
    for folder in ["src", "arch"] {
        let _ = fs::remove_dir_all(package.join(folder));
        copy(&leno.join(folder), &package.join(folder));
    }
    for file in ["build.rs", "Cargo.lock", "README.md"] {
        fs::copy(leno.join(file), package.join(file)).expect("a file can be copied");
    }
    let manifest = fs::read_to_string(leno.join("Cargo.toml")).expect("there is a manifest");
    let mut keeps = true;
    let mut kept = String::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            let left_out = ["[[", "[dev-dependencies", "[workspace"];
            keeps = !left_out.iter().any(|start| line.starts_with(start));
        }
        if keeps {
            kept += line;
            kept.push('\n');
        }
    }
    fs::write(package.join("Cargo.toml"), kept + "[workspace]\n").expect("it can be written");
    package
}

#[test]
fn an_access_that_is_not_named_does_not_compile() {
    if super::is_emulated() {
        return;
    }
    let package = copy_package();
    let mut missed = Vec::new();
    // Errors of types hide errors of moves, so that the two kinds are checked one after the
    // other.
    for kind in ["E06", "E03"] {
        let planted = || OMISSIONS.iter().filter(|omission| omission.3.starts_with(kind));
        for (file, before, after, _) in planted() {
            let path = package.join(file);
            let source = fs::read_to_string(&path).expect("the file is there");
            assert_eq!(source.matches(before).count(), 1, "{file} has changed: {before}");
            fs::write(&path, source.replace(before, after)).expect("the copy can be written");
        }
        let (_, said) = super::cargo_check(&package, &["--lib", "--no-default-features"]);
        for (file, _, _, code) in planted() {
            let is_found = said.lines().any(|line| line.starts_with(file) && line.contains(code));
            if !is_found {
                missed.push(format!("{file}: no {code} in\n{said}"));
            }
        }
        for (file, ..) in planted() {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            fs::copy(source, package.join(file)).expect("a file can be copied");
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
