//! Runs every example and checks its output: exactly where it is fixed, by its form
//! where it is measured.
//!
//! `cargo test` builds the examples; `cargo test --test examples` needs
//! `cargo build --examples` before it.

#[path = "examples/all_cores.rs"]
mod all_cores;
#[path = "examples/arguments.rs"]
mod arguments;
#[path = "examples/chat_server.rs"]
mod chat_server;
#[path = "examples/echo.rs"]
mod echo;
#[path = "examples/http.rs"]
mod http;
#[path = "examples/listening.rs"]
mod listening;
#[path = "examples/outside.rs"]
mod outside;
#[path = "examples/pipeline.rs"]
mod pipeline;
#[path = "examples/readme.rs"]
mod readme;
#[path = "examples/timeline.rs"]
mod timeline;
#[path = "examples/weave.rs"]
mod weave;
#[path = "examples/workers.rs"]
mod workers;

use std::collections::HashMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The result of an example.
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

/// Returns the path of an example: cargo puts it beside the folder of this test.
fn path(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("the test is in <profile>/deps");
    let path = profile.join("examples").join(name);
    assert!(path.is_file(), "{} is not built: cargo build --examples", path.display());
    path
}

/// Returns the command that runs programs of another target.
fn runner() -> Option<String> {
    let variable = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER";
    env::var(variable).ok().filter(|_| cfg!(target_arch = "aarch64"))
}

fn command(name: &str) -> Command {
    let Some(runner) = runner() else { return Command::new(path(name)) };
    let mut words = runner.split_whitespace();
    let mut command = Command::new(words.next().expect("the runner is a command"));
    command.args(words).arg(path(name));
    command
}

