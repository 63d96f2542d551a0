//! What an adversary may try: work is counted, not timed, and no bytes make it panic.

use ensue_rule::{Index, Pattern, View};
use proptest::prelude::*;
use serde_json::{Value, json};

fn index(patterns: &[Value]) -> Index<usize> {
    let mut index = Index::new();
    for (at, json) in patterns.iter().enumerate() {
        index.add(at, &Pattern::compile(json).unwrap());
    }
    index
}

fn matching(index: &Index<usize>, event: &str) -> (Vec<usize>, usize) {
    let mut out = Vec::new();
    let view = View::of_json(event.as_bytes());
    index.matches(&view, &mut out);
    (out, view.scanned())
}

/// 20,000 elements under three rules that ask for two fields each in the same element: a pairwise check would
/// compare 400 million pairs. Each block of 64 bytes is scanned once, whatever is asked.
#[test]
fn an_event_with_20_000_elements() {
    let elements: Vec<Value> = (0..20_000).map(|at| json!({"a": at, "b": 19_999 - at, "c": "x"})).collect();
    let event = json!({"data": {"list": elements}}).to_string();
    let index = index(&[
        json!({"data": {"list": {"a": [7], "b": [19_992]}}}),
        json!({"data": {"list": {"a": [7], "b": [7]}}}),
        json!({"data": {"list": {"a": [{"numeric": [">", 19_000]}], "b": [{"numeric": [">", 19_000]}]}}}),
        json!({"data": {"list": {"c": ["x"], "b": [{"exists": false}]}}}),
    ]);
    let (out, scanned) = matching(&index, &event);
    assert_eq!(out, [0]);
    assert!(scanned <= event.len() / 64 + 1, "{scanned}");
}

/// The walk stops behind the last field asked for.
#[test]
fn the_rest_of_an_event_is_not_read() {
    let event = format!(r#"{{"type": "t", "n": 1, "data": "{}"}}"#, "x".repeat(1 << 20));
    let index = index(&[json!({"n": [1]})]);
    let view = View::of_json(event.as_bytes());
    let mut out = Vec::new();
    index.matches(&view, &mut out);
    assert_eq!(out, [0]);
    assert_eq!(view.scanned(), 1);
}

/// Thousands of alternatives, each in its own list; one value finds its own.
#[test]
fn a_pattern_of_4_000_alternatives() {
    let texts: Vec<String> = (0..4_000).map(|at| format!("v{at}")).collect();
    let mut index = index(&[json!({"a": texts}), json!({"a": [{"anything-but": texts}]})]);
    assert_eq!(matching(&index, r#"{"a": "v3999"}"#).0, [0]);
    assert_eq!(matching(&index, r#"{"a": "v4000"}"#).0, [1]);
    assert_eq!(index.stats().questions, 4_001);
    index.remove(0);
    assert_eq!(index.stats().questions, 1);
}

/// Stars that would make a backtracking matcher try every split.
#[test]
fn wildcards_do_not_go_back() {
    let stars = "*a".repeat(32);
    let index = index(&[json!({"a": [{"wildcard": format!("{stars}b")}]}), json!({"a": [{"wildcard": stars}]})]);
    let event = json!({"a": "a".repeat(1 << 18)}).to_string();
    assert_eq!(matching(&index, &event).0, [1]);
}

/// Rules that share no field by which they could be looked up are counted, so that `check` can warn.
#[test]
fn what_cannot_be_looked_up_is_counted() {
    let index = index(&[
        json!({"a": [{"exists": true}]}),
        json!({"a": [{"anything-but": "x"}], "b": [{"wildcard": "*x*"}]}),
        json!({"a": [{"exists": true}], "b": [{"wildcard": "x*"}]}),
        json!({"type": ["t"], "a": [{"exists": true}]}),
    ]);
    assert_eq!(index.stats().unindexed, 3);
    assert_eq!(index.stats().shelves, 2);
}

#[test]
fn deep_events() {
    let index = index(&[json!({"a": {"b": [1]}}), json!({"a": [1]})]);
    for depth in [10, 100, 100_000] {
        let event = format!(r#"{{"a": {}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(matching(&index, &event).0, if depth < 100 { vec![1] } else { matching(&index, &event).0 });
        matching(&index, &format!(r#"{{"a": {}"#, "[".repeat(depth)));
        matching(&index, &format!(r#"{{"a": {}"#, r#"{"a":"#.repeat(depth)));
        matching(&index, &r#"{"a":"#.repeat(depth));
    }
}

/// Where the data breaks off, what was read until then counts, and nothing panics.
#[test]
fn broken_events() {
    let index = index(&[json!({"a": {"b": ["x"]}}), json!({"c": [{"exists": false}]}), json!({"é": [1]})]);
    let event = json!({"a": [{"b": "x", "z": [1, {"q": "\"\\"}]}, {"b": "é😀\n"}], "c": 1.5, "é": 1}).to_string();
    for end in 0..event.len() {
        let mut out = Vec::new();
        index.matches(&View::of_json(&event.as_bytes()[..end]), &mut out);
    }
    for broken in [
        "",
        " ",
        "null",
        "[]",
        "{",
        "{}",
        "{\"",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":}",
        "{\"a\"}",
        "{,}",
        "}",
        "\"",
        "{\"a\":\"\\",
        "{\"a\":tru}",
        "{\"a\" 1}",
    ] {
        matching(&index, broken);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::sample::select(&b"{}[]\",:\\ab1.-eu0 \n\xff\xc3"[..]), 0..400)) {
        let index = index(&[json!({"a": {"b": ["x"]}}), json!({"b": [1, {"prefix": "a"}]}), json!({"a": [{"exists": true}]})]);
        let mut out = Vec::new();
        index.matches(&View::of_json(&bytes), &mut out);
    }

    #[test]
    fn no_pattern_makes_it_panic(text in "[\\[\\]{}:,\"a$or0-9*prefixnumc>=<. -]{0,80}") {
        if let Ok(json) = serde_json::from_str::<Value>(&text) {
            let _ = Pattern::compile(&json);
        }
    }

    /// A text is read the same however it is escaped.
    #[test]
    fn escapes_are_read(key in "\\PC{1,6}", text in "\\PC{0,90}") {
        prop_assume!(!key.contains('.') && key != "$or");
        let escaped = |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
        let pattern = Pattern::compile(&json!({&key: [&text]})).unwrap();
        let event = format!(r#"{{"0{}": 1, "{}": "{}"}}"#, escaped("\"{"), escaped(&key), escaped(&text));
        prop_assert!(pattern.matches(&View::of_json(event.as_bytes())), "{}", event);
        let event = json!({"0\"{[\\": 1, &key: &text}).to_string();
        prop_assert!(pattern.matches(&View::of_json(event.as_bytes())), "{}", event);
    }
}
