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
