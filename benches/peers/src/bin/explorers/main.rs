//! leno's weaves beside shuttle and loom, in one run: prints a table in Markdown.
//!
//!     cargo run --release --bin explorers                 everything, about a minute
//!     cargo run --release --bin explorers -- locks        the rows with that word
//!     cargo run --release --bin explorers -- rounds=9     a rough look; otherwise it is 51
//!     cargo run --release --bin explorers -- only=leno    what leno does alone, for a
//!                                                         second to a row: for a profiler
//!
//! Each explores the same programs, and the table says how many executions that
//! took and how long each was. What counts as an execution is the library's own
//! affair, so that both figures belong together.

mod leno_weave_rows;
mod loom_rows;
mod programs;
mod shuttle_rows;

use std::time::Duration;

use leno_peers::table::{self, Spread};

/// What an exploration says for itself.
struct Explored {
    executions: u64,
    /// How many different values the program returned, if it says something.
    outcomes: Option<usize>,
}

/// Explores a program once.
type Explore = fn() -> Explored;

/// A program, and who explores it; shuttle comes first.
struct Row {
    program: &'static str,
    /// What is timed is so much of an execution.
    parts: u64,
    entries: &'static [(&'static str, Explore)],
}

const ROWS: &[Row] = &[
    Row {
        program: "3 + 3 steps in a scope",
        parts: 1,
        entries: &[("shuttle", shuttle_rows::steps::<2>), ("leno", leno_weave_rows::steps::<2>)],
    },
    Row {
        program: "3 + 3 + 3 steps in a scope",
        parts: 1,
        entries: &[("shuttle", shuttle_rows::steps::<3>), ("leno", leno_weave_rows::steps::<3>)],
    },
    Row {
        program: "3 + 3 yields",
        parts: 1,
        entries: &[
            ("shuttle", shuttle_rows::yields),
            ("loom", loom_rows::yields),
            ("loom, atomics instead", loom_rows::atomics),
            ("leno", leno_weave_rows::yields),
        ],
    },
    Row {
        program: "3 + 3 yields, told",
        parts: 1,
        entries: &[
            ("shuttle", shuttle_rows::yields_told),
            ("loom", loom_rows::yields_told),
            ("loom, atomics instead", loom_rows::atomics_told),
            ("leno", leno_weave_rows::yields_told),
        ],
    },
    Row {
        program: "3 + 3 locks",
        parts: 1,
        entries: &[
            ("shuttle", shuttle_rows::locks),
            ("loom", loom_rows::locks),
            ("leno, preemptive", leno_weave_rows::locks),
            ("leno, preemptive, reduced", leno_weave_rows::locks_reduced),
        ],
    },
    Row {
        program: "3 + 3 locks, told",
        parts: 1,
        entries: &[
            ("shuttle", shuttle_rows::locks_told),
            ("loom", loom_rows::locks_told),
            ("leno, preemptive", leno_weave_rows::locks_told),
            ("leno, preemptive, reduced", leno_weave_rows::locks_told_reduced),
        ],
    },
    Row {
        program: "bounded buffer, at random",
        parts: 1,
        entries: &[
            ("shuttle", shuttle_rows::buffer),
            ("leno", leno_weave_rows::buffer),
            ("leno, preemptive", leno_weave_rows::buffer_preemptive),
        ],
    },
    Row {
        program: "2 x 1,000 yields at random, a yield",
        parts: 2 * programs::MANY,
        entries: &[
            ("shuttle", shuttle_rows::long),
            ("leno", leno_weave_rows::long),
            ("leno, preemptive", leno_weave_rows::long_preemptive),
        ],
    },
    Row {
        program: "2 x 1,000 yields depth first, a yield",
        parts: 2 * programs::MANY,
        entries: &[
            ("shuttle", shuttle_rows::long_depth_first),
            ("loom", loom_rows::long),
            ("leno", leno_weave_rows::long_depth_first),
        ],
    },
];

