//! Files, pipes, processes and signals: random calls beside those of std, cancellation, bad input and bad weather.

#[path = "../it/support.rs"]
#[allow(dead_code)]
mod support;

#[path = "../net/pairs.rs"]
#[allow(dead_code)]
mod pairs;
#[path = "../it/oracle_coroutine/seed.rs"]
#[allow(dead_code)]
mod seed;

mod calls;
mod cancel;
mod children;
#[cfg(target_os = "linux")]
mod faults;
mod handlers;
mod oracle;
mod pipes;
mod scratch;
mod signals;
mod stdin;
mod stdout;
mod weather;
