//! Memory for stacks: reservations, guards, giving pages back, and errors that name the exhausted
//! limit.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The least size of a guard. C code may probe its stack only every 64 KiB (GCC on aarch64,
/// `-fstack-clash-protection`), and would step over a smaller guard.
pub(crate) const MIN_GUARD_BYTES: usize = 64 * 1024;

/// From linux/mman.h, Linux 6.13. The libc crate does not define it.
const MADV_GUARD_INSTALL: libc::c_int = 102;
/// An advice that no kernel defines. A system that accepts it accepts every advice.
#[cfg(target_os = "linux")]
const MADV_NONSENSE: libc::c_int = 255;

/// The number of the process's map entries that stacks leave to the rest of the program. A program
/// without map entries cannot grow its heap, and so cannot report the error.
const SPARED_MAP_ENTRIES: usize = 1024;

/// The number of map entries of a stack with an mprotect guard.
const ENTRIES_OF_A_STACK: usize = 2;

/// The number of map entries that this process uses for stacks with mprotect guards.
static MAP_ENTRIES: AtomicUsize = AtomicUsize::new(0);

/// The kind of guard below each stack of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuardKind {
    /// Marks in the page table. They cost no map entry.
    Light,
    /// A protected mapping below each stack, which makes two map entries for each stack.
    Mprotect,
}

/// Returns the size of a page in bytes.
pub(crate) fn page_bytes() -> usize {
    static PAGE_BYTES: OnceLock<usize> = OnceLock::new();
    // SAFETY: sysconf has no preconditions.
    *PAGE_BYTES.get_or_init(|| unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize)
}

/// Returns the best kind of guard that this kernel supports. Found by an experiment, once.
pub(crate) fn guard_kind() -> GuardKind {
    static KIND: OnceLock<GuardKind> = OnceLock::new();
    *KIND.get_or_init(|| {
        let forced = env::var_os("LENO_GUARD").is_some_and(|value| value == "mprotect");
        if !forced && probe_light_guards() { GuardKind::Light } else { GuardKind::Mprotect }
    })
}

/// Returns `true` if the kernel supports light guards: it installs a guard and tests it. Neither the
/// kernel's version nor the result of madvise(2) is proof, because qemu-user reports success for
/// every advice and installs nothing.
#[cfg(target_os = "linux")]
fn probe_light_guards() -> bool {
    let bytes = page_bytes();
    let Ok(page) = reserve(bytes, GuardKind::Light) else { return false };
    let address = page.as_ptr().cast();
    // SAFETY: the page was reserved above and holds nothing.
    let installed = unsafe {
        refuses_nonsense(page.as_ptr(), bytes)
            && libc::madvise(address, bytes, MADV_GUARD_INSTALL) == 0
            // The kernel itself cannot touch a guard, and returns EFAULT.
            && libc::madvise(address, bytes, libc::MADV_POPULATE_READ) == -1
            && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
    };
    // SAFETY: the page was reserved above, and nothing refers to it.
    unsafe { release(page, bytes, 0, GuardKind::Light) };
    installed
}

/// Returns `true` if madvise(2) refuses an advice that no kernel defines for these pages.
///
/// # Safety
///
/// The range must be whole pages that hold nothing.
#[cfg(target_os = "linux")]
pub(super) unsafe fn refuses_nonsense(address: *mut u8, bytes: usize) -> bool {
    // SAFETY: the range holds nothing that the advice could change (see # Safety).
    unsafe { libc::madvise(address.cast(), bytes, MADV_NONSENSE) == -1 }
}

#[cfg(not(target_os = "linux"))]
fn probe_light_guards() -> bool {
    false
}

/// Reserves address space. With light guards all of it is usable at once; with mprotect guards a
/// part becomes usable when it is passed to [`open`].
///
/// # Errors
///
/// If mmap(2) fails.
pub(crate) fn reserve(bytes: usize, kind: GuardKind) -> io::Result<NonNull<u8>> {
    let protection = match kind {
        GuardKind::Light => libc::PROT_READ | libc::PROT_WRITE,
        GuardKind::Mprotect => libc::PROT_NONE,
    };
    // MAP_STACK prevents huge pages: a huge page would make a whole stack resident.
    #[cfg(target_os = "linux")]
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    #[cfg(any(target_vendor = "apple", target_os = "netbsd"))]
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
    // FreeBSD and its relatives have no such flag, and reserve nothing for a mapping by default.
    #[cfg(not(any(target_os = "linux", target_vendor = "apple", target_os = "netbsd")))]
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: a new anonymous mapping at an address that the kernel chooses affects no existing
    // memory.
    let address = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // Before Linux 6.7 MAP_STACK was a hint without effect. A kernel without huge pages refuses
    // this advice, and does not need it.
    #[cfg(target_os = "linux")]
    // SAFETY: the range is the mapping made above, and the advice does not change its contents.
    unsafe {
        libc::madvise(address, bytes, libc::MADV_NOHUGEPAGE);
    }
    Ok(NonNull::new(address.cast()).expect("mmap does not map page zero"))
}

