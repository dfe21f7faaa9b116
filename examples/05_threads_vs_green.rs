//! 5. The cost of a switch and of a spawn, as the number of threads grows.
//!
//! `leno::thread` has the interface of `std::thread`, so the same program runs
//! with both; here it is a macro that is expanded with each of the two
//! libraries. It measures three operations, with 2 to 10,000 threads:
//!
//! - yield: every thread calls `yield_now` in turn, which is the cheapest switch
//!   of each library (for OS threads it is sched_yield(2));
//! - hand over: the threads form a ring; each wakes the next with `unpark` and
//!   then waits in `park`, like a program that passes work on;
//! - spawn + join: all threads are spawned, exist at the same time, and end.
//!
//! The process is bound to one core, so that OS threads switch instead of
//! answering each other from two cores.
//!
//! ```text
//! cargo run --release --example 05_threads_vs_green
//! cargo run --release --example 05_threads_vs_green -- plot.svg 1000
//! ```
//!
//! It prints a table and draws it as an SVG. The arguments are the path of the SVG
//! (target/threads_vs_green.svg) and the largest number of threads.

#[path = "shared/arguments.rs"]
mod arguments;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{fs, io};

use plotters::coord::Shift;
use plotters::prelude::*;

const COUNTS: [usize; 8] = [2, 10, 30, 100, 300, 1_000, 3_000, 10_000];
/// The size of each stack, which suffices for std to start an OS thread.
const STACK_BYTES: usize = 64 * 1024;
/// The number of runs of which each figure is the best. Disturbances only make a run slower.
const REPEATS: usize = 3;

/// The nanoseconds of one operation of each kind.
#[derive(Clone, Copy)]
struct Costs {
    yielding: f64,
    hand_over: f64,
    spawn_join: f64,
}

/// The program, in a module of its own for each library.
macro_rules! program {
    ($name:ident, $library:ident) => {
        mod $name {
            use super::*;
            use $library::thread;

            /// Measures the costs with `count` threads and about `switches` switches.
            pub(super) fn costs(count: usize, switches: usize) -> io::Result<Costs> {
                // Enough rounds to make the cost of the threads' ends negligible.
                let rounds = (switches / count).max(30);
                Ok(Costs {
                    yielding: best_of(|| yielding(count, rounds))?,
                    hand_over: best_of(|| hand_over(count, rounds))?,
                    spawn_join: best_of(|| spawn_join(count))?,
                })
            }

            fn yielding(count: usize, rounds: usize) -> io::Result<f64> {
                let mut handles = Vec::new();
                let spawned = (0..count).try_for_each(|_| {
                    handles.push(builder().spawn(move || {
                        // Waits until all threads are spawned.
                        thread::park();
                        (0..rounds).for_each(|_| thread::yield_now());
                    })?);
                    Ok(())
                });
                let start = Instant::now();
                handles.iter().for_each(|handle| handle.thread().unpark());
                handles.into_iter().for_each(|handle| handle.join().expect("it does not panic"));
                spawned.map(|()| start.elapsed().as_nanos() as f64 / (count * rounds) as f64)
            }

            fn hand_over(count: usize, rounds: usize) -> io::Result<f64> {
                // The main thread is the first and the last in the ring.
                let mut next = thread::current();
                let mut handles = Vec::new();
                let spawned = (1..count).try_for_each(|_| {
                    let after = next.clone();
                    let handle = builder().spawn(move || {
                        for _ in 0..=rounds {
                            thread::park();
                            after.unpark();
                        }
                    })?;
                    next = handle.thread().clone();
                    handles.push(handle);
                    Ok(())
                });
                let mut start = Instant::now();
                for round in 0..=rounds {
                    if round == 1 {
                        start = Instant::now();
                    }
                    next.unpark();
                    thread::park();
                }
                let time = start.elapsed();
                handles.into_iter().for_each(|handle| handle.join().expect("it does not panic"));
                spawned.map(|()| time.as_nanos() as f64 / (count * rounds) as f64)
            }

            fn spawn_join(count: usize) -> io::Result<f64> {
                let start = Instant::now();
                let mut handles = Vec::new();
                let spawned = (0..count).try_for_each(|_| {
                    handles.push(builder().spawn(thread::park)?);
                    Ok(())
                });
                handles.iter().for_each(|handle| handle.thread().unpark());
                handles.into_iter().for_each(|handle| handle.join().expect("it does not panic"));
                spawned.map(|()| start.elapsed().as_nanos() as f64 / count as f64)
            }

            fn builder() -> thread::Builder {
                thread::Builder::new().stack_size(STACK_BYTES)
            }
        }
    };
}

