//! Creates copies of `mailbox.rs` and of `queue.rs` with one planted bug each.

use std::path::Path;
use std::{env, fs};

/// The name of a copy, and its replacements.
type Bug = (&'static str, &'static [(&'static str, &'static str)]);

const QUEUE_BUGS: [Bug; 6] = [
    (
        "message_wakes_no_thread",
        &[(
            "let woken = state.to_receive.pop();\n        drop(state);",
            "let woken = None::<W>;\n        drop(state);",
        )],
    ),
    (
        "room_wakes_no_thread",
        &[(
            "let woken = state.to_send.pop();\n        drop(state);",
            "let woken = None::<W>;\n        drop(state);",
        )],
    ),
    (
        "leaving_receiver_keeps_its_wake",
        &[("is_woken && state.can_receive()", "false && is_woken && state.can_receive()")],
    ),
    (
        "leaving_sender_keeps_its_wake",
        &[(
            "is_woken && state.can_send(self.capacity)",
            "false && is_woken && state.can_send(self.capacity)",
        )],
    ),
    (
        "last_sender_wakes_no_thread",
        &[(
            "if state.senders == 0 { state.to_receive.take() } else { VecDeque::new() }",
            "VecDeque::<(u64, W)>::new()",
        )],
    ),
    (
        "last_receiver_wakes_no_thread",
        &[("let woken = state.to_send.take();", "let woken = VecDeque::<(u64, W)>::new();")],
    ),
];

const MAILBOX_BUGS: [Bug; 10] = [
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

/// Returns a module for each bug, a copy of the source at `path` with the models of `macro_name`.
fn copies(path: &str, bugs: &[Bug], macro_name: &str) -> String {
    println!("cargo::rerun-if-changed={path}");
    let source = fs::read_to_string(path).expect("the source can be read");
    // These lines are allowed only at the beginning of a file.
    let is_inner = |line: &&str| !line.starts_with("//!") && !line.starts_with("#![");
    let source: String = source.lines().filter(is_inner).flat_map(|line| [line, "\n"]).collect();
    let mut modules = String::new();
    for (name, changes) in bugs {
        let mut planted = source.clone();
        for (from, to) in *changes {
            assert_eq!(planted.matches(from).count(), 1, "{name}: {from}");
            planted = planted.replace(from, to);
        }
        planted = planted.replace("super::sync_shim", "crate::sync_shim");
        let models = format!("{macro_name}!(#[ignore = \"it is to fail\"]);");
        modules += &format!("mod {name} {{\n{planted}\n{models}\n}}\n");
    }
    modules
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut modules = copies("../../src/remote/mailbox.rs", &MAILBOX_BUGS, "models");
    modules += &copies("../../src/shards/queue.rs", &QUEUE_BUGS, "queue_models");
    let names: Vec<&str> = MAILBOX_BUGS.iter().chain(&QUEUE_BUGS).map(|(name, _)| *name).collect();
    modules += &format!("pub const PLANTED: [&str; {}] = {names:?};\n", names.len());
    let folder = env::var("OUT_DIR").expect("cargo says where");
    fs::write(Path::new(&folder).join("planted.rs"), modules).expect("it can be written");
}
