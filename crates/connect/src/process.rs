//! Running a program: no shell, an environment that is given whole, bounded output, and nothing left behind.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// A program to run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    pub(crate) argv: Vec<OsString>,
    /// The whole environment.
    pub(crate) env: BTreeMap<OsString, OsString>,
    pub(crate) dir: PathBuf,
    pub(crate) stdin: Vec<u8>,
    /// How much of each output is kept: half of it from the beginning, half from the end.
    pub(crate) keep: usize,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

/// What was kept of an output.
#[derive(Debug, Default)]
pub(crate) struct Output {
    head: Vec<u8>,
    tail: std::collections::VecDeque<u8>,
    left_out: u64,
}

impl Output {
    /// Whether it is all there.
    pub(crate) fn whole(&self) -> bool {
        self.left_out == 0
    }

    /// Its bytes; where some were left out, a line says how many.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.head.clone();
        if !self.whole() {
            out.extend_from_slice(format!("\n… {} bytes are left out …\n", self.left_out).as_bytes());
        }
        out.extend(self.tail.iter());
        out
    }

    /// As text; what is not UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn take(&mut self, bytes: &[u8], half: usize) {
        let room = half.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(half);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }
}

/// Kills the whole process group when it goes out of scope: at the end, at a timeout, wherever the call is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It is an error when nobody is left, which is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// How long outputs may stay open after the program and its group are gone: somebody has left the group.
const LINGER: Duration = Duration::from_millis(500);

/// Runs a program to its end. Dropping the future kills it and all that it started.
pub(crate) async fn run(program: Program) -> std::io::Result<Ended> {
    let Some((name, arguments)) = program.argv.split_first() else {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "no program is named"));
    };
    let mut command = Command::new(name);
    command.args(arguments).env_clear().envs(&program.env).current_dir(&program.dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that what it starts ends with it.
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn()?;
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let input = program.stdin;
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A program need not read what it is given.
            let _ = stdin.write_all(&input).await;
        }
    };
    let half = program.keep / 2;
    let (mut out, mut err) = (Output::default(), Output::default());
    let status = {
        let io = async { tokio::join!(feed, collect(stdout, &mut out, half), collect(stderr, &mut err, half)) };
        tokio::pin!(io);
        let mut done = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                _ = &mut io, if !done => done = true,
            }
        };
        // The program has ended; what it left running in its group holds the outputs open.
        drop(group);
        if !done {
            let _ = tokio::time::timeout(LINGER, io).await;
        }
        status
    };
    Ok(Ended { status, stdout: out, stderr: err })
}

async fn collect(from: Option<impl AsyncRead + Unpin>, into: &mut Output, half: usize) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        into.take(buffer.get(..count).unwrap_or_default(), half);
    }
}

/// Variables of our own environment that a program gets: where programs are, and its user's folder.
pub(crate) fn inherited(names: &[&str]) -> BTreeMap<OsString, OsString> {
    names.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?))).collect()
}
