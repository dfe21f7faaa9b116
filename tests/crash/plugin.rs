//! A plugin that has a copy of leno, and is unloaded.

use std::sync::OnceLock;

use crate::generated::{Package, cargo, command};

const SOURCE: &str = include_str!("plugin.txt");
/// The source is that of the program and of the plugin.
const MANIFEST: &str = "[dependencies.libc]\nversion = \"0.2\"\n\n[lib]\nname = \"unloaded\"\n\
                        crate-type = [\"cdylib\"]\npath = \"src/main.rs\"\n";

/// Asserts that the program ends in its own handler of SIGSEGV, after it has called `function` of
/// the plugin and closed the plugin.
fn stays_loaded(function: &str) {
    static BINARY: OnceLock<std::path::PathBuf> = OnceLock::new();
    let binary = BINARY.get_or_init(|| {
        Package::write("plugin", &["debug"], MANIFEST, SOURCE).build(cargo(), "dev")
    });
    let library = binary.with_file_name("libunloaded.so");
    let status = command(binary).arg(library).arg(function).status().expect("the program starts");
    assert_eq!(status.code(), Some(7), "{function}: {status}");
}

#[test]
fn a_plugin_that_has_made_a_stack_stays_loaded() {
    stays_loaded("spawns");
}

#[test]
fn a_plugin_with_handlers_of_signals_stays_loaded() {
    stays_loaded("dumps");
    stays_loaded("watches");
}
