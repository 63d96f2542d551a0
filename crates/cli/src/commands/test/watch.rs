//! `ensue test --watch`: again, whenever something changes.
//!
//! The folders are looked at as the node looks at its own: a version counts when two looks in a row have seen it, since
//! files are not written at once. Only configurations in which something changed are played again.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::folders::Found;
use super::play::{self, Item, Summary};
use super::{report, show};
use crate::args::Test;
use crate::errors::Error;
use crate::output::Output;

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(150);
/// Folders within folders that are looked at.
const DEPTH: usize = 16;

/// What a file looked like: when it was changed, and its length.
type Version = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// A configuration that was played.
struct Known {
    version: Version,
    items: Vec<Item>,
    /// Which scenarios passed when it could be played last.
    passed: BTreeMap<String, bool>,
}

/// Never ends by itself.
pub(super) fn watch(test: &Test, found: Found, output: Output) -> Result<(), Error> {
    let mut found = found;
    let mut played: BTreeMap<PathBuf, Known> = BTreeMap::new();
    let mut last: BTreeMap<PathBuf, Version> = BTreeMap::new();
    loop {
        let seen: BTreeMap<PathBuf, Version> =
            found.configurations.iter().map(|path| (path.clone(), version(path))).collect();
        let stale: Vec<&PathBuf> = seen
            .iter()
            .filter(|(path, version)| played.get(*path).is_none_or(|known| known.version != **version))
            .map(|(path, _)| path)
            .collect();
        let first = played.is_empty();
        let stable = first || stale.iter().all(|path| last.get(*path) == seen.get(*path));
        if !stale.is_empty() && stable {
            let stale: Vec<PathBuf> = stale.into_iter().cloned().collect();
            again(test, &stale, &seen, &mut played, output)?;
        }
        played.retain(|path, _| seen.contains_key(path));
        last = seen;
        std::thread::sleep(LOOK);
        // A folder that is new counts too.
        let mut looked = Found::default();
        if test.paths.iter().all(|path| looked.look(path).is_ok()) {
            found = looked;
        }
    }
}

/// Plays what changed, and says what is another way now.
fn again(
    test: &Test,
    stale: &[PathBuf],
    seen: &BTreeMap<PathBuf, Version>,
    played: &mut BTreeMap<PathBuf, Known>,
    output: Output,
) -> Result<(), Error> {
    let began = Instant::now();
    if output.for_people() && std::io::stdout().is_terminal() {
        output.line("\u{1b}[2J\u{1b}[3J\u{1b}[H");
    }
    let first = played.is_empty();
    let mut changes = Vec::new();
    for path in stale {
        if seen.len() > 1 {
            show::head(path, output);
        }
        let mut items = Vec::new();
        play::configuration(path, test.filter.as_deref(), &mut |item| {
            show::item(&item, output);
            items.push(item);
        });
        let version = seen.get(path).cloned().unwrap_or_default();
        let before = played.remove(path).map(|known| known.passed);
        let now = passed(&items);
        match (before.as_ref(), &now) {
            (Some(before), Some(now)) => changes.extend(differences(before, now)),
            (_, None) => changes.push(format!("cannot be played now: {}", path.display())),
            (None, Some(_)) => {}
        }
        let passed = now.or(before).unwrap_or_default();
        played.insert(path.clone(), Known { version, items, passed });
    }
    let all = || played.values().flat_map(|known| &known.items);
    show::end(&Summary::of(all(), began.elapsed()), &[], output);
    if !first && !output.report_for_programs() {
        let none = changes.is_empty().then(|| "as before".to_owned());
        changes.into_iter().chain(none).for_each(|line| output.line(line));
    }
    if !output.report_for_programs() {
        output.line("waiting for changes; end with Ctrl-C");
    }
    report(&all().collect::<Vec<_>>(), test.junit.as_deref())
}

/// What went another way than before, a line each.
fn differences(before: &BTreeMap<String, bool>, now: &BTreeMap<String, bool>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, good) in now {
        match (before.get(name), good) {
            (Some(false), true) => lines.push(format!("passes now: {name}")),
            (Some(true), false) => lines.push(format!("fails now: {name}")),
            (None, _) => lines.push(format!("new: {name}")),
            _ => {}
        }
    }
    lines.extend(before.keys().filter(|name| !now.contains_key(*name)).map(|name| format!("gone: {name}")));
    lines
}

/// Which scenarios passed; nothing where they could not be played.
fn passed(items: &[Item]) -> Option<BTreeMap<String, bool>> {
    let mut passed = BTreeMap::new();
    for item in items {
        match item {
            Item::Case(case) => drop(passed.insert(case.name.name.clone(), case.good())),
            Item::Unread { .. } | Item::Broken { .. } => return None,
            Item::Empty { .. } => {}
        }
    }
    Some(passed)
}

/// All files below, hidden ones too: a scenario may apply them, and events lie beside it.
fn version(path: &Path) -> Version {
    let mut version = Version::new();
    look(path, DEPTH, &mut version);
    version
}

fn look(path: &Path, depth: usize, version: &mut Version) {
    if let (true, Ok(entries)) = (depth > 0, std::fs::read_dir(path)) {
        entries.flatten().for_each(|entry| look(&entry.path(), depth - 1, version));
    } else if let Ok(known) = std::fs::metadata(path) {
        version.insert(path.to_owned(), (known.modified().ok(), known.len()));
    }
}
