//! What an adversary may try: work is counted, not timed, and no bytes make it panic.

use ensue_rule::{Index, Pattern, View, Work};
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

/// What an event takes, all of it together.
fn work(index: &Index<usize>, event: &Value) -> (Vec<usize>, usize) {
    let (event, mut out) = (event.to_string(), Vec::new());
    let view = View::of_json(event.as_bytes());
    let Work { values, lookups, entries, candidates, asked, joined } = index.measure(&view, &mut out);
    (out, view.scanned() + values + lookups + entries + candidates + asked + joined)
}

/// Ten times the input takes ten times the work, and not more.
#[track_caller]
fn linear(mut work: impl FnMut(usize) -> usize) {
    let (small, large) = (work(2_000), work(20_000));
    assert!(large <= small * 11, "{small} became {large}");
}

/// The same by the ratio, for fields that are looked up, computed, absent, and joined.
#[test]
fn work_grows_as_the_elements_of_an_event_do() {
    let index = index(&[
        json!({"data": {"list": {"a": [7], "b": [7]}}}),
        json!({"data": {"list": {"a": [{"numeric": [">", 1_000_000]}], "b": [{"wildcard": "*x*"}], "c": [{"prefix": "x"}]}}}),
        json!({"data": {"list": {"c": ["x"], "b": [{"exists": false}], "d": {"e": ["y"]}}}}),
    ]);
    linear(|count| {
        let elements: Vec<Value> =
            (0..count).map(|at| json!({"a": at, "b": count - at, "c": "x", "d": [{"e": "y"}, {"e": at}]})).collect();
        work(&index, &json!({"data": {"list": elements}})).1
    });
    linear(|count| work(&index, &json!({"data": {"list": {"a": (0..count).collect::<Vec<_>>(), "b": 7}}})).1);
}

/// Alternatives: one value takes one look for exact ones, one for each length of prefixes and suffixes, and a try each
/// for what no lookup answers, of which there are few.
#[test]
fn work_of_4_000_alternatives() {
    let all = |make: &dyn Fn(usize) -> Value| -> Vec<Value> { (1_000..5_000).map(make).collect() };
    let rows = [
        (all(&|at| json!(format!("v{at}"))), 5),
        (all(&|at| json!(at)), 5),
        (all(&|at| json!({"prefix": format!("v{at}")})), 5),
        (all(&|at| json!({"suffix": format!("v{at}")})), 5),
        (all(&|at| json!({"equals-ignore-case": format!("v{at}")})), 5),
        (vec![json!({"anything-but": all(&|at| json!(format!("v{at}")))})], 5),
        ((0..500).map(|at| json!({"wildcard": format!("*v{at}*")})).collect(), 505),
        ((0..500).map(|at| json!({"numeric": [">", at + 10_000]})).collect(), 505),
    ];
    for (any, most) in rows {
        let index = index(&[json!({"a": any})]);
        for value in [json!("v4999"), json!("zz"), json!(4_999)] {
            let (_, work) = work(&index, &json!({"a": value}));
            assert!(work <= most, "{work} for {value} and {}", any[0]);
        }
    }
    // Prefixes of one another: the value is hashed once for all lengths.
    let nested: Vec<Value> = (1..1_000).map(|length| json!({"prefix": "a".repeat(length)})).collect();
    let (out, work) = work(&index(&[json!({"a": nested})]), &json!({"a": "a".repeat(2_000)}));
    assert!(out == [0] && work < 3_100, "{work}");
}

/// Rules that nothing can look up: each is asked once for each value, whatever else there is.
#[test]
fn work_of_wildcards_without_literals() {
    linear(|count| {
        let patterns: Vec<Value> = (0..count / 10)
            .map(
                |at| json!({"a": [{"wildcard": if at % 2 == 0 { "*" } else { "*x*" }}], "b": [{"exists": at % 3 > 0}]}),
            )
            .collect();
        work(&index(&patterns), &json!({"a": "y".repeat(1_000), "b": 1})).1
    });
}

/// Branches of `$or` are found by their fields as patterns are; more than a thousand are refused.
#[test]
fn work_of_a_huge_or() {
    let or = |count: usize| json!({"$or": (0..count).map(|at| json!({"a": [at], "b": [{"prefix": "x"}]})).collect::<Vec<_>>()});
    let (out, work) = work(&index(&[or(1_000)]), &json!({"a": 999, "b": "xy"}));
    assert!(out == [0] && work < 12, "{work}");
    assert!(Pattern::compile(&or(1_001)).is_err());
    // Two in one another multiply.
    let product = json!({"$or": [{"a": [1]}, {"b": [1]}], "x": or(600)});
    assert!(Pattern::compile(&product).is_err());
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
