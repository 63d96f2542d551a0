//! Which documents can be in force together.
//!
//! A document with a mistake does not stop the others: the version of it that is in force stays so, and one that never
//! was is left out. Two things follow. What refers to a document that is left out is left out too, and says so. And
//! since a policy forbids, leaving one out would permit: while a new policy is wrong, rules and workflows that it may be
//! about stay as they are.

use std::collections::BTreeMap;

use ensue_engine::config::check;
use ensue_event::ours::ConfigFile;
use ensue_lang::env::default_or;
use ensue_lang::{Kind, Severity};
use serde_json::Value;

use super::document::{Document, path};

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field; empty: the whole.
    pub(super) field: String,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) code: &'static str,
}

/// What a document contributes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    New(String),
    Old(String),
    None,
}

/// What was chosen.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) files: Vec<ConfigFile>,
    /// By path: why a document is not in force as it is written, and whether an older version of it is.
    pub(super) faults: BTreeMap<String, (Vec<Fault>, bool)>,
}

/// Chooses; `force` has the texts that are in force, by path. The error is one that no document can be blamed for.
pub(super) fn choose(
    documents: &BTreeMap<String, Document>,
    force: &BTreeMap<String, String>,
) -> Result<Chosen, String> {
    let mut faults: BTreeMap<String, Vec<Fault>> = BTreeMap::new();
    let mut versions: BTreeMap<&String, Version> = BTreeMap::new();
    for (path, document) in documents {
        let filled =
            ensue_lang::env::fill(&document.text, &|name, default| default_or(std::env::var(name).ok(), default));
        match filled {
            Ok(text) => drop(versions.insert(path, Version::New(text))),
            Err(unfilled) => {
                let all = unfilled.into_iter().map(|one| Fault {
                    field: document.field(one.at),
                    message: one.message,
                    help: None,
                    code: "environment",
                });
                faults.insert(path.clone(), all.collect());
                versions.insert(path, older(path, None, force));
            }
        }
    }
    loop {
        hold(documents, force, &mut versions, &mut faults);
        let files: Vec<ConfigFile> = versions
            .iter()
            .filter_map(|(path, version)| match version {
                Version::New(text) | Version::Old(text) => {
                    Some(ConfigFile { path: (*path).clone(), text: text.clone() })
                }
                Version::None => None,
            })
            .collect();
        let checked = check(&files);
        if checked.compiled.is_some() {
            let old = |path: &String| matches!(versions.get(path), Some(Version::Old(_)));
            let faults = faults.into_iter().map(|(path, all)| (path.clone(), (all, old(&path)))).collect();
            return Ok(Chosen { files, faults });
        }
        let mut found: BTreeMap<String, Vec<Fault>> = BTreeMap::new();
        for one in checked.loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error) {
            let field = documents.get(&one.file).map(|document| document.field(one.span.start)).unwrap_or_default();
            let (message, help, code) = (one.message.clone(), one.help.clone(), one.code);
            found.entry(one.file.clone()).or_default().push(Fault { field, message, help, code });
        }
        if let Some((rule, why)) = &checked.refused {
            let fault = Fault { field: "spec".into(), message: why.clone(), help: None, code: "refused" };
            found.entry(path(Kind::Rule, &rule.namespace, &rule.name)).or_default().push(fault);
        }
        let mut blamed = false;
        for (path, all) in found {
            let Some((path, version)) = versions.iter_mut().find(|(known, _)| ***known == path) else { continue };
            if *version == Version::None {
                continue;
            }
            blamed = true;
            // What is wrong with an old version says nothing of the new one.
            faults.entry((*path).clone()).or_insert(all);
            *version = older(path, Some(version), force);
        }
        if !blamed {
            return Err(checked.render(false));
        }
    }
}

/// The version to fall back to.
fn older(path: &str, now: Option<&Version>, force: &BTreeMap<String, String>) -> Version {
    match (now, force.get(path)) {
        (Some(Version::Old(_)), _) | (_, None) => Version::None,
        (Some(Version::New(new)), Some(old)) if new == old => Version::None,
        (_, Some(old)) => Version::Old(old.clone()),
    }
}

/// Leaves rules and workflows as they are that a policy may be about which is wrong and never was in force.
fn hold<'d>(
    documents: &'d BTreeMap<String, Document>,
    force: &BTreeMap<String, String>,
    versions: &mut BTreeMap<&'d String, Version>,
    faults: &mut BTreeMap<String, Vec<Fault>>,
) {
    let missing: Vec<&Document> = documents
        .iter()
        .filter(|(path, document)| document.kind == Kind::Policy && versions.get(path) == Some(&Version::None))
        .map(|(_, document)| document)
        .collect();
    for policy in missing {
        let spec: Value = serde_json::from_str(&policy.text).unwrap_or_default();
        let everywhere = spec.pointer("/spec/scope").is_some_and(|scope| scope == "all");
        for (path, document) in documents {
            let about = matches!(document.kind, Kind::Rule | Kind::Workflow)
                && (everywhere || document.namespace == policy.namespace);
            let Some(version @ Version::New(_)) = versions.get_mut(path).filter(|_| about) else { continue };
            if matches!((&*version, force.get(path)), (Version::New(new), Some(old)) if new == old) {
                continue;
            }
            let message = format!(
                "the policy {}/{} has mistakes and is not in force; what it may forbid does not change until it is",
                policy.namespace, policy.name
            );
            let help = Some("correct the policy, or delete it".to_owned());
            faults.entry(path.clone()).or_default().push(Fault { field: String::new(), message, help, code: "held" });
            *version = older(path, Some(version), force);
        }
    }
}
