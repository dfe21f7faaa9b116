//! Creates copies of `mailbox.rs` with one planted bug each.

use std::path::Path;
use std::{env, fs};

/// The name of each copy, and its replacements.
const BUGS: [(&str, &[(&str, &str)]); 10] = [
    (
        "rings_before_it_posts",
        &[
            ("match &mut *self", "self.notify();\n        match &mut *self"),
            ("        self.notify();\n        Ok(())", "        Ok(())"),
        ],
    ),
    (
        "silences_before_it_sleeps",
        &[(
            "wait(&self.bell);\n        self.bell.silence();",
            "self.bell.silence();\n        wait(&self.bell);",
        )],
    ),
    ("never_silences", &[("        self.bell.silence();\n", "")]),
    (
        "silences_after_it_has_read",
        &[
            ("        self.bell.silence();\n", ""),
            (
                "self.messages.lock().unwrap().as_mut().map(std::mem::take).unwrap_or_default()",
                "let taken = self.messages.lock().unwrap().as_mut().map(std::mem::take);\n        \
             self.bell.silence();\n        taken.unwrap_or_default()",
            ),
        ],
    ),
    (
        "takes_the_flag_down_last",
        &[
            ("        self.flag.swap(false, Ordering::AcqRel);\n", ""),
            (
                "self.messages.lock().unwrap().as_mut().map(std::mem::take).unwrap_or_default()",
                "let taken = self.messages.lock().unwrap().as_mut().map(std::mem::take);\n        \
             self.flag.swap(false, Ordering::AcqRel);\n        taken.unwrap_or_default()",
            ),
        ],
    ),
    (
        "raises_the_flag_relaxed",
        &[("self.flag.swap(true, Ordering::AcqRel)", "self.flag.swap(true, Ordering::Relaxed)")],
    ),
    ("leaves_in_silence", &[("== 1 {\n            self.notify();", "== 1 {")]),
    ("leaves_relaxed", &[("fetch_sub(1, Ordering::AcqRel)", "fetch_sub(1, Ordering::Relaxed)")]),
    ("gives_up_with_mail", &[(" == 0 && !self.has_mail()", " == 0")]),
    (
        "stays_open",
        &[(
            "self.messages.lock().unwrap().take().unwrap_or_default()",
            "self.messages.lock().unwrap().as_mut().map(std::mem::take).unwrap_or_default()",
        )],
    ),
];

fn main() {
    const SOURCE: &str = "../../src/remote/mailbox.rs";
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    let source = fs::read_to_string(SOURCE).expect("the mailbox can be read");
    // These lines are allowed only at the beginning of a file.
    let is_inner = |line: &&str| !line.starts_with("//!") && !line.starts_with("#![");
    let source: String = source.lines().filter(is_inner).flat_map(|line| [line, "\n"]).collect();
    let mut modules = String::new();
    for (name, changes) in BUGS {
        let mut planted = source.clone();
        for (from, to) in changes {
            assert_eq!(planted.matches(from).count(), 1, "{name}: {from}");
            planted = planted.replace(from, to);
        }
        planted = planted.replace("super::sync_shim", "crate::sync_shim");
        modules +=
            &format!("mod {name} {{\n{planted}\nmodels!(#[ignore = \"it is to fail\"]);\n}}\n");
    }
    let names: Vec<&str> = BUGS.iter().map(|(name, _)| *name).collect();
    modules += &format!("pub const PLANTED: [&str; {}] = {names:?};\n", names.len());
    let folder = env::var("OUT_DIR").expect("cargo says where");
    fs::write(Path::new(&folder).join("planted.rs"), modules).expect("it can be written");
}