fn finish(mut command: Command) -> Ran {
    let output = command.output().expect("the example can be started");
    let text = |bytes| String::from_utf8(bytes).expect("the output is text");
    Ran {
        status: output.status.code().unwrap_or_else(|| panic!("ended by {}", output.status)),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn run(name: &str, arguments: &[impl AsRef<OsStr>]) -> Ran {
    let mut command = command(name);
    command.args(arguments);
    finish(command)
}

/// Runs an example that must succeed without a message, and returns its output.
fn succeed(name: &str, arguments: &[&str]) -> String {
    let ran = run(name, arguments);
    assert_eq!((ran.status, &*ran.stderr), (0, ""), "{arguments:?}: {}", ran.stdout);
    ran.stdout
}

/// Runs an example that must refuse its arguments: it prints only an error with these
/// words, and advice. Returns the error.
fn refuse(name: &str, arguments: &[impl AsRef<OsStr> + std::fmt::Debug], words: &str) -> String {
    let ran = run(name, arguments);
    let Ran { status, stdout, stderr } = &ran;
    assert_eq!((*status, &**stdout), (2, ""), "{arguments:?}: {stderr}");
    assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
    assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    assert!(stderr.contains("\n next: "), "{arguments:?} has no advice: {stderr}");
    ran.stderr
}

#[test]
fn routines_a_and_b_print_12xy3z() {
    let expected = "\
12xy3z

  step   A   B
     1   1   ┊
     2   2   ┊
         ╰───╮
     3   ┊   x
     4   ┊   y
         ╭───╯
     5   3   ┊
         ╰───╮
     6       z

  ┊ has steps left, and waits on a stack of its own
";
    assert_eq!(succeed("01_interleave", &[]), expected);
    assert_eq!(succeed("01_interleave", &["AABBAB"]), expected);
    assert_eq!(succeed("01_interleave", &["A=123", "B=xyz", "AABBAB"]), expected);
    assert_eq!(succeed("01_interleave", &["AABBAB", "A=123", "B=xyz"]), expected);
}

#[test]
fn the_picture_draws_switches_across_columns() {
    let expected = "\
1!x2?y3

  step   A   B   Ü
     1   1   ┊   ┊
         ╰───┼───╮
     2   ┊   ┊   !
         ┊   ╭───╯
     3   ┊   x   ┊
         ╭───╯   ┊
     4   2   ┊   ┊
         ╰───┼───╮
     5   ┊   ┊   ?
         ┊   ╭───╯
     6   ┊   y
         ╭───╯
     7   3

  ┊ has steps left, and waits on a stack of its own
";
    assert_eq!(succeed("01_interleave", &["A=123", "B=xy", "Ü=!?", "AÜBAÜBA"]), expected);
    let over_b = succeed("01_interleave", &["A=12", "B=x", "C=!", "BACA"]);
    assert!(over_b.contains("\n         ╰───────╮\n"), "{over_b}");
    assert!(over_b.contains("\n         ╭───────╯\n"), "{over_b}");
}

/// Returns all words with `a` letters A and `b` letters B.
fn schedules(a: usize, b: usize) -> Vec<String> {
    if a == 0 && b == 0 {
        return vec![String::new()];
    }
    let begin = |letter: char, rest: Vec<String>| {
        rest.into_iter().map(move |rest| format!("{letter}{rest}")).collect::<Vec<_>>()
    };
    let with_a = if a > 0 { begin('A', schedules(a - 1, b)) } else { vec![] };
    let with_b = if b > 0 { begin('B', schedules(a, b - 1)) } else { vec![] };
    [with_a, with_b].concat()
}

#[test]
fn each_of_the_twenty_schedules_prints_its_text() {
    let all = schedules(3, 3);
    assert_eq!(all.len(), 20);
    for schedule in all {
        let mut steps = HashMap::from([('A', "123".chars()), ('B', "xyz".chars())]);
        let woven: String = schedule
            .chars()
            .filter_map(|name| steps.get_mut(&name).and_then(Iterator::next))
            .collect();
        let printed = succeed("01_interleave", &[&schedule]);
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[..2], [&*woven, ""], "{schedule}");
        // The picture has the same text: at each step, the letter in its column.
        let drawn = lines[3..].iter().filter_map(|line| {
            let (number, columns) = line.split_at_checked(6)?;
            number.trim().parse::<usize>().ok()?;
            columns.chars().find(|letter| letter.is_ascii_alphanumeric())
        });
        assert_eq!(drawn.collect::<String>(), woven, "{printed}");
    }
}

const UNFIT_SCHEDULES: &[(&[&str], &str)] = &[
    (&["AABBAC"], "there is no routine C\n       AABBAC\n            ^\n"),
    (&["aabbab"], "there is no routine a\n"),
    (&["A3", "-", "B3"], "there is no routine -\n"),
    (&["AAABAB"], "routine A is already over\n       AAABAB\n           ^\n"),
    (&["AABBABB"], "routine B is already over\n       AABBABB\n             ^\n"),
    (&["A2B2"], "the schedule \"AABB\" is too short: routine A still has 3\n"),
    (&["B"], "the schedule \"B\" is too short: routine A still has 123\n"),
    (&[""], "the schedule is empty\n"),
    (&["A=12"], "there is no routine B\n"),
    (&["A=12", "C=?!", "AC"], "too short: routine A still has 2\n"),
    (&["A='", "AA"], "routine A is already over\n"),
];

#[test]
fn an_invalid_schedule_is_refused_with_a_valid_one() {
    for (arguments, words) in UNFIT_SCHEDULES {
        let error = refuse("01_interleave", arguments, words);
        let (_, advice) = error.split_once("cargo run --example 01_interleave -- ").expect(&error);
        let unquote = |word: &str| word.replace(r"'\''", "\0").replace('\'', "").replace('\0', "'");
        let advised: Vec<String> = advice.split_whitespace().map(unquote).collect();
        let ran = run("01_interleave", &advised);
        assert_eq!((ran.status, &*ran.stderr), (0, ""), "{advised:?} after {arguments:?}");
    }
}

#[test]
fn producer_and_consumer_print_fifteen_lines_in_turns() {
    let turn = |item| {
        format!(
            "[PRODUCER] Producing {item}...\n[CONSUMER] Consuming {item}...\n\
             [PRODUCER] Consumer return: 200 OK\n"
        )
    };
    let expected: String = (1..=5).map(turn).collect();
    assert_eq!(expected.lines().count(), 15);
    assert_eq!(succeed("02_producer_consumer", &[]), expected);
}

#[test]
fn two_trees_are_compared_in_lockstep() {
    let expected = "\
Each parenthesis beside a word is a call of `walk` that is open there.

left   ((warp weft) (heddle (shed)) reed)
right  (warp (weft heddle) ((shed reed)))

          ((     warp  =  warp     )
          ((     weft  =  weft     ))
          ((   heddle  =  heddle   ))
         (((     shed  =  shed     )))
           (     reed  =  reed     )))

the same words

left   ((warp weft) (heddle (shed)) reed)
right  (warp ((weft) treadle) (and much more (that is never read)))

          ((     warp  =  warp     )
          ((     weft  =  weft     )))
          ((   heddle  ≠  treadle  ))

not the same; the rest is never read

";
    assert_eq!(succeed("03_inside_out", &[]), expected);
}

