//! Crates that tests write and build, for behaviour that depends on the build or on the
//! `main` of a whole program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package in the folder that Cargo keeps for tests.
pub struct Package {
    folder: PathBuf,
    name: &'static str,
}

impl Package {
    /// Writes a package with one `main.rs` that depends on leno with these features only: fewer packages
    /// are compiled. `more` is appended to its manifest.
    pub fn write(name: &'static str, features: &[&str], more: &str, main: &str) -> Package {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(folder.join("src")).expect("the folder can be created");
        let leno = env!("CARGO_MANIFEST_DIR");
        let manifest = format!(
            "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [dependencies.leno]\npath = {leno:?}\ndefault-features = false\nfeatures = {features:?}\n\n\
             [workspace]\n\n{more}"
        );
        let write = |path: &str, text: &str| {
            // Cargo compares modification times, so an equal file is not rewritten.
            let path = folder.join(path);
            if fs::read_to_string(&path).is_ok_and(|existing| existing == text) {
                return;
            }
            fs::write(path, text).expect("the file can be written");
        };
        write("Cargo.toml", &manifest);
        write("src/main.rs", main);
        // The lock file pins leno's dependencies to the versions that are downloaded
        // already.
        let lock = Path::new(leno).join("Cargo.lock");
        fs::copy(lock, folder.join("Cargo.lock")).expect("leno has a Cargo.lock");
        Package { folder, name }
    }

    /// Builds the package for the target of this test, and returns the path of the
    /// binary. `cargo` is the command without `build`.
    pub fn build(&self, mut cargo: Command, profile: &str) -> PathBuf {
        let target = target();
        let output = cargo
            .args(["build", "--offline", "--profile", profile, "--target", &target])
            .arg("--target-dir")
            .arg(self.folder.join("target"))
            .current_dir(&self.folder)
            .output()
            .expect("cargo starts");
        assert!(
            output.status.success(),
            "{} does not build:\n{}",
            self.name,
            String::from_utf8_lossy(&output.stderr)
        );
        let folder = if profile == "dev" { "debug" } else { profile };
        self.folder.join("target").join(target).join(folder).join(self.name)
    }
}

/// Returns the target that this test was built for.
fn target() -> String {
    let environment = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{}-unknown-linux-{environment}", env::consts::ARCH)
}

/// Returns a command for the Cargo that runs this test.
#[allow(dead_code, reason = "some including tests need another toolchain")]
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Flags for this build may not suit the other.
    for variable in
        ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET"]
    {
        command.env_remove(variable);
    }
    command
}

/// Returns a command that runs `binary`, under an emulator if this test runs under one.
pub fn command(binary: &Path) -> Command {
    let runner = env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    match words.next() {
        Some(emulator) if cfg!(target_arch = "aarch64") => {
            let mut command = Command::new(emulator);
            command.args(words).arg(binary);
            command
        }
        _ => Command::new(binary),
    }
}

/// Returns standard error without the lines that qemu adds.
#[allow(dead_code, reason = "some including tests need the whole text")]
pub fn own_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let is_own = |line: &&str| !line.starts_with("qemu: uncaught target signal");
    text.split_inclusive('\n').filter(is_own).collect()
}
