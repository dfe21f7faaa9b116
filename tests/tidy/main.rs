//! Style as a test: the layers, the places of unsafe code and its SAFETY comments, sizes, the language
//! of comments, and the items that each file of `arch/` defines.
//!
//! `planted` applies each rule to text that breaks it, and checks that the rule complains.

mod access;
mod assembly;
mod language;
mod lexer;
mod planted;
mod rules;
mod structure;

use std::fs;
use std::path::Path;

use rules::Complaint;

/// A file of the project: its path relative to the root, with slashes, and its text.
struct SourceFile {
    path: String,
    text: String,
}

/// Returns all Rust files in the folders.
fn files(folders: &[&str]) -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        collect(root, &root.join(folder), &mut found);
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!found.is_empty(), "no files in {folders:?}");
    found
}

/// Adds all Rust files in `folder` to `found`.
fn collect(root: &Path, folder: &Path, found: &mut Vec<SourceFile>) {
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            // A folder `target` is the build output of a separate workspace.
            if path.file_name().is_some_and(|name| name != "target") {
                collect(root, &path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("the file can be read");
            let path = path.strip_prefix(root).expect("inside the root").to_string_lossy();
            found.push(SourceFile { path: path.replace('\\', "/"), text });
        }
    }
}

/// All folders with Rust files.
const EVERYWHERE: [&str; 5] = ["arch", "benches", "examples", "src", "tests"];

/// Applies `rule` to all files in the folders.
///
/// # Panics
///
/// If the rule complains.
fn check(folders: &[&str], rule: impl Fn(&SourceFile) -> Vec<Complaint>) {
    let complaints: Vec<String> = files(folders)
        .iter()
        .flat_map(|file| {
            let complaints = rule(file).into_iter();
            complaints.map(|(line, what)| format!("{}:{line}: {what}", file.path))
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn each_layer_uses_only_those_below_it() {
    check(&["arch", "src"], |file| rules::layers(&file.path, &file.text));
}

#[test]
fn files_import_each_other_in_one_direction() {
    let complaints = structure::cycles(&files(&["arch", "src"]));
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn kernel_types_are_implemented_in_the_kernel() {
    let complaints = structure::foreign_impls(&files(&["src"]));
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn fields_of_the_kernel_are_private_to_their_file() {
    check(&["src"], |file| structure::kernel_fields(&file.path, &file.text));
}

#[test]
fn unsafe_code_is_only_where_it_may_be() {
    check(&["arch", "src"], |file| rules::unsafe_place(&file.path, &file.text));
}

#[test]
fn sockets_are_not_tied_to_an_engine() {
    check(&["src"], |file| rules::descriptors(&file.path, &file.text));
}

#[test]
fn unsafe_code_says_why_it_is_sound() {
    check(&EVERYWHERE, |file| rules::safety_comments(&file.text));
}

#[test]
fn files_and_functions_are_short() {
    check(&EVERYWHERE, |file| rules::sizes(&file.text));
}

#[test]
fn nothing_is_left_unfinished() {
    check(&EVERYWHERE, |file| rules::leftovers(&file.text));
}

#[test]
fn every_file_says_what_it_is_for() {
    check(&EVERYWHERE, |file| rules::opening(&file.text));
}

#[test]
fn accesses_to_shared_state_are_reported() {
    check(&["src"], |file| access::unreported(&file.path, &file.text));
    check(&["src"], |file| access::cells(&file.path, &file.text));
}

#[test]
fn comments_name_things_and_not_persons() {
    check(&EVERYWHERE, |file| language::persons(&file.path, &file.text));
}

#[test]
fn the_doc_of_a_function_begins_with_a_verb() {
    check(&EVERYWHERE, |file| language::verbs(&file.path, &file.text));
}

/// Returns the files of `arch/` with an instruction set.
fn instruction_sets() -> Vec<SourceFile> {
    files(&["arch"]).into_iter().filter(|file| file.path != "arch/mod.rs").collect()
}

#[test]
fn every_instruction_set_fills_the_same_form() {
    let form =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("arch/mod.rs")).unwrap();
    let listed = rules::listed_items(&form);
    assert!(listed.len() >= 5, "the table in arch/mod.rs was not found");
    for file in instruction_sets() {
        assert_eq!(rules::defined_items(&file.text), listed, "{} fills the form", file.path);
    }
}

#[test]
fn the_assembly_keeps_the_rules_that_running_it_cannot_show() {
    for file in instruction_sets() {
        assert_eq!(assembly::complaints(&file.text), [""; 0], "{}", file.path);
    }
}

#[test]
fn the_pages_that_a_reader_expects_are_there() {
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    for page in pages.into_iter().chain(["LICENSE-MIT", "LICENSE-APACHE"]) {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page));
        assert!(text.is_ok_and(|text| text.trim().len() > 40), "{page} is missing or empty");
    }
}

#[test]
fn each_page_of_the_guide_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("it can be read");
    let (contents, library) = (read("src/guide/contents.md"), read("src/lib.rs"));
    for entry in fs::read_dir(root.join("src/guide")).expect("there is a guide") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("it can be read");
        // The rule for comments.
        let comment: String = text.lines().map(|line| format!("// {line}\n")).collect();
        assert_eq!(language::persons("src/guide", &comment), [], "{name}");
        if name == "contents" {
            continue;
        }
        let page = format!("guide_{name}");
        assert!(
            contents.contains(&format!("](crate::_guide::{page})")),
            "{page} is not in the contents"
        );
        assert!(library.contains(&format!("{page} \"{name}\"")), "{page} is not a module");
        assert!(text.lines().next().is_some_and(|line| line.ends_with('?')), "{page}: a question");
        assert!(text.contains("Contents: [the guide]"), "{page} has no link to the contents");
    }
}

#[test]
fn the_examples_are_numbered_as_a_tutorial() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names: Vec<String> = fs::read_dir(folder)
        .expect("there are examples")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "rs")
                || path.join("main.rs").is_file()
        })
        .map(|path| path.file_name().expect("it has a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(rules::numbering(&names), [""; 0]);
}
