//! `ensue test --watch`: again, whenever something changes.
//!
//! The folders are looked at as the node looks at its own: a version counts when two looks in a row have seen it, since
//! files are not written at once. Only configurations in which something changed are played again.

use std::collections::{BTreeMap, BTreeSet};
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

/// Never ends by itself.
pub(super) fn watch(test: &Test, found: Found, output: Output) -> Result<(), Error> {
    let mut found = found;
    let mut played: BTreeMap<PathBuf, (Version, Vec<Item>)> = BTreeMap::new();
    let mut last: BTreeMap<PathBuf, Version> = BTreeMap::new();
    loop {
        let seen: BTreeMap<PathBuf, Version> =
            found.configurations.iter().map(|path| (path.clone(), version(path))).collect();
        let stale: Vec<&PathBuf> = seen
            .iter()
            .filter(|(path, version)| played.get(*path).is_none_or(|(before, _)| before != *version))
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
    played: &mut BTreeMap<PathBuf, (Version, Vec<Item>)>,
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
        let before = played.insert(path.clone(), (version, items)).map(|(_, items)| items).unwrap_or_default();
        let now = played.get(path).map_or(&[][..], |(_, items)| items.as_slice());
        changes.extend(differences(&before, now));
    }
    let all = || played.values().flat_map(|(_, items)| items);
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
fn differences(before: &[Item], now: &[Item]) -> Vec<String> {
    let known = how(before);
    let new = how(now);
    let mut lines = Vec::new();
    for (name, good) in &new {
        match (known.get(name), good) {
            (Some(false), true) => lines.push(format!("passes now: {name}")),
            (Some(true), false) => lines.push(format!("fails now: {name}")),
            (None, _) if !before.is_empty() => lines.push(format!("new: {name}")),
            _ => {}
        }
    }
    let gone: BTreeSet<&String> = known.keys().filter(|name| !new.contains_key(*name)).collect();
    lines.extend(gone.into_iter().map(|name| format!("gone: {name}")));
    lines
}

fn how(items: &[Item]) -> BTreeMap<String, bool> {
    let how = |item: &Item| match item {
        Item::Case(case) => Some((case.name.name.clone(), case.good())),
        Item::Unread { .. } | Item::Broken { .. } => Some(("the configuration".to_owned(), false)),
        Item::Empty { .. } => None,
    };
    items.iter().filter_map(how).collect()
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
