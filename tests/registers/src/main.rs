//! Every callee-saved register and the stack pointer with its alignment hold across
//! every switch, at every optimisation level.
//!
//! The switch is inlined, so the canaries are loaded behind a call that is opaque to
//! the compiler, on both sides of a switch at once. The modules `coroutines` and
//! `threads` use the public interface; the others use only `arch/`, on stacks of their
//! own.

#[allow(dead_code, unused_imports)]
#[path = "../../../arch/mod.rs"]
mod arch;
mod canaries;
mod contract;
mod coroutines;
#[cfg(feature = "cxx")]
mod cxx;
mod fp_env;
#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod isa;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod isa;
mod raw;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod single_step;
mod threads;
mod trace;
#[cfg(target_os = "linux")]
mod unwind_table;
