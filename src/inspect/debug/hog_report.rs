//! The report of a green thread that does not let others run.

#![forbid(unsafe_code)]

use std::fmt;

use super::hog_sampler::Hog;
use super::symbols::Symbols;

/// Words in the name or the source file of a function of the standard library that blocks, and what
/// to use instead. The functions of `std::thread` come last: other functions wait by them.
const REMEDIES: &[(&[&str], &str)] = &[
    (&["::mpsc::", "/mpsc.rs", "/mpmc/"], "leno::sync::mpsc or leno::channel"),
    (&["::condvar::", "/condvar.rs"], "leno::sync::Condvar"),
    (&["::barrier::", "/barrier.rs"], "leno::sync::Barrier"),
    (&["::rwlock::", "/rwlock.rs"], "leno::sync::RwLock"),
    (&["::mutex::", "/mutex.rs"], "leno::sync::Mutex"),
    (&["std::os::unix::net"], "leno::os::unix::net"),
    (&["std::net::", "/std/src/net/"], "leno::net"),
    (&["std::os::unix::fs", "/std/src/os/unix/fs.rs"], "leno::os::unix::fs"),
    (&["std::fs::", "/std/src/fs"], "leno::fs"),
    (&["std::io::pipe::", "/std/src/io/pipe.rs"], "leno::io::pipe"),
    (&["std::process::", "/std/src/process.rs"], "leno::process"),
    (&["std::io::", "/std/src/io/"], UNBLOCK),
    (&["::JoinHandle", "/join_handle.rs", "::JoinInner"], UNBLOCK),
    (&["std::thread::sleep", "std::thread::functions::sleep"], "leno::sleep"),
    (&["std::thread::park", "std::thread::functions::park"], "leno::thread::park"),
];

const UNBLOCK: &str = "leno::unblock, which makes the call on another OS thread";

/// Returns what the program can use instead of the call of the standard library that it is in; the
/// calls are named from the innermost.
fn remedy(calls: &[String]) -> Option<&'static str> {
    let of = |call: &String| {
        let is_in = |words: &&[&str]| words.iter().any(|words| call.contains(words));
        REMEDIES.iter().find(|(words, _)| is_in(words)).map(|(_, remedy)| *remedy)
    };
    // The call that the program has made is the outermost.
    calls.iter().rev().find_map(of)
}

/// Prints the functions and lines of the program; `{:#}` prints all frames.
impl fmt::Display for Hog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "green thread '{name}' ({})", self.id)?,
            None => write!(f, "green thread {}", self.id)?,
        }
        write!(
            f,
            " has run for {:.0?} without letting others run\n  spawned at {}",
            self.has_run, self.spawned_at
        )?;
        let mut symbols = Symbols::new(f.alternate());
        symbols.print(f, &self.frames, self.has_more_frames)?;
        f.write_str("\n  next: ")?;
        match remedy(&symbols.calls_of_std(&self.frames)) {
            Some(remedy) => write!(f, "this blocks the OS thread; use {remedy}"),
            None => f.write_str(
                "a call that blocks the OS thread belongs into leno::unblock; a loop that computes \
                 for long should call leno::yield_now now and then",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_call_of_std_has_the_remedy() {
        let receive = [
            "syscall ",
            "std::sys::pal::unix::futex::futex_wait /rustc/0/library/std/src/sys/pal/unix/futex.rs:63:12",
            "std::thread::park /rustc/0/library/std/src/thread/mod.rs:1080:9",
            "std::sync::mpsc::Receiver<T>::recv /rustc/0/library/std/src/sync/mpsc.rs:1:1",
        ];
        let cases: [(&[&str], Option<&str>); 11] = [
            (&receive, Some("leno::sync::mpsc or leno::channel")),
            (&receive[..3], Some("leno::thread::park")),
            (&receive[..2], None),
            (&[], None),
            (
                &["lock_contended /rustc/0/library/std/src/sys/sync/mutex.rs:1:1"],
                Some("leno::sync::Mutex"),
            ),
            (&["read ", "read_line /rustc/0/library/std/src/io/stdio.rs:1:1"], Some(UNBLOCK)),
            (
                &["read ", "<std::io::pipe::PipeReader as std::io::Read>::read "],
                Some("leno::io::pipe"),
            ),
            (
                &["read ", "<std::process::ChildStdout as std::io::Read>::read "],
                Some("leno::process"),
            ),
            (&["read ", "<std::fs::File as std::io::Read>::read "], Some("leno::fs")),
            (&["accept4 ", "std::net::tcp::TcpListener::accept "], Some("leno::net")),
            (
                &["accept4 ", "std::os::unix::net::listener::UnixListener::accept "],
                Some("leno::os::unix::net"),
            ),
        ];
        for (calls, expected) in cases {
            let calls: Vec<String> = calls.iter().map(|&call| call.to_owned()).collect();
            assert_eq!(remedy(&calls), expected, "{calls:?}");
        }
    }
}
