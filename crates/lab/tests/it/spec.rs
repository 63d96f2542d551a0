//! The rules of the language, played: every scenario of `spec/`, plainly and with crashes in the middle.
//!
//! Each file is a configuration of its own. A scenario names the sentence that it proves; `spec/README.md` lists them all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ensue_event::ours::ConfigFile;
use ensue_lab::scenario::{self, Beside, Configuration, Crashes, From, Lived};
use ensue_lang::Scenario;

const PROVES: &str = "ensue.dev/proves";
/// Scenarios of at most so many records are crashed at every one of them, each in a life of its own.
const EACH: usize = 40;
/// Of longer ones, at so many places, evenly spread.
const SPREAD: usize = 20;
/// And those past this, or with more bytes of data, in one life: the log is folded anew a few times only.
const LONG: usize = 2_000;
const LARGE: usize = 100_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec")
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|end| end == "yaml") {
            out.push(path);
        }
    }
}

/// The scenarios of a file, with their configuration.
pub(crate) fn read(path: &Path) -> Result<(Configuration, Vec<Scenario>), String> {
    let name = path.strip_prefix(folder()).unwrap().display().to_string();
    let files = vec![ConfigFile { path: name, text: std::fs::read_to_string(path).unwrap() }];
    let all = Configuration::of(files).map_err(|wrong| wrong.render(false))?;
    let scenarios = all.scenarios().into_iter().cloned().collect();
    // What is played is a record that is read and replayed: without the scenarios that is a fraction.
    let mut files = all.files().to_vec();
    for file in &mut files {
        let documents = file.text.split("\n---\n").filter(|document| !document.contains("\nkind: Scenario\n"));
        file.text = documents.collect::<Vec<_>>().join("\n---\n");
    }
    Ok((Configuration::of(files).map_err(|wrong| wrong.render(false))?, scenarios))
}

pub(crate) fn all() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    files(&folder(), &mut paths);
    let only = std::env::var("SPEC").unwrap_or_default();
    paths.retain(|path| path.display().to_string().contains(&only));
    paths
}

/// The sentences of `spec/README.md`, in order.
fn sentences() -> Vec<String> {
    let text = std::fs::read_to_string(folder().join("README.md")).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("- ")).map(str::to_owned).collect()
}

/// What is wrong with a scenario: nothing, or a text.
pub(crate) fn wrong(of: &Configuration, scenario: &Scenario, beside: &dyn Beside) -> Option<String> {
    let live = |crashes| scenario::live(of, scenario, beside, crashes);
    let plain = match live(None) {
        Ok(plain) => plain,
        Err(why) => return Some(why.to_string()),
    };
    let outcome = scenario::judge(scenario, plain.played.clone());
    if !outcome.differences.is_empty() {
        return Some(outcome.differences.iter().map(ToString::to_string).collect());
    }
    lives(&plain).into_iter().find_map(|crashes| {
        let told = format!("{:?} after {:?}", crashes.from, crashes.after);
        let found = match live(Some(crashes)) {
            Ok(lived) => scenario::differences(&plain, &lived),
            Err(why) => vec![why.to_string()],
        };
        (!found.is_empty()).then(|| format!("with a crash, {told}:\n  {}", found.join("\n  ")))
    })
}

/// The crashes that a scenario must live through.
fn lives(plain: &Lived) -> Vec<Crashes> {
    let records = plain.played.records.len();
    let size: usize = plain.played.records.iter().filter_map(|record| record.event.json()).map(|json| json.len()).sum();
    if records > LONG || size > LARGE {
        let rows = Crashes { after: scenario::spread(records, SPREAD), from: From::Rows { every: 97 } };
        return vec![rows, Crashes { after: scenario::spread(records, 2), from: From::Log }];
    }
    let few = records <= EACH;
    let places: Vec<usize> = scenario::spread(records, if few { records } else { SPREAD }).into_iter().collect();
    // Few records: a life for each of them. Else four, each with every fourth of the places.
    let groups = if few { places.len() } else { 4 };
    let group = |first: usize| places.iter().copied().skip(first).step_by(groups).collect();
    // A checkpoint at every record would leave nothing to fold again; one at every third, from none to two.
    let mut lives: Vec<Crashes> =
        (0..groups).map(|first| Crashes { after: group(first), from: From::Rows { every: 3 } }).collect();
    let all: BTreeSet<usize> = places.iter().copied().collect();
    lives.push(Crashes { after: all.clone(), from: From::Rows { every: 1 } });
    lives.push(Crashes { after: all, from: From::Log });
    lives
}

#[test]
fn every_scenario_is_met_and_a_crash_makes_no_difference() {
    let paths = all();
    assert!(!paths.is_empty());
    let (next, failed, played) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()), AtomicUsize::new(0));
    let none = |name: &str| Err(format!("there is no {name}"));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = path.strip_prefix(folder()).unwrap().display().to_string();
                    match read(path) {
                        Err(why) => drop(failed.lock().unwrap().insert(name, why)),
                        Ok((of, scenarios)) => {
                            for scenario in scenarios {
                                played.fetch_add(1, Ordering::Relaxed);
                                if let Some(why) = wrong(&of, &scenario, &none) {
                                    let name = format!("{name}: {}", scenario.name.name);
                                    failed.lock().unwrap().insert(name, why);
                                }
                            }
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let told: String = failed.iter().map(|(name, why)| format!("\n== {name}\n{why}\n")).collect();
    assert!(failed.is_empty(), "{} of {} fail{told}", failed.len(), played.into_inner());
}

#[test]
fn every_sentence_has_a_scenario_and_every_scenario_a_sentence() {
    let known: BTreeSet<String> = sentences().into_iter().collect();
    let mut proved = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut paths = Vec::new();
    files(&folder(), &mut paths);
    for path in paths {
        let Ok((_, scenarios)) = read(&path) else { continue };
        for scenario in scenarios {
            match scenario.annotations.get(PROVES) {
                Some(sentence) if known.contains(sentence) => drop(proved.insert(sentence.clone())),
                Some(sentence) => wrong.push(format!("{}: no such sentence: {sentence}", scenario.name.name)),
                None => wrong.push(format!("{}: it says not what it proves", scenario.name.name)),
            }
        }
    }
    wrong.extend(known.difference(&proved).map(|sentence| format!("no scenario: {sentence}")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
