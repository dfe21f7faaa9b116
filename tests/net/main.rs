//! Sockets: a portable suite, the order of calls, cancellation, bad input and bad weather.

#[path = "../it/support.rs"]
#[allow(dead_code)]
mod support;

#[path = "../soak/random.rs"]
#[allow(dead_code)]
mod random;
#[path = "../it/oracle_coroutine/seed.rs"]
mod seed;

mod cancel;
mod chaos;
mod connect;
mod cycles;
mod datagram;
mod engine;
mod events;
#[cfg(feature = "weave")]
mod explored;
mod happy;
mod limit;
mod mode;
#[cfg(target_os = "linux")]
mod names;
mod outside;
mod pairs;
mod reports;
mod select;
mod select_turns;
mod share;
mod shortage;
mod split;
mod stream;
mod system;
mod turns;
mod unix;
mod watched;
mod weather;
