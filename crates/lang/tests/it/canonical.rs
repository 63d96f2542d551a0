//! The canonical form: digests that depend on what is said, and definitions that read back.

use ensue_lang::{Config, Connection, Kind, Policy, Rule, Scenario, Source, Table, Workflow};
use serde_json::json;

use super::{fixture, read};

#[test]
fn the_canonical_form_reads_back_as_the_same() {
    for name in ["all.yaml", "examples.yaml"] {
        let config = read(&fixture(name)).config;
        let mut again = Config::default();
        for (kind, name, digest, canonical) in config.canonical() {
            let read = match kind {
                Kind::Connection => Connection::from_canonical(canonical).unwrap().digest,
                Kind::Source => Source::from_canonical(canonical).unwrap().digest,
                Kind::Rule => Rule::from_canonical(canonical).unwrap().digest,
                Kind::Workflow => Workflow::from_canonical(canonical).unwrap().digest,
                Kind::Table => Table::from_canonical(canonical).unwrap().digest,
                Kind::Policy => Policy::from_canonical(canonical).unwrap().digest,
                Kind::Scenario => Scenario::from_canonical(canonical).unwrap().digest,
            };
            assert_eq!(read, digest, "{kind} {name}");
            again.add_canonical(kind, canonical).unwrap();
        }
        assert_eq!(again.documents(), config.documents());

        // The text of the form is not part of what it says either.
        for (name, rule) in &config.rules {
            let text = serde_json::to_string(&rule.canonical).unwrap();
            let back = Rule::from_canonical(&serde_json::from_str(&text).unwrap()).unwrap();
            assert_eq!(back.digest, rule.digest, "{name}");
            assert_eq!(back.lets, rule.lets);
            let ids = |rule: &Rule| rule.steps.iter().map(|step| (step.id.clone(), step.named)).collect::<Vec<_>>();
            assert_eq!(ids(&back), ids(rule));
            // Places are not part of what is compared.
            let what = |rule: &Rule| format!("{:?}", rule.body).replace(|c: char| c.is_ascii_digit(), "");
            assert_eq!(what(&back).len(), what(rule).len(), "{name}");
        }
    }
}

const ONE: &str = "apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: r }
spec:
  when: { event: { type: [a] } }
  let: { a: event.id, b: let.a }
  steps:
    - set: { x: 1, z: \"two\" }
";

#[test]
fn digests_depend_on_what_is_said_and_not_on_how() {
    let digest = |text: &str| {
        let loaded = read(text);
        assert!(loaded.ok(), "{}", super::lines(&loaded));
        loaded.config.rules.values().next().unwrap().digest
    };
    let one = digest(ONE);
    for same in [
        ONE.replace("metadata: { name: r }", "metadata:\n  namespace: default # the default\n  'name': \"r\""),
        ONE.replace("x: 1, z: \"two\"", "z: two, x: 1"),
        ONE.replace("  steps:\n    - set:", "  steps:\n  # a word\n\n  - set:"),
        ONE.replace("let: { a: event.id, b: let.a }", "let: [{ a: event.id }, { b: let.a }]"),
        ONE.replace("kind: Rule\n", "").replace("spec:", "kind: Rule\nspec:"),
    ] {
        assert_eq!(digest(&same), one, "{same}");
    }
    for other in [
        ONE.replace("x: 1", "x: 2"),
        ONE.replace("x: 1", "x: \"1\""),
        ONE.replace("a: event.id, b: let.a", "b: event.id, a: let.b"),
        ONE.replace("name: r", "name: r, labels: { a: b }"),
        ONE.replace("name: r", "name: r, namespace: other"),
    ] {
        assert_ne!(digest(&other), one, "{other}");
    }
    // Written order of `let`: another meaning.
    let left = "let: { b: event.id, a: event.id }";
    let right = "let: { a: event.id, b: event.id }";
    let of = |lets: &str| digest(&ONE.replace("let: { a: event.id, b: let.a }", lets));
    assert_ne!(of(left), of(right));
}

#[test]
fn what_is_no_canonical_form_is_an_error() {
    for (json, why) in [
        (json!(null), "a document is a map"),
        (json!({}), "a document needs `apiVersion`"),
        (
            json!({"apiVersion": "ensue.dev/v1", "kind": "Table", "metadata": {"name": "t"}, "spec": {"key": "k", "rows": []}}),
            "another kind",
        ),
        (
            json!({"apiVersion": "ensue.dev/v1", "kind": "Rule", "metadata": {"name": "t"}, "spec": {"steps": []}}),
            "needs `when`",
        ),
        (
            json!({"apiVersion": "ensue.dev/v1", "kind": "Rule", "metadata": {"name": "t"}, "spec": {"when": {"event": {}}, "if": "1 +", "steps": []}}),
            "expression",
        ),
    ] {
        let error = Rule::from_canonical(&json).unwrap_err().to_string();
        assert!(error.starts_with("this is no canonical Rule: ") && error.contains(why), "{error}");
    }
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    assert!(Rule::from_canonical(&deep).is_err());
}

#[test]
fn what_was_pinned_is_not_judged_again() {
    // A rule of a version that knew another action, another table and a step kind that came and went.
    let canonical = json!({
        "apiVersion": "ensue.dev/v1", "kind": "Rule", "metadata": {"name": "old", "namespace": "default"},
        "spec": {
            "when": {"event": {"type": ["a"]}}, "throttle": {"limit": 1, "per": "1m"},
            "steps": [{"uses": "old/action", "connection": "gone", "with": {"x": "${{ tables.gone[key] }}"}}, {"wait": "1m"}],
        },
    });
    assert_eq!(Rule::from_canonical(&canonical).unwrap().steps.len(), 2);
}
