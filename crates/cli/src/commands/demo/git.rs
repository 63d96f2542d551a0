//! Two real git repositories: the application's and the one that says what is deployed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use super::{backend, write};
use crate::errors::Error;

/// What the application is: a menu, and a test that holds it to its word. `push.sh broken` leaves a file that it finds.
const APP: &[(&str, &str)] = &[
    ("menu.txt", "tea\n"),
    (
        "test.sh",
        "#!/bin/sh\n# Whoever sells tea has tea on the menu.\nset -eu\ngrep -q tea menu.txt\nif [ -e broken ]; then\n  \
         echo 'test.sh: the kettle is broken' >&2\n  exit 1\nfi\necho 'test.sh: 1 passed'\n",
    ),
    ("server.sh", "#!/bin/sh\n# Serves the menu to whoever asks.\nexec cat menu.txt\n"),
];
/// What is deployed. Comments and quotes are there to be kept.
const VALUES: &str = "# What of the API runs in the cluster. The tag is set by ensue; the rest is ours.\nimage:\n  repository: shop/api\n  \
    tag: \"000000000000\"   # the commit that it was built from\nreplicas: 2\nresources:\n  limits: { memory: 128Mi }\n";

/// The repositories, and where they are served.
pub(super) struct Repositories {
    folder: PathBuf,
    url: String,
}

/// Says what to do where there is no git.
pub(super) fn there() -> Result<(), Error> {
    match std::process::Command::new("git").arg("--version").output() {
        Ok(said) if said.status.success() => Ok(()),
        _ => Err(Error::Other(
            "the demo works on real git repositories, and the program `git` is not in the search path; install it \
             (apt install git, dnf install git, brew install git) and start the demo again"
                .to_owned(),
        )),
    }
}

impl Repositories {
    pub(super) async fn make(folder: &Path) -> Result<Repositories, Error> {
        let app = folder.join("work/app");
        for (name, text) in APP {
            write(&app.join(name), text)?;
        }
        let gitops = folder.join("work/gitops");
        write(&gitops.join("apps/api/values.yaml"), VALUES)?;
        for (work, name) in [(&app, "app.git"), (&gitops, "gitops.git")] {
            let bare = folder.join(name);
            run(folder, &["init", "--quiet", "--bare", "--initial-branch=main", name]).await?;
            run(work, &["init", "--quiet", "--initial-branch=main"]).await?;
            run(work, &["config", "user.name", "Ada"]).await?;
            run(work, &["config", "user.email", "ada@example.com"]).await?;
            run(work, &["config", "commit.gpgsign", "false"]).await?;
            run(work, &["add", "--all"]).await?;
            run(work, &["commit", "--quiet", "--message", "The first one"]).await?;
            run(work, &["remote", "add", "origin", &bare.display().to_string()]).await?;
            run(work, &["push", "--quiet", "origin", "main"]).await?;
        }
        let url = serve(folder).await.unwrap_or_else(|| format!("file://{}", folder.display()));
        Ok(Repositories { folder: folder.to_path_buf(), url })
    }

    /// The address of the application's repository.
    pub(super) fn app(&self) -> String {
        format!("{}/app.git", self.url)
    }

    /// The address of the repository that says what is deployed.
    pub(super) fn gitops(&self) -> String {
        format!("{}/gitops.git", self.url)
    }

    /// Where the application is worked on.
    pub(super) fn work(&self) -> PathBuf {
        self.folder.join("work/app")
    }

    /// How they are served.
    pub(super) fn how(&self) -> &'static str {
        if self.url.starts_with("http") { "real, served by git's own git-http-backend" } else { "real, read as files" }
    }

    pub(super) fn bare_gitops(&self) -> PathBuf {
        self.folder.join("gitops.git")
    }

    /// Changes the application, commits and pushes; the commit.
    pub(super) async fn push(&self, message: &str) -> Result<String, Error> {
        let work = self.work();
        write(&work.join("menu.txt"), "tea\ngreen tea\n")?;
        run(&work, &["commit", "--quiet", "--all", "--message", message]).await?;
        run(&work, &["push", "--quiet", "origin", "main"]).await?;
        Ok(run(&work, &["rev-parse", "HEAD"]).await?.trim().to_owned())
    }
}

/// Serves the repositories over HTTP; nothing where git comes without what that needs.
async fn serve(folder: &Path) -> Option<String> {
    let program = match std::env::var_os("ENSUE_SERVER_GIT_HTTP_BACKEND") {
        Some(program) => PathBuf::from(program),
        None => Path::new(run(folder, &["--exec-path"]).await.ok()?.trim()).join("git-http-backend"),
    };
    if !program.is_file() {
        return None;
    }
    let url = backend::serve(program, folder).await.ok()?;
    // Git itself may come without HTTP.
    run(folder, &["ls-remote", "--quiet", &format!("{url}/app.git")]).await.ok().map(|_| url)
}

/// Runs git, without the settings of whoever sits here; what it prints.
pub(super) async fn run(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Result<String, Error> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    let said = command.output().await.map_err(|why| Error::Other(format!("git cannot be started: {why}")))?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    let shown: Vec<String> = arguments.iter().map(|one| one.as_ref().to_string_lossy().into_owned()).collect();
    let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    Err(Error::Other(format!("git {}: {why}", shown.join(" "))))
}

/// The payload that GitHub sends with a push of this commit (GitHub, "Webhook events and payloads", push).
pub(super) fn payload(commit: &str, message: &str) -> String {
    let author = json!({"name": "Ada", "email": "ada@example.com", "username": "ada"});
    let head = json!({
        "id": commit, "message": message, "timestamp": jiff::Timestamp::now().to_string(), "author": author,
        "committer": author, "added": [], "removed": [], "modified": ["menu.txt"], "distinct": true,
    });
    json!({
        "ref": "refs/heads/main", "after": commit, "created": false, "deleted": false, "forced": false,
        "repository": {
            "id": 1_296_269, "name": "shop", "full_name": "example/shop", "private": false,
            "owner": {"name": "example", "login": "example", "id": 1},
            "html_url": "https://github.com/example/shop", "url": "https://api.github.com/repos/example/shop",
            "default_branch": "main",
        },
        "pusher": {"name": "ada", "email": "ada@example.com"},
        "sender": {"login": "ada", "id": 2, "type": "User"}, "head_commit": head, "commits": [head],
    })
    .to_string()
}
