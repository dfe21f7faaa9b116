//! A green-thread runtime whose core is a context switch written by hand.
//!
//! Every function that a coroutine or a green thread calls may suspend it,
//! however deeply nested: there is no keyword for it and no second kind of
//! function. All of it runs on one OS thread, so shared state is plain data, and
//! nothing changes under your hands between two switches.
//!
//! - [`coroutine`]: a closure on a stack of its own, resumed by a caller and
//!   suspending back to it with a value each way; generators; scopes.
//! - [`thread`]: green threads with the interface of [`std::thread`], woven
//!   together by a scheduler. [`run`] starts one.
//! - [`channel`], [`sync`], [`time`]: what green threads wait for, as in std and
//!   crossbeam.
//! - [`debug`]: what a runtime tells about itself.
//! - [`weave`]: every execution of a program, found, replayed and explained.
//! - [`stack`]: the guarded stacks beneath, and the pool that keeps them.
//!
//! # Examples
//!
//! Two green threads, neither of which calls the other:
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
//! A stack has 256 KiB unless you say otherwise ([`coroutine::Coroutine::with_stack`],
//! [`thread::Builder::stack_size`]). Only the pages that are touched count. Below
//! each is a guard of at least 64 KiB: running into it prints which coroutine or
//! green thread it was, how large its stack is and how to raise that, and aborts.
//!
//! On Linux 6.13 and later a guard costs no map entry, and a million stacks fit
//! into the default limits. Elsewhere guards are made with mprotect(2), two map
//! entries for each stack, and the default `vm.max_map_count` ends it at about
//! 32,000. The environment variable `LENO_GUARD=mprotect` asks for that kind
//! everywhere.
//!
//! # Floating point
//!
//! The rounding mode and the exception masks (MXCSR and the x87 control word on
//! x86_64, FPCR on aarch64) belong to the OS thread, and a switch leaves them as
//! they are: code that changes them must restore them before it switches, or all
//! others run with the change. Rust itself assumes that nobody changes them.
//!
//! With the cargo feature `fp-env`, they belong to each coroutine and green
//! thread: a switch saves and restores them, and a new context begins with the
//! default, as a process does. For embedders whose C code changes them.
//!
//! # Signals, fork, exit
//!
//! The first stack installs a handler for SIGSEGV and SIGBUS, which hands on
//! whatever is not an overflow to the handler that was there before, and gives
//! each OS thread that uses leno an alternate signal stack, unless it has one
//! that is large enough. Other signals run on the stack of whoever runs.
//!
//! After fork(2), a child whose parent had one OS thread has a copy of the runtime,
//! and both go on: the child makes itself a descriptor of its own for it, under the
//! same number. If there were other OS threads, only exec(3) is safe in the child,
//! as POSIX says: they are not there, so that what [`unblock`] was running never
//! comes to its end, and [`Handle`]s that they had keep the copy waiting.
//!
//! # Platforms
//!
//! x86_64 and aarch64; Linux, and other Unix systems as far as they build. A
//! process whose return addresses are checked against a shadow stack (x86 CET,
//! Arm GCS) gets an error when it makes its first stack.
//!
//! # Cargo features
//!
//! On by default; without them leno depends on `libc` alone, and is coroutines, green
//! threads, channels, locks and time:
//!
//! - `weave`: [`weave`], with a progress bar (crate `indicatif`).
//! - `debug`: [`debug`], with symbolised stacks (crate `backtrace`). Without it, the report
//!   of a deadlock names every green thread and every line all the same.
//! - `unblock`: [`unblock`], with a pool of OS threads (crate `blocking`).
//!
//! Off by default:
//!
//! - `fp-env`: see above.
//! - `sanitizer`: tells AddressSanitizer about each switch. Only for builds with
//!   `-Zsanitizer=address`.

#![cfg_attr(docsrs, feature(doc_cfg))]

// What only debug asks the instruction set is left out with it by the compiler.
#[cfg_attr(not(feature = "debug"), allow(dead_code, unused_imports))]
#[path = "../arch/mod.rs"]
mod arch;
mod bridge;
pub mod channel;
pub mod coroutine;
#[cfg(feature = "debug")]
pub mod debug;
#[cfg(any(feature = "debug", feature = "weave"))]
mod draw;
// The runtime reports to debug and weave; without them the compiler leaves that out.
#[cfg_attr(
    not(all(feature = "debug", feature = "unblock", feature = "weave")),
    allow(dead_code, unused_imports)
)]
mod runtime;
pub mod stack;
pub mod sync;
mod sys;
pub mod thread;
pub mod time;
#[cfg(feature = "weave")]
pub mod weave;

pub use bridge::block_on;
#[cfg(feature = "unblock")]
pub use bridge::unblock;
pub use runtime::{Builder, Ended, Handle, Policy, RemoteJoinHandle, Runtime, run};
pub use thread::{scope, spawn, yield_now};
pub use time::sleep;

/// README's snippets are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
