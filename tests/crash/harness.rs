//! Child processes, one for each scenario.

use std::any::type_name;
use std::env;
use std::ffi::c_int;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Output};
use std::ptr;

use leno::stack::Stack;

use crate::generated::{command, own_words};

/// The environment variable with the scenario for a child: the path of its closure.
const SCENARIO: &str = "LENO_CRASH_SCENARIO";
/// The exit code of a child that cannot run its scenario on this machine.
const SKIPPED: i32 = 77;

/// How a child ended.
pub struct Outcome {
    pub signal: Option<i32>,
    pub code: Option<i32>,
    /// Standard error, without the lines that qemu adds.
    pub stderr: String,
    scenario: &'static str,
}

/// The environment and the limits of a child.
#[derive(Default)]
pub struct Setting {
    pub environment: &'static [(&'static str, &'static str)],
    /// RLIMIT_STACK, which also decides how the address space is laid out.
    pub stack_limit: Option<libc::rlim_t>,
}

/// Runs `scenario` in a child. A test must call this once, and first: in the child it
/// does not return.
pub fn child<F: Fn()>(scenario: F) -> Outcome {
    child_with(Setting::default(), scenario)
}

/// Asserts that a child that runs `scenario` dies by `signal` and writes nothing.
#[track_caller]
pub fn dies<F: Fn()>(signal: i32, scenario: F) {
    child(scenario).died(signal, "");
}

/// Asserts that a child that runs `scenario` exits with code 0 and writes nothing.
#[track_caller]
pub fn succeeds<F: Fn()>(scenario: F) {
    child(scenario).exited(0, "");
}

