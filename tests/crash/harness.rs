//! Child processes: one per scenario.

use std::any::type_name;
use std::env;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Command, Output};
use std::ptr;

use leno::stack::Stack;

use crate::generated::{command, own_words};

/// Which scenario a child is to run: the path of the closure.
const SCENARIO: &str = "LENO_CRASH_SCENARIO";
/// What a child exits with that could not do what was asked of it.
const SKIPPED: i32 = 77;

/// How a child ended.
pub struct Outcome {
    pub signal: Option<i32>,
    pub code: Option<i32>,
    /// Standard error, without what qemu adds to it.
    pub stderr: String,
    scenario: &'static str,
}

/// What a child is to be started with.
#[derive(Default)]
pub struct Setting {
    pub environment: &'static [(&'static str, &'static str)],
    /// RLIMIT_STACK, which also decides how the address space is laid out.
    pub stack_limit: Option<libc::rlim_t>,
}

/// Runs `scenario` in a child. To be called once in a test, and first: in the
/// child it does not return.
pub fn child<F: Fn()>(scenario: F) -> Outcome {
    child_with(Setting::default(), scenario)
}

pub fn child_with<F: Fn()>(setting: Setting, scenario: F) -> Outcome {
    let path = type_name::<F>();
    if let Some(wanted) = env::var_os(SCENARIO) {
        assert_eq!(wanted, path, "a test with two scenarios");
        no_core_dump();
        // One that hangs is ended, long after any machine has had time enough.
        // SAFETY: no preconditions.
        unsafe { libc::alarm(300) };
        scenario();
        // Past the harness, which would say that the test has passed.
        process::exit(0);
    }
    let (_crate, test) = path.split_once("::").expect("a path");
    let test = test.trim_end_matches("::{{closure}}");
    let mut command = itself();
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(SCENARIO, path).env_remove("LENO_GUARD").env_remove("RUST_BACKTRACE");
    command.envs(setting.environment.iter().copied());
    if let Some(bytes) = setting.stack_limit {
        // SAFETY: setrlimit is async-signal-safe.
        unsafe { command.pre_exec(move || set_limit(libc::RLIMIT_STACK, bytes)) };
    }
    outcome(path, command.output().expect("the child starts"))
}

/// This binary.
fn itself() -> Command {
    command(&env::current_exe().expect("it has a path"))
}

fn outcome(scenario: &'static str, output: Output) -> Outcome {
    let stderr = own_words(&output.stderr);
    Outcome { signal: output.status.signal(), code: output.status.code(), stderr, scenario }
}

fn set_limit(what: libc::__rlimit_resource_t, bytes: libc::rlim_t) -> std::io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or fill the struct that they are given.
    unsafe {
        libc::getrlimit(what, &mut limit);
        limit.rlim_cur = bytes.min(limit.rlim_max);
        match libc::setrlimit(what, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

fn no_core_dump() {
    set_limit(libc::RLIMIT_CORE, 0).expect("a limit can be lowered");
}

/// In a child: this machine does not let us try that.
pub fn skip(reason: &str) -> ! {
    eprintln!("SKIPPED: {reason}");
    process::exit(SKIPPED)
}

impl Outcome {
    /// Says so loudly and gives true if the child could not do its part.
    pub fn is_skipped(&self) -> bool {
        let skipped = self.code == Some(SKIPPED);
        if skipped {
            eprintln!("{}: {}", self.scenario, self.stderr.trim_end());
        }
        skipped
    }

    /// The child died by `signal`, and said exactly `stderr`.
    #[track_caller]
    pub fn died(&self, signal: i32, stderr: &str) {
        assert_eq!(self.stderr, stderr, "standard error of {}", self.scenario);
        assert_eq!(self.signal, Some(signal), "{}: exit code {:?}", self.scenario, self.code);
    }

    /// std has reported that the stack of the OS thread of this name overflowed.
    #[track_caller]
    pub fn is_std_overflow(&self, thread: &str) {
        is_std_report(&self.stderr, thread);
        assert_eq!(self.signal, Some(libc::SIGABRT), "{}", self.scenario);
    }

    /// The child exited by itself with `code`, and said exactly `stderr`.
    #[track_caller]
    pub fn exited(&self, code: i32, stderr: &str) {
        assert_eq!(self.stderr, stderr, "standard error of {}", self.scenario);
        assert_eq!(self.code, Some(code), "{}: signal {:?}", self.scenario, self.signal);
    }
}

/// What std says when the stack of an OS thread overflows, without the number
/// that the system gives the thread.
#[track_caller]
pub fn is_std_report(stderr: &str, thread: &str) {
    let (before, after) = stderr.split_once(" (").expect("a thread id");
    let (_id, after) = after.split_once(')').expect("a thread id");
    let rest = " has overflowed its stack\nfatal runtime error: stack overflow, aborting\n";
    assert_eq!((before, after), (&*format!("\nthread '{thread}'"), rest));
}

/// Whose overflow is expected. `{here}` in `body` stands for the scenario.
pub enum Who {
    Coroutine { body: &'static str },
    Thread { title: &'static str, body: &'static str },
}

/// The closure that the scenario itself contains.
pub const BODY: &str = "{here}::{{closure}}";
/// A closure inside that one.
pub const INNER: &str = "{here}::{{closure}}::{{closure}}";

pub const DEFAULT: usize = leno::stack::DEFAULT_STACK_BYTES;

/// The report that leno promises.
pub fn report(who: &Who, here: &str, bytes: usize) -> String {
    // What a stack of so many bytes really has on this machine.
    let bytes = Stack::new(bytes).expect("there is room").size();
    let double = bytes * 2;
    match who {
        Who::Coroutine { body } => format!(
            "\nleno: coroutine `{}` has overflowed its stack of {bytes} bytes\n  if it does not \
             recurse for ever, give it a larger one with \
             Coroutine::with_stack(Stack::new({double})?, ..)\n",
            body.replace("{here}", here)
        ),
        Who::Thread { title, body } => format!(
            "\nleno: green thread {title} has overflowed its stack of {bytes} bytes\n  it runs \
             `{}`\n  if it does not recurse for ever, give it a larger one with \
             thread::Builder::new().stack_size({double})\n",
            body.replace("{here}", here)
        ),
    }
}

/// The scenario, in a child, overflows the stack of `who`: an exact report, and
/// death by SIGABRT.
#[track_caller]
pub fn overflows<F: Fn()>(who: Who, bytes: usize, scenario: F) {
    overflows_with(Setting::default(), who, bytes, scenario);
}

#[track_caller]
pub fn overflows_with<F: Fn()>(setting: Setting, who: Who, bytes: usize, scenario: F) {
    let outcome = child_with(setting, scenario);
    if !outcome.is_skipped() {
        outcome.died(libc::SIGABRT, &report(&who, type_name::<F>(), bytes));
    }
}

/// Runs `body` in an OS thread that C makes, and waits for it.
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

/// The kernel's own list of what is mapped in this process.
pub fn maps() -> String {
    std::fs::read_to_string("/proc/self/maps").expect("it can be read")
}

/// Reads through a null pointer, in a way that no compiler sees coming.
pub fn null_dereference() {
    let nowhere: *const u8 = std::hint::black_box(ptr::null());
    // SAFETY: none; the fault is what the test is about.
    unsafe { nowhere.read_volatile() };
}

/// Writes to standard error, in a signal handler.
pub fn say(text: &str) {
    // SAFETY: `text` is a valid buffer.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