program!(os, std);
program!(green, leno);

fn best_of(measure: impl Fn() -> io::Result<f64>) -> io::Result<f64> {
    (0..REPEATS).try_fold(f64::INFINITY, |best, _| Ok(best.min(measure()?)))
}

const ABOUT: &str = "OS threads and green threads side by side, as a table and a picture.";
const USAGE: &str = "cargo run --release --example 05_threads_vs_green -- [SVG] [COUNT]";

fn main() -> ExitCode {
    let (path, most) = match arguments() {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("error: {what}");
            eprintln!(" next: {USAGE}");
            return ExitCode::from(2);
        }
    };
    match measure(&path, most) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

/// Returns the path of the picture and the largest number of threads.
fn arguments() -> Result<(PathBuf, usize), &'static str> {
    let (mut path, mut most) = (None, None);
    for argument in arguments::arguments(ABOUT, USAGE) {
        match argument.to_str().and_then(|text| text.parse().ok()) {
            Some(0 | 1) => return Err("it takes two to switch"),
            Some(count) if most.is_none() => most = Some(count),
            None if path.is_none() && !argument.is_empty() => path = Some(argument.into()),
            _ => return Err("one path and one number are enough"),
        }
    }
    let path = path.unwrap_or_else(|| "target/threads_vs_green.svg".into());
    Ok((path, most.unwrap_or(usize::MAX)))
}

fn measure(path: &Path, most: usize) -> Result<(), Box<dyn Error>> {
    let bound = bind_to_one_core();
    println!("{}\n", if bound { "on one core" } else { "on any core: binding to one failed" });
    println!("                 yield                 hand over            spawn + join");
    println!(" threads       OS     green          OS     green          OS     green");
    let (mut os, mut green) = (Vec::new(), Vec::new());
    let mut refusal = None;
    for count in COUNTS.into_iter().filter(|&count| count <= most) {
        let ours = leno::run(|| green::costs(count, 400_000))?;
        green.push((count, ours));
        let mut theirs = None;
        if refusal.is_none() {
            match os::costs(count, 20_000) {
                Ok(costs) => theirs = Some(costs),
                Err(error) => refusal = Some((count, error)),
            }
        }
        os.extend(theirs.map(|costs| (count, costs)));
        let columns = |costs: Costs| [costs.yielding, costs.hand_over, costs.spawn_join];
        let theirs = theirs.map_or(["-".to_owned(), "-".to_owned(), "-".to_owned()], |costs| {
            columns(costs).map(human)
        });
        let cells = theirs.into_iter().zip(columns(ours).map(human));
        let cells: String = cells.map(|(os, green)| format!("  {os:>10}{green:>10}")).collect();
        println!("{count:>8}{}", &cells[2..]);
    }
    if let Some((count, error)) = refusal {
        println!("\nthe system does not give us {count} OS threads: {error}");
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    draw(path, &os, &green)?;
    println!("\ndrawn in {}", path.display());
    Ok(())
}

/// Formats a time with three digits and a unit.
fn human(ns: f64) -> String {
    let (number, unit) = if ns < 999.5 { (ns, "ns") } else { (ns / 1_000.0, "µs") };
    let decimals = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
    format!("{number:.decimals$} {unit}")
}

/// Binds this OS thread, and every OS thread that it starts, to its current core.
fn bind_to_one_core() -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: all zeros is a valid set of cores, and sched_setaffinity only reads it.
    unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu().max(0) as usize, &mut cores);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores) == 0
    }
    #[cfg(not(target_os = "linux"))]
    false
}

