//! From step lists to a graph, and pinned definitions.

use ensue_run::compile::{Error, MAX_CALLS};
use ensue_run::{Definition, compile};

use crate::kit::{documents, load};

#[test]
fn a_definition_holds_the_workflows_that_it_reaches_and_no_others() {
    let more = r#"
kind: Workflow
metadata: { name: outer }
spec: { steps: [ { id: in, workflow: inner } ] }
---
kind: Workflow
metadata: { name: inner }
spec: { steps: [ { id: x, set: { k: 1 } } ] }
---
kind: Workflow
metadata: { name: other }
spec: { steps: [ { id: x, set: { k: 1 } } ] }
"#;
    let spec = r#"
steps:
  - { id: a, fail: x, catch: [ { steps: [ { id: b, switch: [ { steps: [ { id: c, workflow: outer } ] } ] } ] } ] }
"#;
    let loaded = load(&documents(spec, more));
    let rule = loaded.config.rules.values().next().unwrap();
    let definition = Definition::of(rule, &loaded.config.workflows);
    assert_eq!(definition.workflows.keys().collect::<Vec<_>>(), ["default/inner", "default/outer"]);
    // What was pinned compiles to the same graph as what was loaded, and has the same digest.
    let (again, workflows) = definition.read().unwrap();
    assert_eq!(Definition::of(&again, &workflows).digest(), definition.digest());
    let (one, two) = (compile(rule, &loaded.config.workflows).unwrap(), compile(&again, &workflows).unwrap());
    let paths = |graph: &ensue_run::Graph| graph.nodes.iter().map(|node| node.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&one), paths(&two));
}

#[test]
fn the_digest_is_of_what_is_said_not_of_how_it_is_written() {
    let digest = |spec: &str| {
        let loaded = load(&documents(spec, ""));
        Definition::of(loaded.config.rules.values().next().unwrap(), &loaded.config.workflows).digest()
    };
    assert_eq!(
        digest("steps: [ { id: a, set: { x: 1 } } ]"),
        digest("steps:\n  - id: a   # one\n    set:\n      x: 1")
    );
    assert_ne!(digest("steps: [ { id: a, set: { x: 1 } } ]"), digest("steps: [ { id: a, set: { x: 2 } } ]"));
}

#[test]
fn what_cannot_be_compiled_says_why() {
    let spec = "steps: [ { id: a, workflow: w0 } ]";
    let workflow = |n: usize, calls: usize| {
        format!(
            "kind: Workflow\nmetadata: {{ name: w{n} }}\nspec: {{ steps: [ {{ id: s, workflow: w{calls} }} ] }}\n---\n"
        )
    };
    // A circle, which `lang` reports too, and a chain that is too long.
    let circle = documents(spec, &(workflow(0, 1) + &workflow(1, 0)));
    let loaded = ensue_lang::load(&[ensue_lang::SourceFile { path: "t.yaml".into(), text: circle }]);
    if let Some(rule) = loaded.config.rules.values().next() {
        let why = compile(rule, &loaded.config.workflows).unwrap_err();
        assert!(matches!(why, Error::TooDeep { .. }), "{why}");
    }
    let mut long: String = (0..MAX_CALLS).map(|n| workflow(n, n + 1)).collect();
    long.push_str(&format!("kind: Workflow\nmetadata: {{ name: w{MAX_CALLS} }}\nspec: {{ steps: [] }}\n"));
    let loaded = ensue_lang::load(&[ensue_lang::SourceFile { path: "t.yaml".into(), text: documents(spec, &long) }]);
    let rule = loaded.config.rules.values().next().unwrap();
    let why = compile(rule, &loaded.config.workflows).unwrap_err();
    assert!(matches!(&why, Error::TooDeep { workflow, .. } if *workflow == format!("default/w{MAX_CALLS}")), "{why}");
    // A workflow that is gone by the time the definition is compiled.
    let loaded = load(&documents(
        "steps: [ { id: a, workflow: w } ]",
        "kind: Workflow\nmetadata: { name: w }\nspec: { steps: [] }",
    ));
    let rule = loaded.config.rules.values().next().unwrap();
    let why = compile(rule, &std::collections::BTreeMap::new()).unwrap_err();
    assert_eq!(why.to_string(), "step `a` calls the workflow `default/w`, which is not part of the configuration");
}

#[test]
fn a_pinned_definition_that_cannot_be_read_is_an_error() {
    let definition =
        Definition { rule: serde_json::json!({"kind": "Rule"}), workflows: std::collections::BTreeMap::new() };
    assert!(matches!(definition.read(), Err(Error::Pinned(_))));
}
