//! The errors of build.rs for targets without a context switch, and for flags that it does not allow.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles build.rs and runs it as cargo does for `target`.
fn build_for(target: &str, isa: &str, family: &str, pointer_bits: &str) -> (String, PathBuf) {
    build_with(
        target,
        &[
            ("TARGET", target),
            ("CARGO_CFG_TARGET_ARCH", isa),
            ("CARGO_CFG_TARGET_FAMILY", family),
            ("CARGO_CFG_TARGET_POINTER_WIDTH", pointer_bits),
        ],
    )
}

/// Compiles build.rs in a folder of this name, and runs it with these variables. Returns its errors
/// and the folder.
fn build_with(name: &str, variables: &[(&str, &str)]) -> (String, PathBuf) {
    let root = env!("CARGO_MANIFEST_DIR");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("build_script-{name}"));
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
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .envs(variables.iter().copied())
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

/// Runs build.rs for a supported target with these flags of the compiler, and returns its errors.
fn errors_with(name: &str, flags: &[&str], sanitizers: &str) -> String {
    let flags = flags.join("\x1f");
    let (errors, out) = build_with(
        name,
        &[
            ("TARGET", "x86_64-unknown-linux-gnu"),
            ("CARGO_CFG_TARGET_ARCH", "x86_64"),
            ("CARGO_CFG_TARGET_FAMILY", "unix"),
            ("CARGO_CFG_TARGET_POINTER_WIDTH", "64"),
            ("CARGO_ENCODED_RUSTFLAGS", &flags),
            ("CARGO_CFG_SANITIZE", sanitizers),
        ],
    );
    assert_eq!(errors.is_empty(), out.join("isa.rs").exists());
    errors
}

#[test]
fn a_build_without_unwind_tables_gets_an_error() {
    let error = "leno cannot be built with -C force-unwind-tables=no: its context switch has \
                 directives for the unwind table";
    for (flags, expected) in [
        (&["-C", "panic=abort", "-C", "force-unwind-tables=no"][..], error),
        (&["-Cforce-unwind-tables=off"], error),
        (&["--codegen=force-unwind-tables=no"], error),
        (&["-Cforce-unwind-tables=no", "-Cforce-unwind-tables=yes"], ""),
        (&["-Cforce-unwind-tables", "-Copt-level=3"], ""),
        (&[], ""),
    ] {
        assert_eq!(errors_with("tables", flags, ""), expected, "{flags:?}");
    }
}

#[test]
fn a_build_for_apx_gets_an_error() {
    for (flags, is_refused) in [
        (&["-C", "target-cpu=diamondrapids"][..], true),
        (&["-Ctarget-feature=+egpr"], true),
        (&["-Ctarget-cpu=diamondrapids", "-Ctarget-feature=-egpr"], false),
        (&["-Ctarget-cpu=x86-64-v4"], false),
        (&["-Copt-level=3"], false),
    ] {
        let error = errors_with("apx", flags, "");
        let begins =
            error.starts_with("leno cannot be built with APX (-C target-cpu=diamondrapids");
        assert_eq!((begins, error.is_empty()), (is_refused, !is_refused), "{flags:?}: {error}");
    }
}

#[test]
fn a_sanitizer_with_a_stack_of_its_own_gets_an_error() {
    for name in ["memory", "safestack", "shadow-call-stack"] {
        let error = errors_with("sanitizer", &[], &format!("address,{name}"));
        let begin = format!("leno cannot be built with -Zsanitizer={name}: ");
        assert!(error.starts_with(&begin), "{error}");
    }
    for allowed in ["", "address", "thread", "leak,address"] {
        assert_eq!(errors_with("sanitizer", &[], allowed), "", "{allowed}");
    }
}
