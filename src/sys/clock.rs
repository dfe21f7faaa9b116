//! The monotonic clock.

/// Nanoseconds since some moment in the past; never less than before.
pub(crate) fn now() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// As [`now`], but as of the last tick of the kernel, and several times cheaper.
pub(crate) fn coarse_now() -> u64 {
    #[cfg(target_os = "linux")]
    return read(libc::CLOCK_MONOTONIC_COARSE);
    #[cfg(not(target_os = "linux"))]
    now()
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime fills the struct it is given.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    debug_assert!(result == 0, "every system that leno runs on has a monotonic clock");
    // Both are positive, and 64 bits of nanoseconds last for 584 years.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
