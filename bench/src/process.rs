//! A program that is measured: started, watched, ended.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// How long a start or an end may take before something is wrong with it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process that runs, or has ended. It is killed when this is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    pub(crate) started: Instant,
}

impl Process {
    /// Starts it. What it says is added to the file `log`.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path) -> Result<Process> {
        let opened: std::io::Result<(File, File)> = (|| {
            let file = OpenOptions::new().create(true).append(true).open(log)?;
            Ok((file.try_clone()?, file))
        })();
        let (out, err) = opened.map_err(|why| format!("cannot write {}: {why}", log.display()))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err).env("NO_COLOR", "1");
        let started = Instant::now();
        let child = command.spawn();
        let child = child.map_err(|why| format!("cannot start {}: {why}", command.get_program().to_string_lossy()))?;
        Ok(Process { name: name.to_owned(), child, log: log.to_path_buf(), started })
    }

    /// An error if it has ended by itself, or has not become ready in time.
    pub(crate) fn still_starts(&mut self) -> Result {
        if let Some(status) = self.ended() {
            return Err(format!("{} ended by itself ({status}):\n{}", self.name, self.tail()));
        }
        if self.started.elapsed() > PATIENCE {
            return Err(format!("{} is not ready after {} s:\n{}", self.name, PATIENCE.as_secs(), self.tail()));
        }
        Ok(())
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// SIGKILL, and waits for the end. An error if it had ended by itself.
    pub(crate) fn kill(&mut self) -> Result {
        if let Some(status) = self.ended() {
            return Err(format!("{} ended by itself ({status}):\n{}", self.name, self.tail()));
        }
        self.child.kill().map_err(|why| format!("cannot kill {}: {why}", self.name))?;
        self.child.wait().map_err(|why| format!("cannot wait for {}: {why}", self.name))?;
        Ok(())
    }

    /// SIGTERM, and SIGKILL so much later, if it has not ended in good order by then.
    pub(crate) fn stop_or_kill(&mut self, patience: Duration) -> Result {
        self.terminate()?;
        std::thread::sleep(patience);
        match self.child.try_wait().map_err(|why| format!("cannot wait for {}: {why}", self.name))? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{} stopped with {status}:\n{}", self.name, self.tail())),
            None => self.kill(),
        }
    }

    fn terminate(&self) -> Result {
        let sent = Command::new("kill").args(["-TERM", &self.pid()]).status();
        sent.map(drop).map_err(|why| format!("cannot start kill: {why}"))
    }

    /// SIGTERM, and waits for the end in good order.
    pub(crate) fn stop(&mut self) -> Result {
        self.terminate()?;
        let (name, began) = (&self.name, Instant::now());
        loop {
            match self.child.try_wait().map_err(|why| format!("cannot wait for {name}: {why}"))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("{name} stopped with {status}:\n{}", self.tail())),
                None if began.elapsed() > PATIENCE => return Err(format!("{name} does not stop:\n{}", self.tail())),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// The end of what it has said.
    pub(crate) fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Seconds of CPU since its start, user and system.
    pub(crate) fn cpu(&self) -> f64 {
        cpu(&format!("/proc/{}/stat", self.pid()))
    }

    /// Seconds of CPU of its threads of this name.
    pub(crate) fn thread_cpu(&self, name: &str) -> f64 {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.pid())) else { return 0.0 };
        let of = |folder: PathBuf| {
            let comm = std::fs::read_to_string(folder.join("comm")).ok()?;
            let times = std::fs::read_to_string(folder.join("schedstat")).ok()?;
            let nanoseconds: f64 = times.split(' ').next()?.parse().ok()?;
            (comm.trim() == name).then_some(nanoseconds / 1e9)
        };
        threads.filter_map(|thread| of(thread.ok()?.path())).sum()
    }

    /// Bytes that the kernel wrote to the disk for it.
    pub(crate) fn written(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/io", self.pid())).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(0)
    }

    /// Resident bytes.
    pub(crate) fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of CPU by a `stat` file of /proc: fields 14 and 15, in ticks of 10 ms (USER_HZ is 100 on Linux).
pub(crate) fn cpu(path: &str) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |nth: usize| fields.get(nth).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// strace with these arguments, at full speed for all calls that it does not look at; what is started by it stays our
/// child. Nothing where there is no strace.
pub(crate) fn traced(arguments: &[&str]) -> Option<Vec<String>> {
    let there = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let words = ["strace", "-D", "-f", "--seccomp-bpf", "-qq"];
    there.is_ok_and(|status| status.success()).then(|| words.iter().chain(arguments).map(|&word| word.into()).collect())
}

/// This program, started by another one.
pub(crate) fn under(under: &[String], program: &Path) -> Command {
    match under.split_first() {
        None => Command::new(program),
        Some((under, rest)) => {
            let mut command = Command::new(under);
            command.args(rest).arg(program);
            command
        }
    }
}
