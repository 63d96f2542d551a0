//! Running a program: no shell, an environment that is given whole, bounded output, and nothing left behind.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::log::{Log, Stream};

/// A program to run.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) argv: Vec<OsString>,
    /// The whole environment.
    pub(crate) env: BTreeMap<OsString, OsString>,
    pub(crate) dir: PathBuf,
    pub(crate) stdin: Vec<u8>,
    /// How much of each output is kept: half of it from the beginning, half from the end.
    pub(crate) keep: usize,
    /// Where its standard output also goes, as it comes.
    pub(crate) out: Log,
    /// Where its standard error also goes.
    pub(crate) err: Log,
    /// What ends it when it seems to be dead.
    pub(crate) pulse: Option<Pulse>,
    /// What must stay until nothing of it is left, such as the folder that it runs in.
    pub(crate) keeps: Vec<tempfile::TempDir>,
}

/// How often a program must give a sign of life: a byte on one of its outputs, or a touch of a file.
#[derive(Debug)]
pub(crate) struct Pulse {
    pub(crate) within: Duration,
    pub(crate) file: PathBuf,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) end: End,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    /// What stays for as long as this does: folders that go when it is dropped.
    _keeps: Vec<tempfile::TempDir>,
}

/// What ended it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// It has ended.
    Exited(ExitStatus),
    /// It gave no sign of life, and was ended.
    Silent,
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

/// Kills the whole process group when it goes out of scope, whatever the reason.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Group {
        Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Asks all of them to end.
    fn ask(&self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::TERM);
        }
    }

    /// Whether somebody is left; who has ended and was not waited for counts.
    fn lives(&self) -> bool {
        self.0.is_some_and(|group| test_kill_process_group(group).is_ok())
    }
}

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
/// How long a group that is asked to end (SIGTERM) may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked whether a group is gone, or whether there was a sign of life.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a program to its end. When the future is dropped, or the program gives no sign of life for too long, its whole
/// group is asked to end and, after a grace, killed; what it says in between still goes to the log.
pub(crate) async fn run(program: Program) -> std::io::Result<Ended> {
    let Some((name, arguments)) = program.argv.split_first() else {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "no program is named"));
    };
    let mut command = Command::new(name);
    command.args(arguments).env_clear().envs(&program.env).current_dir(&program.dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that what it starts ends with it.
    command.process_group(0).kill_on_drop(true);
    let child = command.spawn()?;
    let group = Group::of(&child);
    // Dropped with this future, wherever that is dropped: then the task ends the group.
    let (_wanted, dropped) = oneshot::channel();
    let attended = tokio::spawn(attend(program, child, group, dropped)).await;
    attended.map_err(std::io::Error::other)?
}

async fn attend(
    program: Program,
    mut child: Child,
    group: Group,
    mut dropped: oneshot::Receiver<()>,
) -> std::io::Result<Ended> {
    let Program { stdin: input, keep, out, err, pulse, keeps, .. } = program;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A program need not read what it is given.
            let _ = stdin.write_all(&input).await;
        }
    };
    let half = keep / 2;
    let signs = Signs::new();
    let (mut said_out, mut said_err) = (out.stream(), err.stream());
    let (mut out, mut err) = (Output::default(), Output::default());
    let end = {
        let io = async {
            let out = collect(stdout, &mut out, half, &mut said_out, &signs);
            let err = collect(stderr, &mut err, half, &mut said_err, &signs);
            tokio::join!(feed, out, err)
        };
        tokio::pin!(io);
        let mut done = false;
        let mut look = tokio::time::interval(LOOK);
        let mut asked: Option<Instant> = None;
        let mut status = None;
        let mut silent = false;
        loop {
            tokio::select! {
                ended = child.wait(), if status.is_none() => {
                    status = Some(ended?);
                    if asked.is_none() {
                        break;
                    }
                }
                _ = &mut io, if !done => done = true,
                _ = &mut dropped, if asked.is_none() => {
                    group.ask();
                    asked = Some(Instant::now());
                }
                _ = look.tick(), if asked.is_some() || pulse.is_some() => match (asked, &pulse) {
                    (Some(at), _) if status.is_some() && !group.lives() || at.elapsed() >= GRACE => break,
                    (None, Some(pulse)) if signs.last(&pulse.file).elapsed() >= pulse.within => {
                        silent = true;
                        group.ask();
                        asked = Some(Instant::now());
                    }
                    _ => {}
                },
            }
        }
        // The program has ended, or had its time; what is left of its group holds the outputs open.
        drop(group);
        if !done {
            let _ = tokio::time::timeout(LINGER, io).await;
        }
        match (silent, status) {
            (true, _) => End::Silent,
            (false, Some(status)) => End::Exited(status),
            (false, None) => End::Exited(child.wait().await?),
        }
    };
    Ok(Ended { end, stdout: out, stderr: err, _keeps: keeps })
}

async fn collect(
    from: Option<impl AsyncRead + Unpin>,
    into: &mut Output,
    half: usize,
    said: &mut Stream,
    signs: &Signs,
) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.get(..count).unwrap_or_default();
        signs.seen();
        said.write(bytes);
        into.take(bytes, half);
    }
}

/// When a program gave its last sign of life: it said something, or touched a file.
struct Signs {
    began: Instant,
    /// Milliseconds since then.
    last: AtomicU64,
}

impl Signs {
    fn new() -> Signs {
        Signs { began: Instant::now(), last: AtomicU64::new(0) }
    }

    fn seen(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn last(&self, file: &Path) -> Instant {
        let said = self.began + Duration::from_millis(self.last.load(Ordering::Relaxed));
        let touched = std::fs::metadata(file).and_then(|file| file.modified()).ok();
        let touched = touched.and_then(|at| Instant::now().checked_sub(at.elapsed().unwrap_or_default()));
        touched.map_or(said, |touched| said.max(touched))
    }
}

/// Variables of our own environment that a program gets: where programs are, and its user's folder.
pub(crate) fn inherited(names: &[&str]) -> BTreeMap<OsString, OsString> {
    names.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?))).collect()
}
