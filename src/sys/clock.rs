//! The monotonic clock.

/// Returns the nanoseconds since an unspecified moment in the past. The result never decreases.
pub(crate) fn now() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Returns the value of [`now`] at the last tick of the kernel. Several times cheaper than `now`.
pub(crate) fn coarse_now() -> u64 {
    #[cfg(target_os = "linux")]
    return read(libc::CLOCK_MONOTONIC_COARSE);
    #[cfg(not(target_os = "linux"))]
    now()
}

/// Reads `clock`, in nanoseconds.
fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live timespec, which clock_gettime fills.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    debug_assert!(result == 0, "every system that leno runs on has a monotonic clock");
    // Both fields are positive, and 64 bits of nanoseconds suffice for 584 years.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
