//! What several stories need: values that count their drops, panics that are
//! expected, and child processes.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::env;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{self, AssertUnwindSafe};
use std::process::{self, Command, Output, Stdio};
use std::ptr;
use std::rc::Rc;
use std::sync::Once;

/// Knows of every value that it has made, and how often each was dropped.
#[derive(Clone, Default)]
pub struct Ledger(Rc<RefCell<Vec<u32>>>);

/// A value of a [`Ledger`].
pub struct Tracked {
    ledger: Ledger,
    index: usize,
}

impl Ledger {
    pub fn value(&self) -> Tracked {
        let mut drops = self.0.borrow_mut();
        drops.push(0);
        Tracked { ledger: self.clone(), index: drops.len() - 1 }
    }

    pub fn made(&self) -> usize {
        self.0.borrow().len()
    }

    pub fn alive(&self) -> usize {
        self.0.borrow().iter().filter(|&&drops| drops == 0).count()
    }

    /// Each value has been dropped, and once.
    #[track_caller]
    pub fn check(&self) {
        let drops = self.0.borrow();
        assert!(drops.iter().all(|&drops| drops == 1), "drops of each value: {drops:?}");
    }
}

impl Tracked {
    /// How many values the ledger had made before this one.
    pub fn index(&self) -> usize {
        self.index
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.ledger.0.borrow_mut()[self.index] += 1;
    }
}

thread_local! {
    static HOOK_RUNS: Cell<u32> = const { Cell::new(0) };
    static QUIET: Cell<u32> = const { Cell::new(0) };
}

/// The hook is the process's, but it runs on the thread that panics: so each
/// test counts its own.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            HOOK_RUNS.set(HOOK_RUNS.get() + 1);
            if QUIET.get() == 0 {
                previous(info);
            }
        }));
    });
}

/// Runs `f`, and says how often this OS thread has run the panic hook.
pub fn hook_runs(f: impl FnOnce()) -> u32 {
    install_hook();
    let before = HOOK_RUNS.get();
    f();
    HOOK_RUNS.get() - before
}

/// Catches a panic without its report on standard error.
pub fn caught<T>(f: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    install_hook();
    QUIET.set(QUIET.get() + 1);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    QUIET.set(QUIET.get() - 1);
    result
}

/// The text of the panic that `f` must end with.
#[track_caller]
pub fn panic_text<T>(f: impl FnOnce() -> T) -> String {
    match caught(f) {
        Ok(_) => panic!("it was to panic, and has returned"),
        Err(payload) => text_of(payload),
    }
}

pub fn text_of(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(_) => "a payload that is no text".to_owned(),
        },
    }
}

unsafe extern "C" {
    fn mincore(address: *mut c_void, bytes: usize, resident: *mut u8) -> c_int;
    fn setrlimit(resource: c_int, limit: *const [u64; 2]) -> c_int;
    fn getrlimit(resource: c_int, limit: *mut [u64; 2]) -> c_int;
}

/// How many of the pages from `address` on are in memory.
pub fn resident_pages(address: usize, bytes: usize) -> usize {
    let mut resident = vec![0u8; bytes.div_ceil(4096)];
    // SAFETY: mincore(2) looks at the page table only, and writes a byte for
    // each page.
    let result = unsafe { mincore(address as *mut c_void, bytes, resident.as_mut_ptr()) };
    assert_eq!(result, 0, "mincore: {}", io::Error::last_os_error());
    resident.into_iter().filter(|page| page & 1 == 1).count()
}

/// Limits the address space of this process. Says whether the system did: an
/// emulator does not.
pub fn limit_address_space(bytes: usize) -> bool {
    const RLIMIT_AS: c_int = 9;
    let mut limit = [0; 2];
    // SAFETY: both are given a struct rlimit, which is two words.
    unsafe {
        getrlimit(RLIMIT_AS, &mut limit);
        limit[0] = bytes as u64;
        setrlimit(RLIMIT_AS, &limit);
        getrlimit(RLIMIT_AS, &mut limit);
    }
    limit[0] == bytes as u64
}

