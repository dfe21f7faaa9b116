//! The report of green threads that have waited for long.

use std::fmt;
use std::time::Duration;

use crate::inspect::debug;
use crate::kernel::scheduler;

/// A report of green threads that have waited for long, made by [`stalled`]. It is text for people to
/// read, by [`Display`](fmt::Display).
#[derive(Clone)]
pub struct Stalled(String);

/// Reports the green threads of the runtime that have waited for longer than `older_than`; `None` if
/// there are none. The report contains what each thread waits for, where that was made or named, which
/// thread holds it, and since which line; and the cycle if threads wait for each other.
///
/// A green thread that sleeps is not listed, since it waits for no other.
///
/// The beginning of a wait is taken from a clock that is read when no green thread can run, and every
/// 64 switches. So a wait may look older than it is, by the time of these switches, and never younger.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// use leno::debug;
/// use leno::time::Duration;
///
/// leno::Builder::new().virtual_time().run(|| {
///     let (orders, inbox) = leno::channel::bounded::<u32>(1);
///     let cook = leno::spawn(move || inbox.recv());
///     leno::sleep(Duration::from_secs(20));
///     let report = debug::stalled(Duration::from_secs(10)).expect("no order has come");
///     assert!(report.to_string().contains("has waited 20 s for a message from a channel"));
///     drop(orders);
/// });
/// ```
#[must_use]
#[track_caller]
pub fn stalled(older_than: Duration) -> Option<Stalled> {
    debug::stalled(scheduler("leno::debug::stalled"), older_than).map(Stalled)
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stalled").field(&self.0).finish()
    }
}
