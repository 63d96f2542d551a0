//! `why-not`: what kept a rule from firing.

use ensue_event::ours::{Command, Operator};
use ensue_lab::why_not::why_not;
use insta::assert_snapshot;
use serde_json::json;

use crate::past::Past;
use crate::why::TEXT;

fn told(past: &Past, what: &str, rule: Option<&str>) -> String {
    let tree = why_not(what, rule, &past.log, &past.engine).unwrap();
    Past::plain(&tree.render())
}

#[test]
fn the_first_field_that_is_not_met_with_expected_and_actual() {
    let mut past = Past::new(TEXT);
    past.event("push", "p1", &json!({"branch": "topic", "files": 1, "signed": true}));
    assert_snapshot!(told(&past, "p1", Some("build")), @r#"
    push  #1  00:00:00.002  ◄ asked
    └─ rule default/build does not match: data.branch is "topic"; expected "main"
           type is "push": met by "push"
    "#);
    past.event("push", "p2", &json!({"files": 1, "signed": true}));
    assert_snapshot!(told(&past, "p2", Some("default/build")), @r#"
    push  #8  00:00:00.016  ◄ asked
    └─ rule default/build does not match: data.branch is absent; expected "main"
           type is "push": met by "push"
    "#);
}

#[test]
fn a_recorded_decision_with_the_values_of_its_condition() {
    let mut past = Past::new(TEXT);
    past.event("push", "p1", &json!({"branch": "main", "commit": "4f2a", "files": 0, "signed": true}));
    assert_snapshot!(told(&past, "p1", Some("build")), @r#"
    push  #1  00:00:00.002  ◄ asked
    └─ rule default/build did not fire: if event.data.files > 0: false  00:00:00.002
           event.data.files is 0
    "#);
    past.event("push", "p2", &json!({"branch": "main", "commit": "4f2a", "files": 1}));
    assert_snapshot!(told(&past, "p2", Some("strict")), @r#"
    push  #8  00:00:00.016  ◄ asked
    └─ rule default/strict did not fire: error: `event.data.signed`: no such field `signed` in event.data  00:00:00.016
    "#);
}

#[test]
fn a_condition_of_the_item_is_computed_again() {
    let mut past = Past::new(
        r#"
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: big }
spec:
  when: { event: { type: [order] }, if: "event.data.total > 100 && event.data.items.size() > 1" }
  steps: []
"#,
    );
    past.event("order", "o1", &json!({"total": 7, "items": [1, 2]}));
    assert_snapshot!(told(&past, "o1", Some("big")), @r#"
    order  #1  00:00:00.002  ◄ asked
    └─ rule default/big does not match: if event.data.total > 100 && event.data.items.size() > 1: false
           event.data.items is [1,2]
           event.data.total is 7
    "#);
}

#[test]
fn values_of_let_are_shown_as_far_as_they_can_be_computed() {
    let mut past = Past::new(
        r#"
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: late }
spec:
  when: { event: { type: [order] } }
  let: { left: event.data.total - event.data.paid, owner: event.data.owner }
  if: let.left > 10 && has(let.owner)
  steps: []
"#,
    );
    past.event("order", "o1", &json!({"total": 7, "paid": 7}));
    assert_snapshot!(told(&past, "o1", Some("late")), @r#"
    order  #1  00:00:00.002  ◄ asked
    └─ rule default/late did not fire: if let.left > 10 && has(let.owner): false  00:00:00.002
           let.left is 0
           let.owner is absent
    "#);
}

#[test]
fn a_rule_that_fired_says_so() {
    let mut past = Past::new(TEXT);
    past.event("push", "p1", &json!({"branch": "main", "commit": "4f2a", "files": 1, "signed": true}));
    assert_snapshot!(told(&past, "p1", Some("count")), @r#"
    push  #1  00:00:00.002  ◄ asked
    └─ rule default/count fired  #3
    "#);
    let built = past.log.iter().find(|record| &*record.event.kind == "built").unwrap().event.id.clone();
    assert!(told(&past, &built, Some("watch")).contains("rule default/watch fired in shadow"));
}

#[test]
fn a_paused_rule_and_a_rule_that_came_later() {
    let mut past = Past::new(TEXT);
    let command = Command::SetMode { rule: "default/count".into(), mode: "paused".into() };
    past.ours(&Operator { command, actor: "ada".into(), roles: Vec::new(), reason: "a test".into() }.into());
    past.event("push", "p1", &json!({"branch": "main", "commit": "4f2a", "files": 1, "signed": true}));
    assert_snapshot!(told(&past, "p1", Some("count")), @r#"
    push  #2  00:00:00.004  ◄ asked
    └─ rule default/count did not fire: it is paused  00:00:00.004
    "#);
    let more = "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: new }\nspec: { when: { event: { type: [push] } }, steps: [] }\n";
    past.configure(&format!("{TEXT}{more}"));
    assert_snapshot!(told(&past, "p1", Some("new")), @r#"
    push  #2  00:00:00.004  ◄ asked
    │   the configuration was changed since, by record 15: what is not recorded is told of the rules of now
    └─ rule default/new would fire now; when the event came it was not there, was paused, or what it decided is no longer kept
    "#);
}

#[test]
fn without_a_rule_the_nearest_first() {
    let mut past = Past::new(TEXT);
    past.event("push", "p1", &json!({"branch": "topic", "files": 1, "signed": false}));
    assert_snapshot!(told(&past, "p1", None), @r#"
    push  #1  00:00:00.002  ◄ asked
    ├─ rule default/count fired  #2
    ├─ rule default/strict did not fire: if event.data.signed: false  00:00:00.002
    │      event.data.signed is false
    ├─ rule default/build does not match: data.branch is "topic"; expected "main"
    │      type is "push": met by "push"
    ├─ rule default/deploy does not match: type is "push"; expected "built"
    └─ rule default/watch does not match: type is "push"; expected "built"
    "#);
    let none = Past::new("");
    let mut none = none;
    none.event("push", "p1", &json!({}));
    assert_snapshot!(told(&none, "p1", None), @r#"
    push  #1  00:00:00.002  ◄ asked
    └─ no rule is in force
    "#);
}

#[test]
fn records_of_ours_are_heard_only_by_patterns_that_name_them() {
    let mut past = Past::new(
        r#"
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: all }
spec: { when: { event: { source: [{ prefix: / }] } }, steps: [] }
"#,
    );
    past.event("push", "p1", &json!({}));
    assert_snapshot!(told(&past, "0", Some("all")), @r#"
    dev.ensue.config.applied  #0  00:00:00.000  ◄ asked
    └─ rule default/all does not match: type is absent; expected a pattern whose `type` names the prefix `dev.ensue.`, since the event is one of ensue's own
           source is "/ensue/node": met by {"prefix": "/"}
    "#);
}

#[test]
fn what_nobody_knows() {
    let past = Past::new(TEXT);
    let error = |what, rule| why_not(what, rule, &past.log, &past.engine).unwrap_err().to_string();
    assert!(error("nobody", None).starts_with("nothing in the log has the id `nobody`"));
    assert_eq!(error("0", Some("nobody")), "no rule default/nobody is in force; `ensue rules` lists them");
}

fn rule(when: &str, more: &str) -> Past {
    Past::new(&format!(
        "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: r }}\nspec:\n  when: {when}\n  steps: [ {{ id: wait, uses: http/request, connection: api, with: {{ path: / }} }} ]\n{more}---\napiVersion: ensue.dev/v1\nkind: Connection\nmetadata: {{ name: api }}\nspec: {{ http: {{ url: \"https://api.example.com\" }} }}\n"
    ))
}

/// Events of one kind and key, and then what is asked of the first of them; `#` begins a comment, `+` lets time pass.
fn case(past: &mut Past, events: &str, asked: &str) -> String {
    let mut out = format!("{events} ? {asked}\n");
    for event in events.split(' ') {
        match event.strip_prefix('+') {
            Some(time) => past.pass(ensue_event::Span(ensue_expr::duration::parse(time).unwrap())),
            None => {
                let (kind, id) = event.split_once(':').unwrap();
                past.event(kind, id, &json!({"key": "k"}));
            }
        }
    }
    out.push_str(&told(past, asked, Some("r")));
    out
}

const SEQUENCE: &str = "{ sequence: [ { name: one, event: { type: [a] } }, { name: two, event: { type: [b] } } ], key: event.data.key, within: 15m, unless: { event: { type: [stop] } } }";

#[test]
fn of_a_rule_of_several_events_which_was_met_and_what_became_of_it() {
    let all = SEQUENCE.replace("sequence", "all");
    let each = SEQUENCE.replace("within", "repeat: ignore, within");
    let count = "{ count: { of: { event: { type: [a] } }, atLeast: 3 }, key: event.data.key, within: 10m }";
    let absence =
        "{ absence: { after: { event: { type: [a] } }, of: { event: { type: [b] } }, for: 10m }, key: event.data.key }";
    let mut out = String::new();
    for (when, events, asked) in [
        (SEQUENCE, "a:1", "1"),
        (SEQUENCE, "a:1 +20m", "1"),
        (SEQUENCE, "a:1 stop:2", "1"),
        (SEQUENCE, "a:1 stop:2", "2"),
        (SEQUENCE, "b:1", "1"),
        (SEQUENCE, "a:1 a:2", "1"),
        (each.as_str(), "a:1 a:2", "2"),
        (SEQUENCE, "a:1 b:2", "1"),
        (SEQUENCE, "a:1 b:2", "2"),
        (SEQUENCE, "other:1", "1"),
        (all.as_str(), "b:1 +4m10s", "1"),
        (count, "a:1 a:2", "1"),
        (count, "a:1 +11m", "1"),
        (count, "a:1 a:2 a:3", "1"),
        (absence, "a:1 +1m", "1"),
        (absence, "a:1 b:2", "1"),
        (absence, "a:1 b:2", "2"),
        (absence, "a:1 +10m", "1"),
    ] {
        let word = when.split([' ', ':']).nth(1).unwrap_or_default();
        out.push_str(&format!(
            "{word}: {}\n",
            case(&mut rule(when, ""), events, &format!("x{asked}").replace('x', ""))
        ));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn what_flow_control_did_with_it() {
    let when = "{ event: { type: [a] }, key: event.data.key }";
    let mut out = String::new();
    for (flow, events, asked) in [
        ("dedupe: { key: event.data.key, window: 1h }", "a:1 a:2", "2"),
        ("debounce: { quiet: 1m }", "a:1", "1"),
        ("debounce: { quiet: 1m }", "a:1 a:2", "1"),
        ("debounce: { quiet: 1m }", "a:1 +2m", "1"),
        ("batch: { size: 3, every: 5m }", "a:1", "1"),
        ("batch: { size: 2 }", "a:1 a:2", "1"),
        ("throttle: { limit: 1, per: 10m }", "a:1 a:2", "2"),
        ("throttle: { limit: 1, per: 10m, excess: queue }", "a:1 a:2", "2"),
        ("order: { key: event.data.key, by: event.data.key, lateness: 1m, late: drop }", "a:1", "1"),
    ] {
        out.push_str(&format!("{flow}: {}\n", case(&mut rule(when, &format!("  {flow}\n")), events, asked)));
    }
    insta::assert_snapshot!(out);
}

/// Every one of many rules is asked, once.
#[test]
fn ten_thousand_rules_are_ranked_within_a_second() {
    let one = |n: u32| {
        format!(
            "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: r{n} }}\nspec:\n  when: {{ event: {{ type: [push], source: [{{ prefix: /test }}], data: {{ branch: [main, \"b{n}\"], n: [{n}] }} }} }}\n  steps: []\n"
        )
    };
    let text: String = (0..10_000).map(one).collect::<String>().replace(" n: [", " num: [");
    let mut past = Past::new(&text);
    past.event("push", "p1", &json!({"branch": "b77", "num": 5}));
    let began = std::time::Instant::now();
    let text = told(&past, "p1", None);
    println!("why-not over 10,000 rules: {} ms", began.elapsed().as_millis());
    assert!(
        text.contains("default/r5 does not match: data.branch is \"b77\"") && text.contains("default/r77"),
        "{text}"
    );
    assert!(text.contains("9995 more rules are further away"), "{text}");
}
