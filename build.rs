//! Selects the instruction set: the build compiles in `arch/<isa>.rs`. A target is supported if this
//! file exists. Refuses flags of the compiler with which a switch would not build or would go wrong.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=arch");

    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let isa = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    let family = env::var("CARGO_CFG_TARGET_FAMILY").unwrap_or_default();
    let pointer_bits = env::var("CARGO_CFG_TARGET_POINTER_WIDTH").unwrap_or_default();

    let folder = Path::new(&root).join("arch");
    let file = folder.join(format!("{isa}.rs"));
    // x32 and arm64_32 have the same instruction set, but smaller pointers.
    if !file.is_file() || family != "unix" || pointer_bits != "64" {
        println!(
            "cargo::error=leno does not support the target {target}: it has a context switch for {} \
             on 64-bit Unix; see arch/mod.rs for what a new one must provide",
            supported(&folder).join(" and ")
        );
        return;
    }
    if let Some(reason) = refused_flag(&isa, &target, &out) {
        println!("cargo::error=leno cannot be built with {reason}");
        return;
    }
    fs::write(
        Path::new(&out).join("isa.rs"),
        format!("#[path = {:?}]\nmod isa;\n", file.display().to_string()),
    )
    .expect("OUT_DIR is writable");
    if env::var_os("CARGO_FEATURE_CXX").is_some() {
        link_cxx_runtime();
    }
}

/// Links the C++ runtime: the one that `CXXSTDLIB` names, which the crate `cc` reads as well, or
/// that of the system.
fn link_cxx_runtime() {
    println!("cargo::rerun-if-env-changed=CXXSTDLIB");
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let usual = if ["linux", "netbsd"].contains(&system.as_str()) { "stdc++" } else { "c++" };
    let name = env::var("CXXSTDLIB").unwrap_or_else(|_| usual.to_owned());
    println!("cargo::rustc-link-lib={name}");
}

/// Returns the flag of the compiler that a context switch does not allow, and the reason, if there
/// is one.
fn refused_flag(isa: &str, target: &str, out: &str) -> Option<String> {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let flags: Vec<&str> = flags.split('\x1f').collect();
    // `-C name=value` is one word or two.
    let value_of = |name: &str| {
        let mut values = flags.iter().filter_map(|flag| {
            let flag = flag.trim_start_matches("-C").trim_start_matches("--codegen=");
            flag.strip_prefix(name)?.strip_prefix('=')
        });
        values.next_back()
    };
    if ["n", "no", "off", "false"].map(Some).contains(&value_of("force-unwind-tables")) {
        return Some(
            "-C force-unwind-tables=no: its context switch has directives for the unwind table"
                .to_owned(),
        );
    }
    let sanitizers = env::var("CARGO_CFG_SANITIZE").unwrap_or_default();
    for (name, reason) in [
        ("memory", "it does not see which memory a switch initialises"),
        ("safestack", "a switch leaves its second stack behind"),
        ("shadow-call-stack", "a switch leaves its stack of return addresses behind"),
    ] {
        if sanitizers.split(',').any(|sanitizer| sanitizer == name) {
            return Some(format!("-Zsanitizer={name}: {reason}"));
        }
    }
    (isa == "x86_64" && has_apx(&flags, target, out)).then(|| {
        "APX (-C target-cpu=diamondrapids, for example): Rust cannot declare yet that a switch \
         changes r16 to r31; add -C target-feature=-egpr"
            .to_owned()
    })
}

/// Returns `true` if the compiler uses the registers r16 to r31: if they are in its code for a
/// function with more values than other registers. (It prints no cfg for them.)
fn has_apx(flags: &[&str], target: &str, out: &str) -> bool {
    const PROBE: &str = "#![no_std]
        #[inline(never)]
        pub fn probe(values: &mut [u64; 24], turns: u64) {
            let mut local = *values;
            for turn in 0..turns {
                for index in 0..24 {
                    local[index] = local[index].wrapping_mul(local[(index + 23) % 24]) ^ turn;
                }
            }
            *values = local;
        }";
    if !flags.iter().any(|flag| flag.contains("target-cpu") || flag.contains("target-feature")) {
        return false;
    }
    let [source, code] =
        ["rs", "s"].map(|ending| Path::new(out).join("apx").with_extension(ending));
    fs::write(&source, PROBE).expect("OUT_DIR is writable");
    let compiled = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=lib", "--emit=asm", "--target", target, "-o"])
        .args([&code, &source])
        .args(flags)
        .arg("-Copt-level=3")
        .output();
    compiled.is_ok_and(|output| output.status.success())
        && fs::read_to_string(code).is_ok_and(|code| code.contains("r16"))
}

/// Returns the instruction sets that have a file in `arch/`, sorted.
fn supported(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("arch/ is part of the package")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .filter(|name| name != "mod")
        .collect();
    names.sort();
    names
}
