//! Manifests that are only looked at: variables of the environment that are not set here stand for something that fits.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ensue_engine::config::{Checked, check};
use ensue_event::ours::ConfigFile;
use ensue_lang::Severity;
use ensue_lang::env::default_or;
use indexmap::IndexMap;

use crate::errors::Error;

/// What a variable that is not set stands for, after its own name, where the name is no good: the first of these with
/// which there are fewer mistakes. An address, a number, a time, a flag, a schedule, a zone, a range of addresses.
const SHAPES: [&str; 7] = ["https://unset.example.com", "1", "1m", "true", "* * * * *", "Etc/UTC", "192.0.2.0/24"];

/// The manifests of a folder, or one file.
pub(crate) struct Manifests {
    pub(crate) files: Vec<ConfigFile>,
    /// Variables of the environment that they name, and that are not set here.
    pub(crate) unset: BTreeSet<String>,
}

/// Reads them with this environment before that of the process. Nothing is done with them: a variable that is not set
/// stands for its own name, or, where no name can stand, for something of the form that is asked for there.
pub(crate) fn read(path: &Path, env: &IndexMap<String, String>) -> Result<Manifests, Error> {
    if !path.exists() {
        let why = "there is no such file or folder".to_owned();
        return Err(Error::File { path: path.display().to_string(), why });
    }
    let mut shapes = BTreeMap::new();
    let mut best = filled(path, env, &shapes)?;
    if best.files.is_empty() {
        let why = "no manifest is here (*.yaml, *.yml)".to_owned();
        return Err(Error::File { path: path.display().to_string(), why });
    }
    if best.unset.is_empty() {
        return Ok(best);
    }
    let mut wrong = mistakes(&check(&best.files));
    for name in suspects(path, &best.unset, &wrong) {
        for shape in SHAPES {
            shapes.insert(name.clone(), shape);
            let other = filled(path, env, &shapes)?;
            let left = mistakes(&check(&other.files));
            if left.len() < wrong.len() {
                (best, wrong) = (other, left);
                break;
            }
            shapes.remove(&name);
        }
    }
    Ok(best)
}

fn filled(
    path: &Path,
    env: &IndexMap<String, String>,
    shapes: &BTreeMap<String, &'static str>,
) -> Result<Manifests, Error> {
    let unset = RefCell::new(BTreeSet::new());
    let lookup = |name: &str, default: Option<&str>| {
        let value = env.get(name).cloned().or_else(|| std::env::var(name).ok());
        default_or(value, default).or_else(|| {
            unset.borrow_mut().insert(name.to_owned());
            Some(shapes.get(name).map_or_else(|| name.to_owned(), |shape| (*shape).to_owned()))
        })
    };
    let files = ensue_node::read_folder_with(path, &lookup).map_err(|why| Error::Other(why.to_string()))?;
    Ok(Manifests { files, unset: unset.into_inner() })
}

/// The places of all mistakes: file and line.
fn mistakes(checked: &Checked) -> Vec<(String, u32)> {
    let errors = checked.loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
    errors.map(|one| (one.file.clone(), one.line)).collect()
}

/// The variables on lines with mistakes. Filling in moves nothing to another line.
fn suspects(path: &Path, unset: &BTreeSet<String>, wrong: &[(String, u32)]) -> BTreeSet<String> {
    let base = if path.is_file() { path.parent().unwrap_or(path) } else { path };
    let mut found = BTreeSet::new();
    for (file, line) in wrong {
        let Ok(text) = std::fs::read_to_string(base.join(file)) else { continue };
        let Some(line) = line.checked_sub(1).and_then(|at| text.lines().nth(usize::try_from(at).ok()?)) else {
            continue;
        };
        found.extend(unset.iter().filter(|name| line.contains(&format!("env.{name}"))).cloned());
    }
    found
}
