//! CloudEvents as patterns see them, ensue's own among them; and why one is not met.

use ensue_event::{Attr, Data, Event};
use ensue_rule::{Index, Pattern, View};
use serde_json::{Value, json};

fn pattern(json: Value) -> Pattern {
    Pattern::compile(&json).unwrap()
}

fn event() -> Event {
    let mut event = Event::new("e-1", "/shop/ci", "com.example.build.finished")
        .with_json(&json!({"branch": "main", "tests": [{"name": "a", "ok": true}, {"name": "b", "ok": false}]}));
    event.subject = Some("build/7".into());
    event.time = Some("2026-11-24T10:00:00Z".into());
    event.set_extension("ensuedepth", Attr::Int(3));
    event.set_extension("sampled", Attr::Bool(true));
    event.set_extension("traceparent", Attr::Text("00-abc".into()));
    event
}

#[test]
fn the_envelope_and_the_data() {
    let table = [
        (json!({"id": ["e-1"]}), true),
        (json!({"source": [{"prefix": "/shop/"}]}), true),
        (json!({"type": ["com.example.build.finished"]}), true),
        (json!({"subject": [{"suffix": "/7"}]}), true),
        (json!({"time": [{"prefix": "2026-11-24"}]}), true),
        (json!({"ensuedepth": [{"numeric": [">=", 3]}]}), true),
        (json!({"ensuedepth": ["3"]}), false),
        (json!({"sampled": [true]}), true),
        (json!({"traceparent": [{"exists": true}]}), true),
        (json!({"tracestate": [{"exists": false}]}), true),
        (json!({"data": {"branch": ["main"]}}), true),
        (json!({"data": {"tests": {"name": ["b"], "ok": [false]}}}), true),
        (json!({"data": {"tests": {"name": ["b"], "ok": [true]}}}), false),
        (json!({"branch": ["main"]}), false),
    ];
    let event = event();
    let mut index = Index::new();
    for (at, (json, matches)) in table.iter().enumerate() {
        let pattern = pattern(json.clone());
        assert_eq!(pattern.matches(&View::new(&event)), *matches, "{json}");
        index.add(at, &pattern);
    }
    let mut out = Vec::new();
    index.matches(&View::new(&event), &mut out);
    let want: Vec<usize> = table.iter().enumerate().filter(|(_, (_, matches))| *matches).map(|(at, _)| at).collect();
    assert_eq!(out, want);
}

#[test]
fn data_is_not_read_unless_asked_for() {
    let event = event();
    let view = View::new(&event);
    let mut index = Index::new();
    index.add(1, &pattern(json!({"type": ["com.example.build.finished"], "subject": [{"prefix": "build/"}]})));
    index.add(2, &pattern(json!({"type": ["com.example.other"], "data": {"branch": ["main"]}})));
    let mut out = Vec::new();
    index.matches(&view, &mut out);
    assert_eq!((out.as_slice(), view.scanned()), ([1].as_slice(), 0));
}

#[test]
fn data_of_other_kinds() {
    let with = |data: Data| Event { data, ..Event::new("1", "s", "t") };
    let text = with(Data::Bytes(b"ERROR disk full".to_vec().into()));
    let binary = with(Data::Bytes(vec![0xff, 0xfe].into()));
    let scalar = with(Data::Json(b"5".to_vec().into()));
    let none = with(Data::None);
    let table = [
        (json!({"data": [{"prefix": "ERROR"}]}), [true, false, false, false]),
        (json!({"data": [5]}), [false, false, true, false]),
        (json!({"data": [{"exists": false}]}), [false, true, false, true]),
        (json!({"data": {"x": [{"exists": false}]}}), [true, true, true, true]),
    ];
    for (json, want) in table {
        let pattern = pattern(json.clone());
        let got = [&text, &binary, &scalar, &none].map(|event| pattern.matches(&View::new(event)));
        assert_eq!(got, want, "{json}");
    }
}

/// A key with a dot beside a list of the same name: met outside of the list, so within every element.
#[test]
fn a_dotted_key_beside_a_list() {
    let pattern = pattern(json!({"data": {"a": {"x": [1], "b": [1]}}}));
    let mut index = Index::new();
    index.add(1, &pattern);
    for (data, want) in [
        (json!({"a": [{"x": 1}], "a.b": 1}), true),
        (json!({"a": [{"x": 1}, {"b": 1}]}), false),
        (json!({"a": [{"x": 2}], "a.b": 1}), false),
        (json!({"a": [[[{"x": 1}, {"x": 2}]]], "a.b": 1}), true),
    ] {
        let event = Event::new("1", "s", "t").with_json(&data);
        let mut out = Vec::new();
        index.matches(&View::new(&event), &mut out);
        assert_eq!((pattern.matches(&View::new(&event)), out.len() == 1), (want, want), "{data}");
    }
}

