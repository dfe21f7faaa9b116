//! Rows of context: the assembly of boost.context, called from Rust.

use std::hint::black_box;
use std::time::Duration;

use context::stack::ProtectedFixedSizeStack;
use context::{Context, Transfer};

use crate::time;

extern "C" fn echo(mut transfer: Transfer) -> ! {
    loop {
        // SAFETY: the context that has just resumed this context is suspended.
        transfer = unsafe { transfer.context.resume(transfer.data) };
    }
}

pub fn resume(count: u64) -> Duration {
    let stack = ProtectedFixedSizeStack::default();
    // SAFETY: the stack outlives the context, and its frames own nothing.
    let context = unsafe { Context::new(&stack, echo) };
    let mut transfer = Some(Transfer::new(context, 0));
    time(count, |turn| {
        let context = transfer.take().expect("put back below").context;
        // SAFETY: the context is suspended: it has never run, or has just resumed this context.
        let answer = unsafe { context.resume(black_box(turn) as usize) };
        black_box(answer.data);
        transfer = Some(answer);
    })
}
