//! Scenarios: virtual time, mocked actions, readable differences.

use std::fmt::Write as _;

use ensue_engine::Verdict;
use ensue_event::ours::ConfigFile;
use ensue_lab::scenario::{Configuration, Error, MOST_RECORDS, Outcome, test_within};
use insta::assert_snapshot;

const RULES: &str = r##"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: api }
spec: { http: { url: "https://api.example.com" } }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: team }
spec: { slack: { webhook: "${{ secrets.SLACK }}" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: order }
spec:
  when: { event: { type: [order] } }
  if: event.data.total > 0
  steps:
    - { id: charge, uses: http/request, connection: api, with: { method: PUT, path: "/charge/${{ event.data.total }}" }, retry: { max: 2, backoff: exponential, initial: 1h, cap: 12h, jitter: none } }
    - { id: said, emit: { type: charged, data: { total: "${{ event.data.total }}", status: "${{ steps.charge.outputs.status }}" } } }
  onFailure:
    - { id: tell, uses: slack/post, connection: team, with: { text: "not charged: ${{ error.message }}", channel: "#shop" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: loop }
spec:
  when: { event: { type: [loop] } }
  steps: [ { id: again, emit: { type: loop } } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: ship }
spec:
  when: { event: { type: [ship] }, key: event.data.host }
  steps:
    - { id: ask, approve: { from: [sre], timeout: 1h } }
    - { id: each, foreach: { items: "${{ event.data.parts }}", steps: [{ id: put, uses: http/request, connection: api, with: { method: PUT, path: "/part/${{ item }}" } }] } }
    - { id: late, if: false, set: { a: 1 } }
    - { id: post, uses: http/request, connection: api, with: { method: POST, path: /done } }
---
"##;

fn outcome(spec: &str) -> Result<Outcome, Error> {
    within(spec, MOST_RECORDS)
}

fn within(spec: &str, most: usize) -> Result<Outcome, Error> {
    let scenario = format!("apiVersion: ensue.dev/v1\nkind: Scenario\nmetadata: {{ name: s }}\nspec:\n{spec}");
    let files = vec![
        ConfigFile { path: "rules.yaml".into(), text: RULES.trim_end_matches("---\n").into() },
        ConfigFile { path: "scenarios/s.yaml".into(), text: scenario },
    ];
    let of = Configuration::of(files).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
    let scenario = of.scenarios()[0].clone();
    let read = |name: &str| match name {
        "order.json" => Ok(br#"{"type": "order", "data": {"total": 5}}"#.to_vec()),
        "broken.json" => Ok(b"{".to_vec()),
        ".broken" => Ok(b"kind: Rule".to_vec()),
        _ => Err("no such file".to_owned()),
    };
    test_within(&of, &scenario, &read, most)
}

/// What was not as expected, what was called, and how the runs ended.
fn told(spec: &str) -> String {
    let outcome = match outcome(spec) {
        Ok(outcome) => outcome,
        Err(why) => return why.to_string(),
    };
    let mut out = String::new();
    for difference in &outcome.differences {
        let _ = write!(out, "{difference}");
    }
    for call in &outcome.played.calls {
        let _ = writeln!(out, "{} {} {} by {}", call.at, call.action, call.with, call.by());
    }
    for run in &outcome.played.runs {
        let _ = writeln!(out, "run of {} {} {}", run.rule, run.status, run.why().unwrap_or_default());
    }
    let _ = write!(out, "not mocked: {:?}", outcome.unnamed);
    out
}

#[test]
fn a_scenario_that_is_met_says_nothing() {
    let spec = r#"
  given: [ { at: 0s, event: order.json } ]
  actions: { http/request: { returns: { status: 201 } } }
  expect:
    - { rule: order, fires: 1 }
    - { action: http/request, times: 1, with: { path: /charge/5 } }
    - { run: order, status: succeeded }
    - { event: charged, times: 1, data: { total: 5.0, status: 201 } }
    - { action: slack/post, times: 0 }
"#;
    assert_snapshot!(told(spec), @r#"
    0s http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    run of default/order succeeded 
    not mocked: []
    "#);
}

#[test]
fn wrong_expectations_show_what_happened_instead() {
    let spec = r##"
  given: [ { at: 0s, event: order.json, times: 2, every: 1m }, { at: 1h, event: { type: order, data: { total: many } } } ]
  expect:
    - { rule: order, fires: 3 }
    - { rule: loop }
    - { action: http/request, times: 1, with: { path: /charge/7, method: PUT } }
    - { action: git/commit }
    - { run: order, status: failed }
    - { event: charged, times: 2, data: { total: 6, more: yes-please } }
    - { event: shipped }
    - { action: slack/post, with: { channel: "#shop" } }
"##;
    assert_snapshot!(told(spec), @r##"
    scenarios/s.yaml:8
      expected  rule default/order fires 3 times
      happened  twice
                it fired at 0s
                it fired at 1m
                record 13, rule default/order: `event.data.total > 0`: cannot apply `>` to string and int; int(…) or double(…) makes a number of text
      why not   order  #13  01:00:00.000
                └─ rule default/order did not fire: error: `event.data.total > 0`: cannot apply `>` to string and int; int(…) or double(…) makes a number of text  01:00:00.000
    scenarios/s.yaml:9
      expected  rule default/loop fires at least once
      happened  never
                rule default/order fired twice
                record 13, rule default/order: `event.data.total > 0`: cannot apply `>` to string and int; int(…) or double(…) makes a number of text
      why not   order  #13  01:00:00.000
                └─ rule default/loop does not match: type is "order"; expected "loop"
    scenarios/s.yaml:10
      expected  action http/request with {"method":"PUT","path":"/charge/7"} is called once
      happened  never
                http/request at 0s by default/order: charge
                  with.path is "/charge/5"; expected "/charge/7"
                http/request at 1m by default/order: charge
                  with.path is "/charge/5"; expected "/charge/7"
    scenarios/s.yaml:11
      expected  action git/commit is called at least once
      happened  never
                other actions were called: http/request, slack/post
                a run of default/order failed: step said: Expression: /status: no such field `status` in steps.charge.outputs
                a run of default/order failed: step said: Expression: /status: no such field `status` in steps.charge.outputs
                record 13, rule default/order: `event.data.total > 0`: cannot apply `>` to string and int; int(…) or double(…) makes a number of text
    scenarios/s.yaml:13
      expected  event charged with {"more":"yes-please","total":6} is there twice
      happened  never
                there were events of dev.ensue.rule.fired, dev.ensue.run.failed, dev.ensue.run.started, order
    scenarios/s.yaml:14
      expected  event shipped is there at least once
      happened  never
                there were events of dev.ensue.rule.fired, dev.ensue.run.failed, dev.ensue.run.started, order
    0s http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    0s slack/post {"channel":"#shop","text":"not charged: /status: no such field `status` in steps.charge.outputs"} by default/order: tell
    1m http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    1m slack/post {"channel":"#shop","text":"not charged: /status: no such field `status` in steps.charge.outputs"} by default/order: tell
    run of default/order failed step said: Expression: /status: no such field `status` in steps.charge.outputs
    run of default/order failed step said: Expression: /status: no such field `status` in steps.charge.outputs
    not mocked: ["http/request", "slack/post"]
    "##);
}

#[test]
fn people_answer_and_actions_answer_by_step_and_arguments() {
    let ship = |more: &str| {
        format!(
            "\n  given:\n    - {{ event: {{ type: ship, data: {{ host: a, parts: [left, right] }} }} }}\n{more}\n  actions:\n    \
             http/request:\n      - {{ when: {{ step: post }}, uncertain: nobody knows }}\n      \
             - {{ when: {{ with: {{ path: /part/right }} }}, sequence: [{{ fails: {{ name: Connect }} }}, {{ returns: {{}}, after: 2s }}] }}\n      \
             - {{ returns: {{ status: 200 }}, after: 1s }}\n"
        )
    };
    let approved = ship(
        "    - { at: 1m, operator: { approve: ship, step: ask, by: bob, roles: [dev] } }
    - { at: 2m, operator: { approve: ship, step: ask, by: anna, roles: [sre] } }
    - { at: 1h, operator: { settle: ship, step: post, verdict: done, key: a } }
    - { at: 2h, operator: { cancel: loop } }",
    );
    let expect = "  expect:
    - { refused: bob }
    - { refused: there is no run of default/loop }
    - { action: http/request, step: put, times: 3 }
    - { action: http/request, with: { path: /part/left }, at: 2m, times: 1 }
    - { order: [put, put, put, post] }
    - { run: ship, status: succeeded, key: a }
    - { run: ship, step: late, status: skipped, times: 1 }
    - { run: ship, step: put, status: succeeded, times: 2 }
";
    assert_eq!(differences(&format!("{approved}{expect}")), "");
    let refused =
        ship("    - { at: 1m, operator: { approve: ship, step: ask, refuse: true, by: anna, roles: [sre] } }");
    let expect = "  expect:
    - { action: http/request, times: 0 }
    - { run: ship, step: ask, status: failed, error: Denied }
    - { run: ship, status: failed, error: Denied }
    - { order: [post, put] }
";
    let told = differences(&format!("{refused}{expect}"));
    assert!(told.contains("post, put are called in this order at least once\n  happened  never\n"), "{told}");
    assert_eq!(told.matches("expected  ").count(), 1, "{told}");
}

/// What was not as expected.
fn differences(spec: &str) -> String {
    outcome(spec).unwrap().differences.iter().map(ToString::to_string).collect()
}

#[test]
fn retries_pass_in_virtual_time() {
    let spec = r#"
  given: [ { at: 10m, event: order.json } ]
  actions: { http/request: { sequence: [ { fails: { name: Connect, message: refused } }, { fails: { name: Timeout, message: late } }, { returns: { status: 200 } } ] } }
  expect: [ { action: http/request, times: 3 }, { run: order, status: succeeded } ]
"#;
    assert_snapshot!(told(spec), @r#"
    10m http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    1h10m http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    3h10m http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    run of default/order succeeded 
    not mocked: []
    "#);
    let fails = r#"
  given: [ { at: 0s, event: order.json } ]
  actions: { http/request: { fails: { name: Connect, message: refused } } }
  expect: [ { action: http/request, times: 3 }, { action: slack/post, times: 1 }, { run: order, status: failed } ]
"#;
    assert_snapshot!(told(fails), @r##"
    0s http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    1h http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    3h http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    3h slack/post {"channel":"#shop","text":"not charged: refused"} by default/order: tell
    run of default/order failed step charge: Connect: refused
    not mocked: ["slack/post"]
    "##);
}

#[test]
fn until_ends_it_before_everything_has_happened() {
    let spec = r#"
  given: [ { at: 0s, event: order.json } ]
  actions: { http/request: { fails: { name: Connect, message: refused } } }
  until: 90m
  expect: [ { action: http/request, times: 2 }, { run: order, status: running } ]
"#;
    assert_snapshot!(told(spec), @r#"
    0s http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    1h http/request {"method":"PUT","path":"/charge/5"} by default/order: charge
    run of default/order running 
    not mocked: []
    "#);
}

#[test]
fn a_loop_is_cut_as_it_is_in_life() {
    let spec = r#"
  given: [ { at: 0s, event: { type: loop } } ]
  expect: [ { rule: loop, fires: 16 }, { event: dev.ensue.chain.cut, times: 1 } ]
"#;
    let outcome = outcome(spec).unwrap();
    assert!(outcome.differences.is_empty(), "{:?}", outcome.differences);
}

#[test]
fn a_scenario_that_does_not_come_to_rest_says_so() {
    // A flood that is no chain: every event starts one of its own.
    let spec = "  given: [ { at: 0s, event: order.json, times: 6000, every: 1ms } ]\n  expect: [ { rule: order } ]\n";
    let why = within(spec, 2_000).unwrap_err();
    assert_eq!(why, Error::Endless(2_000));
    assert!(why.to_string().contains("is there a loop?"), "{why}");
}

#[test]
fn files_that_cannot_be_read_and_events_that_are_none() {
    for (event, why) in [
        ("none.json", "scenarios/s.yaml:5: the file `none.json` cannot be read: no such file"),
        ("broken.json", "scenarios/s.yaml:5: this is not an event: broken.json: "),
        ("{ type: 5 }", "scenarios/s.yaml:5: this is not an event: "),
    ] {
        let spec = format!("  given: [ {{ at: 0s, event: {event} }} ]\n  expect: [ {{ rule: order, fires: 0 }} ]\n");
        let scenario = format!("apiVersion: ensue.dev/v1\nkind: Scenario\nmetadata: {{ name: s }}\nspec:\n{spec}");
        let files = [ConfigFile { path: "scenarios/s.yaml".into(), text: scenario }];
        // The language refuses some of these already; what it lets through, the stage refuses.
        if ensue_engine::config::check(&[
            ConfigFile { path: "r.yaml".into(), text: RULES.trim_end_matches("---\n").into() },
            files[0].clone(),
        ])
        .compiled
        .is_none()
        {
            continue;
        }
        let told = told(&spec);
        assert!(told.starts_with(why), "{event}: {told}");
    }
}

#[test]
fn two_plays_are_equal() {
    let spec = "  given: [ { at: 0s, event: order.json, times: 20, every: 13s } ]\n  expect: [ { rule: order } ]\n";
    let one = outcome(spec).unwrap().played;
    let two = outcome(spec).unwrap().played;
    assert_eq!(one.records, two.records);
}

/// The word of a verdict. One that is added has to be added here, and below.
const fn word(verdict: &Verdict) -> Option<&'static str> {
    Some(match verdict {
        Verdict::NotIf { .. } => "notIf",
        Verdict::Error { .. } => "error",
        Verdict::Paused => "paused",
        Verdict::NoKey { .. } => "noKey",
        Verdict::KeyRefused { .. } => "keyRefused",
        Verdict::Expired { .. } => "expired",
        Verdict::Unless { .. } => "unless",
        Verdict::Full { .. } => "full",
        Verdict::Came { .. } => "came",
        Verdict::Deduped { .. } => "deduped",
        Verdict::Held { .. } => "held",
        Verdict::Replaced { .. } => "replaced",
        Verdict::Throttled { .. } => "throttled",
        Verdict::Skipped { .. } => "skipped",
        Verdict::Late { .. } => "late",
        Verdict::Edited { .. } => "edited",
        Verdict::ChainCut { .. } => "chainCut",
        Verdict::Parked { .. } => "parked",
        Verdict::Dropped { .. } => "dropped",
        Verdict::Refused { .. } => "refused",
        // It is about an operator's command, and of no rule.
        Verdict::Done => return None,
    })
}

#[test]
fn every_verdict_can_be_expected() {
    const WORDS: [&str; 20] = [
        "notIf",
        "error",
        "paused",
        "noKey",
        "keyRefused",
        "expired",
        "unless",
        "full",
        "came",
        "deduped",
        "held",
        "replaced",
        "throttled",
        "skipped",
        "late",
        "edited",
        "chainCut",
        "parked",
        "dropped",
        "refused",
    ];
    let schema = ensue_lang::schema::structural(ensue_lang::Kind::Scenario);
    let known = schema.pointer("/properties/spec/properties/expect/items/properties/verdict/enum").unwrap();
    assert_eq!(*known, serde_json::json!(WORDS));
    assert_eq!(word(&Verdict::Paused), Some(WORDS[2]));
    assert_eq!(serde_json::to_value(Verdict::Paused).unwrap(), "paused");
}

#[test]
fn what_else_was_decided_is_shown() {
    let spec = r#"
  given:
    - { at: 0s, operator: { rule: order, mode: paused } }
    - { at: 1m, event: order.json }
    - { at: 1m, event: { type: order, id: given-1, data: {} } }
    - { at: 2m, apply: .broken }
    - { at: 3m, restart: { down: 1h } }
    - { at: 4m, operator: { rule: order, mode: shadow } }
    - { at: 5m, event: { type: order, data: { total: "${{ index + 1 }}" } }, times: 2, every: 1h }
  expect:
    - { rule: order, shadow: 3, at: 1h3m }
    - { decision: order, verdict: deduped }
    - { refused: nothing }
"#;
    assert_snapshot!(told(spec), @r#"
    scenarios/s.yaml:15
      expected  rule default/order fires in shadow at 1h3m 3 times
      happened  once
                it fired at 1h3m in shadow
                it fired at 1h5m in shadow
                it decided at 1m: paused
      why not   order  #2  00:01:00.000
                └─ rule default/order did not fire: it is paused  00:01:00.000
    scenarios/s.yaml:16
      expected  rule default/order decides deduped at least once
      happened  never
                it decided at 1m: paused
    scenarios/s.yaml:17
      expected  something is refused with `nothing` at least once
      happened  never
                error[missing-field]: a document needs `apiVersion`
                 --> .broken:1:1
                  |
                1 | kind: Rule
                  | ^^^^
                  |
                  = help: write apiVersion: ensue.dev/v1
    not mocked: []
    "#);
}
