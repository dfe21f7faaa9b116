//! Resources of a process that must not grow.

use std::fs;

#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub resident_kib: u64,
    pub map_entries: usize,
    pub descriptors: usize,
}

impl Figures {
    pub fn of_this_process() -> Figures {
        Figures::of("self")
    }

    /// Returns the figures of the process with this number.
    pub fn of(process: &str) -> Figures {
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{process}/{file}")).expect("Linux has /proc")
        };
        let status = read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("Linux has /proc");
        Figures {
            resident_kib: number.unwrap_or(0),
            map_entries: read("maps").lines().count(),
            descriptors: descriptors.count(),
        }
    }

    /// Checks that the figures at the end are not larger than these, after the warm-up. The resident
    /// memory of an emulator is not checked: it translates code without end.
    pub fn check(self, end: Figures) {
        let text = format!("after the warm-up {self:?}, at the end {end:?}");
        if cfg!(target_arch = "x86_64") {
            assert!(end.resident_kib <= self.resident_kib * 5 / 4 + 4_096, "{text}");
        }
        assert!(end.map_entries <= self.map_entries + 32, "{text}");
        assert!(end.descriptors <= self.descriptors + 4, "{text}");
    }
}
