//! Measures rows, and prints the table.

use std::time::Duration;

/// The approximate time of a batch. It is short so that the peers take turns often, because the speed
/// of a machine drifts and other work takes milliseconds at a time.
const BATCH: Duration = Duration::from_millis(2);

/// A function that runs a number of operations, and returns their time.
pub type Work = fn(u64) -> Duration;

/// An operation, and the libraries that it is measured with. leno is the first.
pub struct Row {
    pub name: &'static str,
    pub entries: &'static [(&'static str, Work)],
}

/// The result of one library in a row.
pub struct Line {
    pub row: &'static str,
    pub peer: &'static str,
    pub value: String,
    /// The time divided by leno's.
    pub ratio: f64,
    /// The middle half of the ratios.
    pub quartiles: Option<(f64, f64)>,
}

/// The median and the quartiles of some samples.
pub struct Spread {
    pub median: f64,
    /// The first and the third quartile.
    pub quartiles: (f64, f64),
}

impl Spread {
    pub fn of(samples: impl Iterator<Item = f64>) -> Spread {
        let sorted = sorted(samples);
        let quartiles = (quantile(&sorted, 0.25), quantile(&sorted, 0.75));
        Spread { median: quantile(&sorted, 0.5), quartiles }
    }

    /// Returns the spread of the ratios of each round.
    pub fn of_ratios(numerators: &[f64], denominators: &[f64]) -> Spread {
        Spread::of(numerators.iter().zip(denominators).map(|(above, below)| above / below))
    }
}

/// Returns the nanoseconds of an operation for each library and each round. A round has one batch of
/// each library.
pub fn nanoseconds(works: &[impl Fn(u64) -> Duration], rounds: usize) -> Vec<Vec<f64>> {
    let counts: Vec<u64> = works.iter().map(operations_in_a_batch).collect();
    let mut nanoseconds = vec![Vec::new(); works.len()];
    for _ in 0..rounds {
        for (index, work) in works.iter().enumerate() {
            let elapsed = work(counts[index]);
            nanoseconds[index].push(elapsed.as_secs_f64() * 1e9 / counts[index] as f64);
        }
    }
    nanoseconds
}

/// Measures all libraries of a row. A ratio is the median of the rounds' ratios.
pub fn lines(row: &'static Row, rounds: usize) -> Vec<Line> {
    let works: Vec<Work> = row.entries.iter().map(|entry| entry.1).collect();
    let nanoseconds = nanoseconds(&works, rounds);
    let line = |(index, samples): (usize, &Vec<f64>)| {
        let ratios = Spread::of_ratios(samples, &nanoseconds[0]);
        Line {
            row: row.name,
            peer: row.entries[index].0,
            value: in_words(Spread::of(samples.iter().copied()).median),
            ratio: ratios.median,
            quartiles: (index > 0).then_some(ratios.quartiles),
        }
    };
    nanoseconds.iter().enumerate().map(line).collect()
}

/// Returns the number of operations with which a batch takes about [`BATCH`].
fn operations_in_a_batch(work: impl Fn(u64) -> Duration) -> u64 {
    let mut operations = 1;
    loop {
        let elapsed = work(operations);
        if elapsed * 4 >= BATCH {
            let factor = BATCH.as_secs_f64() / elapsed.as_secs_f64();
            return ((operations as f64 * factor) as u64).max(1);
        }
        operations *= 4;
    }
}

pub fn in_words(nanoseconds: f64) -> String {
    match nanoseconds {
        ..10.0 => format!("{nanoseconds:.2} ns"),
        10.0..1_000.0 => format!("{nanoseconds:.0} ns"),
        1_000.0..1_000_000.0 => format!("{:.1} us", nanoseconds / 1_000.0),
        _ => format!("{:.1} ms", nanoseconds / 1_000_000.0),
    }
}

fn sorted(samples: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut samples: Vec<f64> = samples.collect();
    samples.sort_by(f64::total_cmp);
    samples
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

pub fn ratio_in_words(ratio: f64) -> String {
    if ratio < 100.0 { format!("{ratio:.2}") } else { format!("{ratio:.0}") }
}

/// Prints the table in Markdown. A row's name is only on its first line.
pub fn print(lines: &[Line]) {
    println!("| operation | library | median | against leno | middle half |");
    println!("| --- | --- | ---: | ---: | --- |");
    let mut last = "";
    for line in lines {
        let name = if line.row == last { "" } else { line.row };
        last = line.row;
        let spread = line.quartiles.map_or_else(String::new, |(low, high)| {
            format!("{} - {}", ratio_in_words(low), ratio_in_words(high))
        });
        let ratio = ratio_in_words(line.ratio);
        println!("| {name} | {} | {} | {ratio} | {spread} |", line.peer, line.value);
    }
}