#[test]
fn our_own_events_are_met_only_by_name() {
    let ours = Event::new("1", "/ensue", "dev.ensue.run.failed").with_json(&json!({"rule": "r"}));
    let other = Event::new("1", "/x", "dev.ensued.run").with_json(&json!({"rule": "r"}));
    let table = [
        // (pattern, names the prefix, meets ours, meets the other)
        (json!({"data": {"rule": ["r"]}}), false, false, true),
        (json!({"type": [{"exists": true}]}), false, false, true),
        (json!({"type": [{"prefix": "dev."}]}), false, false, true),
        (json!({"type": [{"prefix": "dev.ensue"}]}), false, false, true),
        (json!({"type": [{"suffix": "failed"}]}), false, false, false),
        (json!({"type": [{"anything-but": "x"}]}), false, false, true),
        (json!({"type": [{"wildcard": "*.ensue.*"}]}), false, false, false),
        (json!({"type": [{"prefix": "dev.ensue."}]}), true, true, false),
        (json!({"type": [{"wildcard": "dev.ensue.run.*"}]}), true, true, false),
        (json!({"type": ["dev.ensue.run.failed"]}), true, true, false),
        (json!({"type": ["dev.ensue.run.finished", {"anything-but": "x"}]}), true, false, true),
        (json!({"type": [{"equals-ignore-case": "DEV.ENSUE.RUN.FAILED"}]}), true, true, false),
        (json!({"$or": [{"type": ["dev.ensue.x"]}, {"data": {"rule": ["r"]}}]}), true, false, true),
    ];
    let mut index = Index::new();
    for (at, (json, names, meets_ours, meets_other)) in table.iter().enumerate() {
        let pattern = pattern(json.clone());
        assert_eq!(pattern.names_ours(), *names, "{json}");
        assert_eq!(pattern.matches(&View::new(&ours)), *meets_ours, "{json}");
        assert_eq!(pattern.matches(&View::new(&other)), *meets_other, "{json}");
        assert_eq!(pattern.explain(&View::new(&ours)).first_miss().is_none(), *meets_ours, "{json}");
        index.add(at, &pattern);
    }
    let mut out = Vec::new();
    index.matches(&View::new(&ours), &mut out);
    assert_eq!(out, table.iter().enumerate().filter(|(_, row)| row.2).map(|(at, _)| at).collect::<Vec<_>>());
    index.matches(&View::new(&other), &mut out);
    assert_eq!(out, table.iter().enumerate().filter(|(_, row)| row.3).map(|(at, _)| at).collect::<Vec<_>>());
}

#[test]
fn what_a_pattern_names() {
    let both = pattern(json!({"type": ["b", "a"], "data": {"x": {"y": [1]}, "$or": [{"p": [1]}, {"q.r": [1]}]}}));
    assert_eq!(both.types(), Some(vec!["a", "b"]));
    assert_eq!(both.paths(), ["data.p", "data.q.r", "data.x.y", "type"]);
    assert_eq!(pattern(json!({"type": ["a", {"prefix": "b"}]})).types(), None);
    assert_eq!(pattern(json!({"data": {"x": [1]}})).types(), None);
}

/// Why an event is met or not, as it is shown.
#[test]
fn explained() {
    let show = |json: Value| {
        let explained = pattern(json).explain(&View::new(&event()));
        let mut lines = vec![format!("{} {:.2}", explained.matched, explained.ratio())];
        lines.extend(explained.fields.iter().map(|field| {
            format!(
                "{} {}: {} <- {}",
                if field.ok { "ok" } else { "NO" },
                field.path,
                field.expected,
                field.actual.as_deref().unwrap_or("nothing")
            )
        }));
        lines.join("\n")
    };
    insta::assert_snapshot!(show(json!({"type": ["com.example.build.finished"], "data": {"branch": ["master", {"prefix": "release-"}], "owner": [{"exists": true}]}})), @r#"
    false 0.33
    NO data.branch: "master" or {"prefix": "release-"} <- "main"
    NO data.owner: {"exists": true} <- nothing
    ok type: "com.example.build.finished" <- "com.example.build.finished"
    "#);
    insta::assert_snapshot!(show(json!({"data": {"tests": {"name": ["b"], "ok": [true]}}})), @r#"
    false 0.67
    ok data.tests.name: "b" <- "a", "b"
    ok data.tests.ok: true <- true, false
    NO data.tests.name, data.tests.ok: all met within the same element of an array <- met only in different elements
    "#);
    insta::assert_snapshot!(show(json!({"data": {"$or": [{"branch": ["x"], "n": [1]}, {"branch": ["main"], "n": [{"numeric": [">", 0, "<=", 5]}]}]}})), @r#"
    false 0.50
    ok data.branch: "main" <- "main"
    NO data.n: {"numeric": [">", 0, "<=", 5]} <- nothing
    "#);
    insta::assert_snapshot!(show(json!({"ensuedepth": [{"anything-but": [1, 2]}], "tracestate": [{"exists": false}]})), @r#"
    true 1.00
    ok ensuedepth: {"anything-but": [1, 2]} <- 3
    ok tracestate: {"exists": false} <- nothing
    "#);
}
