//! `tests/fixtures/cel.txt`, row by row; all wrong rows are shown at once.

use ensue_expr::{Budget, Names, Program, Value};

fn outcome(source: &str, names: &Names) -> String {
    match Program::compile(source) {
        Err(error) => format!("refused: {error}"),
        Ok(program) => match program.eval(names, &mut Budget::new()) {
            Err(error) => format!("error: {error}"),
            Ok(value) => serde_json::to_string(&value).unwrap(),
        },
    }
}

fn agrees(expected: &str, outcome: &str) -> bool {
    for kind in ["error", "refused"] {
        if let Some(message) = expected.strip_prefix(kind) {
            let part = message.strip_prefix(": ").unwrap_or_default();
            return outcome.strip_prefix(kind).is_some_and(|text| text.contains(part));
        }
    }
    // Read and written again, so that the spelling of a row's JSON does not matter.
    let value: Value = serde_json::from_str(expected).unwrap_or_else(|error| panic!("{expected}: {error}"));
    serde_json::to_string(&value).unwrap() == outcome
}

#[test]
fn every_row() {
    let mut names = Names::new();
    let mut section = "";
    let mut rows = 0;
    let mut wrong = Vec::new();
    for (line, number) in include_str!("../fixtures/cel.txt").lines().zip(1..) {
        if let Some(heading) = line.strip_prefix("## ") {
            (section, names) = (heading, Names::new());
        } else if let Some(json) = line.strip_prefix("names ") {
            let map: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("line {number}: {error}"));
            names = map.as_map().unwrap().iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        } else if let Some((source, expected)) = line.rsplit_once(" => ").filter(|_| !line.starts_with('#')) {
            rows += 1;
            let outcome = outcome(source, &names);
            if !agrees(expected, &outcome) {
                wrong.push(format!("{number} [{section}] {source}\n    expected {expected}\n    got      {outcome}"));
            }
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "line {number} is no row: {line}");
        }
    }
    assert!(wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows > 700, "only {rows} rows were read");
}
