//! A bare cache of one remote repository, and the `git` program on it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ensue_event::Digest;
use ensue_event::ours::Failure;

use crate::action::wrong;
use crate::log::Log;
use crate::process::{self, End, Program};
use crate::secrets::Resolved;

/// How many commits of a branch are fetched: the history in which our own earlier commit is looked for.
const DEPTH: &str = "256";
/// The most that one command may print: the largest file that is read.
const OUTPUT: usize = 16 << 20;
/// There while a call works on a cache. A call that was cut off leaves it, and locks of git's, behind: then the cache is
/// made anew.
const BUSY: &str = "ensue-busy";

/// Who commits where no author is named.
const AUTHOR: (&str, &str) = ("ensue", "ensue@localhost");

/// One lock for each remote: our own calls do not race each other.
#[derive(Default)]
pub(crate) struct Repositories {
    locks: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Repositories {
    pub(super) fn lock(&self, url: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(url.to_owned()).or_default())
    }
}

/// A remote, its cache, and how git is called for it.
pub(super) struct Repository {
    url: String,
    dir: PathBuf,
    env: BTreeMap<OsString, OsString>,
    log: Log,
    /// Holds the program that answers git's questions for credentials.
    _askpass: Option<tempfile::TempDir>,
}

/// How a command of git's failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) command: String,
    pub(super) stderr: String,
    pub(super) stdout: String,
}

impl Repository {
    pub(super) async fn open(config: &Resolved, cache: &Path, log: &Log) -> Result<Repository, Failure> {
        let url = config.text("url").unwrap_or_default().to_owned();
        if url.is_empty() || url.starts_with('-') || url.contains(char::is_control) {
            return Err(wrong("`url` of the connection is not the address of a repository"));
        }
        let dir = cache.join("git").join(Digest::of(url.as_bytes()).to_string());
        let (env, askpass) = environment(config, &dir)?;
        let repository = Repository { url, dir, env, log: log.clone(), _askpass: askpass };
        repository.prepare().await?;
        Ok(repository)
    }

    async fn prepare(&self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| wrong(format!("the cache {} cannot be used: {error}", self.dir.display()));
        if self.dir.join(BUSY).exists() {
            std::fs::remove_dir_all(&self.dir).map_err(failed)?;
        }
        let fresh = !self.dir.join("HEAD").exists();
        std::fs::create_dir_all(&self.dir).map_err(failed)?;
        std::fs::write(self.dir.join(BUSY), b"").map_err(failed)?;
        if fresh {
            let made = self.git(&["init", "--quiet", "--bare", "--template=", "."], &[]).await;
            made.map_err(|failed| wrong(format!("git init: {}", failed.stderr.trim())))?;
        }
        Ok(())
    }

    /// The call has come to its end, good or bad: the cache is in order.
    pub(super) fn release(&self) {
        // If it cannot be removed, the next call makes the cache anew.
        let _ = std::fs::remove_file(self.dir.join(BUSY));
    }

    /// Fetches a branch; its newest commit.
    pub(super) async fn fetch(&self, branch: &str) -> Result<String, Failed> {
        let spec = format!("+refs/heads/{branch}:refs/ensue/head");
        let depth = format!("--depth={DEPTH}");
        self.git(&["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", &depth, "--", &self.url, &spec], &[])
            .await?;
        self.line(&["rev-parse", "--verify", "refs/ensue/head"]).await
    }

    /// Pushes a commit to a branch, forward only.
    pub(super) async fn push(&self, commit: &str, branch: &str) -> Result<(), Failed> {
        let spec = format!("{commit}:refs/heads/{branch}");
        self.git(&["push", "--quiet", "--porcelain", "--no-verify", "--", &self.url, &spec], &[]).await.map(drop)
    }

    /// The one line that a command prints.
    pub(super) async fn line(&self, arguments: &[&str]) -> Result<String, Failed> {
        let out = self.git(arguments, &[]).await?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    }

    /// What a command prints.
    pub(super) async fn git(&self, arguments: &[&str], stdin: &[u8]) -> Result<Vec<u8>, Failed> {
        self.git_with(arguments, stdin, &[]).await
    }