type Series = [(usize, Costs)];

/// Blue and vermilion, which people with any colour vision can distinguish (Okabe and Ito).
const GREEN: RGBColor = RGBColor(0, 114, 178);
const OS: RGBColor = RGBColor(213, 94, 0);

/// A line of a diagram.
struct Line {
    label: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
    /// A secondary line has hollow points, and its label is below it.
    secondary: bool,
}

impl Line {
    fn new(label: &'static str, series: &Series, cost: fn(&Costs) -> f64) -> Line {
        Line {
            label,
            colour: if label.starts_with("OS") { OS } else { GREEN },
            points: series.iter().map(|(count, costs)| (*count as f64, cost(costs))).collect(),
            secondary: label.ends_with("yield"),
        }
    }

    /// Returns the place of the label, clear of the part of the line beside it.
    fn label_place(&self) -> (f64, f64) {
        let beside = self.points.iter().take(4).map(|&(_, y)| y);
        let y = if self.secondary { beside.reduce(f64::min) } else { beside.reduce(f64::max) };
        (2.0, y.unwrap_or(1.0))
    }
}

/// Draws the two diagrams side by side.
fn draw(path: &Path, os: &Series, green: &Series) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, (960, 430)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(480);
    let lines = [
        Line::new("OS threads, hand over", os, |costs| costs.hand_over),
        Line::new("OS threads, yield", os, |costs| costs.yielding),
        Line::new("green threads, hand over", green, |costs| costs.hand_over),
        Line::new("green threads, yield", green, |costs| costs.yielding),
    ];
    diagram(&left, "time for one switch", &lines)?;
    let lines = [
        Line::new("OS threads", os, |costs| costs.spawn_join),
        Line::new("green threads", green, |costs| costs.spawn_join),
    ];
    diagram(&right, "time for one spawn + join", &lines)?;
    area.present()?;
    Ok(())
}

fn diagram(
    area: &DrawingArea<SVGBackend, Shift>,
    title: &str,
    lines: &[Line],
) -> Result<(), Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(14)
        .margin_right(24)
        .x_label_area_size(46)
        .y_label_area_size(60)
        .build_cartesian_2d((1.0..12_000.0).log_scale(), (1.0..100_000.0).log_scale())?;
    chart
        .configure_mesh()
        .bold_line_style(RGBColor(222, 222, 222))
        .light_line_style(WHITE)
        .axis_style(RGBColor(120, 120, 120))
        .label_style(("sans-serif", 14))
        .x_desc("number of threads")
        .x_label_formatter(&|&count| match count {
            1_000.0.. => format!("{},000", count / 1_000.0),
            _ => format!("{count}"),
        })
        .y_label_formatter(&|&ns| match ns {
            1_000.0.. => format!("{} µs", ns / 1_000.0),
            _ => format!("{ns} ns"),
        })
        .draw()?;
    for line in lines {
        let stroke = line.colour.stroke_width(2);
        let fill = if line.secondary { WHITE.filled() } else { line.colour.filled() };
        chart.draw_series(LineSeries::new(line.points.iter().copied(), stroke))?;
        chart.draw_series(line.points.iter().map(|&point| {
            EmptyElement::at(point) + Circle::new((0, 0), 4, fill) + Circle::new((0, 0), 4, stroke)
        }))?;
        let label = ("sans-serif", 15).into_font().color(&line.colour);
        let (x, y) = line.label_place();
        let offset = if line.secondary { 9 } else { -24 };
        let text = Text::new(line.label, (0, offset), label);
        chart.draw_series([EmptyElement::at((x, y)) + text])?;
    }
    Ok(())
}
