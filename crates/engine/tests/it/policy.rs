//! Policies: every verdict, what cannot be computed, and people who are asked.

use ensue_engine::Outboxed;
use ensue_event::ours::{Answer, Command, Ours};
use ensue_event::{Key, Span};
use serde_json::{Value, json};

use crate::bench::{Bench, fold_anew, rule};

const RULE: &str = r#"
when: { event: { type: [go] } }
let: { many: event.data.many }
steps:
  - { id: a, uses: http/request, connection: api, with: { path: /a, method: POST, body: { many: "${{ let.many }}" } } }
  - { id: b, uses: slack/post, connection: team, with: { text: b } }
"#;

/// A policy of `default`: its name and its `spec`.
fn policy(name: &str, spec: &str) -> String {
    let spec = spec.trim().replace('\n', "\n  ");
    format!("---\napiVersion: ensue.dev/v1\nkind: Policy\nmetadata: {{ name: {name} }}\nspec:\n  {spec}\n")
}

fn bench(spec: &str) -> Bench {
    Bench::new(&[rule("r", RULE), policy("p", spec)])
}

fn go(bench: &mut Bench, data: Value) {
    let id = format!("e{}", bench.log.len());
    bench.event("go", &id, data);
}

/// What policies decided, in the order of decision: verdict, step or command, reason.
fn told(bench: &Bench) -> Vec<String> {
    let decided = bench.log.iter().filter_map(|record| match Ours::of(&record.event) {
        Ok(Ours::PolicyDecided(told)) => {
            let what = told.step.or(told.command).unwrap_or_default();
            Some(format!("{} {} {what}: {}", told.policy, told.verdict.as_str(), told.reason))
        }
        _ => None,
    });
    decided.collect()
}

fn counts(bench: &Bench) -> (u64, u64, u64) {
    let state = bench.engine.state().policies.get(&"default/p".to_owned()).map(|state| **state).unwrap_or_default();
    (state.allowed, state.denied, state.asked)
}

fn error(bench: &Bench, step: &str) -> String {
    let run = bench.runs().pop().unwrap();
    let error = run.trunk.steps[step].error.clone().unwrap();
    format!("{}: {}", error.name, error.message)
}

