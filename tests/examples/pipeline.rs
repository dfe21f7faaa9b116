//! Files through a filter: results, failures, a deadline, names on standard input.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{Ran, command, finish, refuse, run};

const NAME: &str = "18_pipeline";

/// Makes an empty folder, and so many files in it. Returns their paths.
fn files(folder: &str, count: usize, text: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the folder can be made");
    let paths: Vec<_> = (0..count).map(|number| folder.join(number.to_string())).collect();
    paths.iter().for_each(|path| fs::write(path, text).expect("the file can be written"));
    paths
}

/// Runs the example with these files as arguments.
fn filter(seconds: &str, command: &str, files: &[PathBuf]) -> Ran {
    let arguments: Vec<_> =
        [seconds, command].map(PathBuf::from).into_iter().chain(files.iter().cloned()).collect();
    run(NAME, &arguments)
}

/// Returns the names beside the first file that end so.
fn ending(files: &[PathBuf], ending: &str) -> usize {
    let folder = files[0].parent().expect("it is in a folder");
    let names = fs::read_dir(folder).expect("it can be read");
    names.filter(|it| it.as_ref().unwrap().path().to_string_lossy().ends_with(ending)).count()
}

#[test]
fn files_go_through_a_child_to_files() {
    // Far more than a pipe has room for, and more files than children.
    let text: String = (0..100_000).map(|number| format!("line {number}\n")).collect();
    let paths = files("filtered", 20, &text);
    let ran = filter("60", "tr a-z A-Z", &paths);
    assert_eq!((ran.status, &*ran.stderr), (0, ""));
    assert_eq!(ran.stdout.lines().count(), 21);
    assert!(ran.stdout.ends_with("\n20 files\n"), "{}", ran.stdout);
    for path in &paths {
        let out = fs::read_to_string(path.with_extension("out")).expect("it is there");
        assert_eq!(out, text.to_uppercase());
    }
    assert_eq!(ending(&paths, ".part"), 0);
    // A filter that wants no more.
    let ran = filter("60", "head -c 10", &paths);
    assert_eq!((ran.status, &*ran.stderr), (0, ""));
    assert_eq!(fs::read(paths[0].with_extension("out")).unwrap().len(), 10);
}

#[test]
fn what_is_unfinished_at_the_deadline_is_removed() {
    let paths = files("late", 3, &"x".repeat(200_000));
    // Its input is not read, and its output never ends.
    let ran = filter("0.5", "exec sleep 1000", &paths);
    assert_eq!((ran.status, &*ran.stderr), (1, "error: out of time after 0 files\n"));
    assert_eq!((ending(&paths, ".part"), ending(&paths, ".out")), (0, 0));
}

#[test]
fn files_that_fail_stop_no_others() {
    let mut paths = files("failing", 3, "text");
    paths.push(paths[0].with_file_name("absent"));
    let ran = filter("60", "cat; exit 3", &paths[2..]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("2: the command ends by exit status: 3\n"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("error: 2 of 2 files failed\n"), "{}", ran.stderr);
    let ran = filter("60", "cat", &paths);
    assert!(ran.stderr.ends_with("error: 1 of 4 files failed\n"), "{}", ran.stderr);
    assert_eq!((ending(&paths, ".part"), ending(&paths, ".out")), (0, 3));
}

#[test]
fn the_files_are_named_on_standard_input() {
    let paths = files("named", 3, "b\na\n");
    let names: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    let mut program = command(NAME);
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().expect("the example can be started");
    child.stdin.take().unwrap().write_all(names.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && stdout.ends_with("\n3 files\n"), "{stdout}");
    assert_eq!(fs::read_to_string(paths[2].with_extension("out")).unwrap(), "a\nb\n");
    // A deadline ends the wait for names.
    let mut program = command(NAME);
    program.args(["0.3", "cat"]).stdin(Stdio::piped());
    let (reader, _writer) = std::io::pipe().unwrap();
    program.stdin(reader);
    let ran = finish(program);
    assert_eq!((ran.status, &*ran.stderr), (1, "error: out of time after 0 files\n"));
}

#[test]
fn settings_that_mean_nothing_are_refused() {
    refuse(NAME, &["10"], "a number of seconds needs a command");
    refuse(NAME, &["soon", "cat", "README.md"], "\"soon\" is not a number of seconds");
}
