//! The action `git/commit`: values set or files written, one commit, pushed.
//!
//! The commit's message ends with `Ensue-Cause: <effect> <run>`. Before a commit is made that trailer is looked for in
//! the branch's recent history, so a call that is repeated after a crash finds what it has done. A push that loses a
//! race is done anew on what won; nothing to change is a success.

use std::collections::BTreeMap;

use ensue_event::ours::{Answer, Failure};
use serde_json::{Value, json};

use super::edit;
use super::failure::{Meaning, failure, meaning};
use super::repository::{Failed, Repository};
use crate::action::{Action, Call, answer, denied, wrong};
use crate::secrets::scalar;
use crate::world::World;

/// The trailer that names the effect.
const TRAILER: &str = "Ensue-Cause";
/// How often a lost race is run again.
const RACES: usize = 5;
/// The most files of one commit.
const MAX_FILES: usize = 1_000;

pub(crate) struct Commit;

#[async_trait::async_trait]
impl Action for Commit {
    fn name(&self) -> &'static str {
        "git/commit"
    }

    /// The trailer makes it so.
    fn repeatable(&self, _: &Call) -> bool {
        true
    }

    async fn call(&self, call: Call, world: &World) -> Answer {
        answer(commit(&call, world).await)
    }
}

/// What becomes of a file.
enum Change {
    Set(Vec<(String, Value)>),
    Write(String),
}

async fn commit(call: &Call, world: &World) -> Result<Value, Failure> {
    World::no_secrets(call)?;
    let config = world.connection(call, "git")?;
    let branch = call.required("branch")?;
    check_branch(branch)?;
    let message = call.required("message")?;
    let changes = changes(call)?;
    let lock = world.repositories.lock(config.text("url").unwrap_or_default());
    let _one_at_a_time = lock.lock().await;
    let repository = Repository::open(&config, world.cache(), &call.log).await?;
    let work = Work { call, repository: &repository, branch, message, changes: &changes };
    let result = work.run().await;
    repository.release();
    result
}

struct Work<'a> {
    call: &'a Call,
    repository: &'a Repository,
    branch: &'a str,
    message: &'a str,
    changes: &'a BTreeMap<String, Change>,
}

/// A file as the branch has it.
struct Entry {
    mode: String,
    kind: String,
    object: String,
}

