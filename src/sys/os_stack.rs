//! The stack that the operating system has given an OS thread.

#[cfg(target_os = "linux")]
use super::memory::limit;

/// The addresses of an OS thread's stack.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) struct OsStack {
    /// The lowest usable address.
    pub(crate) limit: usize,
    pub(crate) bytes: usize,
    /// The bytes below the limit that are inaccessible.
    pub(crate) guard_bytes: usize,
}

impl OsStack {
    /// Returns the stack of this OS thread, where the system tells it.
    ///
    /// It is not async-signal-safe: the bounds of the first OS thread's stack are read in
    /// /proc/self/maps, by glibc or by [`first_stack`].
    pub(crate) fn of_this_thread() -> Option<OsStack> {
        #[cfg(target_os = "linux")]
        {
            use std::mem::MaybeUninit;
            use std::ptr;

            let page = super::memory::page_bytes();
            let mut attributes: MaybeUninit<libc::pthread_attr_t> = MaybeUninit::zeroed();
            let (mut limit, mut bytes, mut guard_bytes) = (ptr::null_mut(), 0, 0);
            // SAFETY: pthread_getattr_np initialises the attributes, or fails. The other functions
            // read them, and the last one frees what they hold.
            unsafe {
                let attributes = attributes.as_mut_ptr();
                if libc::pthread_getattr_np(libc::pthread_self(), attributes) != 0 {
                    return None;
                }
                libc::pthread_attr_getstack(attributes, &mut limit, &mut bytes);
                libc::pthread_attr_getguardsize(attributes, &mut guard_bytes);
                libc::pthread_attr_destroy(attributes);
            }
            let mut range = limit.addr()..limit.addr() + bytes;
            // SAFETY: neither function has preconditions.
            if cfg!(target_env = "musl") && unsafe { libc::gettid() == libc::getpid() } {
                // musl tells only the pages that this stack has so far.
                range = first_stack(range.start).unwrap_or(range);
            }
            // The first OS thread's stack has no guard: below its limit the kernel maps nothing.
            let (limit, guard_bytes) = (range.start.next_multiple_of(page), guard_bytes.max(page));
            (limit < range.end).then(|| OsStack { limit, bytes: range.end - limit, guard_bytes })
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Returns `true` if `address` is in the stack or its guard.
    pub(crate) fn contains(&self, address: usize) -> bool {
        (self.limit - self.guard_bytes..self.limit + self.bytes).contains(&address)
    }

    /// Returns `true` if `address` is in the guard.
    pub(crate) fn guards(&self, address: usize) -> bool {
        self.contains(address) && address < self.limit
    }
}

/// Returns the addresses that the kernel gives the first OS thread's stack, if `address` is on it and
/// the stack is limited.
#[cfg(target_os = "linux")]
fn first_stack(address: usize) -> Option<std::ops::Range<usize>> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let [start, end] = [start, end].map(|hex| usize::from_str_radix(hex, 16));
    let mapped = start.ok()?..end.ok()?;
    // SAFETY: `limit` passes a live rlimit, which getrlimit fills.
    let bytes = limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_STACK, limit) })?;
    let limit = mapped.end.checked_sub(usize::try_from(bytes).ok()?)?;
    mapped.contains(&address).then_some(limit..mapped.end)
}