/// Who explored what, and what it took.
struct Line {
    program: &'static str,
    who: &'static str,
    explored: Explored,
    /// Nanoseconds of an execution or a part of it.
    each: f64,
    /// How many times as fast as shuttle's.
    speed: Spread,
    /// Nanoseconds of the exploration.
    whole: f64,
    whole_speed: f64,
}

fn main() {
    let mut rounds = 51;
    let mut wanted = String::new();
    for argument in std::env::args().skip(1) {
        if let Some(who) = argument.strip_prefix("only=") {
            return alone(who, &wanted);
        }
        match argument.strip_prefix("rounds=") {
            Some(number) => rounds = number.parse().expect("rounds= needs a number"),
            None => wanted = argument,
        }
    }
    let mut lines = Vec::new();
    for row in rows(&wanted) {
        eprintln!("{} ...", row.program);
        lines.extend(measure(row, rounds));
    }
    print(&lines);
}

fn rows(wanted: &str) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |row| row.program.contains(wanted))
}

/// Has somebody explore alone, for about a second to a row.
fn alone(who: &str, wanted: &str) {
    for row in rows(wanted) {
        for &(name, explore) in row.entries.iter().filter(|entry| entry.0 == who) {
            let start = processor_time();
            let mut explorations = 0;
            while processor_time() - start < Duration::from_secs(1) {
                std::hint::black_box(explore());
                explorations += 1;
            }
            println!("{}, {name}: {explorations} explorations", row.program);
        }
    }
}

/// Measures everybody in a row, who take turns.
fn measure(row: &'static Row, rounds: usize) -> Vec<Line> {
    let works: Vec<_> = row.entries.iter().map(|entry| repeated(entry.1)).collect();
    let wholes = table::nanoseconds(&works, rounds);
    let explored: Vec<Explored> = row.entries.iter().map(|entry| (entry.1)()).collect();
    let parts = |index: usize| (explored[index].executions * row.parts) as f64;
    let each: Vec<Vec<f64>> = (0..explored.len())
        .map(|index| wholes[index].iter().map(|whole| whole / parts(index)).collect())
        .collect();
    let line = |(index, explored): (usize, Explored)| Line {
        program: row.program,
        who: row.entries[index].0,
        explored,
        each: Spread::of(each[index].iter().copied()).median,
        speed: Spread::of_ratios(&each[0], &each[index]),
        whole: Spread::of(wholes[index].iter().copied()).median,
        whole_speed: Spread::of_ratios(&wholes[0], &wholes[index]).median,
    };
    explored.into_iter().enumerate().map(line).collect()
}

/// Explores so many times over.
fn repeated(explore: Explore) -> impl Fn(u64) -> Duration {
    move |count| {
        let start = processor_time();
        for _ in 0..count {
            std::hint::black_box(explore());
        }
        processor_time() - start
    }
}

/// What the process has had of the processor. All of them compute on one thread
/// and never wait, so this is the time that they take on a machine that does
/// nothing else.
fn processor_time() -> Duration {
    // SAFETY: all zeros are a time.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the time is ours.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "every process has a clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Prints the table in Markdown. A program stands only on its first line.
fn print(lines: &[Line]) {
    println!(
        "| program | who | executions | outcomes | one takes | times as fast as shuttle | middle \
         half | all take | times as fast |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |");
    let mut last = "";
    for line in lines {
        let program = if line.program == last { "" } else { line.program };
        last = line.program;
        let (low, high) = line.speed.quartiles;
        println!(
            "| {program} | {} | {} | {} | {} | {} | {} - {} | {} | {} |",
            line.who,
            line.explored.executions,
            line.explored.outcomes.map_or_else(String::new, |outcomes| outcomes.to_string()),
            table::in_words(line.each),
            table::ratio_in_words(line.speed.median),
            table::ratio_in_words(low),
            table::ratio_in_words(high),
            table::in_words(line.whole),
            table::ratio_in_words(line.whole_speed),
        );
    }
}
