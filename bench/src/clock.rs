//! CPU time and memory of this process, as exactly as the kernel tells them.

use rustix::time::{ClockId, clock_gettime};

/// Seconds of CPU of the calling thread, user and system.
pub(crate) fn thread() -> f64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// Bytes of memory of this process that no other has: the pages that it has written to.
pub(crate) fn own_memory() -> f64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1024.0
}