impl Work<'_> {
    async fn run(&self) -> Result<Value, Failure> {
        let said = |failed: Failed| failure(&failed, self.branch);
        let mut races = 0;
        loop {
            let head = self.repository.fetch(self.branch).await.map_err(said)?;
            self.call.log.line(&format!("{} is at {head}", self.branch));
            if let Some(done) = self.earlier(&head).await.map_err(said)? {
                self.call.log.line(&format!("{done} was made by an earlier try"));
                return self.outputs(&done, true).await.map_err(said);
            }
            let Some(commit) = self.make(&head).await? else {
                self.call.log.line("nothing is to be changed");
                return Ok(json!({ "commit": head, "changed": false, "files": [] }));
            };
            match self.repository.push(&commit, self.branch).await {
                Ok(()) => {
                    self.call.log.line(&format!("{commit} is pushed to {}", self.branch));
                    return self.outputs(&commit, true).await.map_err(said);
                }
                Err(failed) if meaning(&failed) == Meaning::Race && races < RACES => {
                    self.call.log.line("somebody else was faster; once more, on top of that");
                    races += 1;
                }
                Err(failed) => return Err(failure(&failed, self.branch)),
            }
        }
    }

    /// The commit that an earlier try of this effect has made. The whole mark is looked for: an engine with another log
    /// counts its effects from the same positions, and its commits on the same branch are not ours.
    async fn earlier(&self, head: &str) -> Result<Option<String>, Failed> {
        let wanted = format!("--grep={TRAILER}: {}", self.call.mark());
        let found = self.repository.line(&["log", "--fixed-strings", "--format=%H", "-n1", &wanted, head]).await?;
        Ok(Some(found).filter(|found| !found.is_empty()))
    }

    async fn outputs(&self, commit: &str, changed: bool) -> Result<Value, Failed> {
        let listed = self
            .repository
            .git(&["diff-tree", "--no-commit-id", "--root", "--name-only", "-r", "-z", commit], &[])
            .await?;
        let files: Vec<String> = listed
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        Ok(json!({ "commit": commit, "changed": changed, "files": files }))
    }

    /// A commit on top of `head` with the changes, or nothing if they change nothing.
    async fn make(&self, head: &str) -> Result<Option<String>, Failure> {
        let said = |failed: Failed| failure(&failed, self.branch);
        let entries = self.entries(head).await.map_err(said)?;
        let mut lines = Vec::new();
        for (path, change) in self.changes {
            let entry = self.file(path, &entries)?;
            let text = self.text(path, entry, change).await?;
            let object = self.repository.git(&["hash-object", "-w", "--stdin"], text.as_bytes()).await.map_err(said)?;
            let object = String::from_utf8_lossy(&object).trim().to_owned();
            if entry.is_none_or(|entry| entry.object != object) {
                let mode = entry.map_or("100644", |entry| entry.mode.as_str());
                lines.extend_from_slice(format!("{mode} {object}\t{path}\0").as_bytes());
            }
        }
        if lines.is_empty() {
            return Ok(None);
        }
        self.on_top(head, &lines).await.map(Some).map_err(said)
    }

    async fn on_top(&self, head: &str, lines: &[u8]) -> Result<String, Failed> {
        let git = self.repository;
        let failed = |error: std::io::Error| Failed {
            command: "commit".to_owned(),
            stderr: format!("no temporary folder can be made: {error}"),
            stdout: String::new(),
        };
        let folder = tempfile::Builder::new().prefix("ensue-index-").tempdir().map_err(failed)?;
        let index = folder.path().join("index");
        let index = [("GIT_INDEX_FILE", index.as_path())];
        git.git_with(&["read-tree", head], &[], &index).await?;
        git.git_with(&["update-index", "-z", "--index-info"], lines, &index).await?;
        let tree = git.git_with(&["write-tree"], &[], &index).await?;
        let tree = String::from_utf8_lossy(&tree).trim().to_owned();
        let trailer = format!("{TRAILER}: {}", self.call.mark());
        let message = format!("{}\n", self.message.trim_end());
        let message = git.git(&["interpret-trailers", "--trailer", &trailer], message.as_bytes()).await?;
        let commit = git.git(&["commit-tree", &tree, "-p", head, "-F", "-"], &message).await?;
        Ok(String::from_utf8_lossy(&commit).trim().to_owned())
    }

    /// What the branch has at the paths and at each folder above them.
    async fn entries(&self, head: &str) -> Result<BTreeMap<String, Entry>, Failed> {
        let mut arguments = vec!["ls-tree", "-z", head, "--"];
        for path in self.changes.keys() {
            arguments.extend(path.match_indices('/').filter_map(|(at, _)| path.get(..at)));
            arguments.push(path);
        }
        let listed = self.repository.git(&arguments, &[]).await?;
        let mut entries = BTreeMap::new();
        for line in listed.split(|byte| *byte == 0) {
            let line = String::from_utf8_lossy(line);
            let Some((facts, path)) = line.split_once('\t') else { continue };
            let mut facts = facts.split(' ').map(str::to_owned);
            if let (Some(mode), Some(kind), Some(object)) = (facts.next(), facts.next(), facts.next()) {
                entries.insert(path.to_owned(), Entry { mode, kind, object });
            }
        }
        Ok(entries)
    }

    /// The file at a path, if there is one; neither it nor a folder above it may be a link or another repository.
    fn file<'e>(&self, path: &str, entries: &'e BTreeMap<String, Entry>) -> Result<Option<&'e Entry>, Failure> {
        for (at, _) in path.match_indices('/') {
            let above = path.get(..at).unwrap_or_default();
            if let Some(entry) = entries.get(above).filter(|entry| entry.kind != "tree") {
                return Err(denied(format!("`{path}` leads through `{above}`, which is {}", what(&entry.mode))));
            }
        }
        match entries.get(path) {
            Some(entry) if !matches!(entry.mode.as_str(), "100644" | "100755" | "100664") => {
                Err(denied(format!("`{path}` is {}; only files are changed", what(&entry.mode))))
            }
            found => Ok(found),
        }
    }

    /// What a file says afterwards.
    async fn text(&self, path: &str, entry: Option<&Entry>, change: &Change) -> Result<String, Failure> {
        let sets = match change {
            Change::Write(text) => return Ok(text.clone()),
            Change::Set(sets) => sets,
        };
        let Some(entry) = entry else {
            return Err(wrong(format!("`{}` has no file `{path}`; write it with `files` first", self.branch)));
        };
        let bytes = self.repository.git(&["cat-file", "blob", &entry.object], &[]).await;
        let bytes = bytes.map_err(|failed| failure(&failed, self.branch))?;
        let mut text = String::from_utf8(bytes).map_err(|_| wrong(format!("`{path}` is not text in UTF-8")))?;
        for (key, value) in sets {
            text = edit::set(path, &text, key, value).map_err(|error| wrong(format!("{path}: {error}")))?;
        }
        Ok(text)
    }
}

