//! The scenarios of a configuration, played on all cores.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ensue_engine::config::Checked;
use ensue_event::ours::ConfigFile;
use ensue_lab::scenario::{self, Beside, Configuration, Outcome};
use ensue_lang::{Name, Scenario};
use indexmap::IndexMap;

use crate::commands::folder;

/// What is to be reported.
#[derive(Debug)]
pub(super) enum Item {
    /// A scenario was played, or could not be.
    Case(Box<Case>),
    /// The configuration cannot be read.
    Unread { configuration: PathBuf, why: String },
    /// The configuration has mistakes.
    Broken { configuration: PathBuf, checked: Box<Checked>, files: usize },
    /// There are no scenarios in it.
    Empty { configuration: PathBuf },
}

/// A scenario that was played.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) configuration: PathBuf,
    pub(super) name: Name,
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) took: Duration,
    pub(super) result: Result<Outcome, scenario::Error>,
}

impl Case {
    pub(super) fn good(&self) -> bool {
        self.result.as_ref().is_ok_and(|outcome| outcome.differences.is_empty())
    }
}

/// How many of each.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) passed: usize,
    pub(super) failed: usize,
    /// Configurations that cannot be played.
    pub(super) broken: usize,
    pub(super) took: Duration,
}

impl Summary {
    pub(super) fn of<'a>(items: impl IntoIterator<Item = &'a Item>, took: Duration) -> Summary {
        let mut summary = Summary { took, ..Summary::default() };
        for item in items {
            match item {
                Item::Case(case) if case.good() => summary.passed += 1,
                Item::Case(_) => summary.failed += 1,
                Item::Unread { .. } | Item::Broken { .. } => summary.broken += 1,
                Item::Empty { .. } => {}
            }
        }
        summary
    }

    pub(super) fn is_empty(&self) -> bool {
        self.passed + self.failed == 0
    }

    pub(super) fn good(&self) -> bool {
        self.failed + self.broken == 0
    }
}

/// Plays the scenarios of a configuration whose names hold the filter; tells of each in order.
pub(super) fn configuration(path: &Path, filter: Option<&str>, each: &mut dyn FnMut(Item)) {
    let configuration = || path.to_owned();
    // One for each environment that a scenario names; nearly always only the first.
    let mut all: Vec<Configuration> = Vec::new();
    let mut by_env: BTreeMap<Vec<(&String, &String)>, usize> = BTreeMap::new();
    let first = match compiled(path, &IndexMap::new()) {
        Ok(first) => first,
        Err(item) => return each(item),
    };
    let wanted = |scenario: &&Scenario| filter.is_none_or(|part| scenario.name.to_string().contains(part));
    let scenarios: Vec<&Scenario> = first.scenarios().into_iter().filter(wanted).collect();
    if scenarios.is_empty() {
        return each(Item::Empty { configuration: configuration() });
    }
    for env in scenarios.iter().map(|scenario| &scenario.env).filter(|env| !env.is_empty()) {
        if !by_env.contains_key(&env.iter().collect::<Vec<_>>()) {
            match compiled(path, env) {
                Ok(other) => all.push(other),
                Err(item) => return each(item),
            }
            by_env.insert(env.iter().collect(), all.len() - 1);
        }
    }
    let jobs: Vec<(&Configuration, &Scenario)> = scenarios
        .iter()
        .map(|scenario| {
            let of = by_env.get(&scenario.env.iter().collect::<Vec<_>>()).and_then(|at| all.get(*at));
            let of = of.unwrap_or(&first);
            // The same scenario, as it reads with its own environment.
            (of, of.scenario(&scenario.name).unwrap_or(scenario))
        })
        .collect();
    let (next, threads) = (AtomicUsize::new(0), std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for _ in 0..threads.min(jobs.len()) {
            let (send, jobs, next) = (send.clone(), &jobs, &next);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((of, scenario)) = jobs.get(at) else { return };
                    if send.send((at, one(path, of, scenario))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut told = 0;
        for (at, case) in receive {
            early.insert(at, case);
            while let Some(case) = early.remove(&told) {
                each(Item::Case(Box::new(case)));
                told += 1;
            }
        }
    });
}

fn compiled(path: &Path, env: &IndexMap<String, String>) -> Result<Configuration, Item> {
    let configuration = path.to_owned();
    let files = match folder::read(path, env) {
        Ok(manifests) => manifests.files,
        Err(why) => return Err(Item::Unread { configuration, why: why.to_string() }),
    };
    let count = files.len();
    Configuration::of(files).map_err(|checked| Item::Broken { configuration, checked, files: count })
}

fn one(path: &Path, of: &Configuration, scenario: &Scenario) -> Case {
    let began = Instant::now();
    let base = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let file = base.join(&scenario.file);
    let result = scenario::test(of, scenario, &Folder(file.parent().unwrap_or(base)));
    Case {
        configuration: path.to_owned(),
        name: scenario.name.clone(),
        file: scenario.file.clone(),
        line: scenario.span.line,
        took: began.elapsed(),
        result,
    }
}

/// What lies beside a scenario.
struct Folder<'a>(&'a Path);

impl Beside for Folder<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.0.join(name)).map_err(|why| why.to_string())
    }

    fn manifests(&self, name: &str) -> Result<Vec<ConfigFile>, String> {
        let manifests = folder::read(&self.0.join(name), &IndexMap::new()).map_err(|why| why.to_string())?;
        Ok(manifests.files)
    }
}
