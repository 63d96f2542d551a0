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

/// Takes the room that was freed in this process before, so that what is made next is not hidden in it: to be held
/// until that was weighed.
pub(crate) fn fill() -> Vec<Vec<u8>> {
    const SIZES: [usize; 8] = [24, 56, 120, 248, 504, 1_016, 4_088, 16_376];
    let (mut held, mut calm) = (Vec::new(), 0);
    while calm < 20 && held.len() < 5_000_000 {
        let (before, mut asked) = (own_memory(), 0);
        for size in SIZES.iter().cycle().take(256) {
            // What is not written to takes no page.
            held.push(vec![1_u8; *size]);
            asked += size;
        }
        calm = if own_memory() - before >= 0.95 * asked as f64 { calm + 1 } else { 0 };
    }
    held
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
