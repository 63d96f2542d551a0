//! Patterns, one by one and in an index.

use ensue_event::Event;
use ensue_event::json::{Kind, Scanner};
use ensue_rule::{Index, Pattern, View};
use serde_json::Value;

/// More are not taken from one input.
const MOST: usize = 24;

/// Lines of patterns, and the event in the last.
pub(crate) fn pattern(bytes: &[u8]) {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let Some(event) = lines.pop() else { return };
    let mut patterns: Vec<Pattern> = Vec::new();
    for line in lines.into_iter().take(MOST) {
        let Ok(json) = serde_json::from_slice::<Value>(line) else { continue };
        match Pattern::compile(&json) {
            Ok(pattern) => patterns.push(pattern),
            Err(problems) => {
                assert!(!problems.is_empty(), "refused without a reason: {json}");
                for problem in &problems {
                    assert!(json.pointer(&problem.pointer).is_some(), "{problem} points to nothing in {json}");
                }
            }
        }
    }
    // Bytes that no reader accepts have no meaning to agree on: they are only looked at.
    let sound = matches!(Scanner::new().scan(event), Ok(Kind::Object));
    agree(&patterns, &View::of_json(event), sound);
    if sound && let Ok(json) = serde_json::from_slice::<Value>(event) {
        let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or("t").to_owned();
        let mut event = Event::new("1", text("source"), text("type"));
        if let Some(data) = json.get("data") {
            event = event.with_json(data);
        }
        agree(&patterns, &View::new(&event), true);
    }
}

fn agree(patterns: &[Pattern], view: &View<'_>, sound: bool) {
    let alone: Vec<bool> = patterns.iter().map(|pattern| pattern.matches(view)).collect();
    for (pattern, met) in patterns.iter().zip(&alone) {
        let explained = pattern.explain(view);
        assert_eq!(explained.matched, *met, "{explained:?}");
        assert_eq!(explained.matched, explained.first_miss().is_none(), "{explained:?}");
        assert!((0.0..=1.0).contains(&explained.ratio()), "{explained:?}");
    }
    let mut index = Index::new();
    patterns.iter().enumerate().for_each(|(id, pattern)| index.add(id, pattern));
    let all = found(&index, view);
    if sound {
        assert_eq!(all, expected(&alone, |_| true), "the index, and each by itself");
    }
    (0..patterns.len()).filter(|id| id % 2 == 0).for_each(|id| assert!(index.remove(id)));
    let half = found(&index, view);
    if sound {
        assert_eq!(half, expected(&alone, |id| id % 2 == 1), "after half of them went");
    }
    patterns.iter().enumerate().filter(|(id, _)| id % 2 == 0).for_each(|(id, pattern)| index.add(id, pattern));
    if sound {
        assert_eq!(found(&index, view), all, "after they came again");
    }
}

fn found(index: &Index<usize>, view: &View<'_>) -> Vec<usize> {
    let mut out = Vec::new();
    index.matches(view, &mut out);
    out
}

fn expected(alone: &[bool], held: impl Fn(usize) -> bool) -> Vec<usize> {
    alone.iter().enumerate().filter(|(id, met)| **met && held(*id)).map(|(id, _)| id).collect()
}