pub fn child_with<F: Fn()>(setting: Setting, scenario: F) -> Outcome {
    let path = type_name::<F>();
    if let Some(wanted) = env::var_os(SCENARIO) {
        assert_eq!(wanted, path, "a test with two scenarios");
        no_core_dump();
        // Ends a child that hangs. The time is long enough for any machine.
        // SAFETY: no preconditions.
        unsafe { libc::alarm(300) };
        scenario();
        // Exits without the test harness, which would print a result to standard
        // output.
        process::exit(0);
    }
    let (_crate, test) = path.split_once("::").expect("a path");
    let test = test.trim_end_matches("::{{closure}}");
    let mut command = command(&env::current_exe().expect("the binary has a path"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(SCENARIO, path).env_remove("LENO_GUARD").env_remove("RUST_BACKTRACE");
    command.envs(setting.environment.iter().copied());
    if let Some(bytes) = setting.stack_limit {
        // SAFETY: setrlimit is async-signal-safe.
        unsafe { command.pre_exec(move || set_limit(libc::RLIMIT_STACK as c_int, bytes)) };
    }
    outcome(path, command.output().expect("the child starts"))
}

fn outcome(scenario: &'static str, output: Output) -> Outcome {
    let stderr = own_words(&output.stderr);
    Outcome { signal: output.status.signal(), code: output.status.code(), stderr, scenario }
}

/// Sets a limit. The type of its number is another one in each libc.
fn set_limit(what: c_int, bytes: libc::rlim_t) -> std::io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or fill the struct that they are given.
    unsafe {
        libc::getrlimit(what as _, &mut limit);
        limit.rlim_cur = bytes.min(limit.rlim_max);
        match libc::setrlimit(what as _, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

fn no_core_dump() {
    set_limit(libc::RLIMIT_CORE as c_int, 0).expect("a limit can be lowered");
}

/// Ends a child with a scenario that this machine does not permit.
pub fn skip(reason: &str) -> ! {
    eprintln!("SKIPPED: {reason}");
    process::exit(SKIPPED)
}

impl Outcome {
    /// Returns `true` and prints the reason if the child could not run its scenario.
    pub fn is_skipped(&self) -> bool {
        let skipped = self.code == Some(SKIPPED);
        if skipped {
            eprintln!("{}: {}", self.scenario, self.stderr.trim_end());
        }
        skipped
    }

    /// Asserts that the child died by `signal` after it wrote exactly `stderr`.
    #[track_caller]
    pub fn died(&self, signal: i32, stderr: &str) {
        assert_eq!(self.stderr, stderr, "standard error of {}", self.scenario);
        assert_eq!(self.signal, Some(signal), "{}: exit code {:?}", self.scenario, self.code);
    }

    /// Asserts that std has reported a stack overflow of the OS thread of this name.
    #[track_caller]
    pub fn is_std_overflow(&self, thread: &str) {
        is_std_report(&self.stderr, thread);
        assert_eq!(self.signal, Some(libc::SIGABRT), "{}", self.scenario);
    }

    /// Asserts that leno has reported an overflow by the main green thread, and std one of the OS
    /// thread of this name.
    #[track_caller]
    pub fn is_main_overflow(&self, thread: &str) {
        is_std_report(rest_of_main_report(&self.stderr), thread);
        assert_eq!(self.signal, Some(libc::SIGABRT), "{}", self.scenario);
    }

    /// Asserts that the child exited with `code` after it wrote exactly `stderr`.
    #[track_caller]
    pub fn exited(&self, code: i32, stderr: &str) {
        assert_eq!(self.stderr, stderr, "standard error of {}", self.scenario);
        assert_eq!(self.code, Some(code), "{}: signal {:?}", self.scenario, self.signal);
    }
}

/// Asserts that `stderr` is std's report of a stack overflow. Newer versions of std add the number
/// that the operating system gives the thread, and that the process is aborted.
#[track_caller]
pub fn is_std_report(stderr: &str, thread: &str) {
    let (before, rest) = stderr.split_once(" has overflowed its stack\n").expect("a report");
    let name = before.split_once(" (").map_or(before, |(name, _id)| name);
    let rest = rest.trim_end().trim_end_matches(", aborting");
    let expected = (&*format!("\nthread '{thread}'"), "fatal runtime error: stack overflow");
    assert_eq!((name, rest), expected);
}

/// Asserts that `stderr` begins with leno's report of an overflow by the main green thread, and
/// returns the rest.
#[track_caller]
pub fn rest_of_main_report(stderr: &str) -> &str {
    let start = "\nleno: the main green thread has overflowed the stack of its OS thread, of ";
    let bytes = stderr.strip_prefix(start).and_then(|rest| rest.split_once(' '));
    let bytes: usize = bytes.and_then(|(bytes, _)| bytes.parse().ok()).expect(stderr);
    assert!(bytes > 256 << 10, "{bytes}");
    let end = format!(
        "{bytes} bytes\n  if it does not recurse for ever, run that code in a green thread with \
         thread::Builder::new().stack_size({})\n",
        2 * bytes
    );
    stderr[start.len()..].strip_prefix(&end).expect(stderr)
}

/// The owner of the stack that overflows. `{here}` in `body` stands for the scenario.
pub enum Owner {
    Coroutine { body: &'static str },
    Thread { title: &'static str, body: &'static str },
}

/// The closure in the scenario.
pub const BODY: &str = "{here}::{{closure}}";
/// The closure in the closure in the scenario.
pub const INNER: &str = "{here}::{{closure}}::{{closure}}";

pub const DEFAULT: usize = leno::stack::DEFAULT_STACK_BYTES;

/// Returns the report that leno promises.
pub fn report(owner: &Owner, here: &str, bytes: usize) -> String {
    // The size of such a stack on this machine.
    let bytes = Stack::new(bytes).expect("there is room").size();
    let double = bytes * 2;
    match owner {
        Owner::Coroutine { body } => format!(
            "\nleno: coroutine `{}` has overflowed its stack of {bytes} bytes\n  if it does not \
             recurse for ever, give it a larger one with \
             Coroutine::with_stack(Stack::new({double})?, ..)\n",
            body.replace("{here}", here)
        ),
        Owner::Thread { title, body } => format!(
            "\nleno: green thread {title} has overflowed its stack of {bytes} bytes\n  it runs \
             `{}`\n  if it does not recurse for ever, give it a larger one with \
             thread::Builder::new().stack_size({double})\n",
            body.replace("{here}", here)
        ),
    }
}

/// Asserts that the scenario in a child overflows the stack of `owner`, with an exact
/// report, and dies by SIGABRT.
#[track_caller]
pub fn overflows<F: Fn()>(owner: Owner, bytes: usize, scenario: F) {
    overflows_with(Setting::default(), owner, bytes, scenario);
}

#[track_caller]
pub fn overflows_with<F: Fn()>(setting: Setting, owner: Owner, bytes: usize, scenario: F) {
    let outcome = child_with(setting, scenario);
    if !outcome.is_skipped() {
        outcome.died(libc::SIGABRT, &report(&owner, type_name::<F>(), bytes));
    }
}

/// Runs `body` on an OS thread created by C, and joins it.
pub fn in_c_thread(
    body: extern "C" fn(*mut libc::c_void) -> *mut libc::c_void,
    argument: *mut libc::c_void,
) {
    // SAFETY: the attributes may be null, and the thread is joined.
    unsafe {
        let mut thread = std::mem::zeroed();
        assert_eq!(libc::pthread_create(&mut thread, ptr::null(), body, argument), 0);
        assert_eq!(libc::pthread_join(thread, ptr::null_mut()), 0);
    }
}

/// Returns the kernel's list of the mappings of this process.
pub fn maps() -> String {
    std::fs::read_to_string("/proc/self/maps").expect("the file can be read")
}

/// Reads through a null pointer. By an instruction, since a debug build with an older Rust checks the
/// pointer of a volatile read.
pub fn null_dereference() {
    // SAFETY: none; the fault is what the test is about.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov {0}, [{0}]", inout(reg) 0usize => _, options(nostack, readonly));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("ldr {0}, [{0}]", inout(reg) 0usize => _, options(nostack, readonly));
    }
}

/// Writes to standard error. Async-signal-safe.
pub fn say(text: &str) {
    // SAFETY: `text` is a valid buffer.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
