//! `why`: the chain of causes, both ways.

use ensue_event::ours::{Command, Operator};
use ensue_lab::why::why;
use insta::assert_snapshot;
use serde_json::json;

use crate::past::Past;

pub(crate) const TEXT: &str = r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: api }
spec: { http: { url: "https://api.example.com" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: build }
spec:
  when: { event: { type: [push], data: { branch: [main] } } }
  let: { commit: event.data.commit }
  if: event.data.files > 0
  steps:
    - { id: fetch, uses: http/request, connection: api, with: { path: /fetch }, retry: { max: 2, backoff: constant, initial: 5s, jitter: none } }
    - { id: built, emit: { type: built, subject: "shop/${{ let.commit }}" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: count }
spec:
  when: { event: { type: [push] } }
  steps: [ { id: note, set: { x: 1 } } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: deploy }
spec:
  when: { event: { type: [built] } }
  steps: [ { id: check, fail: "no cluster" } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: strict }
spec:
  when: { event: { type: [push] } }
  if: event.data.signed
  steps: []
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: watch }
spec:
  when: { event: { type: [built] } }
  mode: shadow
  steps: []
"#;

/// One push: two rules fire and one has an error; the run is tried twice and says `built`, on which a second rule acts
/// and fails, and a third is a shadow.
fn chain() -> Past {
    let mut past = Past::new(TEXT);
    past.failures = 1;
    past.event("noise", "n1", &json!({}));
    past.event("push", "p1", &json!({"branch": "main", "commit": "4f2a", "files": 3}));
    past.event("noise", "n2", &json!({}));
    past.settle();
    past
}

fn told(past: &Past, what: &str) -> String {
    Past::plain(&why(what, &past.log, &past.engine).unwrap().render())
}

#[test]
fn from_the_first_cause() {
    let past = chain();
    assert_snapshot!(told(&past, "p1"), @r#"
    push from source default/hooks  #2  00:00:00.004  ◄ asked
    │   id p1  source /test
    ├─ rule default/build fired  #3  00:00:00.006
    │  │   data.branch = "main"
    │  │   type = "push"
    │  │   if event.data.files > 0: true
    │  │   let commit = "4f2a"
    │  └─ run KEY1 succeeded  #6  00:00:00.012
    │     ├─ step fetch: Connect: connection refused  #5  00:00:00.010
    │     ├─ step fetch, attempt 2: done  #11  00:00:05.012
    │     │      {"status":200}
    │     ├─ said built shop/4f2a  #12  00:00:05.014
    │     │  │   id KEY2  source /ensue/default/build
    │     │  ├─ rule default/deploy fired  #14  00:00:05.018
    │     │  │  │   type = "built"
    │     │  │  └─ run KEY3 failed  #16  00:00:05.022
    │     │  │     └─ failed at step check: StepFailed: no cluster  #17  00:00:05.024
    │     │  └─ rule default/watch fired in shadow: nothing is done  #15  00:00:05.020
    │     │         type = "built"
    │     └─ succeeded after 5s10ms  #13  00:00:05.016
    ├─ rule default/count fired  #4  00:00:00.008
    │  │   type = "push"
    │  └─ run KEY4 succeeded  #7  00:00:00.014
    │     └─ succeeded after 8ms  #8  00:00:00.016
    └─ rule default/strict did not fire: error: `event.data.signed`: no such field `signed` in event.data  00:00:00.004
    "#);
    assert_eq!(told(&past, "2"), told(&past, "p1"), "by its position");
    assert_eq!(told(&past, "#2"), told(&past, "p1"));
}

#[test]
fn from_the_last_consequence_it_is_the_same_tree() {
    let past = chain();
    let leaf = past.log.iter().rfind(|record| &*record.event.kind == "dev.ensue.run.failed").unwrap();
    let tree = told(&past, &leaf.event.id);
    let unmarked = |text: &str| text.replace("  ◄ asked", "");
    assert_eq!(unmarked(&tree), unmarked(&told(&past, "p1")));
    let asked: Vec<&str> = tree.lines().filter(|line| line.contains("◄ asked")).collect();
    assert_eq!(asked.len(), 1, "{tree}");
    assert!(asked[0].contains("failed at step check"), "{}", asked[0]);
}

#[test]
fn whatever_of_the_chain_is_asked_for_is_marked_once_in_the_same_tree() {
    let past = chain();
    let unmarked = |text: &str| text.replace("  ◄ asked", "");
    let whole = unmarked(&told(&past, "p1"));
    let tie = ensue_engine::emit::correlation(&past.log[2].event);
    let of_chain = past.log.iter().filter(|record| record.event.extension_text("correlationid") == Some(&tie));
    let mut seen = 0;
    for record in of_chain {
        let tree = told(&past, &record.event.id);
        assert_eq!(unmarked(&tree), whole, "asked for {} {}", record.event.kind, record.event.id);
        assert_eq!(tree.matches("◄ asked").count(), 1, "asked for {} {}\n{tree}", record.event.kind, record.event.id);
        seen += 1;
    }
    assert!(seen > 8, "{seen}");
}

#[test]
fn by_a_run_and_by_an_effect() {
    let past = chain();
    let run = past.engine.state().runs.iter().find(|(_, run)| run.rule == "default/build").unwrap().1.clone();
    let unmarked = |text: &str| text.replace("  ◄ asked", "");
    let whole = unmarked(&told(&past, "p1"));
    let effect = run.trunk.steps["fetch"].effect.unwrap();
    for what in [run.id.to_string(), effect.to_string(), format!("{effect}.2")] {
        assert_eq!(unmarked(&told(&past, &what)), whole, "{what}");
    }
}

#[test]
fn an_event_on_which_nothing_fired() {
    let past = chain();
    assert_snapshot!(told(&past, "n1"), @r#"
    noise from source default/hooks  #1  00:00:00.002  ◄ asked
    │   id n1  source /test
    └─ no rule fired on this event
    "#);
}

#[test]
fn what_nobody_knows() {
    let past = chain();
    let why = why("nobody", &past.log, &past.engine).unwrap_err();
    assert!(why.to_string().starts_with("nothing in the log has the id `nobody`"), "{why}");
    assert!(ensue_lab::why::why("999999", &past.log, &past.engine).is_err());
}

#[test]
fn a_run_that_waits_and_one_that_is_uncertain() {
    let mut past = Past::new(TEXT);
    past.failures = 1;
    past.event("push", "p1", &json!({"branch": "main", "commit": "4f2a", "files": 3, "signed": false}));
    assert_snapshot!(told(&past, "p1"), @r#"
    push from source default/hooks  #1  00:00:00.002  ◄ asked
    │   id p1  source /test
    ├─ rule default/build fired  #2  00:00:00.004
    │  │   data.branch = "main"
    │  │   type = "push"
    │  │   if event.data.files > 0: true
    │  │   let commit = "4f2a"
    │  └─ run KEY1 running  #5  00:00:00.010
    │     ├─ step fetch: Connect: connection refused  #4  00:00:00.008
    │     └─ step fetch: waits to be tried again
    ├─ rule default/count fired  #3  00:00:00.006
    │  │   type = "push"
    │  └─ run KEY2 succeeded  #6  00:00:00.012
    │     └─ succeeded after 8ms  #7  00:00:00.014
    └─ rule default/strict did not fire: if event.data.signed: false  00:00:00.002
    "#);
}

#[test]
fn a_step_that_a_freeze_holds_is_not_under_way() {
    let mut past = Past::new(TEXT);
    let freeze = Command::Freeze { connection: None, rule: None };
    past.ours(
        &Operator { command: freeze, actor: "anna".into(), roles: Vec::new(), reason: "release day".into() }.into(),
    );
    past.event("push", "p1", &json!({"branch": "main", "commit": "4f2a", "files": 3, "signed": false}));
    let told = told(&past, "p1");
    assert!(told.contains("step fetch: held by a freeze, see `ensue freeze --list`"), "{told}");
}

#[test]
fn the_tree_is_plain_json_in_a_pipe() {
    let past = chain();
    let json = serde_json::to_value(why("p1", &past.log, &past.engine).unwrap()).unwrap();
    assert_eq!(
        (&json["kind"], &json["id"], &json["position"], &json["asked"]),
        (&json!("event"), &json!("p1"), &json!(2), &json!(true))
    );
    assert_eq!(json["then"][0]["kind"], "fired");
}

const SEVERAL: &str = r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: api }
spec: { http: { url: "https://api.example.com" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: pair }
spec:
  when:
    sequence:
      - { name: one, event: { type: [a] } }
      - { name: two, event: { type: [b], data: { size: [{ numeric: [">", 3] }] } }, if: event.data.size < 10 }
    key: event.data.key
    within: 15m
  steps: [ { id: call, uses: http/request, connection: api, with: { path: / }, retry: { max: 0 } } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: silent }
spec:
  when: { absence: { of: { event: { type: [beat] } }, for: 10m, expect: [db] }, key: event.data.key }
  steps: []
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: calm }
spec:
  when: { event: { type: [c] }, key: event.data.key }
  debounce: { quiet: 1m }
  steps: []
"#;

/// A match of two events, seen from the first one, with what an operator asked for.
#[test]
fn from_each_event_of_a_match_and_with_what_an_operator_asked_for() {
    let mut past = Past::new(SEVERAL);
    past.failures = 1;
    past.event("a", "a1", &json!({"key": "k"}));
    past.event("b", "b1", &json!({"key": "k", "size": 5}));
    let run = *past.engine.state().runs.iter().next().unwrap().0;
    past.ours(
        &Operator {
            command: Command::CancelRun { run },
            actor: "ada".into(),
            roles: Vec::new(),
            reason: "too late".into(),
        }
        .into(),
    );
    past.ours(
        &Operator {
            command: Command::RetryRun { run },
            actor: "ada".into(),
            roles: Vec::new(),
            reason: "it is up again".into(),
        }
        .into(),
    );
    assert_snapshot!(told(&past, "a1"));
    let unmarked = |text: &str| text.replace("  ◄ asked", "");
    assert_eq!(unmarked(&told(&past, "a1")), unmarked(&told(&past, "b1")));
    assert_eq!(unmarked(&told(&past, &run.to_string()[..6])), unmarked(&told(&past, "b1")), "by its first digits");
}

#[test]
fn what_time_decided_and_what_took_the_place_of_another() {
    let mut past = Past::new(SEVERAL);
    past.event("c", "c1", &json!({"key": "k"}));
    past.event("c", "c2", &json!({"key": "k"}));
    past.pass(ensue_event::Span::secs(900));
    let silent = past.log.iter().filter(|record| &*record.event.kind == "dev.ensue.rule.fired");
    let silent: Vec<String> = silent.map(|record| record.event.id.to_string()).collect();
    let all: Vec<String> = silent.iter().map(|id| told(&past, id)).collect();
    assert_snapshot!(format!("{}\n{}\n{}", told(&past, "c1"), told(&past, "c2"), all.join("\n")));
}

#[test]
fn what_policies_decided_stands_in_the_chain() {
    let policy = "---\napiVersion: ensue.dev/v1\nkind: Policy\nmetadata: { name: careful }\nspec:\n  checks:\n    \
        - { if: \"event.data.files > 100\", deny: \"${{ event.data.files }} files are many\" }\n    \
        - { if: \"event.data.files > 10\", approve: { from: [sre], timeout: 1h } }\n";
    let mut past = Past::new(&format!("{TEXT}{policy}"));
    past.event("push", "p1", &json!({"branch": "main", "commit": "4f2a", "files": 101}));
    past.event("push", "p2", &json!({"branch": "main", "commit": "4f2b", "files": 11}));
    let denied = told(&past, "p1");
    assert!(denied.contains("policy default/careful denied step fetch: 101 files are many"), "{denied}");
    let not = ensue_lab::why_not::why_not("p1", Some("build"), &past.log, &past.engine).unwrap().render();
    assert!(not.contains("rule default/build fired") && not.contains("denied step fetch: 101 files are many"), "{not}");
    let open = told(&past, "p2");
    assert!(
        open.contains("step fetch waits for a person: policy default/careful asks 1 of sre; `ensue run approve"),
        "{open}"
    );
    past.pass(ensue_event::Span::hours(1));
    let late = told(&past, "p2");
    assert!(late.contains("policy default/careful asks about step fetch: sre is asked first"), "{late}");
    assert!(late.contains("policy default/careful refused step fetch: nobody answered within 1h"), "{late}");
    assert!(late.contains("failed at step fetch: Denied: policy default/careful asks 1 of sre"), "{late}");
}
