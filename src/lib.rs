//! A green-thread runtime with a hand-written context switch.
//!
//! Every function that a coroutine or a green thread calls may suspend it, at any depth of calls:
//! suspension needs no keyword and no second kind of function. All green threads of a runtime run
//! on one OS thread, so shared state is plain data, which does not change between two switches.
//!
//! [The guide](_guide) has pages on each of these, in order for a beginner, and one for each question that
//! users have had.
//!
//! - [`coroutine`]: closures on stacks of their own, which a caller resumes and which suspend back
//!   to the caller, with a value in each direction; generators; scopes.
//! - [`thread`]: green threads with the interface of [`std::thread`], run by a cooperative
//!   scheduler. [`run`] starts a runtime.
//! - [`channel`], [`sync`], [`time`]: channels, locks and timers for green threads, as in std and
//!   crossbeam.
//! - [`shards`]: a runtime for each core, and channels between them. [`workers`]: a process for each core,
//!   with a runtime.
//! - [`net`], [`os::unix::net`]: sockets, as in std. [`fs`]: files, as in std. [`io`]: pipes, as in std,
//!   and other descriptors. [`process`]: child processes, as in std. [`signal`]: signals of the system.
//! - [`debug`]: reports of a runtime about itself.
//! - [`weave`]: explores every execution of a program, replays executions and explains them.
//! - [`stack`]: guarded stacks, and the pool that keeps them.
//!
//! # Examples
//!
//! Two green threads take turns, and neither calls the other:
//!
//! ```
//! use std::cell::RefCell;
//!
//! let out = RefCell::new(String::new());
//! leno::run(|| {
//!     leno::scope(|scope| {
//!         for steps in [["1", "2", "3"], ["x", "y", "z"]] {
//!             let out = &out;
//!             scope.spawn(move || {
//!                 for step in steps {
//!                     out.borrow_mut().push_str(step);
//!                     leno::yield_now();
//!                 }
//!             });
//!         }
//!     });
//! });
//! assert_eq!(out.into_inner(), "1x2y3z");
//! ```
//!
//! # Stacks
//!
//! A stack has 256 KiB unless the program sets another size
//! ([`coroutine::Coroutine::with_stack`], [`thread::Builder::stack_size`]). Only the pages that are
//! touched take memory. Below each stack is a guard of at least 64 KiB. An overflow into the guard
//! prints the name of the coroutine or green thread, the size of its stack and how to raise it, and
//! aborts the process.
//!
//! On Linux 6.13 and later a guard costs no map entry, and a million stacks fit into the default
//! limits. Elsewhere guards are made with mprotect(2) and cost two map entries for each stack, so
//! the default `vm.max_map_count` limits a process to about 32,000 stacks. The environment variable
//! `LENO_GUARD=mprotect` selects mprotect(2) guards on every system.
//!
//! # Floating point
//!
//! The rounding mode and the exception masks (MXCSR and the x87 control word on
//! x86_64, FPCR on aarch64) belong to the OS thread, and a switch does not change them. Code that
//! changes them must restore them before it switches, or all other green threads run with the
//! change. Rust itself assumes that they are never changed.
//!
//! With the cargo feature `fp-env`, they belong to each coroutine and green thread: a switch saves
//! and restores them, and a new context begins with the default, as a process does. The feature is
//! for programs with C code that changes them.
//!
//! # Calls that block
//!
//! A call that makes the OS thread wait, such as `std::thread::sleep` or `std::fs::read`, stops
//! all green threads of the runtime, and so does a loop that computes for long. With the environment
//! variable `LENO_WATCH=200ms` (cargo feature `debug`), every runtime of a program reports green threads
//! that run for longer than that without letting others run, with their backtrace and what to use
//! instead; see [`debug::watch_hogs`]. [`unblock`] makes such a call on another OS thread.
//! `docs/BLOCKING.md` among the sources has a table of what to use instead of what.
//!
//! # C++
//!
//! The C++ runtime records for each OS thread which exceptions are thrown and which are handled. Code
//! that waits in a `catch` block, or in a destructor that an exception runs, shares this record with
//! all other green threads: `throw;` may then rethrow the exception of another, which is freed twice.
//! Such programs need the cargo feature `cxx`, with which each coroutine and green thread has a
//! record of its own. It links the C++ runtime (`CXXSTDLIB` names another), and each switch calls it
//! twice. Code that only calls C++ functions which do not wait does not need it.
//!
//! # Signals, fork, exit
//!
//! The first stack or runtime installs a handler for SIGSEGV and SIGBUS, which passes every fault
//! that is not an overflow of a stack of leno on to the previous handler. The stack of [`run`]'s
//! caller is not leno's: an overflow by the main green thread is reported, and passed on as well,
//! usually to the handler of std. Each OS thread that uses leno gets an alternate signal stack,
//! unless it has one that is large enough. Handlers of other signals run on the stack of the green
//! thread that is running. A plugin with its own copy of leno stays loaded after dlclose(3), because
//! its handlers stay.
//!
//! After fork(2), if the parent had one OS thread, the child has a copy of the runtime, and both
//! processes continue: the child opens descriptors of its own for its copy, under the same numbers, and
//! adds the sockets to them that the copy waits for.
//! If the parent had other OS threads, only exec(3) is safe in the child, as POSIX says. These OS
//! threads do not exist in the child, so calls that [`unblock`] or [`fs`] was running never end, and
//! [`Handle`]s that these OS threads had keep the copy waiting.
//!
//! # C code on the stack
//!
//! A function that C code calls may wait and suspend. If its coroutine is dropped there, or its green
//! thread is cancelled or out of time, the stack is unwound, frames of C included. So the callback,
//! and the declaration of the C function that calls it, must be `extern "C-unwind"`, and the C code
//! compiled with unwind tables (`-fexceptions`). An unwinding that comes to an `extern "C"` function
//! ends the process with "panic in a function that cannot unwind". C code frees nothing when it is
//! unwound; in a [`thread::shield`], a cancellation waits until it has returned.
//!
//! # Thread-local values and stack addresses
//!
//! A `thread_local!` value belongs to the OS thread: all its green threads and coroutines see the
//! same one. [`green_local!`] makes one for each green thread. A guard that sets a thread-local value
//! and restores it when it is dropped must not be held across a switch: other green threads would see
//! the value, and two such guards that end in another order than they began restore the wrong one.
//! Such guards of other crates are those of `tracing::Span::enter`, tokio's `Handle::enter`, and the
//! limit that `stacker::grow` sets while its closure runs. (A future in [`block_on`] meets the same as
//! under any executor: it enters and leaves within a poll.)
//!
//! Code that measures its depth by the address of the stack takes the stack of a green thread for an
//! overflow, or notices none: interpreters that note the limit of the OS thread's stack when they
//! begin, such as V8 and QuickJS, and `stacker::maybe_grow`. Call them from one stack, such as that of
//! the main green thread or of [`unblock`], or tell them the limits of the current stack before each
//! call (`Isolate::SetStackLimit`, `JS_UpdateStackTop`).
//!
//! # Platforms
//!
//! x86_64 and aarch64, on Linux, and on other Unix systems as far as leno builds there. A process with
//! a shadow stack, against which the processor checks return addresses (x86 CET, Arm GCS), gets an
//! error when it creates its first stack.
//!
//! # Cargo features
//!
//! On by default; without them leno depends on `libc` alone, and is coroutines, green
//! threads, channels, locks and time:
//!
//! - `weave`: [`weave`], with a progress bar (crate `indicatif`).
//! - `debug`: [`debug`], with symbolised stacks (crate `backtrace`). Without it, the report
//!   of a deadlock still names every green thread and every line.
//! - `unblock`: [`unblock`], with a pool of OS threads (crate `blocking`).
//! - `net`: [`net`], [`fs`], [`io`], [`process`], [`signal`], [`workers`] and [`os`]: sockets, files, pipes,
//!   children, signals and many processes (crates `socket2` and, on Linux, `io-uring`; and `unblock` for files and names).
//!
//! Off by default:
//!
//! - `fp-env`: saves and restores the floating-point environment at each switch (see "Floating
//!   point").
//! - `cxx`: saves and restores the record of C++ exceptions at each switch (see "C++").
//! - `sanitizer`: announces each switch to AddressSanitizer. Only for builds with
//!   `-Zsanitizer=address`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
#[path = "../arch/mod.rs"]
mod arch;
mod bridge;
mod cancel;
pub mod channel;
mod confined;
pub mod coroutine;
#[cfg(feature = "debug")]
pub mod debug;
#[cfg(any(feature = "debug", feature = "weave"))]
mod draw;
mod driver;
#[cfg(feature = "weave")]
mod explore;
#[cfg(feature = "net")]
pub mod fs;
mod inspect;
#[cfg(feature = "net")]
pub mod io;
mod kernel;
#[cfg(feature = "net")]
#[macro_use]
pub mod net;
#[cfg(feature = "net")]
pub mod os;
#[cfg(feature = "net")]
pub mod process;
mod remote;
mod runtime;
pub mod shards;
#[cfg(feature = "net")]
pub mod signal;
pub mod stack;
pub mod sync;
mod sys;
pub mod thread;
pub mod time;
mod timer;
#[cfg(feature = "weave")]
pub mod weave;
#[cfg(feature = "net")]
pub mod workers;

