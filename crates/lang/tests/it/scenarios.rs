//! Scenarios: what may be given and expected, and what is said about what may not.

use ensue_lang::{Asks, Event, Happening, Manifests, Mock, Subject, Verb};

use super::{lines, read};

const RULE: &str = "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: r }\nspec: { when: { event: { type: [a] } }, steps: [] }\n---\n\
     apiVersion: ensue.dev/v1\nkind: Scenario\nmetadata: { name: s }\nspec:\n";

#[test]
fn what_people_ask_and_what_actions_answer() {
    let text = "  env: { STAGE: prod }
  given:
    - { operator: { approve: r, step: ask, refuse: true, by: anna, roles: [sre], reason: not today } }
    - { operator: { resume: r, from: a, key: [a, b] } }
    - { operator: { thaw: { connection: api, discard: true } } }
  actions:
    http/request:
      - { when: { rule: r, step: a, with: { num: 1 } }, fails: { retryable: true, retryAfter: 5s, details: { a: 1 } } }
      - { uncertain: lost }
  expect:
    - { run: r, step: a, status: failed, error: Denied, key: k }
    - { action: http/request, step: a, with: { num: 1 } }
    - { order: [a, http/request] }
";
    let loaded = read(&format!("{RULE}{text}"));
    assert_eq!(lines(&loaded), "");
    let scenario = loaded.config.scenarios.values().next().unwrap();
    assert_eq!(scenario.env["STAGE"], "prod");
    let Happening::Operator { asks, by, roles, reason } = &scenario.given[0].what else { panic!() };
    let refused = Verb::Approve { step: "ask".into(), refuse: true };
    assert_eq!(*asks, Asks::Runs { rule: "r".into(), key: None, verb: refused });
    assert_eq!((by.as_deref(), roles.len(), reason.as_deref()), (Some("anna"), 1, Some("not today")));
    let Happening::Operator { asks: Asks::Runs { key, verb, .. }, .. } = &scenario.given[1].what else { panic!() };
    assert_eq!((key.as_deref(), verb), (Some("[\"a\",\"b\"]"), &Verb::Resume { from: Some("a".into()) }));
    let Happening::Operator { asks, .. } = &scenario.given[2].what else { panic!() };
    assert_eq!(*asks, Asks::Thaw { connection: Some("api".into()), rule: None, discard: true });
    let [first, second] = scenario.actions["http/request"].as_slice() else { panic!() };
    assert_eq!((first.when.rule.as_deref(), first.when.step.as_deref()), (Some("r"), Some("a")));
    assert!(matches!(first.mock, Mock::Fails { retryable: Some(true), retry_after: Some(5_000_000), .. }));
    assert_eq!(second.mock, Mock::Uncertain("lost".into()));
    let run = Subject::Run {
        rule: "r".into(),
        step: Some("a".into()),
        status: Some("failed".into()),
        error: Some("Denied".into()),
    };
    assert_eq!((&scenario.expect[0].subject, scenario.expect[0].key.as_deref()), (&run, Some("k")));
    assert_eq!(scenario.expect[2].subject, Subject::Order(vec!["a".into(), "http/request".into()]));
}

