//! Measuring a row, and the table.

use std::time::Duration;

use crate::{Row, Work};

/// A batch takes about this long. Short, so that the peers take turns often: the
/// speed of a machine drifts, and what else runs on it takes milliseconds away.
const BATCH: Duration = Duration::from_millis(2);

pub struct Line {
    pub row: &'static str,
    pub peer: &'static str,
    pub value: String,
    /// Against leno, with the middle half of its spread.
    pub ratio: f64,
    pub quartiles: Option<(f64, f64)>,
}

/// Measures everybody in a row: each round has one batch of each, and a ratio is
/// the median of the rounds' ratios.
pub fn lines(row: &'static Row, rounds: usize) -> Vec<Line> {
    let counts: Vec<u64> = row.entries.iter().map(|entry| operations_in_a_batch(entry.1)).collect();
    let mut nanoseconds = vec![Vec::new(); row.entries.len()];
    for _ in 0..rounds {
        for (index, (_, work)) in row.entries.iter().enumerate() {
            let elapsed = work(counts[index]);
            nanoseconds[index].push(elapsed.as_secs_f64() * 1e9 / counts[index] as f64);
        }
    }
    let ours = nanoseconds[0].clone();
    let line = |(index, samples): (usize, Vec<f64>)| {
        let ratios = sorted(samples.iter().zip(&ours).map(|(theirs, ours)| theirs / ours));
        Line {
            row: row.name,
            peer: row.entries[index].0,
            value: in_words(quantile(&sorted(samples.into_iter()), 0.5)),
            ratio: quantile(&ratios, 0.5),
            quartiles: (index > 0).then(|| (quantile(&ratios, 0.25), quantile(&ratios, 0.75))),
        }
    };
    nanoseconds.into_iter().enumerate().map(line).collect()
}

/// So many operations that a batch takes about [`BATCH`].
fn operations_in_a_batch(work: Work) -> u64 {
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

fn in_words(nanoseconds: f64) -> String {
    match nanoseconds {
        ..10.0 => format!("{nanoseconds:.2} ns"),
        10.0..1_000.0 => format!("{nanoseconds:.0} ns"),
        _ => format!("{:.1} us", nanoseconds / 1_000.0),
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

fn ratio_in_words(ratio: f64) -> String {
    if ratio < 100.0 { format!("{ratio:.2}") } else { format!("{ratio:.0}") }
}

/// Prints the table in Markdown. A row's name stands only on its first line.
pub fn print(lines: &[Line]) {
    println!("| what | who | median | against leno | middle half |");
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
