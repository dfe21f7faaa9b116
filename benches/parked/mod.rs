//! The memory that a parked green thread takes, measured in a process of its own.

use std::env;
use std::fs;
use std::process::{Command, Stdio};

use leno::thread;

use crate::table::Outcome;

const VARIABLE: &str = "LENO_BENCH_PARKED_CHILD";
const STACK_BYTES: usize = 32 * 1024;

pub fn is_child() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Returns the number of green threads to park.
fn wanted() -> u64 {
    let wanted = env::var("LENO_BENCH_PARKED").ok();
    wanted.map_or(1_000_000, |wanted| {
        wanted.parse().expect("LENO_BENCH_PARKED must be a number of green threads")
    })
}

/// Parks the green threads in a child process, and returns the row of the table: resident KiB for
/// each.
pub fn measure() -> Option<Outcome> {
    let count = match (wanted(), available_kib()) {
        (0, _) => return None,
        (wanted, Some(available)) if available / 6 < wanted => {
            println!("not enough memory for {wanted} parked green threads: {}", available / 6);
            available / 6
        }
        (wanted, _) => wanted,
    };
    let output = this_program().env(VARIABLE, count.to_string()).stderr(Stdio::inherit()).output();
    let output = output.expect("this program can start itself");
    assert!(output.status.success(), "the process with the parked green threads failed");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[resident, page_tables, map_entries] = &numbers[..] else {
        panic!("the process with the parked green threads wrote {text:?}");
    };
    println!(
        "{count} parked green threads: {resident:.2} KiB resident and {page_tables:.2} KiB of page \
         tables each, {map_entries} map entries in all"
    );
    let words = format!("{resident:.2} KiB");
    Some(Outcome::of_value("parked green thread, KiB", words, resident, Some((4.6, 4.3))))
}

/// Returns a command that runs this program. A program for another instruction set is run by the
/// runner that cargo uses.
fn this_program() -> Command {
    let program = env::current_exe().expect("the path of this program is known");
    let runner = env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    match words.next() {
        Some(runner) if cfg!(target_arch = "aarch64") => {
            let mut command = Command::new(runner);
            command.args(words).arg(program);
            command
        }
        _ => Command::new(program),
    }
}

/// Parks the green threads, and prints the resident KiB and the KiB of page tables of each, and the
/// number of map entries.
pub fn child() {
    let count: u64 = env::var(VARIABLE).ok().and_then(|count| count.parse().ok()).unwrap_or(1);
    leno::run(|| {
        let mut handles = Vec::with_capacity(usize::try_from(count).expect("it fits"));
        let before = [status_kib("VmRSS:"), status_kib("VmPTE:")];
        for _ in 0..count {
            let builder = thread::Builder::new().stack_size(STACK_BYTES);
            handles.push(builder.spawn(thread::park).expect("there is memory for the stack"));
        }
        thread::yield_now();
        assert!(handles.iter().all(|handle| !handle.is_finished()), "all are parked");
        let after = [status_kib("VmRSS:"), status_kib("VmPTE:")];
        let maps = fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count());
        let each = |index: usize| (after[index] - before[index]) / count as f64;
        println!("{} {} {maps}", each(0), each(1));
        for handle in handles {
            handle.thread().unpark();
            handle.join().expect("park does not panic");
        }
    });
}

fn status_kib(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kib(&status, field).unwrap_or(f64::NAN)
}

fn available_kib() -> Option<u64> {
    let available = kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    Some(available as u64)
}

fn kib(text: &str, field: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.trim().strip_suffix("kB")?.trim().parse().ok())
}