    /// The same with more environment.
    pub(super) async fn git_with(
        &self,
        arguments: &[&str],
        stdin: &[u8],
        more: &[(&str, &Path)],
    ) -> Result<Vec<u8>, Failed> {
        // Nothing of the machine's or the repository's configuration may run a program or lead elsewhere.
        const SETTINGS: [&str; 6] = [
            "core.hooksPath=/dev/null",
            "credential.helper=",
            "http.followRedirects=false",
            "gc.autoDetach=false",
            "maintenance.autoDetach=false",
            "init.defaultBranch=main",
        ];
        let mut argv: Vec<OsString> = vec!["git".into()];
        for setting in SETTINGS {
            argv.extend(["-c".into(), setting.into()]);
        }
        argv.extend(arguments.iter().map(OsString::from));
        let mut env = self.env.clone();
        env.extend(more.iter().map(|(name, value)| (OsString::from(name), value.as_os_str().to_owned())));
        let command = arguments.first().copied().unwrap_or_default().to_owned();
        let program = Program {
            argv,
            env,
            dir: self.dir.clone(),
            stdin: stdin.to_vec(),
            keep: OUTPUT,
            // What it prints is data to us; what it complains of is for who reads the log.
            err: self.log.clone(),
            ..Program::default()
        };
        let ended = match process::run(program).await {
            Ok(ended) => ended,
            Err(error) => {
                let stderr = format!("the `git` program cannot be started: {error}; install git 2.40 or newer");
                return Err(Failed { command, stderr, stdout: String::new() });
            }
        };
        if !matches!(ended.end, End::Exited(status) if status.success()) {
            return Err(Failed { command, stderr: ended.stderr.text(), stdout: ended.stdout.text() });
        }
        if !ended.stdout.whole() {
            return Err(Failed { command, stderr: "more than 8 MiB".to_owned(), stdout: String::new() });
        }
        Ok(ended.stdout.bytes())
    }
}

type Environment = (BTreeMap<OsString, OsString>, Option<tempfile::TempDir>);

fn environment(config: &Resolved, dir: &Path) -> Result<Environment, Failure> {
    let inherited = ["PATH", "HOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR"];
    let mut env = process::inherited(&inherited);
    let part = |name: &str| config.get("author").and_then(|author| author.get(name)).and_then(|part| part.as_str());
    let (name, email) = (part("name").unwrap_or(AUTHOR.0), part("email").unwrap_or(AUTHOR.1));
    let fixed: [(&str, &str); 14] = [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ASKPASS", "false"),
        ("GIT_ALLOW_PROTOCOL", "https:http:ssh:git:file"),
        ("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_ADVICE", "0"),
        // Messages are read for what they mean.
        ("LC_ALL", "C"),
        ("GIT_AUTHOR_NAME", name),
        ("GIT_AUTHOR_EMAIL", email),
        ("GIT_COMMITTER_NAME", name),
        ("GIT_COMMITTER_EMAIL", email),
        ("TZ", "UTC"),
    ];
    env.extend(fixed.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
    env.insert("GIT_DIR".into(), dir.into());
    let Some(token) = config.text("token") else { return Ok((env, None)) };
    let askpass =
        askpass().map_err(|error| wrong(format!("the answer to git's question cannot be prepared: {error}")))?;
    env.insert("GIT_ASKPASS".into(), askpass.path().join("askpass").into());
    env.insert("ENSUE_GIT_USER".into(), config.text("username").unwrap_or("x-access-token").into());
    env.insert("ENSUE_GIT_TOKEN".into(), token.into());
    Ok((env, Some(askpass)))
}

/// A program that answers git's questions from its environment, so that no token stands in an argument or a file.
fn askpass() -> std::io::Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    const SCRIPT: &str = "#!/bin/sh\ncase \"$1\" in\nUsername*) printf '%s\\n' \"$ENSUE_GIT_USER\" ;;\n*) printf '%s\\n' \"$ENSUE_GIT_TOKEN\" ;;\nesac\n";
    let dir = tempfile::Builder::new().prefix("ensue-git-").tempdir()?;
    let path = dir.path().join("askpass");
    std::fs::write(&path, SCRIPT)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
    Ok(dir)
}
