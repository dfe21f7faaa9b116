//! Picks `arch/<isa>.rs`, as leno's own build script does. Compiles the C++ code of the tests of the
//! feature `cxx`.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

fn main() {
    let variable = |name: &str| env::var(name).expect("cargo sets it");
    let isa = variable("CARGO_CFG_TARGET_ARCH");
    let file = format!("{}/../../arch/{isa}.rs", variable("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed=build.rs");
    let out = variable("OUT_DIR");
    fs::write(Path::new(&out).join("isa.rs"), format!("#[path = {file:?}]\nmod isa;\n"))
        .expect("OUT_DIR is writable");
    // `tests/unit` has this script too, and no such code.
    let cxx = Path::new("src/cxx.cpp");
    if env::var_os("CARGO_FEATURE_CXX").is_some() && cxx.exists() {
        let object = Path::new(&out).join("cxx.o");
        compile_cxx(cxx, &object);
        println!("cargo::rustc-link-arg-tests={}", object.display());
    }
}

/// Compiles C++ code with the system's compiler, or that which `CXX` names.
fn compile_cxx(source: &Path, object: &Path) {
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rerun-if-env-changed=CXX");
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let status = Command::new(&compiler)
        .args(["-std=c++17", "-O2", "-fPIC", "-c", "-o"])
        .args([object, source])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{compiler} does not compile {source:?}");
}