/// Unmaps a reservation in which `stacks` stacks were opened.
///
/// # Safety
///
/// `[address, address + bytes)` must come from [`reserve`] with the same `kind`, and nothing may
/// refer to it any more.
pub(crate) unsafe fn release(address: NonNull<u8>, bytes: usize, stacks: usize, kind: GuardKind) {
    if kind == GuardKind::Mprotect {
        MAP_ENTRIES.fetch_sub(stacks * ENTRIES_OF_A_STACK, Ordering::Relaxed);
    }
    // SAFETY: the range is a whole reservation to which nothing refers (see # Safety).
    let result = unsafe { libc::munmap(address.as_ptr().cast(), bytes) };
    // munmap(2) can fail if it has to split a mapping and no map entry is left. The range then stays
    // mapped.
    debug_assert!(result == 0, "munmap: {}", io::Error::last_os_error());
}

/// Makes a stack of the part of a reservation that begins at `guard`: an access to the first
/// `guard_bytes` faults, and the `stack_bytes` above them are usable.
///
/// # Errors
///
/// If the operating system has no more memory or map entries.
///
/// # Safety
///
/// The range must be whole pages in a reservation made for `kind`, and unused.
pub(crate) unsafe fn open(
    guard: *mut u8,
    guard_bytes: usize,
    stack_bytes: usize,
    kind: GuardKind,
) -> io::Result<()> {
    if kind == GuardKind::Light {
        // SAFETY: the range is whole, unused pages of a reservation (see # Safety).
        let result = unsafe { libc::madvise(guard.cast(), guard_bytes, MADV_GUARD_INSTALL) };
        if result == 0 {
            return Ok(());
        }
        // The kernel refuses light guards in locked memory (mlockall(2)).
    }
    let entries = MAP_ENTRIES.fetch_add(ENTRIES_OF_A_STACK, Ordering::Relaxed);
    let result = if entries + SPARED_MAP_ENTRIES > max_map_entries() {
        Err(io::Error::from_raw_os_error(libc::ENOMEM))
    } else {
        let (address, bytes, protection) = match kind {
            GuardKind::Light => (guard, guard_bytes, libc::PROT_NONE),
            GuardKind::Mprotect => {
                (guard.wrapping_add(guard_bytes), stack_bytes, libc::PROT_READ | libc::PROT_WRITE)
            }
        };
        // SAFETY: the range is whole, unused pages of a reservation (see # Safety).
        match unsafe { libc::mprotect(address.cast(), bytes, protection) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    if result.is_err() {
        MAP_ENTRIES.fetch_sub(ENTRIES_OF_A_STACK, Ordering::Relaxed);
    }
    result
}

/// Returns the limit of map entries for a process.
fn max_map_entries() -> usize {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    *LIMIT.get_or_init(|| number_in(MAX_MAP_COUNT).unwrap_or(usize::MAX))
}

/// Gives the pages of a range back to the operating system. The range reads as zeros afterwards.
///
/// # Safety
///
/// The range must be whole pages of an open stack, and must not hold live data.
pub(crate) unsafe fn discard(address: *mut u8, bytes: usize) {
    // SAFETY: the range holds no live data (see # Safety). A failure (locked memory) only leaves the
    // pages resident.
    unsafe { libc::madvise(address.cast(), bytes, libc::MADV_DONTNEED) };
}

/// Returns the offset of the lowest resident page of `[address, address + bytes)`, or `bytes` if
/// no page is resident.
pub(crate) fn lowest_resident(address: *mut u8, bytes: usize) -> usize {
    const PAGES_AT_ONCE: usize = 512;
    let page = page_bytes();
    let mut offset = 0;
    while offset < bytes {
        let chunk = (bytes - offset).min(PAGES_AT_ONCE * page);
        let mut resident = [0u8; PAGES_AT_ONCE];
        // SAFETY: mincore reads only the page table. It writes one byte for each of at most
        // PAGES_AT_ONCE pages, and `resident` has that many.
        let result = unsafe {
            libc::mincore(address.add(offset).cast(), chunk, resident.as_mut_ptr().cast())
        };
        if result != 0 {
            // The state is unknown, so all pages from here on count as resident.
            return offset;
        }
        if let Some(index) = resident[..chunk / page].iter().position(|page| page & 1 == 1) {
            return offset + index * page;
        }
        offset += chunk;
    }
    bytes
}

/// Returns `error` with a text that names the exhausted limit of the operating system, if the error
/// is a lack of memory.
pub(crate) fn explain(error: io::Error, bytes: usize) -> io::Error {
    let (kind, reason) = match error.raw_os_error() {
        Some(libc::ENOMEM) => (io::ErrorKind::OutOfMemory, exhausted_limit()),
        // A new mapping is locked, too (mlockall(2) with MCL_FUTURE).
        Some(libc::EAGAIN) => (io::ErrorKind::OutOfMemory, locked_memory_reason()),
        _ => (error.kind(), error.to_string()),
    };
    io::Error::new(kind, format!("cannot map a stack of {bytes} bytes: {reason}"))
}

/// Returns the limit that a new mapping has met.
fn exhausted_limit() -> String {
    map_count_reason()
        .or_else(data_reason)
        .or_else(address_space_reason)
        .or_else(overcommit_reason)
        .unwrap_or_else(|| "the address space of the process is used up".to_owned())
}

const MAX_MAP_COUNT: &str = "/proc/sys/vm/max_map_count";

/// Returns the reason if the process has reached the limit of map entries.
fn map_count_reason() -> Option<String> {
    let limit = number_in(MAX_MAP_COUNT)?;
    let used = count_lines("/proc/self/maps").ok()?;
    (used + SPARED_MAP_ENTRIES >= limit).then(|| {
        format!(
            "the process has {used} memory mappings, and the limit is vm.max_map_count = {limit}, \
             of which {SPARED_MAP_ENTRIES} are left to the rest of the program; raise it with \
             `sysctl -w vm.max_map_count={}`, or run on Linux 6.13 or later, where a guarded stack \
             needs no mapping of its own",
            limit.saturating_mul(4)
        )
    })
}

/// Counts the lines of a file. It reads small pieces, because a buffer for a long file cannot be
/// allocated if the map entries are used up.
fn count_lines(path: &str) -> io::Result<usize> {
    let mut file = fs::File::open(path)?;
    let mut piece = [0; 4096];
    let mut lines = 0;
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(lines),
            length => lines += piece[..length].iter().filter(|&&byte| byte == b'\n').count(),
        }
    }
}

