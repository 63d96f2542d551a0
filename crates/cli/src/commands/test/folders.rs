//! Which folders are configurations.
//!
//! A file is one; so is a folder with a manifest directly in it, with all that is below. A folder without is looked
//! through: each folder in it is judged alone, but for those that its `.ensueignore` names. Where one of them holds
//! nothing but scenarios, they are about what lies beside them, and the whole is one configuration.

use std::path::{Path, PathBuf};

use crate::errors::Error;

/// The file that names folders which are not looked into, one a line; `#` begins a comment.
pub(super) const IGNORE: &str = ".ensueignore";
/// Folders within folders that are looked through.
const DEPTH: usize = 8;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Configurations, in the order of their paths.
    pub(super) configurations: Vec<PathBuf>,
    /// Folders that were passed by, and the file that says so.
    pub(super) ignored: Vec<(PathBuf, PathBuf)>,
}

impl Found {
    /// Adds what a path stands for.
    pub(super) fn look(&mut self, path: &Path) -> Result<(), Error> {
        let before = self.configurations.len();
        if path.is_dir() {
            self.folder(path, DEPTH)?;
        }
        if self.configurations.len() == before {
            // A file; or nothing was found, and reading it says so.
            self.configurations.push(path.to_owned());
        }
        Ok(())
    }

    fn folder(&mut self, path: &Path, depth: usize) -> Result<(), Error> {
        let mut below = Vec::new();
        let ignored = ignored(path)?;
        for entry in std::fs::read_dir(path).map_err(Error::file(path))? {
            let entry = entry.map_err(Error::file(path))?.path();
            let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with('.') {
                continue;
            }
            if !entry.is_dir() {
                if manifest(&entry) {
                    self.configurations.push(path.to_owned());
                    return Ok(());
                }
            } else if ignored.contains(&name) {
                self.ignored.push((entry, path.join(IGNORE)));
            } else if depth > 0 {
                below.push(entry);
            }
        }
        below.sort();
        if below.iter().any(|folder| only_scenarios(folder)) {
            self.configurations.push(path.to_owned());
            return Ok(());
        }
        below.iter().try_for_each(|folder| self.folder(folder, depth - 1))
    }
}

fn manifest(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

fn ignored(folder: &Path) -> Result<Vec<String>, Error> {
    let path = folder.join(IGNORE);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
    let names = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim().trim_end_matches('/'));
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Whether a folder has manifests, and all of them are scenarios.
fn only_scenarios(folder: &Path) -> bool {
    let files = ensue_node::read_folder_with(folder, &|name, _| Some(name.to_owned())).unwrap_or_default();
    let mut kinds = files.iter().flat_map(|file| file.text.lines()).filter_map(|line| line.strip_prefix("kind:"));
    let kind = |text: &str| text.split('#').next().unwrap_or_default().trim().trim_matches('"') == "Scenario";
    kinds.next().is_some_and(kind) && kinds.all(kind)
}
