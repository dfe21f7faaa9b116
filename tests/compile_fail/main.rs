//! Programs that must not compile: they send, leak, outlive or swap, or repeat a trick
//! that made another library unsound.
//!
//! Each file in `cases/` begins with its topic and lists, in a line `// error:`, all
//! errors that the compiler may report. Lines `// says:` are parts of these errors, and a line
//! `// each says:` is a part of all. The files named `ok_*` must compile: they are the other programs without the mistake.
//!
//! One temporary package with a program for each case is checked at once.

mod omissions;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

struct Case {
    name: String,
    source: String,
    /// The allowed errors; empty for a program that must compile.
    allowed: Vec<String>,
    says: Vec<String>,
    each_says: String,
}

/// The code and the text of a compiler error.
type Complaint = (String, String);

fn case(name: &str, source: String) -> Case {
    assert!(source.starts_with("//! "), "{name} does not begin with its topic");
    let allowed: Vec<String> = source
        .lines()
        .find_map(|line| line.strip_prefix("// error: "))
        .map(|codes| codes.split_whitespace().map(str::to_owned).collect())
        .unwrap_or_default();
    assert_eq!(
        allowed.is_empty(),
        name.starts_with("ok_"),
        "{name}: exactly the cases that must not compile have an `// error:` line"
    );
    let says = source.lines().filter_map(|line| line.strip_prefix("// says: "));
    let says = says.map(str::to_owned).collect();
    let each_says = source.lines().find_map(|line| line.strip_prefix("// each says: "));
    let each_says = each_says.unwrap_or_default().to_owned();
    Case { name: name.to_owned(), source, allowed, says, each_says }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail/cases");
    let mut all: Vec<Case> = fs::read_dir(folder)
        .expect("there are cases")
        .map(|entry| entry.expect("the folder can be read").path())
        .map(|path| {
            let name =
                path.file_stem().expect("the file has a name").to_string_lossy().into_owned();
            case(&name, fs::read_to_string(&path).expect("the case can be read"))
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// Writes the package and returns its folder.
fn write_package(cases: &[Case]) -> PathBuf {
    let leno = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_fail");
    if package.exists() {
        fs::remove_dir_all(package.join("src")).expect("the last package can be removed");
    }
    fs::create_dir_all(package.join("src")).expect("the target folder can be written");
    let mut manifest = format!(
        "[package]\nname = \"compile-fail\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         autobins = false\n[workspace]\n[dependencies]\nleno = {{ path = {leno:?}, default-features = false }}\n"
    );
    for Case { name, source, .. } in cases {
        manifest += &format!("[[bin]]\nname = \"{name}\"\npath = \"src/{name}.rs\"\n");
        fs::write(package.join(format!("src/{name}.rs")), source).expect("a case can be written");
    }
    fs::write(package.join("Cargo.toml"), manifest).expect("the manifest can be written");
    // The lock file pins versions that are downloaded already.
    fs::copy(leno.join("Cargo.lock"), package.join("Cargo.lock")).expect("there is a lock file");
    package
}

/// Checks the package. Returns whether it compiles, and what the compiler says, a line for
/// each error.
fn cargo_check(package: &Path, options: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO"))
        .args(["check", "--message-format=short", "--offline"])
        .args(options)
        .arg("--target-dir")
        .arg(package.join("target"))
        .current_dir(package)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo runs");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Returns the errors of `cargo check` for each file.
fn check(package: &Path) -> BTreeMap<String, Vec<Complaint>> {
    let (compiles, said) = cargo_check(package, &["--bins", "--keep-going"]);
    let mut errors: BTreeMap<String, Vec<Complaint>> = BTreeMap::new();
    for (file, code, text) in said.lines().filter_map(error_line) {
        errors.entry(file.to_owned()).or_default().push((code.to_owned(), text.to_owned()));
    }
    let unknown: Vec<&str> =
        said.lines().filter(|line| line.contains("error") && error_line(line).is_none()).collect();
    let harmless = |line: &str| line.contains("could not compile `compile-fail`");
    assert!(unknown.iter().all(|line| harmless(line)), "cargo check failed:\n{said}");
    assert_eq!(errors.is_empty(), compiles, "{said}");
    errors
}

/// Parses `src/name.rs:1:2: error[E0277]: ..` into name, code and text. An error
/// without a code, like those about lifetimes, has the code `lifetime`.
fn error_line(line: &str) -> Option<(&str, &str, &str)> {
    let (path, message) = line.split_once(": error")?;
    let file = path.strip_prefix("src/")?.split_once(".rs:")?.0;
    let code = message.strip_prefix('[').and_then(|code| code.split_once(']'));
    let (code, text) = code.unwrap_or(("lifetime", message));
    Some((file, code, text))
}

/// Returns the reason why the case fails, if it does.
fn verdict(case: &Case, errors: &[Complaint]) -> Option<String> {
    let Case { name, allowed, says, each_says, .. } = case;
    let unexpected: Vec<&Complaint> =
        errors.iter().filter(|(code, _)| !allowed.contains(code)).collect();
    if !unexpected.is_empty() {
        return Some(format!("{name}: gives {unexpected:?}, and may give {allowed:?}"));
    }
    let is_said = |wanted: &String| errors.iter().any(|(_, text)| text.contains(wanted));
    if let Some(unsaid) = says.iter().find(|wanted| !errors.is_empty() && !is_said(wanted)) {
        return Some(format!("{name}: does not say `{unsaid}`, but {errors:?}"));
    }
    if let Some(other) = errors.iter().find(|(_, text)| !text.contains(each_says)) {
        return Some(format!("{name}: says {other:?}, without `{each_says}`"));
    }
    let missing = errors.is_empty() && !allowed.is_empty();
    missing.then(|| format!("{name}: compiles, and must not: it should give one of {allowed:?}"))
}

/// Prints past the capture of the test harness.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Returns `true` under emulation, where the tests are skipped.
fn is_emulated() -> bool {
    let is_emulated = env::consts::ARCH != "x86_64"
        && env::var_os("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").is_some();
    if is_emulated {
        say("SKIPPED under emulation: compilation does not depend on the instruction set, and \
             the same test on the host covers it");
    }
    is_emulated
}

#[test]
fn only_the_right_programs_compile() {
    if is_emulated() {
        return;
    }
    let cases = cases();
    let errors = check(&write_package(&cases));
    let none = Vec::new();
    let wrong: Vec<String> = (cases.iter())
        .filter_map(|case| verdict(case, errors.get(&case.name).unwrap_or(&none)))
        .collect();
    let controls = cases.iter().filter(|case| case.allowed.is_empty()).count();
    say(&format!("{} cases must not compile, {controls} must", cases.len() - controls));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_wrong_verdict_is_detected() {
    let codes = |codes: &[&str]| -> Vec<Complaint> {
        codes.iter().map(|&code| (code.to_owned(), "it says so".to_owned())).collect()
    };
    let wrong = case("x", "//! X\n// error: E0277 E0373\n".to_owned());
    assert_eq!(verdict(&wrong, &codes(&["E0277", "E0277"])), None);
    assert!(verdict(&wrong, &codes(&[])).is_some_and(|text| text.contains("compiles")));
    assert!(verdict(&wrong, &codes(&["E0277", "E0425"])).is_some());
    let told = case("x", "//! X\n// error: E0277\n// says: says so\n".to_owned());
    assert_eq!(verdict(&told, &codes(&["E0277"])), None);
    let told = case("x", "//! X\n// error: E0277\n// says: says no\n".to_owned());
    assert!(verdict(&told, &codes(&["E0277"])).is_some_and(|text| text.contains("says no")));
    let told = case("x", "//! X\n// error: E0277\n// each says: says\n".to_owned());
    assert_eq!(verdict(&told, &codes(&["E0277", "E0277"])), None);
    let mut two = codes(&["E0277", "E0277"]);
    two[1].1 = "it is silent".to_owned();
    assert!(verdict(&told, &two).is_some_and(|text| text.contains("is silent")));
    let right = case("ok_x", "//! X\n".to_owned());
    assert_eq!(verdict(&right, &codes(&[])), None);
    assert!(verdict(&right, &codes(&["E0277"])).is_some());

    let line = "src/x.rs:3:9: error[E0277]: `*mut ()` cannot be sent";
    assert_eq!(error_line(line), Some(("x", "E0277", ": `*mut ()` cannot be sent")));
    assert_eq!(error_line("src/x.rs:3:9: error: text"), Some(("x", "lifetime", ": text")));
    assert_eq!(error_line("src/x.rs:3:9: warning: unused"), None);
    assert_eq!(error_line("error: could not compile `compile-fail` (bin \"x\")"), None);
}
