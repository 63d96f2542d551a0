//! The examples: their scenarios are green, also with crashes in the middle.

use std::path::{Path, PathBuf};

use ensue_event::ours::ConfigFile;
use ensue_lab::scenario::Configuration;

fn manifests(folder: &Path, base: &Path, out: &mut Vec<ConfigFile>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            manifests(&path, base, out);
        } else if path.extension().is_some_and(|end| end == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            out.push(ConfigFile { path: path.strip_prefix(base).unwrap().display().to_string(), text });
        }
    }
}

fn green(example: &str, least: usize) {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
    let mut files = Vec::new();
    manifests(&base, &base, &mut files);
    // The environment is filled in before anything is read.
    for file in &mut files {
        file.text = ensue_lang::env::fill(&file.text, &|_, _| Some("https://example.com".to_owned())).unwrap();
    }
    let of = Configuration::of(files).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
    assert!(of.scenarios().len() >= least);
    for scenario in of.scenarios() {
        let beside = base.join(&scenario.file);
        let read = |name: &str| std::fs::read(beside.parent().unwrap().join(name)).map_err(|why| why.to_string());
        let found = crate::spec::wrong(&of, scenario, &read);
        assert!(found.is_none(), "{}:\n{}", scenario.name, found.unwrap_or_default());
    }
}

/// The one that the demo runs.
#[test]
fn gitops() {
    green("gitops", 3);
}

/// Two pull requests interleaved.
#[test]
fn pull_requests() {
    green("pull-requests", 4);
}

/// Ten thousand alerts become one incident.
#[test]
fn alert_storm() {
    green("alert-storm", 3);
}

/// Closed before opened.
#[test]
fn preview() {
    green("preview", 3);
}

/// Who may do what: each verdict of a policy.
#[test]
fn policy() {
    green("policy", 9);
}
