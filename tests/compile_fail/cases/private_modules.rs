//! The switch and the internals of the runtime are private.
// error: E0603

use leno::arch::switch;
use leno::kernel::Scheduler;

fn main() {
    let _ = (switch, std::mem::size_of::<Scheduler>());
}
