//! Picks `arch/<isa>.rs`, as leno's own build script does.

use std::env;
use std::fs;
use std::path::Path;

fn main() {
    let variable = |name: &str| env::var(name).expect("cargo sets it");
    let isa = variable("CARGO_CFG_TARGET_ARCH");
    let file = format!("{}/../../arch/{isa}.rs", variable("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed=build.rs");
    let out = variable("OUT_DIR");
    fs::write(Path::new(&out).join("isa.rs"), format!("#[path = {file:?}]\nmod isa;\n"))
        .expect("OUT_DIR is writable");
}
