//! Stories about the public API, all in one test binary so that it links once.

mod backtrace;
mod callbacks;
mod cancel;
mod channel;
mod coroutine;
mod deadlock;
mod debug;
mod drop_points;
mod fp_env;
mod handle;
mod limits;
mod local;
mod nesting;
mod oracle_coroutine;
mod oracle_thread;
mod policy;
mod scoped;
mod select;
mod signals;
mod stack;
mod support;
mod sync;
mod task_group;
mod thread;
mod time;
mod unwinding;