pub use bridge::block_on;
#[cfg(feature = "unblock")]
pub use bridge::{set_unblock_limit, unblock};
pub use remote::{Ended, Handle, RemoteJoinHandle};
pub use runtime::{Builder, Metrics, Policy, Runtime, metrics, run};
pub use thread::{scope, spawn, yield_now};
pub use time::sleep;

// Documentation only: programs are compiled without it.
#[cfg(all(any(doc, doctest), feature = "weave", feature = "debug", feature = "net"))]
pub mod _guide {
    #![doc = include_str!("guide/contents.md")]

    macro_rules! pages {
        ($($page:ident $file:literal)*) => {
            $(
                #[doc = include_str!(concat!("guide/", $file, ".md"))]
                pub mod $page {}
            )*
        };
    }

    pages! {
        guide_01_first "01_first"
        guide_02_switching "02_switching"
        guide_03_talking "03_talking"
        guide_04_stopping "04_stopping"
        guide_05_testing "05_testing"
        guide_06_serving "06_serving"
        guide_10_choosing "10_choosing"
        guide_11_blocking "11_blocking"
        guide_12_stacks "12_stacks"
        guide_13_many_cores "13_many_cores"
        guide_14_embedding "14_embedding"
        guide_15_debugging "15_debugging"
        guide_16_two_architectures "16_two_architectures"
        guide_20_from_std "20_from_std"
        guide_22_from_tokio "22_from_tokio"
        guide_24_from_go "24_from_go"
        guide_40_performance "40_performance"
        guide_42_pitfalls "42_pitfalls"
        guide_44_glossary "44_glossary"
    }
}

/// Runs the code in README.md as doc tests.
#[cfg(all(doctest, feature = "weave", feature = "debug", feature = "unblock"))]
#[doc = include_str!("../README.md")]
struct Readme;
