//! The system's queue of events, from which a runtime learns which descriptors have become ready:
//! epoll(7) on Linux, kqueue(2) on macOS and the BSDs; or io_uring(7), as a queue of reports by poll(2).
//!
//! A descriptor is added once, for both directions, and each change of its readiness is reported
//! once ("edge-triggered"): a wait needs no system call that arms it.

#[cfg(target_os = "linux")]
mod epoll;
mod events;
#[cfg(not(target_os = "linux"))]
mod kqueue;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
pub(crate) mod uring;

#[cfg(target_os = "linux")]
pub(crate) use epoll::Poller;
pub(crate) use events::{Event, Events};
#[cfg(not(target_os = "linux"))]
pub(crate) use kqueue::Poller;
