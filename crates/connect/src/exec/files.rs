//! What goes into a program's folder and what comes out of it: artifacts, by their content.
//!
//! Paths are relative, stay below the folder, and lead through no symbolic link: each part is opened below the one before
//! it, so there is no moment between check and use.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use ensue_event::Digest;
use ensue_event::ours::Failure;
use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use rustix::io::Errno;
use serde_json::{Map, Value, json};

use crate::action::{Call, denied, wrong};
use crate::outputs::Outputs;
use crate::secrets::Secrets;

/// The largest artifact: it is held in memory while it is kept.
const MAX_SIZE: u64 = 32 << 20;
/// The most artifacts of one step.
const MAX_COUNT: usize = 32;

/// The entries of a map in `with`.
pub(super) type Entries = [(String, Value)];

/// The entries of a map in `with` whose keys or values are paths.
pub(super) fn entries(call: &Call, name: &str) -> Result<Vec<(String, Value)>, Failure> {
    let entries = call.field(name).and_then(Value::as_object).into_iter().flatten();
    let entries: Vec<_> = entries.map(|(key, value)| (key.clone(), value.clone())).collect();
    if entries.len() > MAX_COUNT {
        return Err(wrong(format!("`{name}` of exec/run has {} entries; {MAX_COUNT} are allowed", entries.len())));
    }
    Ok(entries)
}

/// Puts artifacts into the folder: paths to what an earlier step has left.
pub(super) fn put(dir: &Path, files: &Entries, outputs: &dyn Outputs) -> Result<(), Failure> {
    for (path, artifact) in files {
        let digest = artifact.get("digest").and_then(Value::as_str).and_then(|digest| digest.parse::<Digest>().ok());
        let digest = digest.ok_or_else(|| {
            wrong(format!("`files: {path}` is no artifact; write \"${{{{ steps.STEP.outputs.artifacts.NAME }}}}\""))
        })?;
        let bytes = outputs.get(&digest).map_err(|why| wrong(format!("`files: {path}`: {why}")))?;
        let mut file = below(dir, path, true)?;
        file.write_all(&bytes).map_err(|why| wrong(format!("`{path}` cannot be written: {why}")))?;
    }
    Ok(())
}

/// Keeps what the program has left: names to paths. What each became.
pub(super) fn take(
    dir: &Path,
    artifacts: &Entries,
    outputs: &dyn Outputs,
    secrets: &Secrets,
) -> Result<Value, Failure> {
    let mut kept = Map::new();
    for (name, path) in artifacts {
        let path = path.as_str().ok_or_else(|| wrong(format!("`artifacts: {name}` is not a path")))?;
        let file = below(dir, path, false)?;
        let unreadable =
            |why: std::io::Error| wrong(format!("the artifact `{name}` cannot be read at `{path}`: {why}"));
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(wrong(format!("the artifact `{name}`: `{path}` is no file")));
        }
        let mut bytes = Vec::new();
        file.take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_SIZE {
            return Err(wrong(format!("the artifact `{name}` is larger than {} MiB", MAX_SIZE >> 20)));
        }
        // It is kept as it is, so it must not hold what must not be kept.
        if secrets.is_in(&bytes) {
            return Err(denied(format!("the artifact `{name}` holds a secret and is not kept")));
        }
        let digest = outputs.put(&bytes).map_err(|why| wrong(format!("the artifact `{name}`: {why}")))?;
        let entry = json!({"digest": digest, "size": bytes.len(), "mediaType": media_type(path), "path": path});
        kept.insert(name.clone(), entry);
    }
    Ok(Value::Object(kept))
}

/// Opens a file below a folder: to be read, or new and to be written.
fn below(dir: &Path, path: &str, write: bool) -> Result<File, Failure> {
    let good = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    if path.len() > 4_096 || !path.split('/').all(good) {
        let path: String = path.chars().take(200).collect();
        return Err(denied(format!("`{path}` is not a path below the program's folder, such as out/report.json")));
    }
    let failed = |why: Errno| match why {
        Errno::LOOP | Errno::NOTDIR => denied(format!("`{path}` leads through a symbolic link or what is no folder")),
        why => wrong(format!("`{path}` cannot be opened in {}: {}", dir.display(), std::io::Error::from(why))),
    };
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at: OwnedFd = open(dir, folder, Mode::empty()).map_err(failed)?;
    let (folders, name) = path.rsplit_once('/').map_or(("", path), |(folders, name)| (folders, name));
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        if write {
            match mkdirat(&at, part, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(why) => return Err(failed(why)),
            }
        }
        at = openat(&at, part, folder | OFlags::NOFOLLOW, Mode::empty()).map_err(failed)?;
    }
    // A pipe must not be waited for.
    let common = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let how = if write { OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC } else { OFlags::RDONLY };
    openat(&at, name, how | common, Mode::RUSR | Mode::WUSR).map(File::from).map_err(failed)
}

/// What a file is, by the end of its name.
fn media_type(path: &str) -> &'static str {
    let end = path.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    match end.as_deref() {
        Some("json") => "application/json",
        Some("yaml" | "yml") => "application/yaml",
        Some("xml") => "application/xml",
        Some("txt" | "log") => "text/plain",
        Some("csv") => "text/csv",
        Some("md") => "text/markdown",
        Some("html" | "htm") => "text/html",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("pdf") => "application/pdf",
        Some("zip") => "application/zip",
        Some("gz" | "tgz") => "application/gzip",
        Some("tar") => "application/x-tar",
        _ => "application/octet-stream",
    }
}