/// Returns the figure in the line of `what`, as in "  spawn  12.5 ns  each".
fn figure(text: &str, what: &str, unit: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix("  ")?.strip_prefix(what));
    let line = line.unwrap_or_else(|| panic!("no line for {what}: {text}"));
    let (number, rest) = line.trim_start().split_once(' ').expect(line);
    assert!(rest.starts_with(unit), "{what} in {unit}: {line}");
    number.replace(',', "").parse().unwrap_or_else(|_| panic!("no number: {line}"))
}

/// Checks the form of the report on many green threads, and returns their number.
fn check_report_on_many(text: &str) -> usize {
    let (count, rest) = text.split_once(' ').expect(text);
    assert!(rest.starts_with("green threads alive at once\n"), "{text}");
    assert!(
        text.contains("\neach on 32 KiB of stack, with a guard of 64 KiB below it\n"),
        "{text}"
    );
    for what in ["spawn", "switch", "wake and end"] {
        assert!(figure(text, what, "ns  each") > 0.0, "{text}");
    }
    assert!(figure(text, "map entries", " of ") > 1.0, "{text}");
    assert!(figure(text, "page tables", "KiB  each") >= 0.0, "{text}");
    let memory = figure(text, "memory", "KiB  each");
    // An emulator and shadow memory add their own memory.
    if runner().is_none() && !cfg!(feature = "sanitizer") {
        // Frames without optimisation may reach into a third page.
        let most = if cfg!(debug_assertions) { 12.6 } else { 4.6 };
        assert!((4.0..=most).contains(&memory), "not a page for each: {text}");
    }
    count.replace(',', "").parse().expect(text)
}

#[test]
fn many_green_threads_live_at_once_and_all_end() {
    assert_eq!(check_report_on_many(&succeed("04_million", &["10_000"])), 10_000);
}

#[test]
fn many_green_threads_live_at_once_under_mprotect_guards() {
    let mut command = command("04_million");
    command.arg("5,000").env("LENO_GUARD", "mprotect");
    let ran = finish(command);
    assert_eq!((ran.status, &*ran.stderr), (0, ""));
    assert_eq!(check_report_on_many(&ran.stdout), 5_000);
    assert!(figure(&ran.stdout, "map entries", " of ") >= 10_000.0, "{}", ran.stdout);
}

#[test]
fn one_green_thread_is_enough() {
    assert!(succeed("04_million", &["1"]).starts_with("1 green threads alive at once\n"));
}

/// An emulator and shadow memory need more address space than the limit leaves.
#[test]
fn the_report_is_printed_when_the_address_space_is_exhausted() {
    if runner().is_some() || cfg!(feature = "sanitizer") || !cfg!(target_os = "linux") {
        return;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 400000; exec \"$0\" 1000000"]).arg(path("04_million"));
    let ran = finish(command);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    let count = check_report_on_many(&ran.stdout);
    assert!((500..5_000).contains(&count), "{}", ran.stdout);
    let beginning = format!("\nerror: {},{:03} of 1,000,000: ", count / 1000, count % 1000);
    assert!(ran.stderr.starts_with(&beginning), "{}", ran.stderr);
    assert!(ran.stderr.contains("RLIMIT_AS"), "{}", ran.stderr);
}

