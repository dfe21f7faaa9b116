//! Tests of the public API, in one binary so that it links once.

mod awaited;
mod backtrace;
mod block_on;
mod callbacks;
mod cancel;
mod channel;
mod coroutine;
mod deadlock;
#[cfg(feature = "debug")]
mod debug;
#[cfg(feature = "debug")]
mod determinism;
mod drop_points;
mod embed;
mod fp_env;
mod handle;
mod hostile;
mod limits;
mod local;
#[cfg(feature = "weave")]
mod models;
mod nesting;
mod operate;
mod oracle_coroutine;
mod oracle_runtime;
mod oracle_thread;
mod policy;
mod scoped;
mod select;
mod signals;
mod silence;
mod stack;
#[cfg(feature = "weave")]
mod story;
mod support;
mod sync;
mod task_group;
mod thread;
mod time;
#[cfg(feature = "debug")]
mod timeline;
#[cfg(feature = "unblock")]
mod unblock;
mod unwinding;
#[cfg(feature = "debug")]
mod watchdog;
#[cfg(feature = "weave")]
mod weave;
