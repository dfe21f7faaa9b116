//! Helpers for several modules: values that count their drops, expected panics, and
//! child processes.

use std::any::{self, Any};
use std::cell::{Cell, RefCell};
use std::env;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{self, AssertUnwindSafe};
use std::process::{self, Command, Output, Stdio};
use std::ptr;
use std::rc::Rc;
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard};

use leno::thread::{Cancelled, JoinHandle};
use leno::time::Duration;

/// The drop counts of all values that it has created.
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

    /// Asserts that each value has been dropped exactly once.
    #[track_caller]
    pub fn check(&self) {
        let drops = self.0.borrow();
        assert!(drops.iter().all(|&drops| drops == 1), "drops of each value: {drops:?}");
    }
}

impl Tracked {
    /// Returns the number of values that the ledger created before this one.
    pub fn index(&self) -> usize {
        self.index
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.ledger.0.borrow_mut()[self.index] += 1;
    }
}

/// Runs a function when it is dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

pub const SECOND: Duration = Duration::from_secs(1);

/// Runs `f` in a runtime with a clock that advances when every green thread waits.
pub fn in_virtual_time<T>(f: impl FnOnce() -> T) -> T {
    leno::Builder::new().virtual_time().run(f)
}

/// Joins a green thread that must have been cancelled.
#[track_caller]
pub fn assert_cancelled<T>(handle: JoinHandle<T>) {
    match handle.join() {
        Ok(_) => panic!("the green thread was cancelled, yet it has returned"),
        Err(payload) => assert!(payload.is::<Cancelled>(), "the payload is not `Cancelled`"),
    }
}

thread_local! {
    static HOOK_RUNS: Cell<u32> = const { Cell::new(0) };
    static QUIET: Cell<u32> = const { Cell::new(0) };
}

/// Installs a panic hook that counts panics for each OS thread: the hook belongs to the process but
/// runs on the panicking OS thread.
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

/// Runs `f` and returns how often this OS thread has run the panic hook meanwhile.
pub fn hook_runs(f: impl FnOnce()) -> u32 {
    install_hook();
    let before = HOOK_RUNS.get();
    f();
    HOOK_RUNS.get() - before
}

/// Catches a panic of `f` without a report on standard error.
pub fn caught<T>(f: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    install_hook();
    QUIET.set(QUIET.get() + 1);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    QUIET.set(QUIET.get() - 1);
    result
}

/// Returns the text of the panic with which `f` must end.
#[track_caller]
pub fn panic_text<T>(f: impl FnOnce() -> T) -> String {
    match caught(f) {
        Ok(_) => panic!("no panic: the function has returned"),
        Err(payload) => text_of(payload),
    }
}

pub fn text_of(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(_) => "a payload that is not a text".to_owned(),
        },
    }
}

unsafe extern "C" {
    fn mincore(address: *mut c_void, bytes: usize, resident: *mut u8) -> c_int;
    fn setrlimit(resource: c_int, limit: *const [u64; 2]) -> c_int;
    fn getrlimit(resource: c_int, limit: *mut [u64; 2]) -> c_int;
}

/// Returns the number of pages from `address` on that are in memory.
pub fn resident_pages(address: usize, bytes: usize) -> usize {
    let mut resident = vec![0u8; bytes.div_ceil(4096)];
    // SAFETY: mincore(2) only reads the page table, and writes a byte for each page.
    let result = unsafe { mincore(address as *mut c_void, bytes, resident.as_mut_ptr()) };
    assert_eq!(result, 0, "mincore: {}", io::Error::last_os_error());
    resident.into_iter().filter(|page| page & 1 == 1).count()
}

/// Limits the address space of this process. Returns `false` if the operating system
/// does not, as under an emulator.
pub fn limit_address_space(bytes: usize) -> bool {
    const RLIMIT_AS: c_int = 9;
    let mut limit = [0; 2];
    // SAFETY: `limit` has the layout of struct rlimit, which is two words.
    unsafe {
        getrlimit(RLIMIT_AS, &mut limit);
        limit[0] = bytes as u64;
        setrlimit(RLIMIT_AS, &limit);
        getrlimit(RLIMIT_AS, &mut limit);
    }
    limit[0] == bytes as u64
}

const NOT_RUN: &str = "not run: ";

/// Tells that a test cannot be run, and why, in the output of the whole run: what the macros of std print is
/// captured while a test passes.
///
/// # Panics
///
/// In CI, except under an emulator.
#[track_caller]
pub fn not_run(reason: &str) {
    let is_emulated = this_binary().get_args().next().is_some();
    assert!(env::var_os("CI").is_none() || is_emulated, "CI needs this test: {reason}");
    let line = format!("{NOT_RUN}{reason}\n");
    io::stderr().write_all(line.as_bytes()).expect("stderr is open");
}