#[test]
fn an_invalid_count_is_refused() {
    let cases: &[(&[&str], &str)] = &[
        (&["0"], "none at all"),
        (&["-5"], "\"-5\" is not a number"),
        (&["1.5"], "\"1.5\" is not a number"),
        (&["many"], "\"many\" is not a number"),
        (&[""], "\"\" is not a number"),
        (&["99999999999"], "more than any machine"),
        (&["99999999999999999999999"], "is not a number"),
        (&["1", "2"], "one number is enough"),
    ];
    for (arguments, words) in cases {
        refuse("04_million", arguments, words);
    }
}

/// Runs the comparison with at most 10 threads, and returns the table and the picture.
fn compare(picture: &Path) -> (String, String) {
    let path = picture.to_str().expect("the path is UTF-8");
    let text = succeed("05_threads_vs_green", &[path, "10"]);
    (text, fs::read_to_string(picture).expect("the picture is there"))
}

#[test]
fn threads_are_compared_in_a_table_and_a_picture() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("made on demand");
    let _ = fs::remove_dir_all(&folder);
    let (text, svg) = compare(&folder.join("plot.svg"));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() == 13)
        .collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["2", "10"], "{text}");
    for cell in rows.iter().flat_map(|row| row[1..].chunks(2)) {
        assert!(cell[0].parse::<f64>().is_ok_and(|time| time > 0.0), "{text}");
        assert!(["ns", "µs"].contains(&cell[1]), "{text}");
    }
    assert!(text.ends_with("made on demand/plot.svg\n"), "{text}");

    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for label in ["number of threads", "time for one switch", "time for one spawn + join"] {
        assert!(svg.contains(label), "{label}: {svg}");
    }
    for label in ["OS threads, yield", "green threads, yield", "10 ns", "100 µs", "10,000"] {
        assert!(svg.contains(label), "{label}: {svg}");
    }
    // There are six lines of two points, and each point is a disc with a rim.
    assert_eq!(svg.matches("<circle").count(), 6 * 2 * 2, "{svg}");
}

#[test]
fn an_unwritable_picture_is_an_error() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a file and no folder");
    fs::write(&file, "").expect("the folder of the tests can be written to");
    let ran = run("05_threads_vs_green", &[file.join("plot.svg").as_os_str(), OsStr::new("2")]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
}

#[test]
fn invalid_arguments_of_the_comparison_are_refused() {
    let cases: &[(&[&str], &str)] = &[
        (&["1"], "it takes two"),
        (&["0"], "it takes two"),
        (&["plot.svg", "other.svg"], "one path and one number"),
        (&["plot.svg", "10", "20"], "one path and one number"),
        (&[""], "one path and one number"),
    ];
    for (arguments, words) in cases {
        refuse("05_threads_vs_green", arguments, words);
    }
}

#[test]
fn the_chat_has_the_same_output_every_time() {
    let expected = [
        "  0 s  ann | * eve comes in",
        "  5 s  ann | * bob comes in",
        "  6 s  ann | eve: buy my thread!",
        " 12 s  ann | eve: buy my thread!",
        "      (eve missed a line)",
        " 12 s  ann | bob: leno: it weaves 12xy3z",
        " 18 s  ann | eve: buy my thread!",
        " 20 s  ann | * eve has left",
        " 25 s  ann | * the bell: 2 in the room",
        " 32 s  ann | bob: so quiet here",
        " 32 s  ann | * bob has left",
        " 50 s  ann | * the bell: 1 in the room",
        " 57 s  the room closes after 7 lines",
    ];
    assert_eq!(succeed("06_chat", &[]).lines().collect::<Vec<_>>(), expected);
}