fn what(mode: &str) -> &'static str {
    match mode {
        "120000" => "a symbolic link",
        "160000" => "another repository",
        "040000" => "a folder",
        _ => "a file",
    }
}

fn changes(call: &Call) -> Result<BTreeMap<String, Change>, Failure> {
    let mut changes = BTreeMap::new();
    for (path, sets) in call.field("set").and_then(Value::as_object).into_iter().flatten() {
        check_path(path)?;
        let sets =
            sets.as_object().ok_or_else(|| wrong(format!("`set` of `{path}` is not a map of paths to values")))?;
        let sets = sets.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        changes.insert(path.clone(), Change::Set(sets));
    }
    for (path, text) in call.field("files").and_then(Value::as_object).into_iter().flatten() {
        check_path(path)?;
        if changes.insert(path.clone(), Change::Write(scalar(text))).is_some() {
            return Err(wrong(format!("`{path}` stands under `set` and under `files`")));
        }
    }
    if changes.is_empty() {
        return Err(wrong("git/commit needs `set` or `files`"));
    }
    if changes.len() > MAX_FILES {
        return Err(wrong(format!("more than {MAX_FILES} files in one commit")));
    }
    Ok(changes)
}

/// A path within the repository: no way out of it, and none into git's own folder, under any spelling that some file
/// system takes for it.
fn check_path(path: &str) -> Result<(), Failure> {
    let good = |part: &str| {
        let spelled = part.trim_end_matches(['.', ' ']).to_ascii_lowercase();
        !matches!(part, "" | "." | "..") && spelled != ".git" && !spelled.starts_with("git~")
    };
    let wrong_bytes = path.contains(|c: char| c.is_control() || c == '\\' || c == ':');
    if path.len() > 4_096 || wrong_bytes || !path.split('/').all(good) {
        let path: String = path.chars().take(200).collect();
        return Err(denied(format!("`{path}` is not a path within the repository, such as apps/shop/values.yaml")));
    }
    Ok(())
}

/// The rules of git-check-ref-format.
fn check_branch(branch: &str) -> Result<(), Failure> {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let bad = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let wrong_form = branch.starts_with('-')
        || branch.ends_with('.')
        || branch.contains("..")
        || branch.contains("@{")
        || branch == "@"
        || branch.contains(bad)
        || branch.len() > 255;
    if wrong_form || !branch.split('/').all(part) {
        return Err(wrong(format!("`{branch}` is not the name of a branch")));
    }
    Ok(())
}