/// Returns a limit of the process in bytes, if there is one. `getrlimit` asks for that limit.
pub(super) fn limit(getrlimit: impl FnOnce(*mut libc::rlimit) -> libc::c_int) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let result = getrlimit(&mut limit);
    // A signed number on some systems.
    #[allow(clippy::useless_conversion)]
    let bytes = u64::try_from(limit.rlim_cur).ok();
    bytes.filter(|_| result == 0 && limit.rlim_cur != libc::RLIM_INFINITY)
}

/// Returns the reason if the address space of the process is limited.
fn address_space_reason() -> Option<String> {
    // SAFETY: `limit` passes a live rlimit, which getrlimit fills.
    let bytes = limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_AS, limit) })?;
    Some(format!(
        "the address space of the process is limited to {bytes} bytes (RLIMIT_AS); raise it with \
         `ulimit -v unlimited`, or use smaller stacks"
    ))
}

/// Returns the reason if the writable memory of the process is limited, and nearly used up: a
/// program may have set several limits.
fn data_reason() -> Option<String> {
    /// The share of the limit that a mapping may have been too large for.
    const MOST_SPARED: u64 = 8;
    // SAFETY: `limit` passes a live rlimit, which getrlimit fills.
    let bytes = limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_DATA, limit) })?;
    // In pages: all, resident, shared, text, libraries, data and stack (proc(5)).
    let data = fs::read_to_string("/proc/self/statm").ok()?;
    let used = data.split(' ').nth(5)?.parse::<u64>().ok()? * page_bytes() as u64;
    (used + bytes / MOST_SPARED >= bytes).then(|| {
        format!(
            "the writable memory of the process is limited to {bytes} bytes (RLIMIT_DATA); raise \
             it with `ulimit -d unlimited`, or use smaller stacks"
        )
    })
}

/// Returns the reason why a new mapping cannot be locked.
fn locked_memory_reason() -> String {
    // SAFETY: `limit` passes a live rlimit, which getrlimit fills.
    let bytes = limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, limit) });
    let limit =
        bytes.map_or_else(|| "limited".to_owned(), |bytes| format!("limited to {bytes} bytes"));
    format!(
        "the process locks all its memory (mlockall with MCL_FUTURE), and locked memory is {limit} \
         (RLIMIT_MEMLOCK); raise it with `ulimit -l unlimited`, or do not lock future mappings"
    )
}

/// Returns the reason if the system does not overcommit memory.
fn overcommit_reason() -> Option<String> {
    (number_in("/proc/sys/vm/overcommit_memory")? == 2).then(|| {
        "the system does not overcommit memory (vm.overcommit_memory = 2), so each stack counts \
         in full; raise vm.overcommit_ratio, set `sysctl -w vm.overcommit_memory=0`, or use \
         smaller stacks"
            .to_owned()
    })
}

/// Returns the number that the file at `path` contains.
fn number_in(path: &str) -> Option<usize> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