/// Returns the lines of a report, with the source text in the place of each
/// `file:line:column`.
fn with_sources(report: &str, path: &str) -> Vec<String> {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let source: Vec<String> =
        source.expect("the example is there").lines().map(|line| line.trim().to_owned()).collect();
    let with_source = |line: &str| {
        let (what, place) = line.split_once(&format!(" {path}:"))?;
        let number: usize = place.split(':').next()?.parse().ok()?;
        Some(format!("{what}| {}", source[number - 1]))
    };
    report.lines().map(|line| with_source(line).unwrap_or_else(|| line.to_owned())).collect()
}

const DEADLOCK: [&str; 13] = [
    "deadlock: every green thread waits, and nothing is left that could wake one",
    "  main         waits for the end of all green threads        at| \
     leno::Builder::new().virtual_time().run(|| dinner(look));",
    "  'ann' (#2)   waits for a mutex                             at| \
     let _other = second.lock();",
    "               which was made                                at| \
     let fork = Rc::new(Mutex::new(()));",
    "               held by 'bob' (#3)                         since| let _one = first.lock();",
    "               spawned                                       at| \
     spawn(\"ann\", move || eat(&anns_knife, &anns_fork));",
    "  'bob' (#3)   waits for mutex 'knife'                       at| \
     let _other = second.lock();",
    "               held by 'ann' (#2)                         since| let _one = first.lock();",
    "               spawned                                       at| \
     spawn(\"bob\", move || eat(&fork, &knife));",
    "  'carl' (#4)  waits for a message from channel 'orders'     at| for order in &orders {",
    "               spawned                                       at| spawn(\"carl\", move || {",
    "  cycle: 'ann' (#2) -> a mutex held by 'bob' (#3) -> mutex 'knife' held by 'ann' (#2)",
    "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
];

/// Runs the example that ends in a deadlock, and returns its output before the
/// deadlock.
fn hang(arguments: &[&str]) -> String {
    let mut command = command("09_deadlock");
    command.args(arguments).env("RUST_BACKTRACE", "0");
    let ran = finish(command);
    let (first, report) = ran.stderr.trim_start().split_once('\n').expect(&ran.stderr);
    assert!(first.starts_with("thread 'main'") && first.contains(" panicked at "), "{first}");
    assert_eq!(with_sources(report, "examples/09_deadlock.rs"), DEADLOCK, "{}", ran.stderr);
    assert_eq!(ran.status, 101);
    ran.stdout.strip_prefix("carl brings wine\n").expect(&ran.stdout).to_owned()
}

#[test]
fn a_deadlock_report_lists_all_waits() {
    assert_eq!(hang(&[]), "");
    let stalled = hang(&["stalled"]);
    assert!(stalled.starts_with("stalled: 3 of 4 green threads have waited for more than 10 s\n"));
    assert!(stalled.contains("\n  'ann' (#2)   has waited 19 s for a mutex "), "{stalled}");
    assert!(stalled.contains(DEADLOCK[11]), "{stalled}");
    refuse("09_deadlock", &["dump", "it"], "dump it is nothing to look at");
}

#[test]
fn a_dump_shows_the_frames_of_every_green_thread() {
    let dump = hang(&["dump"]);
    assert!(dump.starts_with("dump of 4 green threads\n\n  main  is running\n"), "{dump}");
    let blocks: Vec<&str> = dump.split("\n\n").collect();
    assert_eq!(blocks.len(), 5, "{dump}");
    for block in &blocks[2..4] {
        // With line tables as the only debug information, names are short.
        let eats = [": _09_deadlock::eat\n", ": eat\n"].iter().any(|line| block.contains(line));
        assert!(block.contains(" held by '") && eats, "{dump}");
    }
    assert!(blocks[4].contains("\n           at examples/09_deadlock.rs:"), "{dump}");
    let others = ["at src/", "at arch/", "/backtrace-", "catch_unwind"];
    assert!(!others.iter().any(|other| dump.contains(other)), "frames outside the program: {dump}");
}
