//! A changed configuration: from here on other rules; runs go on by what they pinned.

use ensue_event::ours::{Command, ConfigFile};
use serde_json::json;

use crate::bench::{Bench, rule};

fn calls(path: &str) -> String {
    rule(
        "r",
        &format!(
            "when: {{ event: {{ type: [go] }} }}\nsteps: [ {{ id: a, uses: http/request, connection: api, with: {{ path: /one }} }}, {{ id: b, uses: http/request, connection: api, with: {{ path: {path} }} }} ]"
        ),
    )
}

#[test]
fn runs_go_on_by_the_definition_that_they_pinned() {
    let mut bench = Bench::new(&[calls("/old")]);
    bench.event("go", "e1", json!({}));
    bench.configure(&[calls("/new")], false);
    bench.ok("a");
    assert_eq!(bench.row("b").effect.with["path"], "/old");
    bench.ok("b");
    // The next event goes by the new one.
    bench.event("go", "e2", json!({}));
    bench.ok("a");
    assert_eq!(bench.row("b").effect.with["path"], "/new");
    // Also after a start that has only the rows, and when the rule is gone altogether.
    bench.configure(&[], false);
    bench.checkpoint();
    bench.engine = bench.reloaded();
    bench.ok("b");
    let statuses: Vec<_> = bench.runs().iter().map(|run| run.status.as_str()).collect();
    assert_eq!(statuses, ["succeeded", "succeeded"]);
}

/// A rule that nothing can look up costs every event, which `check` says; conditions count where the index holds them.
#[test]
fn what_cannot_be_looked_up_is_warned_of() {
    for (when, warned) in [
        ("{ event: { type: [go] } }", false),
        ("{ event: { data: { action: [opened] } } }", false),
        ("{ event: { source: [{ exists: true }] } }", true),
        ("{ event: { source: [{ exists: true }] }, if: event.type == 'go' }", false),
        ("{ event: { source: [{ exists: true }] }, if: \"event.data.n > 3\" }", true),
        ("{ event: { data: { a: [{ wildcard: '*b*' }] } }, if: \"size(event.data.b) > 1\" }", true),
        ("{ any: [ { event: { type: [go] } }, { event: { type: [{ anything-but: go }] } } ] }", true),
    ] {
        let text = rule("r", &format!("when: {when}\nsteps: [ {{ id: a, set: {{ x: 1 }} }} ]"));
        let checked = ensue_engine::config::check(&[ConfigFile { path: "r.yaml".into(), text }]);
        assert!(checked.compiled.is_some(), "{}", checked.render(false));
        let codes: Vec<&str> = checked.loaded.diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(codes.contains(&"not-indexed"), warned, "{when}: {}", checked.render(false));
        let found = checked.loaded.diagnostics.iter().find(|found| found.code == "not-indexed");
        assert!(
            found.is_none_or(|found| found.file == "r.yaml" && found.line > 0 && found.message.contains("default/r"))
        );
    }
}

#[test]
fn a_firing_that_was_decided_by_the_old_rule_runs_by_it() {
    let mut bench = Bench::new(&[calls("/old")]);
    bench.appends = false;
    bench.event("go", "e1", json!({}));
    let out = bench.outgoing();
    bench.configure(&[calls("/new")], false);
    bench.appends = true;
    for (place, event) in out {
        bench.append(ensue_event::Origin::Emitted(place), event);
    }
    bench.ok("a");
    assert_eq!(bench.row("b").effect.with["path"], "/old");
}

#[test]
fn definitions_that_nothing_goes_by_are_forgotten() {
    let mut bench = Bench::new(&[calls("/1")]);
    for n in 2..10 {
        bench.configure(&[calls(&format!("/{n}"))], false);
    }
    assert_eq!(
        bench.engine.state().definitions.len(),
        2,
        "the one in force, and the one before it until the next change"
    );
}

#[test]
fn the_same_rule_keeps_what_an_operator_set_and_another_one_does_not() {
    let mut bench = Bench::new(&[calls("/1")]);
    let mode =
        |bench: &Bench| bench.engine.state().rules.get(&"default/r".to_owned()).and_then(|rule| rule.mode.clone());
    assert_eq!(bench.operator(Command::SetMode { rule: "default/r".into(), mode: "paused".into() }), "done");
    bench.configure(&[calls("/1"), rule("other", "when: { event: { type: [x] } }\nsteps: []")], false);
    assert_eq!(mode(&bench).as_deref(), Some("paused"), "the rule did not change");
    let at = bench.event("go", "e1", json!({}));
    assert_eq!(bench.decision(at, "default/r"), Some(ensue_engine::Verdict::Paused));
    bench.configure(&[calls("/2")], false);
    assert_eq!(mode(&bench), None);
    bench.event("go", "e2", json!({}));
    assert_eq!(bench.runs().len(), 1);
    // A rule that went and came back is another one.
    bench.operator(Command::SetMode { rule: "default/r".into(), mode: "paused".into() });
    bench.configure(&[], false);
    bench.configure(&[calls("/2")], false);
    assert_eq!(mode(&bench), None);
}

#[test]
fn a_rule_decides_from_the_record_after_its_configuration_on() {
    let mut bench = Bench::empty();
    bench.event("go", "before", json!({}));
    bench.configure(&[calls("/1")], false);
    bench.event("go", "after", json!({}));
    assert_eq!(bench.runs().len(), 1);
    assert_eq!(bench.runs()[0].events[0].event["id"], "after");
}

#[test]
fn tables_workflows_and_connections_of_a_namespace() {
    let more = r#"
---
apiVersion: ensue.dev/v1
kind: Table
metadata: { name: owners, namespace: shop }
spec: { key: name, rows: [ { name: cart, channel: carts } ] }
---
apiVersion: ensue.dev/v1
kind: Workflow
metadata: { name: tell, namespace: shop }
spec:
  inputs: { channel: { type: text } }
  steps: [ { id: post, uses: slack/post, connection: team, with: { text: hi, channel: "${{ inputs.channel }}" } } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: r, namespace: shop }
spec:
  when: { event: { type: [go] } }
  let: { owner: "tables.owners[event.data.name]" }
  steps: [ { id: tell, workflow: tell, with: { channel: "${{ let.owner.channel }}" } } ]
"#;
    let mut bench = Bench::new(&[more.to_owned()]);
    bench.event("go", "e1", json!({"name": "cart"}));
    let row = bench.row("tell/post");
    assert_eq!(row.effect.with["channel"], "carts");
    assert_eq!(row.effect.connection.as_deref(), Some("default/team"), "its namespace has none of that name");
    assert_eq!(row.effect.rule, "shop/r");
}
