//! Every callee-saved register, the stack pointer and its alignment hold across
//! every switch, at every optimisation level.
//!
//! The switch is inlined, so the registers are loaded with canaries behind a call
//! that the compiler cannot see through, on both sides of a switch at once. The
//! modules `coroutines` and `threads` do so through the public interface; the
//! others switch with `arch/` alone, on stacks of their own.

#[allow(dead_code, unused_imports)]
#[path = "../../../arch/mod.rs"]
mod arch;
mod canaries;
mod contract;
mod coroutines;
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
