//! The recorded answers of event-ruler, and our own table of cases.

use std::path::{Path, PathBuf};

use ensue_rule::{Pattern, View};
use serde_json::Value;

/// The folder of shared data, if there is one.
fn shared() -> Option<PathBuf> {
    let folder = match std::env::var_os("ENSUE_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    folder.is_dir().then_some(folder)
}

fn rows(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check(rows: &[Value]) {
    let mut wrong = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let pattern = match Pattern::compile(&row["pattern"]) {
            Ok(pattern) => pattern,
            Err(problems) => {
                wrong.push(format!("{at}: {} refused: {problems:?}", row["pattern"]));
                continue;
            }
        };
        let event = row["event"].to_string();
        let view = View::of_json(event.as_bytes());
        let matches = pattern.matches(&view);
        if matches != row["matches"].as_bool().unwrap() {
            wrong.push(format!("{at}: {} on {event}: {matches}", row["pattern"]));
        }
        let explained = pattern.explain(&view);
        assert_eq!(explained.matched, matches, "explain, row {at}");
        assert_eq!(explained.first_miss().is_none(), matches, "explain, row {at}");
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn event_rulers_answers() {
    let Some(shared) = shared() else {
        println!("skipped: event_rulers_answers: no shared data");
        return;
    };
    check(&rows(&shared.join("data/patterns/conformance.jsonl")));
}

#[test]
fn our_own_cases() {
    let rows = rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/patterns.jsonl"));
    assert!(rows.len() >= 150);
    check(&rows);
    for row in &rows {
        // Where the naive evaluator takes its own shortcuts it is not asked: folding, dots, exact digits, IPv6.
        let shortcuts =
            ["kelvin", "ß", "one character stays", "dot", "first step", "sixteen digits", "escaped", "IPv6"];
        if !shortcuts.iter().any(|shortcut| row["about"].as_str().unwrap().contains(shortcut)) {
            let naive = crate::naive::matches(&row["pattern"], &row["event"]);
            assert_eq!(naive, row["matches"].as_bool().unwrap(), "naive: {row}");
        }
    }
}

/// All recorded patterns in one index: each event is met by those that meet it alone.
#[test]
fn together_as_alone() {
    let mut all = rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/patterns.jsonl"));
    if let Some(shared) = shared() {
        all.extend(rows(&shared.join("data/patterns/conformance.jsonl")));
    }
    let patterns: Vec<Pattern> = all.iter().map(|row| Pattern::compile(&row["pattern"]).unwrap()).collect();
    let mut index = ensue_rule::Index::new();
    for (at, pattern) in patterns.iter().enumerate() {
        index.add(at, pattern);
    }
    let mut out = Vec::new();
    for (at, row) in all.iter().enumerate() {
        let event = row["event"].to_string();
        let view = View::of_json(event.as_bytes());
        index.matches(&view, &mut out);
        assert_eq!(out.contains(&at), row["matches"].as_bool().unwrap(), "row {at}");
        let alone: Vec<usize> = (0..patterns.len()).filter(|at| patterns[*at].matches(&view)).collect();
        assert_eq!(out, alone, "row {at}: {event}");
    }
}