const CHILD: &str = "LENO_TEST_CHILD";
const SURVIVED: &str = "the child has come to its end";

/// A command that runs this test binary, through the emulator if it needs one.
pub fn this_binary() -> Command {
    let binary = env::current_exe().expect("the binary has a path");
    let runner = env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    match words.next().filter(|_| cfg!(target_arch = "aarch64")) {
        None => Command::new(binary),
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.args(words).arg(binary);
            command
        }
    }
}

/// Runs the child of `test` under gdb with these commands, and gives all output.
pub fn gdb_on(test: &str, commands: &[&str]) -> String {
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]);
    gdb.args(commands.iter().flat_map(|command| ["-ex", command]));
    let binary = env::current_exe().expect("the binary has a path");
    gdb.arg("--args").arg(binary).args(child_arguments(test)).env(CHILD, test);
    let output = gdb.output().expect("gdb runs");
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

fn child_arguments(test: &str) -> [&str; 4] {
    ["--exact", test, "--nocapture", "--test-threads=1"]
}

/// The end of a child process.
pub struct Ended {
    output: Output,
}

/// Runs `body` in a child process, which runs this test only. `test` is the name
/// of the test that calls this, with its module.
pub fn in_child(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) -> Ended {
    if env::var_os(CHILD).is_some_and(|name| name == test) {
        body();
        eprintln!("{SURVIVED}");
        process::exit(0);
    }
    let output = this_binary()
        .args(child_arguments(test))
        .env(CHILD, test)
        .envs(variables.iter().copied())
        .output()
        .expect("the test binary can be run again");
    Ended { output }
}

/// As [`in_child`], with a terminal for standard error. Gives what it was told.
#[cfg_attr(not(feature = "weave"), allow(dead_code))]
pub fn terminal_of_child(test: &str, body: impl FnOnce()) -> String {
    if env::var_os(CHILD).is_some_and(|name| name == test) {
        body();
        eprintln!("{SURVIVED}");
        process::exit(0);
    }
    let size = libc::winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut near, mut far) = (-1, -1);
    // SAFETY: it is given places for two descriptors, and a size.
    let result = unsafe {
        let nothing = ptr::null_mut();
        libc::openpty(&mut near, &mut far, nothing, nothing.cast(), (&raw const size).cast_mut())
    };
    assert_eq!(result, 0, "openpty: {}", io::Error::last_os_error());
    // SAFETY: both are open, and nobody else's.
    let (mut near, far) = unsafe { (File::from_raw_fd(near), OwnedFd::from_raw_fd(far)) };
    let mut command = this_binary();
    command.args(child_arguments(test)).env(CHILD, test).env("TERM", "xterm");
    command.stdout(Stdio::null()).stderr(far);
    let mut child = command.spawn().expect("the test binary can be run again");
    // Nobody has the far end but the child, so reading ends with it: by an error.
    drop(command);
    let mut told = Vec::new();
    let _ = near.read_to_end(&mut told);
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(child.wait().expect("it is our child").success(), "{told}");
    told
}

impl Ended {
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// It has come to the end of `body`.
    #[track_caller]
    pub fn assert_survived(&self) -> &Ended {
        let stderr = self.stderr();
        let survived = self.output.status.success() && stderr.contains(SURVIVED);
        assert!(survived, "{}\n{}{stderr}", self.output.status, self.stdout());
        self
    }

    /// It was ended by abort(3), after it had printed `line` as a line of its own.
    #[track_caller]
    pub fn assert_aborted(&self, line: &str) -> &Ended {
        let stderr = self.stderr();
        let aborted = self.output.status.signal() == Some(libc_sigabrt());
        assert!(aborted, "{}\n{}{stderr}", self.output.status, self.stdout());
        assert!(stderr.lines().any(|other| other == line), "not found: {line}\n{stderr}");
        self
    }
}

fn libc_sigabrt() -> i32 {
    6
}
