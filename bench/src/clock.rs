//! CPU time and memory of this process, as exactly as the kernel tells them.

use std::process::Command;

use rustix::time::{ClockId, clock_gettime};

use crate::Result;

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

/// What this program prints in a process of its own, where nothing was measured before.
pub(crate) fn apart(words: &[&str]) -> Result<String> {
    let own = std::env::current_exe().map_err(|why| format!("where is this program? {why}"))?;
    let out = Command::new(&own).args(words).output();
    let out = out.map_err(|why| format!("cannot start {}: {why}", own.display()))?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).trim().trim_start_matches("error: ").to_owned());
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