const CHILD: &str = "LENO_TEST_CHILD";
const SURVIVED: &str = "the child has reached its end";

/// Returns a command that runs this test binary, through the emulator if it needs one.
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

fn child_arguments(test: &str) -> [&str; 4] {
    ["--exact", test, "--nocapture", "--test-threads=1"]
}

/// The output and status of a child process.
pub struct Ended {
    output: Output,
}

/// Runs `body` in a child process that runs only this test. `test` is the name of the
/// calling test, with its module.
pub fn in_child(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) -> Ended {
    in_prepared_child(test, variables, |_| (), body)
}

/// Runs `body` as [`in_child`] does. `prepare` changes the command.
pub fn in_prepared_child(
    test: &str,
    variables: &[(&str, &str)],
    prepare: impl FnOnce(&mut Command),
    body: impl FnOnce(),
) -> Ended {
    if env::var_os(CHILD).is_some_and(|name| name == test) {
        body();
        eprintln!("{SURVIVED}");
        process::exit(0);
    }
    let mut command = this_binary();
    command.args(child_arguments(test)).env(CHILD, test).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    prepare(&mut command);
    let started = {
        let _alone = STARTING.write().unwrap_or_else(PoisonError::into_inner);
        command.spawn().expect("the test binary can be run again")
    };
    Ended { output: started.wait_with_output().expect("its output can be read") }
}

/// Held while a child process is started, which has copies of all descriptors until it executes.
static STARTING: RwLock<()> = RwLock::new(());

/// Keeps other tests from starting a child process while the guard lives, so that a descriptor that is
/// closed is closed everywhere.
#[allow(dead_code, reason = "not every binary of tests has sockets")]
pub fn no_copies_of_descriptors() -> RwLockReadGuard<'static, ()> {
    STARTING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body`, a closure in the body of a test, in a child process that runs this
/// test only.
pub fn child<F: FnOnce()>(body: F) -> Ended {
    in_child(test_of::<F>(), &[], body)
}

/// Runs `f` on a stack that is not leno's.
pub fn on_foreign_stack<T>(f: impl FnOnce() -> T) -> T {
    corosensei::on_stack(corosensei::stack::DefaultStack::default(), f)
}

/// Returns the name of the test that a closure is in.
pub fn test_of<F>() -> &'static str {
    let (_, path) = any::type_name::<F>().split_once("::").expect("the path of a closure");
    path.trim_end_matches("::{{closure}}")
}

/// Runs a closure as [`in_child`] does, with a terminal for standard error. Returns the terminal's
/// output.
#[cfg_attr(not(feature = "weave"), allow(dead_code))]
pub fn terminal_of_child(test: &str, body: impl FnOnce()) -> String {
    if env::var_os(CHILD).is_some_and(|name| name == test) {
        body();
        eprintln!("{SURVIVED}");
        process::exit(0);
    }
    let size = libc::winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut near, mut far) = (-1, -1);
    // SAFETY: the arguments are places for two descriptors, and a size.
    let result = unsafe {
        let nothing = ptr::null_mut();
        libc::openpty(&mut near, &mut far, nothing, nothing.cast(), (&raw const size).cast_mut())
    };
    assert_eq!(result, 0, "openpty: {}", io::Error::last_os_error());
    // SAFETY: openpty has just opened both, and they have no other owner.
    let (mut near, far) = unsafe { (File::from_raw_fd(near), OwnedFd::from_raw_fd(far)) };
    let mut command = this_binary();
    command.args(child_arguments(test)).env(CHILD, test).env("TERM", "xterm");
    command.stdout(Stdio::null()).stderr(far);
    let mut child = command.spawn().expect("the test binary can be run again");
    // Only the child has the far end, so reading ends with the child, by an error.
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

    /// Asserts that the child has reached the end of `body`. If the child has told that it could not [run the
    /// test](not_run), this is told in turn.
    #[track_caller]
    pub fn assert_survived(&self) -> &Ended {
        let stderr = self.stderr();
        let survived = self.output.status.success() && stderr.contains(SURVIVED);
        assert!(survived, "{}\n{}{stderr}", self.output.status, self.stdout());
        let reason = stderr.lines().find_map(|line| line.strip_prefix(NOT_RUN));
        reason.inspect(|reason| not_run(reason));
        self
    }

    /// Asserts that the child has printed `line` and was ended by abort(3).
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

/// Runs `body` in a green thread for each item, and waits for all of them.
pub fn spawn_each<T>(items: impl IntoIterator<Item = T>, body: impl Fn(T)) {
    leno::scope(|scope| {
        for item in items {
            let body = &body;
            scope.spawn(move || body(item));
        }
    });
}
