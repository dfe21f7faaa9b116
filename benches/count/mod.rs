//! Instruction counts: exact, equal on a busy machine, and equal on every machine with the same
//! compiler.
//!
//! A child process runs the operations one instruction at a time, and this process counts the steps.
//! Each side of a row is counted with two different numbers of operations; the difference consists
//! of operations only.
//!
//! Valgrind's callgrind counts instructions too, but leno does more work under Valgrind: it checks a
//! stack each time that the stack returns to the pool.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::table::Row;
use crate::work::Work;

const VARIABLE: &str = "LENO_BENCH_COUNT_CHILD";
// Multiples of every number of green threads, coroutines and call sites that a counted row has.
const FEW: u64 = 4_000;
const MANY: u64 = 8_000;

/// Returns the two numbers of operations for a row. An execution of an exploration takes thousands
/// of instructions, so a tenth of the operations suffices for it.
fn operations(row: &Row) -> (u64, u64) {
    if row.ours.0 == "execution" { (FEW / 10, MANY / 10) } else { (FEW, MANY) }
}

pub fn is_child() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Runs the operations that the variable names: row, side, number of operations. Stops the process
/// before and after them if the variable ends in `stop`.
pub fn child() {
    let order = env::var(VARIABLE).unwrap_or_default();
    let numbers: Vec<u64> = order.split(',').filter_map(|number| number.parse().ok()).collect();
    let &[row, side, operations] = &numbers[..] else {
        panic!("{VARIABLE} must be three numbers, not {order:?}");
    };
    let row = &crate::ROWS[usize::try_from(row).expect("it fits")];
    let work = if side == 0 { row.ours.1 } else { row.theirs.1 };
    let stop = || {
        if order.ends_with("stop") {
            // SAFETY: raise(3) takes an integer. The parent continues this process.
            unsafe { libc::raise(libc::SIGSTOP) };
        }
    };
    // Runs one-time initialisation outside of the count.
    work(1);
    stop();
    work(operations);
    stop();
}

/// Counts every side of every row, and prints the table.
pub fn print(rows: &[Row]) {
    println!("| instructions of one | leno | other |");
    println!("| --- | ---: | ---: |");
    let word = env::var("LENO_BENCH_COUNT").unwrap_or_default();
    let wanted = |row: &Row| word == "all" || row.name.contains(&word);
    let wanted = |row: &Row| wanted(row) && !has_too_many_threads(row.name);
    for (index, row) in rows.iter().enumerate().filter(|(_, row)| wanted(row)) {
        let (few, many) = operations(row);
        let each = |side: usize| {
            let steps = |operations| {
                steps(&format!("{index},{side},{operations},stop")).expect("a child can be traced")
            };
            (steps(many) - steps(few)) as f64 / (many - few) as f64
        };
        let other = match row.theirs {
            (name, _) if name.starts_with("corosensei") && !is_repeated(row) => {
                format!("{:.1} {name}", each(1))
            }
            _ => String::new(),
        };
        println!("| {} | {:.1} | {other} |", row.name, each(0));
    }
}

/// Returns `true` if the name of a row has a number of green threads for which [`FEW`] and
/// [`MANY`] operations are one round each: their difference would count nothing.
fn has_too_many_threads(name: &str) -> bool {
    let numbers = name.split(' ').filter_map(|word| word.replace(',', "").parse::<u64>().ok());
    numbers.max().is_some_and(|number| number > FEW)
}

/// Returns `true` if another row already counts the other side of this row.
fn is_repeated(row: &Row) -> bool {
    let same = |work: Work| std::ptr::fn_addr_eq(work, row.theirs.1);
    row.theirs.0 == crate::BASELINE.0 && same(crate::BASELINE.1)
}

/// Returns the number of instructions that a child runs between its two stops.
fn steps(order: &str) -> io::Result<u64> {
    let mut command = Command::new(env::current_exe()?);
    command.env(VARIABLE, order);
    // SAFETY: the closure only makes a system call with integers, which is allowed after a fork.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    let mut child = command.spawn()?;
    let id = libc::pid_t::try_from(child.id()).expect("process ids fit");
    // The child stops at its exec, and then at its own SIGSTOP.
    while wait_for_stop(id)? != libc::SIGSTOP {
        go_on(libc::PTRACE_CONT, id)?;
    }
    let mut steps = 0;
    loop {
        go_on(libc::PTRACE_SINGLESTEP, id)?;
        steps += 1;
        if wait_for_stop(id)? == libc::SIGSTOP {
            break;
        }
    }
    go_on(libc::PTRACE_CONT, id)?;
    child.wait()?;
    Ok(steps)
}

/// Waits for the child to stop, and returns the signal that has stopped it.
fn wait_for_stop(id: libc::pid_t) -> io::Result<libc::c_int> {
    let mut status = 0;
    // SAFETY: `status` is a live integer, which waitpid writes.
    if unsafe { libc::waitpid(id, &mut status, 0) } != id {
        return Err(io::Error::last_os_error());
    }
    if libc::WIFSTOPPED(status) {
        Ok(libc::WSTOPSIG(status))
    } else {
        Err(io::Error::other(format!("the child ended with status {status:#x}")))
    }
}

#[cfg(target_env = "musl")]
type Request = libc::c_int;
#[cfg(not(target_env = "musl"))]
type Request = libc::c_uint;

fn go_on(request: Request, id: libc::pid_t) -> io::Result<()> {
    // SAFETY: these requests access no memory of this process, and the child is a stopped tracee.
    match unsafe { libc::ptrace(request, id, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
