//! Configurations: from files to the record that puts them in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ensue_engine::Verdict;
use ensue_event::ours::{ConfigApplied, ConfigFile, Document};
use ensue_event::{Key, Position};
use ensue_lang::env::{Lookup, default_or};
use ensue_lang::{Diagnostic, Kind};
use ensue_pump::{Outgoing, pump};

use crate::error::Error;
use crate::node::Core;
use crate::options::Configured;

/// How deep folders may stand in one another.
const DEPTH: usize = 16;
/// The largest manifest, in bytes: more is not written by people.
const MANIFEST: u64 = 4 << 20;

/// A checked configuration.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    files: Vec<ConfigFile>,
    documents: Vec<Document>,
    /// Warnings.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Applied {
    /// The record that applies it.
    pub(crate) fn record(self, observe: bool) -> ConfigApplied {
        ConfigApplied { documents: self.documents, files: self.files, observe }
    }
}

/// A configuration with errors.
#[derive(Debug, Clone)]
pub(crate) struct Wrong {
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// What the language allows and the engine does not.
    pub(crate) refused: Option<String>,
    pub(crate) rendered: String,
}

/// Reads, checks and compiles files.
pub(crate) fn check(files: Vec<ConfigFile>) -> Result<Applied, Wrong> {
    let mut checked = ensue_engine::config::check(&files);
    ensue_lab::graph::look(&mut checked);
    if checked.compiled.is_none() {
        let rendered = checked.render(false);
        let refused = checked.refused.map(|(rule, why)| format!("rule {rule}: {why}"));
        return Err(Wrong { diagnostics: checked.loaded.diagnostics, refused, rendered });
    }
    let loaded = checked.loaded;
    let all = loaded.config.documents().into_iter();
    let documents = all
        .filter(|(kind, _, _)| *kind != Kind::Scenario)
        .map(|(kind, name, digest)| Document { kind: kind.to_string(), name: name.to_string(), digest })
        .collect();
    Ok(Applied { files, documents, diagnostics: loaded.diagnostics })
}

/// The configuration that the options ask for; nothing where the last one is kept.
pub(crate) fn wanted(configured: &Configured) -> Result<Option<Applied>, Error> {
    let files = match configured {
        // The cluster is asked once the node runs: until then, what was applied last goes on.
        Configured::Kept | Configured::Kubernetes(_) => return Ok(None),
        Configured::Files(files) => files.clone(),
        Configured::Folder(folder) => read_folder(folder)?,
    };
    match check(files) {
        Ok(applied) => {
            for found in &applied.diagnostics {
                tracing::warn!(file = found.file, line = found.line, "{}", found.message);
            }
            Ok(Some(applied))
        }
        Err(wrong) => Err(Error::Config { diagnostics: wrong.diagnostics, rendered: wrong.rendered }),
    }
}

/// Whether two configurations mean the same; comments and formatting do not count.
pub(crate) fn same(a: &ConfigApplied, b: &ConfigApplied) -> bool {
    a.observe == b.observe && a.documents == b.documents
}

/// The record that applies a configuration.
pub(crate) fn record(applied: ConfigApplied, end: Position) -> Outgoing {
    let digests: Vec<&[u8]> = applied.documents.iter().map(|document| document.digest.0.as_slice()).collect();
    let id = Key::of("config", &[&end.bytes(), &digests.concat()]);
    pump::node(id.to_string(), &applied.into())
}

impl Core {
    /// What the configuration in this record dropped, as its decisions say.
    pub(crate) async fn dropped(self: &Arc<Core>, position: Position) -> Dropped {
        let mut dropped = Dropped::default();
        let from = (position, String::new());
        let decided = self.read(move |pump| {
            let decisions = &pump.engine().state().decisions;
            let here = decisions.from(from..).take_while(|((at, _), _)| *at == position);
            here.map(|((_, rule), decided)| (rule.clone(), Arc::clone(decided))).collect::<Vec<_>>()
        });
        for (rule, decided) in decided.await.unwrap_or_default() {
            for decision in &decided.all {
                match &decision.verdict {
                    Verdict::Edited { halves, held } => {
                        dropped.halves += halves;
                        dropped.held += held;
                        dropped
                            .rules
                            .push((rule.clone(), format!("{halves} half-matches and {held} held are dropped")));
                    }
                    Verdict::Refused { why } => dropped.rules.push((rule.clone(), why.clone())),
                    _ => {}
                }
            }
        }
        dropped
    }
}

/// What a configuration dropped of what rules kept.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    /// Half-matches.
    pub(crate) halves: u64,
    /// Matches that flow control held, and events that waited for their turn.
    pub(crate) held: u64,
    /// By rule, for people.
    pub(crate) rules: Vec<(String, String)>,
}

/// All manifests of a folder (`*.yaml`, `*.yml`), in the order of their paths, with the environment filled in; or the one
/// file that is named. Hidden files and folders are left out.
pub fn read_folder(folder: &Path) -> Result<Vec<ConfigFile>, Error> {
    read_folder_with(folder, &|name, default| default_or(std::env::var(name).ok(), default))
}

/// The same with another environment.
pub fn read_folder_with(folder: &Path, env: &Lookup<'_>) -> Result<Vec<ConfigFile>, Error> {
    let mut paths = Vec::new();
    let one = folder.is_file();
    let base = if one { folder.parent().unwrap_or(folder) } else { folder };
    if one {
        paths.push(folder.to_path_buf());
    } else {
        list(folder, DEPTH, &mut paths)?;
    }
    paths.sort();
    let (mut files, mut wrong) = (Vec::with_capacity(paths.len()), Vec::new());
    for path in paths {
        let known = std::fs::metadata(&path).map_err(Error::io("read", &path))?;
        if known.len() > MANIFEST {
            let why = std::io::Error::other("it is larger than 4 MiB, which no manifest is");
            return Err(Error::Io { what: "read", path, source: why });
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let name = path.strip_prefix(base).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        match ensue_lang::env::fill(&text, env) {
            Ok(text) => files.push(ConfigFile { path: name, text }),
            Err(unfilled) => {
                wrong.extend(unfilled.iter().map(|one| format!("{name}:{}:{}: {}", one.line, one.column, one.message)));
            }
        }
    }
    if wrong.is_empty() { Ok(files) } else { Err(Error::Environment(wrong.join("\n"))) }
}

fn list(folder: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                list(&path, depth - 1, out)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            out.push(path);
        }
    }
    Ok(())
}
