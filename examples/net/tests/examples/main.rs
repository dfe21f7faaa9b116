//! Runs each example against the real counterpart of its protocol, and checks what both say. A program
//! that is missing on the machine fails the tests that need it.

mod arguments;
mod http;
mod postgres;
mod process;
mod redis;
mod tls;
mod websocket;
