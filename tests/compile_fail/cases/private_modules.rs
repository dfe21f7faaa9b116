//! The switch and the runtime's insides are not for users.
// error: E0603

use leno::arch::switch;
use leno::runtime::Scheduler;

fn main() {
    let _ = (switch, std::mem::size_of::<Scheduler>());
}
