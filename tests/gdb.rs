//! What gdb shows: backtraces, and by the commands that `src/debug/gdb.py` adds, green threads, of a
//! process and of a core file.
//!
//! The test runs itself under gdb as each of the programs.

use std::env;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use leno::coroutine::{Coroutine, Generator};
use leno::thread::{self, Builder};

const CHILD: &str = "LENO_TEST_GDB_CHILD";

#[inline(never)]
fn parks_here() {
    thread::park();
    black_box(());
}

#[inline(never)]
fn yields_here() {
    leno::yield_now();
    black_box(());
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn leno_test_stops_here() {
    black_box(());
}

/// The programs, by their names. Each stops in a known state.
const PROGRAMS: [(&str, fn()); 3] =
    [("threads", program), ("nested", nested), ("inside a thread", inside_a_thread)];

fn program() {
    let named = |name: &str, stack_bytes, f: fn()| {
        Builder::new().name(name.to_owned()).stack_size(stack_bytes).spawn(f).unwrap()
    };
    leno::run(|| {
        let ended = leno::spawn(|| ());
        let parked = [
            named("parked", 1, parks_here),
            named("generator", 1 << 20, || {
                Generator::<()>::new(|_| parks_here()).for_each(drop);
            }),
        ];
        let ready = named("ready", leno::stack::DEFAULT_STACK_BYTES, yields_here);
        leno::yield_now();
        let new = leno::spawn(|| ());
        leno_test_stops_here();
        parked.iter().for_each(|parked| parked.thread().unpark());
        drop((ended, ready, new));
    });
}

type Stops = Coroutine<(), (), ()>;

#[inline(never)]
fn deep_inside(levels: u32, stop: &mut dyn FnMut()) {
    if levels == 0 {
        stop()
    } else {
        deep_inside(levels - 1, black_box(stop))
    }
    black_box(levels);
}

#[inline(never)]
fn one_resumer(coroutine: &Stops) {
    black_box(coroutine.resume(()));
}

#[inline(never)]
fn another_resumer(coroutine: &Stops) {
    black_box(coroutine.resume(()));
    black_box(());
}

/// Stops in a coroutine of a coroutine, twice: with one resumer of both, and with the other.
fn nested() {
    let outer = Stops::new(|yielder, ()| {
        let inner = Stops::new(|yielder, ()| {
            for _ in 0..2 {
                deep_inside(4, &mut || {
                    leno_test_stops_here();
                    yielder.suspend(());
                });
            }
        });
        one_resumer(&inner);
        yielder.suspend(());
        another_resumer(&inner);
    });
    one_resumer(&outer);
    another_resumer(&outer);
}

/// Stops in a coroutine of a green thread.
fn inside_a_thread() {
    leno::run(|| {
        leno::spawn(|| one_resumer(&Stops::new(|_, ()| leno_test_stops_here()))).join().unwrap();
    });
}

/// Returns gdb's output for the commands, on a program or on a core file of it.
///
/// gdb's own core files end where a light guard begins.
fn gdb(program: &str, guard: &str, core: Option<&Path>, commands: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/debug/gdb.py");
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-x"]).arg(script);
    gdb.args(commands.iter().flat_map(|command| ["-ex", command]));
    gdb.arg(env::current_exe().expect("the test has a path"));
    gdb.args(core).env(CHILD, program).env("LENO_GUARD", guard);
    let output = gdb.output().expect("gdb runs");
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

/// Returns the functions of a backtrace, the innermost first.
fn functions(block: &str) -> Vec<&str> {
    let frames = block.lines().filter(|line| line.starts_with('#'));
    let function = |line: &'_ str| -> (usize, usize) {
        let start = line.find(" in ").map_or_else(|| line.find(' ').unwrap(), |at| at + 4);
        let name = line[start..].trim_start();
        let start = line.len() - name.len();
        (start, start + name.find(" (").unwrap_or(name.len()))
    };
    frames.map(|line| (line, function(line))).map(|(line, (from, to))| &line[from..to]).collect()
}

fn check(output: &str) {
    let list = [
        "main  runs",
        "'parked' (#3)  waits",
        "'generator' (#4)  waits",
        "'ready' (#5)  is ready",
        "#6  has not begun",
    ];
    assert!(output.contains(&format!("{}\n", list.join("\n"))), "{output}");
    let mut blocks =
        output.split("\n\n").filter(|block| list.contains(&block.lines().next().unwrap_or("")));
    let mut next = |title: &str, names: &[&str], last: &str| {
        let block = blocks.next().unwrap_or_else(|| panic!("no {title} in\n{output}"));
        assert_eq!(block.lines().next(), Some(title), "{output}");
        let functions = functions(block);
        let mut rest = functions.iter();
        for name in names {
            assert!(rest.any(|function| function.contains(name)), "{name}, {title}\n{output}");
        }
        assert!(functions.last().is_some_and(|function| function.contains(last)), "{output}");
        assert!(block.lines().nth(1).is_some_and(|line| line.starts_with("#0 ")), "{output}");
    };
    // Whether gdb shows the callers of main depends on what is inlined into it.
    next(list[0], &["leno_test_stops_here", "program", "main"], "");
    next(list[1], &["parks_here"], "thread_root");
    let generator = ["parks_here", "signal handler", "program"];
    next(list[2], &generator, "thread_root");
    next(list[3], &["yields_here"], "thread_root");
    // A new green thread has no frames, but gdb may print other lines.
    let new = blocks.next().and_then(|block| block.lines().nth(1));
    assert!(!new.is_some_and(|line| line.starts_with('#')), "{output}");
}

/// Checks that a backtrace continues into the resumers, and ends where the process or the green thread
/// begins.
fn check_backtraces() {
    // The root frame of a coroutine is shown as that of a signal.
    const ROOT: &str = "signal handler";
    let inner = ["leno_test_stops_here", "deep_inside", ROOT];
    for (count, resumer) in ["one_resumer", "another_resumer"].into_iter().enumerate() {
        let names = [&inner[..], &[resumer, ROOT, resumer, "nested"]].concat();
        check_backtrace("nested", count, &names, &["main", "_start", "clone"]);
    }
    let names = ["leno_test_stops_here", ROOT, "one_resumer", "thread_root"];
    check_backtrace("inside a thread", 0, &names, &["thread_root"]);
}

/// Checks the backtrace at a stop: the functions in their order, and that one of `ends` is the last.
fn check_backtrace(program: &str, stops_before: usize, names: &[&str], ends: &[&str]) {
    let skip = format!("ignore 1 {stops_before}");
    let output = gdb(program, "", None, &["break leno_test_stops_here", &skip, "run", "bt"]);
    let start = output.find("#0 ").unwrap_or_else(|| panic!("no backtrace:\n{output}"));
    let functions = functions(&output[start..]);
    let mut rest = functions.iter();
    for name in names {
        assert!(rest.any(|function| function.contains(name)), "{name}\n{output}");
    }
    let last = functions.last().expect("a frame");
    assert!(ends.iter().any(|end| last.contains(end)), "{output}");
    assert!(!output.contains("corrupt") && !output.contains("Backtrace stopped"), "{output}");
}

fn complains(core: &Path, command: &str, words: &str) {
    let output = gdb("threads", "", Some(core), &[command]);
    assert!(output.lines().any(|line| line == words), "{output}");
}

fn main() {
    if let Ok(wanted) = env::var(CHILD) {
        let program = PROGRAMS.iter().find(|(name, _)| *name == wanted);
        return program.expect("a program").1();
    }
    if cfg!(target_arch = "aarch64") || Command::new("gdb").arg("--version").output().is_err() {
        println!("\nTHE GDB SCRIPT WAS NOT TESTED: there is no gdb for this target here\n");
        return;
    }
    let core = Path::new(env!("CARGO_TARGET_TMPDIR")).join("green threads.core");
    let dump = format!("generate-core-file {}", core.display());
    let commands = ["break leno_test_stops_here", "run", "leno threads", "leno bt"];
    check(&gdb("threads", "", None, &commands));
    check(&gdb("threads", "mprotect", None, &[&commands[..], &[&dump]].concat()));
    check(&gdb("threads", "", Some(&core), &commands[2..]));
    complains(&core, "leno bt 7", "there is no green thread #7");
    complains(&core, "leno bt all", "all: green threads have numbers, as in `leno bt 3`");
    std::fs::remove_file(core).expect("gdb has written a core");
    check_backtraces();
    println!("the gdb script lists the green threads of a process and of a core file");
}
