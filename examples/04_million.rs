//! 4. A million green threads, alive at the same time.
//!
//! Each has a stack of its own with a guard below it, and runs an ordinary
//! function that waits in the middle. This is cheap because a stack is reserved
//! address space: it takes memory only for the pages that are touched, and a
//! green thread that waits at a small depth touches one page of 4 KiB. On Linux
//! 6.13 and later the guard is a mark in the page table, so a million guards need
//! no entry in the kernel's list of mappings.
//!
//! ```text
//! cargo run --release --example 04_million
//! cargo run --release --example 04_million -- 100_000
//! ```

#[path = "shared/arguments.rs"]
mod arguments;

use std::cell::Cell;
use std::hint::black_box;
use std::io::Read;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{fs, io};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use leno::stack::Stack;
use leno::thread::{self, JoinHandle};

/// The size of each stack, which suffices for these green threads. A larger stack would cost more
/// address space, but not more memory.
const STACK_BYTES: usize = 32 * 1024;
/// The number of times that each green thread yields to all others, once all are spawned.
const ROUNDS: usize = 5;

const KIB: f64 = 1024.0;

const USAGE: &str = "cargo run --release --example 04_million -- [COUNT]";

fn main() -> ExitCode {
    match count_from_arguments() {
        Ok(count) => leno::run(move || show(count)),
        Err(what) => {
            eprintln!("error: {what}");
            eprintln!(" next: {USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Yields to all other green threads a few times, and then parks until the main green thread
/// unparks this one.
fn live(ended: &Cell<usize>) {
    for _ in 0..=ROUNDS {
        thread::yield_now();
    }
    thread::park();
    ended.set(ended.get() + 1);
}

fn show(wanted: usize) -> ExitCode {
    let ended = Rc::new(Cell::new(0));
    let mut handles = Vec::with_capacity(wanted.min(1 << 24));
    // Waking a green thread takes a handle, which needs some memory. The memory is reserved here,
    // so that all can end even if the system has no more.
    let kept_aside: Vec<u8> = black_box(Vec::with_capacity(wanted.min(1 << 24) * 96));
    let before = Footprint::now();

    let start = Instant::now();
    let spawned = spawn_all(wanted, &ended, &mut handles);
    let spawn_time = start.elapsed();
    // The first turn of each green thread includes its start, so it does not count.
    thread::yield_now();
    let start = Instant::now();
    for _ in 0..ROUNDS {
        thread::yield_now();
    }
    let switch_time = start.elapsed();
    thread::yield_now();
    let parked = Footprint::now();

    drop(kept_aside);
    let count = handles.len();
    let start = Instant::now();
    for handle in &handles {
        handle.thread().unpark();
    }
    for handle in handles {
        handle.join().expect("it does not panic");
    }
    let end_time = start.elapsed();
    assert_eq!(ended.get(), count);

    println!("{} green threads alive at once", grouped(count));
    let guard_bytes = Stack::new(STACK_BYTES).map_or(0, |stack| stack.guard_size());
    let (stack_kib, guard_kib) = (STACK_BYTES / 1024, guard_bytes / 1024);
    println!("each on {stack_kib} KiB of stack, with a guard of {guard_kib} KiB below it\n");
    if count > 0 {
        let line = |what, each: String| println!("  {what:<12} {each:>10}  each");
        line("spawn", per(spawn_time, count));
        line("switch", per(switch_time, count * ROUNDS));
        line("wake and end", per(end_time, count));
        parked.show_since(&before, count);
    }
    show_limits(parked.map_entries);
    match spawned {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {} of {}: {error}", grouped(count), grouped(wanted));
            ExitCode::from(1)
        }
    }
}

/// Spawns `wanted` green threads, or as many as the system can hold.
fn spawn_all(
    wanted: usize,
    ended: &Rc<Cell<usize>>,
    handles: &mut Vec<JoinHandle<()>>,
) -> io::Result<()> {
    let bar = progress_bar(wanted);
    while handles.len() < wanted {
        let ended = Rc::clone(ended);
        handles.push(thread::Builder::new().stack_size(STACK_BYTES).spawn(move || live(&ended))?);
        if handles.len().is_multiple_of(8192) {
            bar.set_position(handles.len() as u64);
            check_memory()?;
        }
    }
    Ok(())
}

/// Returns an error if little memory is left. The operating system grants more address space than it
/// has memory, and kills a process when the pages are touched, so this program stops earlier.
fn check_memory() -> io::Result<()> {
    match kib_in("/proc/meminfo", "MemAvailable:") {
        Some(kib) if kib < 256 * 1024 => Err(io::Error::new(
            io::ErrorKind::OutOfMemory,
            format!("the machine has only {} MiB of memory left; ask for fewer", kib / 1024),
        )),
        _ => Ok(()),
    }
}

/// The memory of the process, according to the kernel. `None` for an unknown value.
struct Footprint {
    resident_kib: Option<u64>,
    page_table_kib: Option<u64>,
    map_entries: Option<usize>,
}

impl Footprint {
    fn now() -> Footprint {
        Footprint {
            resident_kib: kib_in("/proc/self/status", "VmRSS:"),
            page_table_kib: kib_in("/proc/self/status", "VmPTE:"),
            map_entries: count_lines("/proc/self/maps").ok(),
        }
    }

    fn show_since(&self, before: &Footprint, count: usize) {
        let each = |now: Option<u64>, before: Option<u64>| match (now, before) {
            (Some(now), Some(before)) => {
                format!("{:.2} KiB", now.saturating_sub(before) as f64 / count as f64)
            }
            _ => "unknown".to_owned(),
        };
        let resident = each(self.resident_kib, before.resident_kib);
        let page_tables = each(self.page_table_kib, before.page_table_kib);
        let total_gib = self.resident_kib.unwrap_or(0) as f64 / (KIB * KIB);
        println!("  {:<12} {resident:>10}  each, {total_gib:.2} GiB in all", "memory");
        println!("  {:<12} {page_tables:>10}  each", "page tables");
    }
}

/// Prints the limits of this machine.
fn show_limits(map_entries: Option<usize>) {
    let sysctl = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
        text.trim().parse().ok()
    };
    let number = |number: Option<usize>| number.map_or("unknown".to_owned(), grouped);
    let (used, limit) = (number(map_entries), number(sysctl("vm/max_map_count")));
    println!("  {:<12} {used:>10}  of {limit} (vm.max_map_count)", "map entries");
    if let Some(kib) = kib_in("/proc/meminfo", "MemTotal:") {
        let available = kib_in("/proc/meminfo", "MemAvailable:").unwrap_or(0);
        let gib = |kib: u64| kib as f64 / (KIB * KIB);
        let (total, available) = (gib(kib), gib(available));
        println!("  {:<12} {total:>6.1} GiB  of memory, {available:.1} GiB available", "machine");
    }
}

/// Returns the number of KiB that a file of /proc gives under `key`.
fn kib_in(path: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Counts the lines of a file. It reads small pieces, because a large buffer cannot be allocated
/// when the map entries are used up.
fn count_lines(path: &str) -> io::Result<usize> {
    let (mut file, mut piece, mut lines) = (fs::File::open(path)?, [0; 4096], 0);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(lines),
            length => lines += piece[..length].iter().filter(|&&byte| byte == b'\n').count(),
        }
    }
}

/// Returns a progress bar, which is invisible if standard error is not a terminal.
fn progress_bar(length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("spawning {bar:50} {human_pos} of {human_len}");
    ProgressBar::new(length as u64)
        .with_style(style.expect("the template is right").progress_chars("━╸ "))
        .with_finish(ProgressFinish::AndClear)
}

fn per(time: Duration, count: usize) -> String {
    let ns = time.as_nanos() as f64 / count as f64;
    if ns < 100.0 { format!("{ns:.1} ns") } else { format!("{ns:.0} ns") }
}

/// Formats 1000000 as 1,000,000.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits are ASCII"))
        .collect();
    groups.join(",")
}

fn count_from_arguments() -> Result<usize, String> {
    let arguments =
        arguments::arguments("Many green threads alive at once, a million by default.", USAGE);
    match &arguments[..] {
        [] => Ok(1_000_000),
        [count] => {
            let digits = count.to_str().map(|text| text.replace(['_', ','], ""));
            match digits.and_then(|digits| digits.parse().ok()) {
                Some(0) => Err("none at all would show nothing".to_owned()),
                Some(count) if count <= 1_000_000_000 => Ok(count),
                Some(count) => Err(format!("{count} is more than any machine holds")),
                None => Err(format!("{count:?} is not a number of green threads")),
            }
        }
        _ => Err("one number is enough".to_owned()),
    }
}
