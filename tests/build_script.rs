//! The errors of build.rs for targets without a context switch.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles build.rs and runs it as cargo does for `target`.
fn build_for(target: &str, isa: &str, family: &str, pointer_bits: &str) -> (String, PathBuf) {
    let root = env!("CARGO_MANIFEST_DIR");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("build_script-{target}"));
    fs::create_dir_all(&out).unwrap();
    let program = out.join("build_script");
    let compiled = Command::new("rustc")
        .args(["--edition", "2024", "-o"])
        .arg(&program)
        .arg(Path::new(root).join("build.rs"))
        .status()
        .expect("rustc is on the path when cargo is");
    assert!(compiled.success());
    let _ = fs::remove_file(out.join("isa.rs"));
    let output = Command::new(&program)
        .env("CARGO_MANIFEST_DIR", root)
        .env("OUT_DIR", &out)
        .env("TARGET", target)
        .env("CARGO_CFG_TARGET_ARCH", isa)
        .env("CARGO_CFG_TARGET_FAMILY", family)
        .env("CARGO_CFG_TARGET_POINTER_WIDTH", pointer_bits)
        .output()
        .unwrap();
    assert!(output.status.success());
    let errors = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("cargo::error="))
        .collect::<Vec<_>>()
        .join("\n");
    (errors, out)
}

#[test]
fn a_supported_target_gets_its_file() {
    for (target, isa) in
        [("x86_64-unknown-linux-gnu", "x86_64"), ("aarch64-apple-darwin", "aarch64")]
    {
        let (errors, out) = build_for(target, isa, "unix", "64");
        assert_eq!(errors, "");
        let picked = fs::read_to_string(out.join("isa.rs")).unwrap();
        assert!(picked.contains(&format!("arch/{isa}.rs")), "{picked}");
    }
}

#[test]
fn an_unsupported_target_gets_an_error() {
    for (target, isa, family, pointer_bits) in [
        ("riscv64gc-unknown-linux-gnu", "riscv64", "unix", "64"),
        ("x86_64-pc-windows-msvc", "x86_64", "windows", "64"),
        ("x86_64-unknown-linux-gnux32", "x86_64", "unix", "32"),
        ("wasm32-unknown-unknown", "wasm32", "wasm", "32"),
    ] {
        let (errors, out) = build_for(target, isa, family, pointer_bits);
        assert_eq!(
            errors,
            format!(
                "leno does not support the target {target}: it has a context switch for aarch64 \
                 and x86_64 on 64-bit Unix; see arch/mod.rs for what a new one must provide"
            )
        );
        assert!(!out.join("isa.rs").exists());
    }
}