#[test]
fn everything_that_can_be_given_and_expected() {
    let text = "  given:
    - { at: 1m, event: { type: a, id: 'x-${{ index }}', data: { num: '${{ index * 2 }}' } }, times: 3, every: 1s, via: github }
    - { event: a.json }
    - { at: 2m, apply: .later }
    - at: 3m
      apply: |
        # nothing at all
        # from here on
    - { at: 4m, restart: { down: 10m } }
    - { at: 5m, operator: { rule: r, mode: paused } }
    - { at: 6m, operator: { redrive: r } }
    - { at: 7m, operator: { discard: other/r } }
    - { at: 8m, source: { disconnected: github } }
    - { at: 9m, source: { caughtUp: github } }
  actions: { http/request: { sequence: [{ fails: {}, after: 5s }, { returns: 1 }], after: 1m } }
  expect:
    - { rule: r, fires: 1, shadow: 2, parked: 3, waiting: 4, key: '42', at: 5m }
    - { decision: r, verdict: throttled, times: 1, key: [a, b], with: { until: x } }
    - { refused: 'there is no' }
";
    let loaded = read(&format!("{RULE}{text}"));
    assert_eq!(lines(&loaded), "");
    let scenario = loaded.config.scenarios.values().next().unwrap();
    let what: Vec<_> = scenario.given.iter().map(|given| &given.what).collect();
    let Happening::Event { event: Event::Inline(tree), via: Some(via), times: 3, every: 1_000_000 } = what[0] else {
        panic!("{:?}", what[0])
    };
    assert_eq!((tree.programs().len(), via.as_str()), (2, "github"));
    assert_eq!(*what[2], Happening::Apply(Manifests::Beside(".later".into())));
    assert_eq!(*what[3], Happening::Apply(Manifests::Text("# nothing at all\n# from here on\n".into())));
    assert_eq!(*what[4], Happening::Restart { down: 600_000_000 });
    let told = |asks| Happening::Operator { asks, by: None, roles: Vec::new(), reason: None };
    assert_eq!(*what[5], told(Asks::Mode { rule: "r".into(), mode: "paused".into() }));
    assert_eq!(*what[7], told(Asks::Discard { rule: "other/r".into() }));
    assert_eq!(*what[9], Happening::CaughtUp { source: "github".into() });
    assert!(
        matches!(&scenario.actions["http/request"][0].mock, Mock::After(60_000_000, mock) if matches!(&**mock, Mock::Sequence(all) if matches!(all[0], Mock::After(5_000_000, _))))
    );
    let expect = &scenario.expect;
    assert_eq!((expect[0].times, expect[0].at, expect[0].key.as_deref()), (Some(1), Some(300_000_000), Some("42")));
    assert_eq!(
        expect[0].subject,
        Subject::Rule { rule: "r".into(), shadow: Some(2), parked: Some(3), waiting: Some(4) }
    );
    assert_eq!(expect[1].key.as_deref(), Some(r#"["a","b"]"#));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases = [
        (
            "given: [{ at: 1m }], expect: []",
            "9:17: error[missing-field]: an item of `given` needs one of event, apply, restart, operator, source\n",
        ),
        (
            "given: [{ event: { type: a }, apply: x.yaml }], expect: []",
            "9:39: error[exclusive]: `event` and `apply` exclude each other in an item of `given`\n",
        ),
        ("given: [{ apply: x.yaml, times: 3 }], expect: []", "9:34: error[exclusive]: `times` belongs to `event`\n"),
        (
            "given: [{ event: { type: '${{ indx }}' } }], expect: []",
            "9:39: error[name]: there is no `indx` in an event; did you mean `index`?\n",
        ),
        (
            "given: [{ event: { type: a, data: '${{ secrets.X }}' } }], expect: []",
            "9:48: error[secret]: a rule cannot send a secret anywhere; put \"${{ secrets.NAME }}\" into the Connection or Source that needs it\n",
        ),
        (
            "given: [{ operator: { rule: r } }], expect: []",
            "9:29: error[missing-field]: `operator` with `rule` needs `mode`; write mode: live, shadow or paused\n",
        ),
        (
            "given: [{ operator: { redrive: r, mode: live } }], expect: []",
            "9:43: error[exclusive]: `mode` belongs to `rule`\n",
        ),
        (
            "given: [{ operator: { redrive: q } }], expect: []",
            "9:40: error[unknown-reference]: there is no rule `q` in this configuration; there are: r\n",
        ),
        (
            "given: [{ restart: {} }], expect: []",
            "9:28: error[missing-field]: `restart` needs `down`; write down: a duration such as 30s, 15m or 7d\n",
        ),
        (
            "given: [], expect: [{ decision: r, verdict: throtled }]",
            "9:53: error[type]: `verdict` must be one of notIf, error, paused, noKey, keyRefused, expired, unless, full, came, deduped, held, replaced, throttled, skipped, late, edited, chainCut, parked, dropped, refused, not `throtled`; did you mean `throttled`?\n",
        ),
        ("given: [], expect: [{ event: a, waiting: 1 }]", "9:41: error[exclusive]: `waiting` belongs to `rule`\n"),
        (
            "given: [], expect: [{ run: r, at: 1m }]",
            "9:39: error[exclusive]: `at` belongs to `rule` or `action` or `event` or `decision`\n",
        ),
        (
            "given: [{ approve: { rule: r } }], expect: []",
            "9:19: error[habit]: `approve` is not a field of an item of `given`; here it is `operator: {approve: RULE, step: STEP}`\n",
        ),
        (
            "given: [{ operator: { approve: r } }], expect: []",
            "9:29: error[missing-field]: `operator` with `approve` needs `step`; write step: the path of the step\n",
        ),
        (
            "given: [{ operator: { cancel: r, step: a } }], expect: []",
            "9:42: error[exclusive]: `step` belongs to `approve` or `skip` or `settle`\n",
        ),
        (
            "given: [{ operator: { settle: r, step: a, verdict: maybe } }], expect: []",
            "9:60: error[type]: `verdict` must be one of done, failed, retry, not the text \"maybe\"\n",
        ),
        (
            "given: [], actions: { http/request: [{ when: { rule: q }, returns: 1 }] }, expect: []",
            "9:62: error[unknown-reference]: there is no rule `q` in this configuration; there are: r\n",
        ),
        (
            "given: [], actions: { http/request: { takes: 5s, returns: 1 } }, expect: []",
            "9:47: error[habit]: `takes` is not a field of the answers of an action; here it is `after`\n",
        ),
        (
            "given: [], expect: [{ step: a, status: skipped }]",
            "9:29: error[missing-field]: an item of `expect` needs one of rule, action, run, event, decision, refused, order\n",
        ),
        (
            "given: [], expect: [{ order: [git/comit, call/build] }]",
            "9:39: error[unknown-action]: there is no action `git/comit`; did you mean `git/commit`?\n",
        ),
        // The rule may come with what is applied.
        ("given: [{ apply: x.yaml }], expect: [{ rule: later }]", ""),
    ];
    for (spec, expected) in cases {
        let text = RULE.replace("spec:\n", &format!("spec: {{ {spec} }}\n"));
        assert_eq!(lines(&read(&text)), expected, "{spec}");
    }
}