const MANY: &str = r#"
match: { actions: [http/*] }
checks:
  - { if: "action.with.body.many > 20", deny: "${{ action.with.body.many }} is too many for ${{ rule.name }}" }
  - { if: "action.with.body.many > 10", approve: { from: [sre], min: 2, timeout: 1h, reason: "more than ten" } }
"#;

#[test]
fn what_is_denied_fails_with_the_reason_and_is_not_tried_again() {
    let mut bench = bench(MANY);
    go(&mut bench, json!({"many": 21}));
    assert_eq!(bench.engine.state().outbox.len(), 0);
    assert_eq!(bench.runs()[0].status.as_str(), "failed");
    assert_eq!(error(&bench, "a"), "Denied: policy default/p denies it: 21 is too many for r");
    assert_eq!(told(&bench), ["default/p denied a: 21 is too many for r"]);
    assert_eq!(counts(&bench), (0, 1, 0));
    // What it is not about is not asked.
    go(&mut bench, json!({"many": 3}));
    bench.ok("a");
    bench.ok("b");
    assert_eq!((bench.runs()[1].status.as_str(), counts(&bench)), ("succeeded", (1, 1, 0)));
    assert_eq!(told(&bench).len(), 1, "what is allowed is only counted");
}

#[test]
fn a_denied_step_is_caught_and_retried_as_any_other_and_asked_about_each_time() {
    let spec = r#"
when: { event: { type: [go] } }
steps:
  - id: a
    uses: http/request
    connection: api
    with: { path: /a, method: POST, body: { many: 21 } }
    retry: { max: 2, backoff: constant, initial: 1s, jitter: none, errors: [Denied] }
    catch: [ { errors: [Denied], steps: [ { id: c, uses: slack/post, connection: team, with: { text: "${{ error.message }}" } } ] } ]
"#;
    let mut bench = Bench::new(&[rule("r", spec), policy("p", MANY)]);
    go(&mut bench, json!({}));
    for _ in 0..2 {
        bench.pass(Span::secs(1));
        bench.tick();
    }
    assert_eq!(counts(&bench), (0, 3, 0));
    assert_eq!(bench.row("c").effect.with["text"], "policy default/p denies it: 21 is too many for r");
    bench.ok("c");
    assert_eq!(bench.runs()[0].status.as_str(), "succeeded");
}

#[test]
fn what_cannot_be_computed_denies() {
    for (check, why) in [
        ("{ if: \"action.with.body.more > 1\", deny: never }", "`if: action.with.body.more > 1` cannot be told: "),
        ("{ if: \"steps.z.outputs.ok\", deny: never }", "`if: steps.z.outputs.ok` cannot be told: "),
        ("{ if: \"1\", deny: never }", "`if: 1` gives a int, neither true nor false"),
        ("{ deny: \"${{ event.data.more }}\" }", "its reason cannot be written: "),
        ("{ approve: { from: [sre], reason: \"${{ event.data.more }}\" } }", "what it would ask cannot be written: "),
    ] {
        let mut bench = bench(&format!("checks: [ {check} ]"));
        go(&mut bench, json!({"many": 1}));
        let said = error(&bench, "a");
        assert!(said.starts_with(&format!("Denied: policy default/p denies it: {why}")), "{said}");
    }
    let mut bench = bench("default: deny\nchecks: [ { if: \"action.name == 'slack/post'\", allow: true } ]");
    go(&mut bench, json!({"many": 1}));
    assert_eq!(error(&bench, "a"), "Denied: policy default/p denies it: nothing in it allows this");
}

fn approve(bench: &mut Bench, actor: &str, roles: &[&str], refuse: bool) -> String {
    let run = bench.runs().pop().unwrap().id;
    bench.operator_as(actor, roles, Command::Approve { run, step: "a".into(), refuse, shown: None })
}

#[test]
fn people_are_asked_and_enough_of_them_say_yes() {
    let mut bench = bench(MANY);
    go(&mut bench, json!({"many": 11}));
    let row = bench.row("a");
    assert!(row.asks && !row.may_leave());
    assert_eq!(told(&bench), ["default/p asked a: more than ten"]);
    let refused = approve(&mut bench, "dee", &["dev"], false);
    assert!(
        refused.ends_with(
            "cannot be answered by dee, who has the roles dev: policy default/p asks 2 of sre: more than ten"
        ),
        "{refused}"
    );
    assert!(approve(&mut bench, "eve", &[], false).contains("who has no role"));
    assert_eq!(approve(&mut bench, "ann", &["sre"], false), "done");
    let twice = approve(&mut bench, "ann", &["sre"], false);
    assert!(twice.ends_with("was answered by ann already: policy default/p asks 1 of sre: more than ten"), "{twice}");
    assert!(bench.row("a").asks);
    bench.pass(Span::mins(10));
    assert_eq!(approve(&mut bench, "root", &["admin"], false), "done");
    let row = bench.row("a");
    assert!(row.may_leave());
    assert_eq!(row.at, bench.now, "from here on it counts as decided");
    let late = approve(&mut bench, "bob", &["sre"], true);
    assert!(late.contains("was approved by ann, root at "), "{late}");
    assert_eq!(told(&bench)[1], "default/p approved a: ann: a test; root: a test");
    // The approval is for all tries of the effect, and its timer is gone.
    bench.passes("a", "Status");
    bench.pass(Span::hours(2));
    bench.tick();
    assert!(bench.row("a").may_leave() && bench.row("a").effect.attempt == 2);
    bench.ok("a");
    bench.ok("b");
    assert_eq!((bench.runs()[0].status.as_str(), told(&bench).len()), ("succeeded", 2));
}

#[test]
fn a_refusal_or_no_answer_in_time_fails_the_step() {
    let mut bench = bench(MANY);
    go(&mut bench, json!({"many": 11}));
    approve(&mut bench, "ann", &["sre"], false);
    assert_eq!(approve(&mut bench, "bob", &["sre"], true), "done");
    assert_eq!(error(&bench, "a"), "Denied: policy default/p asks 1 of sre: more than ten (refused by bob: a test)");
    assert_eq!(told(&bench)[1], "default/p refused a: refused by bob: a test");
    assert!(approve(&mut bench, "cy", &["sre"], false).contains("was refused by bob at "));

    go(&mut bench, json!({"many": 12}));
    bench.pass(Span::hours(1));
    bench.tick();
    let late = error(&bench, "a");
    assert_eq!(late, "Denied: policy default/p asks 2 of sre: more than ten (nobody answered within 1h)");
    let after = approve(&mut bench, "ann", &["sre"], false);
    assert!(after.contains("was waited for until 2026-01-01T01:00:00Z and is refused since"), "{after}");
    assert_eq!(bench.engine.state().timers.len(), 0);
}

#[test]
fn an_answer_to_something_else_than_was_shown_is_none() {
    let mut bench = bench(MANY);
    go(&mut bench, json!({"many": 11}));
    let run = bench.runs()[0].id;
    let shown = bench.engine.state().asks.of(run).next().unwrap().1.shown;
    let mut answer = |shown| {
        bench.operator_as(
            "ann",
            &["sre"],
            Command::Approve { run, step: "a".into(), refuse: false, shown: Some(shown) },
        )
    };
    assert!(answer(ensue_event::Digest::of(b"something else")).contains("something else than what was shown"));
    assert_eq!(answer(shown), "done");
    let nobody = bench.operator(Command::Approve { run, step: "b".into(), refuse: false, shown: None });
    assert!(nobody.contains("step `b` is not waiting for this"), "{nobody}");
}

#[test]
fn cancel_while_it_asks_and_a_freeze_beside_it() {
    let mut bench = bench(MANY);
    go(&mut bench, json!({"many": 11}));
    let run = bench.runs()[0].id;
    assert_eq!(bench.operator(Command::CancelRun { run }), "done");
    assert_eq!((bench.engine.state().outbox.len(), bench.engine.state().timers.len()), (0, 0));
    assert!(approve(&mut bench, "ann", &["sre"], false).contains("went on without it"));

    bench.operator(Command::Freeze { connection: None, rule: None });
    go(&mut bench, json!({"many": 11}));
    assert!(bench.row("a").held && bench.row("a").asks);
    bench.operator(Command::Thaw { connection: None, rule: None, discard: false });
    assert!(!bench.row("a").may_leave(), "a thaw is no approval");
    bench.operator(Command::Freeze { connection: None, rule: None });
    approve(&mut bench, "ann", &["sre"], false);
    approve(&mut bench, "bob", &["sre"], false);
    assert!(bench.row("a").held && !bench.row("a").asks, "an approval is no thaw");
}

#[test]
fn what_is_denied_by_the_time_people_say_yes_is_not_done() {
    let mut bench = bench(MANY);
    go(&mut bench, json!({"many": 11}));
    bench.configure(&[rule("r", RULE), policy("p", "checks: [ { deny: closed } ]")], false);
    approve(&mut bench, "ann", &["sre"], false);
    approve(&mut bench, "bob", &["sre"], false);
    assert_eq!(error(&bench, "a"), "Denied: policy default/p denies it: closed");
    assert_eq!(bench.engine.state().outbox.len(), 0);
}

#[test]
fn several_policies_are_all_to_be_satisfied() {
    let ask = |role: &str| policy(role, &format!("checks: [ {{ approve: {{ from: [{role}] }} }} ]"));
    let only = r#"when: { event: { type: [go] } }
steps: [ { id: a, uses: slack/post, connection: team, with: { text: a } } ]"#;
    let mut bench = Bench::new(&[rule("r", only), ask("dev"), ask("sre")]);
    go(&mut bench, json!({}));
    approve(&mut bench, "ann", &["sre"], false);
    assert!(bench.row("a").asks);
    approve(&mut bench, "dee", &["dev"], false);
    assert!(bench.row("a").may_leave());
    // One that denies is enough.
    let all = [rule("r", only), ask("dev"), policy("z", "checks: [ { deny: \"no\" } ]")];
    let mut bench = Bench::new(&all);
    go(&mut bench, json!({}));
    assert_eq!(error(&bench, "a"), "Denied: policy default/z denies it: no");
}

#[test]
fn each_item_of_a_foreach_is_asked_about_by_its_place() {
    let spec = r#"
when: { event: { type: [go] } }
steps:
  - id: each
    foreach:
      items: "${{ event.data.all }}"
      steps:
        - { id: a, uses: http/request, connection: api, with: { path: /a, method: POST, body: { many: "${{ item }}" } } }
"#;
    let by_item = policy("q", "checks: [ { if: \"item == 13 && index == 3\", deny: \"not ${{ item }}\" } ]");
    let mut bench = Bench::new(&[rule("r", spec), policy("p", MANY), by_item]);
    go(&mut bench, json!({"all": [3, 11, 12]}));
    let waits = |bench: &Bench| {
        let rows = bench.engine.state().outbox.iter().filter(|(_, row)| row.asks);
        let mut steps: Vec<String> = rows.map(|(_, row)| row.effect.step.clone()).collect();
        steps.sort();
        steps
    };
    let asked = waits(&bench);
    assert!(asked.len() == 2 && asked[0].ends_with("a[1]") && asked[1].ends_with("a[2]"), "{asked:?}");
    let run = bench.runs()[0].id;
    for actor in ["ann", "bob"] {
        let step = asked[1].clone();
        let answer = Command::Approve { run, step, refuse: false, shown: None };
        assert_eq!(bench.operator_as(actor, &["sre"], answer), "done");
    }
    assert_eq!(waits(&bench), asked[..1]);
    go(&mut bench, json!({"all": [1, 2, 3, 13]}));
    assert!(told(&bench).iter().any(|said| said.ends_with("a[3]: not 13")), "{:?}", told(&bench));
}

#[test]
fn a_policy_is_for_its_namespace_or_for_all() {
    let other = policy("p", "checks: [ { deny: \"no\" } ]").replace("name: p", "name: p, namespace: shop");
    let mut bench = Bench::new(&[rule("r", RULE), other.clone()]);
    go(&mut bench, json!({"many": 1}));
    assert!(bench.row("a").may_leave());
    let mut bench = Bench::new(&[rule("r", RULE), other.replace("spec:", "spec:\n  scope: all")]);
    go(&mut bench, json!({"many": 1}));
    assert_eq!(error(&bench, "a"), "Denied: policy shop/p denies it: no");
}

#[test]
fn commands_are_asked_about_too() {
    let spec = r#"
match: { commands: [cancel, thaw, retry] }
checks:
  - { if: "command.verb == 'retry'", approve: { from: [sre] } }
  - { if: "actor == 'ada' && !('sre' in roles)", deny: "${{ command.verb }} is not for ${{ actor }}" }
"#;
    let mut bench = bench(spec);
    go(&mut bench, json!({"many": 1}));
    assert!(bench.row("a").may_leave(), "it is not about actions");
    let run = bench.runs()[0].id;
    assert_eq!(
        bench.operator(Command::CancelRun { run }),
        "refused: policy default/p denies it: cancel is not for ada"
    );
    bench.operator(Command::Freeze { connection: None, rule: None });
    let thaw = Command::Thaw { connection: None, rule: None, discard: false };
    assert_eq!(bench.operator(thaw.clone()), "refused: policy default/p denies it: thaw is not for ada");
    assert_eq!(bench.operator_as("ada", &["sre"], thaw), "done");
    assert_eq!(bench.operator_as("ann", &[], Command::CancelRun { run }), "done");
    let asked = bench.operator(Command::RetryRun { run });
    assert!(asked.contains("a command cannot wait for an approval; somebody with the role sre gives it"), "{asked}");
    assert_eq!(bench.runs()[0].status.as_str(), "cancelled");
    assert_eq!(told(&bench).len(), 3);
}

#[test]
fn the_button_that_is_a_file_asks_nobody() {
    let mut bench = bench("match: { commands: [\"*\"] }\nchecks: [ { deny: \"no\" } ]");
    let freeze = Command::Freeze { connection: None, rule: None };
    assert_eq!(bench.operator(freeze.clone()), "refused: policy default/p denies it: no");
    assert_eq!(bench.operator_as("file", &[], freeze), "done");
}

#[test]
fn rego_decides_as_checks_do() {
    let spec = r#"
rego: |
  package ensue
  deny contains msg if {
    input.action.with.body.many > 20
    msg := sprintf("%d is too many for %s", [input.action.with.body.many, input.rule.name])
  }
  approve contains {"from": ["sre"], "min": 1, "timeout": "1h"} if input.action.with.body.many > 10
  approve contains {"of": ["sre"]} if input.action.with.body.many == 10
"#;
    let mut bench = bench(spec);
    go(&mut bench, json!({"many": 21}));
    assert_eq!(error(&bench, "a"), "Denied: policy default/p denies it: 21 is too many for r");
    go(&mut bench, json!({"many": 10}));
    assert!(error(&bench, "a").contains("its `approve` gives {\"of\":[\"sre\"]}, not {\"from\""));
    go(&mut bench, json!({"many": 11}));
    assert_eq!(approve(&mut bench, "ann", &["sre"], false), "done");
    assert!(bench.row("a").may_leave());
    bench.ok("a");
    bench.ok("b");
    assert_eq!(bench.runs()[2].status.as_str(), "succeeded");
}

#[test]
fn a_dry_run_asks_nobody() {
    let mut bench = bench(MANY);
    let dry = crate::bench::CONNECTIONS.replace("spec: { http:", "spec: { dryRun: true, http:");
    let text = format!("{dry}{}{}", rule("r", RULE), policy("p", MANY));
    let files = vec![ensue_event::ours::ConfigFile { path: "t.yaml".into(), text }];
    bench.ours(ensue_event::ours::ConfigApplied { documents: Vec::new(), files, observe: false });
    go(&mut bench, json!({"many": 11}));
    assert!(bench.row("a").may_leave());
    assert_eq!(told(&bench), ["default/p asked a: the connection is a dry run: nobody is asked"]);
    go(&mut bench, json!({"many": 21}));
    assert_eq!(error(&bench, "a"), "Denied: policy default/p denies it: 21 is too many for r");
}

#[test]
fn a_thousand_denials_in_a_row_need_no_stack() {
    let step = |n: usize| {
        format!("  - {{ id: s{n}, uses: slack/post, connection: team, with: {{ text: a }}, continueOnError: true }}\n")
    };
    let steps: String = (0..1_000).map(step).collect();
    let spec = format!("when: {{ event: {{ type: [go] }} }}\nsteps:\n{steps}");
    let mut bench = Bench::new(&[rule("r", &spec), policy("p", "checks: [ { deny: \"no\" } ]")]);
    go(&mut bench, json!({}));
    assert_eq!((bench.runs()[0].status.as_str(), counts(&bench)), ("succeeded", (0, 1_000, 0)));
}

/// What was folded anew, and what goes on from the store, are the same.
#[test]
fn a_rebuild_and_a_restart_ask_the_same() {
    let mut bench = bench(MANY);
    go(&mut bench, json!({"many": 11}));
    approve(&mut bench, "ann", &["sre"], false);
    bench.checkpoint();
    bench.engine = bench.reloaded();
    approve(&mut bench, "bob", &["sre"], false);
    let row: Outboxed = bench.row("a");
    bench.answer(&row, Answer::Ok(json!({})));
    go(&mut bench, json!({"many": 21}));
    go(&mut bench, json!({"many": 12}));
    bench.pass(Span::hours(1));
    bench.tick();
    let dump = bench.dump();
    assert_eq!(fold_anew(&bench.log).dump(), dump);
    assert!(dump.contains("\nasks\t") && dump.contains("\npolicies\tdefault/p\t"));
    assert!(bench.engine.state().asks.iter().all(|((run, _), asks)| *run != Key([0; 16]) && !asks.open()));
}
