//! History through the same manifests, and through others.

use ensue_event::Span;
use ensue_event::ours::{Command, ConfigFile, Operator};
use ensue_lab::history::Records;
use ensue_lab::replay::{Options, Report, Since, replay};
use ensue_lab::scenario;
use serde_json::{Value, json};

use crate::past::Past;
use crate::spec;

fn replayed(records: &[ensue_event::Record], files: Option<&[ConfigFile]>, options: &Options) -> Report {
    replay(&Records(records), files, options, &mut |_| {}).unwrap()
}

/// What is different, for a message.
fn told(report: &Report) -> String {
    let rules = report.rules.iter().filter(|rule| rule.gone_count + rule.new_count + rule.changed_count > 0);
    rules.map(|rule| format!("{}\n", serde_json::to_string(rule).unwrap())).collect()
}

#[test]
fn every_scenario_of_the_language_replays_as_it_was() {
    let none = |name: &str| Err(format!("there is no {name}"));
    let (mut failed, mut played, mut fired) = (Vec::new(), 0, 0);
    for path in spec::all() {
        let Ok((of, scenarios)) = spec::read(&path) else { continue };
        for scenario in scenarios {
            let Ok(lived) = scenario::play(&of, &scenario, &none) else { continue };
            let count = |kind: &str| lived.records.iter().filter(|record| &*record.event.kind == kind).count();
            let once = count("dev.ensue.config.applied") == 1;
            let given = once.then_some(of.files());
            for (how, files, rules_only) in [("with runs", given, false), ("without runs", None, true)] {
                let options = Options { rules_only, steps: !rules_only, ..Options::default() };
                let report = replayed(&lived.records, files, &options);
                let then: u64 = report.rules.iter().map(|rule| rule.then).sum();
                if report.different || then != count("dev.ensue.rule.fired") as u64 {
                    let name = path.display();
                    failed.push(format!("{name}: {} ({how}):\n{}", scenario.name.name, told(&report)));
                }
                fired += then;
            }
            played += 1;
        }
    }
    assert!(played > 100 && fired > 300, "{played} scenarios, {fired} firings");
    assert!(failed.is_empty(), "{} of {played}:\n{}", failed.len(), failed.join("\n"));
}

/// Rules over orders: pushes are built, what is built is deployed, and failures in a row are told.
const RULES: &str = r#"
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
  steps:
    - { id: call, uses: http/request, connection: api, with: { method: PUT, path: "/build/${{ event.data.number }}" } }
    - { id: told, emit: { type: built, subject: "${{ steps.call.outputs.status }}", data: { number: "${{ event.data.number }}" } } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: deploy }
