//! What there is: the root, the members in their order, the files, what `cargo metadata` says.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Result, shell};

/// The root of the workspace: the folder above this crate.
pub(crate) fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// A file of the repository: its path from the root, with `/`, and its text. Binary files are not listed.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All text files that git tracks, or would if they were added.
pub(crate) fn files() -> Result<Vec<Source>> {
    let listed =
        shell::output(shell::program("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]))?;
    let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        // Deleted but not yet committed, or a link to nowhere: not there.
        let Ok(bytes) = std::fs::read(root().join(path)) else { continue };
        if bytes.contains(&0) {
            continue;
        }
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

/// Reads a file of the repository.
pub(crate) fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(root().join(path)).map_err(|error| format!("cannot read {path}: {error}"))
}

/// The folders of the members, in the order in which the root manifest lists them: the order of the data.
pub(crate) fn members(manifest: &str) -> Vec<String> {
    let list =
        manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(list, _)| list);
    list.lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split_once('"'))
        .map(|(path, _)| path.into())
        .collect()
}

/// What `cargo metadata` says, as far as it is used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    #[serde(default)]
    pub(crate) resolve: Option<Resolve>,
    pub(crate) target_directory: PathBuf,
}

/// A package: a member, or something it uses.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What a manifest asks for.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
}

/// The graph of packages as it was resolved.
#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

/// A package of the graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<Edge>,
}

/// What it uses, and for what.
#[derive(Debug, Deserialize)]
pub(crate) struct Edge {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<Kind>,
}

/// `None` is a normal dependency, else `dev` or `build`.
#[derive(Debug, Deserialize)]
pub(crate) struct Kind {
    pub(crate) kind: Option<String>,
}

/// Asks cargo; with the resolved graph if `graph`.
pub(crate) fn metadata(graph: bool) -> Result<Metadata> {
    let mut cargo = shell::cargo();
    cargo.args(["metadata", "--format-version", "1"]);
    if !graph {
        cargo.arg("--no-deps");
    }
    let text = shell::output(&mut cargo)?;
    serde_json::from_str(&text).map_err(|error| format!("cannot read what `cargo metadata` says: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_their_order() {
        let manifest =
            "[workspace]\nmembers = [\n    \"crates/log\",   # facts\n    \"crates/event\",\n]\n\n[x]\ny = [\"z\"]\n";
        assert_eq!(members(manifest), ["crates/log", "crates/event"]);
    }
}
