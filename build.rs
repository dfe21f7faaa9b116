//! Selects the instruction set: the build compiles in `arch/<isa>.rs`. A target is supported if this
//! file exists. Refuses flags of the compiler with which a switch would not build or would go wrong.

use std::env;
use std::fs;
use std::path::Path;

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
    if let Some(reason) = refused_flag() {
        println!("cargo::error=leno cannot be built with {reason}");
        return;
    }
    fs::write(
        Path::new(&out).join("isa.rs"),
        format!("#[path = {:?}]\nmod isa;\n", file.display().to_string()),
    )
    .expect("OUT_DIR is writable");
}

/// Returns the flag of the compiler that a context switch does not allow, and the reason, if there
/// is one.
fn refused_flag() -> Option<String> {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let flags: Vec<&str> = flags.split('\x1f').collect();
    // `-C name=value` is one word or two.
    let value_of = |name: &str| {
        let values = flags.iter().filter_map(|flag| {
            let flag = flag.trim_start_matches("-C").trim_start_matches("--codegen=");
            flag.strip_prefix(name)?.strip_prefix('=')
        });
        values.last()
    };
    if ["n", "no", "off", "false"].map(Some).contains(&value_of("force-unwind-tables")) {
        return Some(
            "-C force-unwind-tables=no: its context switch has directives for the unwind table"
                .to_owned(),
        );
    }
    None
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