spec:
  when: { event: { type: [built] } }
  if: "event.data.number < 10"
  steps:
    - { id: go, uses: http/request, connection: api, with: { method: PUT, path: "/deploy" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: twice }
spec:
  when:
    sequence:
      - { name: first, event: { type: [failed] } }
      - { name: second, event: { type: [failed] } }
    key: event.data.service
    within: 10m
  throttle: { limit: 1, per: 1h }
  steps: []
"#;

fn pushes(text: &str) -> Past {
    let mut past = Past::new(text);
    for (n, branch) in [(1, "main"), (2, "next"), (3, "main"), (30, "main")] {
        past.event("push", &format!("push-{n}"), &json!({"number": n, "branch": branch}));
    }
    past
}

fn given(text: &str) -> Vec<ConfigFile> {
    vec![ConfigFile { path: "new.yaml".into(), text: text.into() }]
}

/// The rules of a report that are not as they were: name, and what is gone, new, changed and before; and why.
fn differences(report: &Report) -> String {
    let mut out = String::new();
    for rule in &report.rules {
        let numbers = (rule.gone_count, rule.new_count, rule.changed_count, rule.before_count);
        if numbers == (0, 0, 0, 0) {
            continue;
        }
        out.push_str(&format!(
            "{} {:?} of {} then, {} now {numbers:?}\n",
            rule.rule, rule.definition, rule.then, rule.now
        ));
        for (word, all) in [("gone", &rule.gone), ("new", &rule.new)] {
            for fired in all {
                let events: Vec<&str> = fired.events.iter().map(|seen| seen.id.as_str()).collect();
                let events = events.iter().map(|id| if id.len() == 32 { "(emitted)" } else { id });
                out.push_str(&format!("  {word} {}: {}\n", events.collect::<Vec<_>>().join(", "), fired.why));
                fired.because.iter().for_each(|because| out.push_str(&format!("    {because}\n")));
            }
        }
    }
    out
}

#[test]
fn a_narrower_rule_loses_what_it_caused_and_a_wider_one_wins() {
    let past = pushes(RULES);
    let same = replayed(&past.log, Some(&given(RULES)), &Options { steps: true, ..Options::default() });
    assert_eq!((same.different, differences(&same)), (false, String::new()));
    assert_eq!(same.assumed, vec![], "every answer was recorded");
    let narrow = RULES.replace("branch: [main] }", "branch: [main], number: [{ numeric: [\"<\", 3] }] }");
    let report = replayed(&past.log, Some(&given(&narrow)), &Options::default());
    insta::assert_snapshot!(differences(&report), @r##"
default/build Changed of 3 then, 1 now (2, 0, 0, 0)
  gone push-3: does not match: data.number is 3; expected {"numeric": ["<", 3]}
    data.branch is "main": met by "main"
    type is "push": met by "push"
  gone push-30: does not match: data.number is 30; expected {"numeric": ["<", 3]}
    data.branch is "main": met by "main"
    type is "push": met by "push"
default/deploy Same of 2 then, 1 now (1, 0, 0, 0)
  gone (emitted): its event #16 is not there now: what it followed from does not happen
"##);
    let wide = RULES.replace("branch: [main]", "branch: [main, next]").replace("number < 10", "number < 100");
    let report = replayed(&past.log, Some(&given(&wide)), &Options::default());
    insta::assert_snapshot!(differences(&report), @r##"
default/build Changed of 3 then, 4 now (0, 1, 0, 0)
  new push-2: does not match: data.branch is "next"; expected "main"
    type is "push": met by "push"
default/deploy Changed of 2 then, 3 now (0, 1, 0, 0)
  new (emitted): did not fire: if event.data.number < 10: false
    event.data.number is 30
"##);
    assert_eq!(
        report.assumed.iter().map(|one| (one.step.as_str(), one.times)).collect::<Vec<_>>(),
        [("call", 1), ("go", 1)],
        "the build of push-2 has no status, so that its run fails before it tells"
    );
    // Without runs nothing is built that was not built then.
    let report = replayed(&past.log, Some(&given(&wide)), &Options { rules_only: true, ..Options::default() });
    insta::assert_snapshot!(differences(&report), @r##"
default/build Changed of 3 then, 4 now (0, 1, 0, 0)
  new push-2: does not match: data.branch is "next"; expected "main"
    type is "push": met by "push"
default/deploy Changed of 2 then, 3 now (0, 1, 0, 0)
  new (emitted): did not fire: if event.data.number < 10: false
    event.data.number is 30
"##);
    assert!(report.assumed.is_empty());
}

#[test]
fn steps_are_compared_with_the_answers_that_were_given() {
    let past = pushes(RULES);
    let other = RULES
        .replace("/build/${{ event.data.number }}", "/image/${{ event.data.number }}")
        .replace("with: { method: PUT, path: \"/deploy\" } }", "with: { method: PUT, path: \"/deploy\" } }\n    - { id: seen, uses: http/request, connection: api, with: { method: PUT, path: \"/seen/${{ steps.go.outputs.status }}\" } }");
    let report = replayed(&past.log, Some(&given(&other)), &Options { steps: true, ..Options::default() });
    let mut told = String::new();
    for changed in report.rules.iter().flat_map(|rule| &rule.changed) {
        for (step, both) in &changed.steps {
            let side =
                |side: &Option<Value>| side.as_ref().map_or("none".to_owned(), |side| side["with"]["path"].to_string());
            told.push_str(&format!("{step}: {} {}\n", side(&both.then), side(&both.now)));
        }
    }
    insta::assert_snapshot!(told, @r##"
call: "/build/1" "/image/1"
call: "/build/3" "/image/3"
call: "/build/30" "/image/30"
seen: none "/seen/200"
seen: none "/seen/200"
"##);
    assert!(report.different);
    let assumed: Vec<_> = report.assumed.iter().map(|one| (one.rule.as_str(), one.step.as_str(), one.times)).collect();
    assert_eq!(assumed, [("default/deploy", "seen", 2)]);
}

#[test]
fn rules_come_and_go() {
    let mut past = Past::new(RULES);
    past.event("push", "push-1", &json!({"number": 1, "branch": "main"}));
    let audit = "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: audit }\nspec: { when: { event: { type: [push] } }, steps: [] }\n";
    past.configure(&format!("{RULES}{audit}"));
    past.event("push", "push-2", &json!({"number": 2, "branch": "main"}));
    // A rule that came on the way is compared from then on.
    let report = replayed(&past.log, Some(&given(&format!("{RULES}{audit}"))), &Options::default());
    insta::assert_snapshot!(differences(&report), @r##"
default/audit Same of 1 then, 1 now (0, 0, 0, 1)
"##);
    assert!(!report.different);
    let other = audit.replace("audit", "watch");
    let without = RULES.replace("type: [built]", "type: [made]");
    let report = replayed(&past.log, Some(&given(&format!("{without}{other}"))), &Options::default());
    insta::assert_snapshot!(differences(&report), @r##"
default/audit Gone of 1 then, 0 now (1, 0, 0, 0)
  gone push-2: there is no such rule in these manifests
default/deploy Changed of 2 then, 0 now (2, 0, 0, 0)
  gone (emitted): does not match: type is "built"; expected "made"
  gone (emitted): does not match: type is "built"; expected "made"
default/watch New of 0 then, 2 now (0, 2, 0, 0)
  new push-1: there was no such rule then
  new push-2: there was no such rule then
"##);
}

#[test]
fn what_is_tied_together_is_told_of_what_is_missing() {
    let mut past = Past::new(RULES);
    let fail = |past: &mut Past, id: &str, service: &str| past.event("failed", id, &json!({"service": service}));
    fail(&mut past, "a1", "a");
    past.pass(Span::mins(6));
    fail(&mut past, "a2", "a");
    past.pass(Span::mins(20));
    fail(&mut past, "b1", "b");
    past.pass(Span::mins(11));
    fail(&mut past, "b2", "b");
    past.pass(Span::mins(5));
    fail(&mut past, "a3", "a");
    fail(&mut past, "a4", "a");
    past.pass(Span::hours(2));
    past.event("other", "o1", &json!({}));
    let report = |text: String, options| replayed(&past.log, Some(&given(&text)), &options);
    let shorter = report(RULES.replace("within: 10m", "within: 5m"), Options::default());
    insta::assert_snapshot!(differences(&shorter), @r##"
default/twice Changed of 1 then, 1 now (1, 1, 0, 0)
  gone a1, a2: #1: did not fire for a: it ran out of time waiting for second
  new a3, a4: #10: did not fire for a: throttled until 2026-01-01T01:06:00.004Z
"##);
    let longer = report(RULES.replace("within: 10m", "within: 30m"), Options::default());
    insta::assert_snapshot!(differences(&longer), @r##"
default/twice Changed of 1 then, 2 now (0, 1, 0, 0)
  new b1, b2: #6: did not fire for b: it ran out of time waiting for second
"##);
    let often = report(RULES.replace("limit: 1, per: 1h", "limit: 5, per: 1h"), Options::default());
    insta::assert_snapshot!(differences(&often), @r##"
default/twice Changed of 1 then, 2 now (0, 1, 0, 0)
  new a3, a4: #10: did not fire for a: throttled until 2026-01-01T01:06:00.004Z
"##);
    // A firing after `since` needs an event before it: the warm-up reads that.
    let at = past.log.iter().find(|record| &*record.event.id == "a2").unwrap().at;
    let late = Options { since: Since::At(at), ..Options::default() };
    assert!(!report(RULES.to_owned(), late).different);
    let cold = report(RULES.to_owned(), Options { warm: Some(Span::ZERO), ..late });
    assert_eq!(cold.rules.iter().map(|rule| rule.gone_count).sum::<u64>(), 1);
}

#[test]
fn what_a_person_set_holds_while_the_rule_is_the_same() {
    let mut past = Past::new(RULES);
    let push =
        |past: &mut Past, n: u64| past.event("push", &format!("push-{n}"), &json!({"number": n, "branch": "main"}));
    push(&mut past, 1);
    let command = Command::SetMode { rule: "default/build".into(), mode: "paused".into() };
    let (actor, reason) = ("ada".to_owned(), "a test".to_owned());
    past.ours(&Operator { command, actor, roles: Vec::new(), reason }.into());
    push(&mut past, 2);
    assert!(!replayed(&past.log, Some(&given(RULES)), &Options::default()).different);
    let other = RULES.replace("branch: [main] }", "branch: [main, next] }");
    let report = replayed(&past.log, Some(&given(&other)), &Options::default());
    insta::assert_snapshot!(differences(&report), @r##"
default/build Changed of 1 then, 2 now (0, 1, 0, 0)
  new push-2: did not fire: it is paused
"##);
}

#[test]
fn wrong_manifests_and_an_empty_log_are_told() {
    let past = Past::new(RULES);
    let none: &[ensue_event::Record] = &[];
    let failed = |records, text: &str| {
        replay(&Records(records), Some(&given(text)), &Options::default(), &mut |_| {}).unwrap_err().to_string()
    };
    assert!(failed(none, RULES).contains("the log holds no record"));
    assert!(failed(&past.log, "kind: Rule\n").contains("new.yaml:1"));
    let endless = "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: a }\nspec: { when: { event: { type: [push, again] } }, steps: [ { id: more, emit: { type: again } } ] }\n";
    let mut past = Past::new(RULES);
    past.event("push", "push-1", &json!({"number": 1, "branch": "next"}));
    let report = replayed(&past.log, Some(&given(endless)), &Options::default());
    // A loop is cut as it is in the real thing: each turn is two longer.
    assert_eq!(report.rules.iter().find(|rule| rule.rule == "default/a").map(|rule| rule.new_count), Some(16));
}
