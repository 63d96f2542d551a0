//! Mistakes, and in which words they are told.

use std::collections::BTreeSet;

use ensue_lang::{Checks, SourceFile, load, load_with};

use super::{CONNECTIONS, about, fixture};

#[test]
fn eleven_mistakes_are_eleven_errors_each_with_its_place() {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let loaded = load(&[file("deploy.yaml", &fixture("eleven.yaml")), file("connections.yaml", CONNECTIONS)]);
    assert_eq!(loaded.diagnostics.len(), 11);
    insta::assert_snapshot!(loaded.render(false), @r###"
    error[habit]: `on` is not a field of a rule
     --> deploy.yaml:5:3
      |
    5 |   on:
      |   ^^
      |
      = help: here it is `when`

    error[expression]: the expression ends where a value should follow
     --> deploy.yaml:8:30
      |
    8 |     sha: event.data.after + (
      |                              ^

    error[unknown-field]: `throtle` is not a field of a rule
     --> deploy.yaml:9:3
      |
    9 |   throtle: { limit: 1, per: 30m }
      |   ^^^^^^^
      |
      = help: did you mean `throttle`?

    error[type]: `mode` must be one of live, shadow, paused, not `lively`
      --> deploy.yaml:10:9
       |
    10 |   mode: lively
       |         ^^^^^^
       |
       = help: did you mean `live`?

    error[habit]: `run` is not a field of a step
      --> deploy.yaml:13:7
       |
    13 |       run: make
       |       ^^^
       |
       = help: here it is `uses: exec/run`

    error[unknown-reference]: there is no connection `taem` in this configuration
      --> deploy.yaml:16:19
       |
    16 |       connection: taem
       |                   ^^^^
       |
       = help: did you mean `team`?

    error[unknown-field]: `txt` is not a field of a message
      --> deploy.yaml:17:15
       |
    17 |       with: { txt: hello, text: "${{ let.shaa }}" }
       |               ^^^
       |
       = help: did you mean `text`?

    error[name]: there is no `let.shaa` in a step
      --> deploy.yaml:17:38
       |
    17 |       with: { txt: hello, text: "${{ let.shaa }}" }
       |                                      ^^^^^^^^
       |
       = help: did you mean `sha`?

    error[type]: `timeout` must be a duration such as 30s, 15m or 7d, not the number 30
      --> deploy.yaml:18:16
       |
    18 |       timeout: 30
       |                ^^
       |
       = help: `30` has no unit; write 30s for seconds or 30m for minutes

    error[type]: `max` must be a whole number from 0 to 1000, not the text "two"
      --> deploy.yaml:19:21
       |
    19 |       retry: { max: two }
       |                     ^^^

    error[name]: there is no step `pots`
      --> deploy.yaml:20:18
       |
    20 |     - fail: "${{ steps.pots.outputs.x }}"
       |                  ^^^^^^^^^^^^^^^^^^^^
       |
       = help: did you mean `post`?
    "###);
    let json = serde_json::to_value(&loaded.diagnostics[0]).unwrap();
    insta::assert_snapshot!(json.to_string(), @r#"{"code":"habit","column":3,"file":"deploy.yaml","help":"here it is `when`","labels":[],"line":5,"message":"`on` is not a field of a rule","severity":"error","span":{"end":90,"start":88}}"#);
    assert!(loaded.render(true).contains("\u{1b}["));
}

#[test]
fn the_broken_example_shows_every_kind_of_mistake() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/broken");
    let files = ["connections.yaml", "deploy.yaml", "rest.yaml"].map(|name| SourceFile {
        path: name.into(),
        text: std::fs::read_to_string(format!("{folder}/{name}")).unwrap(),
    });
    let loaded = load(&files);
    let codes: BTreeSet<&str> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    assert_eq!(
        codes.join(" "),
        "connection-type document duplicate exclusive expression habit missing-field name secret type unknown-action \
         unknown-field unknown-reference workflow-loop yaml yaml-ambiguous yaml-duplicate"
    );
    assert_eq!(loaded.diagnostics.len(), 52);
}

const WHEN: &str = "when: { event: { type: [a] } }\n";

#[test]
fn rules() {
    for (spec, wanted) in [
        // The frame.
        ("when: { event: {} }\nsteps: []", ""),
        ("when: { event: {} }", "missing-field: a rule needs `steps`; write steps: a list, each item a step\n"),
        (
            "steps: []",
            "missing-field: a rule needs `when`; write when: a map with event, any, all, sequence, count, absence, name, if, …\n",
        ),
        (
            "when:\nsteps: []",
            "empty: `when` is empty; write a map with event, any, all, sequence, count, absence, name, if, …, or remove `when`\n",
        ),
        ("when: {}\nsteps: []", "missing-field: `when` needs one of event, any, all, sequence, count, absence\n"),
        (
            "when: { event: [a] }\nsteps: []",
            "type: `event` must be a pattern: a map of fields to lists of alternatives, not a list; write { type: [TYPE] }\n",
        ),
        ("when: { type: [a] }\nsteps: []", "habit: `type` is not a field of `when`; here it is `event: {type: […]}`\n"),
        (
            "when: { event: {}, count: { of: { event: {} }, atLeast: 2 } }\nsteps: []",
            "exclusive: `event` and `count` exclude each other in `when`\n",
        ),
        ("when: { event: {} }\nsteps: { a: b }", "type: `steps` must be a list, each item a step, not a map\n"),
        (
            "when: { event: {} }\nsteps: [a]",
            "type: `steps` must be a map with id, if, uses, connection, with, workflow, emit, set, …, not the text \"a\"\n",
        ),
        ("when: { event: {} }\nsteps: []\njobs: []", "habit: `jobs` is not a field of a rule; here it is `steps`\n"),
        (
            "when: { event: {} }\nsteps: []\nmode: \"on\"",
            "type: `mode` must be one of live, shadow, paused, not the text \"on\"\n",
        ),
        // Flow control.
        (
            "when: { event: {} }\nbatch: { key: none }\nsteps: []",
            "missing-field: `batch` needs `size` or `every`; write size: 100, every: 1m, or both: it goes at whichever comes first\n",
        ),
        (
            "when: { event: {} }\nbatch: { size: 9 }\nlet: { all: size(batch) }\nsteps: []",
            "name: `batch` is not there in `let`\n",
        ),
        (
            "when: { event: {} }\nbatch: { size: 9 }\nthrottle: { key: \"batch[0].key\", limit: 1, per: 1m }\nsteps: []",
            "",
        ),
        // Names in expressions.
        (
            "when: { event: {}, if: let.a == 1 }\nlet: { a: 1 }\nsteps: []",
            "name: `let` is not there in the `if` of an item\n",
        ),
        ("when: { event: {} }\nlet: { a: let.b, b: 1 }\nsteps: []", "name: there is no `let.b` in `let`\n"),
        (
            "when: { event: {} }\nlet: { a-b: 1 }\nsteps: []",
            "name: `a-b` cannot be used as `let.a-b`; write a name of letters, digits and `_`\n",
        ),
        (
            "when: { event: {} }\nlet: { a: [1] }\nsteps: []",
            "type: `a` must be an expression, not a list; an expression is a text; for a list or a map write it in quotes: '[1, 2]'\n",
        ),
        (
            "when: { event: {} }\nif: evnt.data.a\nsteps: []",
            "name: there is no `evnt` in the `if` of a rule; did you mean `event`?\n",
        ),
        (
            "when: { event: {} }\nif: events.a.data.b\nsteps: []",
            "name: `events` is there only where the items of `when` have names; here it is `event`\n",
        ),
        ("when: { event: {} }\nif: steps.a.outputs.b\nsteps: []", "name: `steps` is not there in the `if` of a rule\n"),
        (
            "when: { event: {} }\nif: inputs.a\nsteps: []",
            "name: `inputs` are those of a workflow; there are none in the `if` of a rule; name the value in `let`\n",
        ),
        (
            "when: { event: {} }\nif: failed()\nsteps: []",
            "name: `failed()` can be asked only in the `if` of a step, not in the `if` of a rule\n",
        ),
        (
            "when: { event: {} }\nif: event.detail.a == 1\nsteps: []",
            "habit: an event has no `detail`; here it is `event.data`\n",
        ),
        (
            "when: { event: {} }\nif: key == \"a\"\nsteps: []",
            "name: `key` is there only where `when` has a `key`; name the value in `let`\n",
        ),
        (
            "when: { event: {} }\nif: size(tables.t) > 0\nsteps: []",
            "unknown-reference: there is no table `t` in this configuration\n",
        ),
        ("when: { event: {} }\nif: \"[1, 2].exists(event, event > 1)\"\nsteps: []", ""),
    ] {
        assert_eq!(about(spec), wanted, "{spec}");
    }
}

#[test]
fn steps() {
    for (step, wanted) in [
        ("set: { a: 1 }", ""),
        (
            "id: a",
            "missing-field: a step needs one of uses, workflow, emit, set, fail, switch, wait, approve, parallel, foreach\n",
        ),
        ("run: make", "habit: `run` is not a field of a step; here it is `uses: exec/run`\n"),
        (
            "id: a-b, set: { a: 1 }",
            "type: `id` must be a name of lower-case letters, digits and `_`, not the text \"a-b\"\n",
        ),
        (
            "set: { a: \"${{ steps.self }}\" }, id: self",
            "name: step `self` is not finished here; move this behind it\n",
        ),
        (
            "set: { a: \"${{ steps.later.outputs.x }}\" }",
            "name: step `later` is not finished here; move this behind it\n",
        ),
        ("set: { a: \"${{ 1 + }}\" }", "expression: "),
        ("set: { a: \"${{ event.id\" }", "expression: "),
        (
            "set: { a: 1 }, outputs: { b: 1 }",
            "missing-field: a step with `outputs` needs an `id`; nothing can refer to its outputs without one\n",
        ),
        ("set: { a: 1 }, connection: api", "exclusive: `connection` belongs to an action (`uses`)\n"),
        (
            "set: { a: 1 }, with: { b: 1 }",
            "exclusive: `with` belongs to an action or a workflow (`uses`, `workflow`)\n",
        ),
        ("set: { a: 1 }, env: { b: c }", "exclusive: `env` belongs to exec/run\n"),
        (
            "uses: exec/run, connection: here, with: { argv: [a] }, retry: { max: 1, errors: [Timeot] }",
            "name: there is no error called `Timeot`; did you mean `Timeout`?\n",
        ),
        ("fail: x, if: \"${{ true }}\"", "expression: an expression stands here without `${{ }}`; write true\n"),
        (
            "switch: [{ steps: [] }, { if: \"true\", steps: [] }]",
            "exclusive: a case without `if` takes all that is left: it must be the last\n",
        ),
        ("emit: { detail-type: a }", "habit: `detail-type` is not a field of `emit`; here it is `type`\n"),
        ("emit: { type: dev.ensue.run.failed }", "name: types that begin with `dev.ensue.` are ensue's own\n"),
        (
            "emit: { type: a, extensions: { Part-Key: b } }",
            "name: `Part-Key` is no name of an extension: lower-case letters and digits only\n",
        ),
        (
            "uses: http/request, with: { path: /a }",
            "missing-field: `http/request` needs a connection of the type http; write connection: api\n",
        ),
        (
            "uses: http/request, connection: team, with: { path: /a }",
            "connection-type: `http/request` needs a connection of the type http; `team` is of the type slack; there is `api`\n",
        ),
        (
            "uses: http/request, connection: apii, with: { path: /a }",
            "unknown-reference: there is no connection `apii` in this configuration; did you mean `api`?\n",
        ),
        (
            "uses: http/request, connection: \"${{ let.c }}\", with: { path: /a }",
            "type: `connection` must be the name of a document, `name` or `namespace/name`, not the text \"${{ let.c }}\"\n",
        ),
        (
            "uses: http/get, connection: api",
            "unknown-action: there is no action `http/get` in this version; did you mean `http/request`?\n",
        ),
        (
            "uses: http/request, connection: api, with: { method: FETCH }",
            "type: `method` must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, not the text \"FETCH\"\n",
        ),
        ("uses: http/request, connection: api, with: { method: \"${{ event.data.m }}\" }", ""),
        (
            "uses: http/request, connection: api, with: { method: \"G${{ event.data.m }}\" }",
            "type: `method` must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, not the text \"G${{ event.data.m }}\"\n",
        ),
        (
            "uses: http/request, connection: api, with: { expect: 200 }",
            "type: `expect` must be a list, each item a whole number from 100 to 599, not the number 200; write a list: [200]\n",
        ),
        (
            "uses: http/request, connection: api, with: { json: {} }",
            "habit: `json` is not a field of an HTTP request; here it is `body`\n",
        ),
        (
            "uses: exec/run, connection: here, with: { argv: make all }",
            "type: `argv` must be a list, each item a text, not the text \"make all\"; write a list: [make all]\n",
        ),
        (
            "uses: exec/run, connection: here",
            "missing-field: a program to run needs `argv`; write argv: a list, each item a text\n",
        ),
        (
            "uses: exec/run, connection: here, with: { argv: [x], env: { A: 1 } }",
            "type: `A` must be a text or \"${{ secrets.NAME }}\", not the number 1; write \"1\" in quotes\n",
        ),
        (
            "uses: exec/run, connection: here, with: \"${{ event.data }}\"",
            "type: `with` must be a map, not the text \"${{ event.data }}\"\n",
        ),
        (
            "uses: git/commit, connection: here, with: { branch: 1.5, message: a }",
            "type: `branch` must be a text, not the number 1.5; write \"1.5\" in quotes\nconnection-type: `git/commit` needs a connection of the type git; `here` is of the type exec\n",
        ),
        ("workflow: nobody", "unknown-reference: there is no workflow `nobody` in this configuration\n"),
        ("id: a, wait: 5m, needs: [b]", "name: `needs: b` is no other step of the same list; there are: later\n"),
        ("id: a, wait: 5m, needs: [later]", ""),
        (
            "id: a, wait: 5m, timeout: 5m",
            "exclusive: `timeout` belongs to an action, a workflow, `parallel` or `foreach`; `wait` and `approve` have one of their own\n",
        ),
        (
            "set: { a: 1 }, retry: { max: 1 }",
            "exclusive: `retry` belongs to an action (`uses`): write it at the steps within\n",
        ),
        (
            "wait: { for: { event: { type: [a] }, key: event.data.x } }",
            "name: `key` ties the event to the run's key, and `when` has no `key`; give `when` a `key`, or write what ties the event to the run as `if`\n",
        ),
        (
            "parallel: { branches: [[{ set: { a: 1 } }]], join: quorum, quorum: 2 }",
            "exclusive: `quorum` is more than the 1 branches there are\n",
        ),
        (
            "set: { a: 1 }, continueOnError: \"true\"",
            "type: `continueOnError` must be true or false, not the text \"true\"; write true without quotes\n",
        ),
        (
            "uses: exec/run, connection: here, with: { argv: [a] }, timeout: 5 minutes",
            "type: `timeout` must be a duration",
        ),
    ] {
        let spec = format!("{WHEN}steps:\n  - {{ {step} }}\n  - {{ id: later, set: {{ x: 1 }} }}\n");
        let mut found = about(&spec);
        // What refuses a connection of the wrong form also misses one.
        let shorter = found.len().min(wanted.len());
        if wanted.ends_with(": ") || wanted.ends_with("duration") {
            found.truncate(shorter);
        }
        let sort = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(sort(&found), sort(wanted), "{step}");
    }
}

#[test]
fn a_rule_that_starts_in_the_past_acts_only_where_it_says_so() {
    const WANTED: &str = "backfill: a rule that starts in the past would act on what happened then; write `mode: shadow`; \
                          or, if it is to act, `backfill: { act: true, maxAge: 7d }`\n";
    for (more, wanted) in [
        ("start: now", ""),
        ("start: beginning", WANTED),
        ("start: 42", WANTED),
        ("start: \"2026-01-01T00:00:00Z\"", WANTED),
        ("start: beginning\nmode: live", WANTED),
        ("start: beginning\nbackfill: { act: false, maxAge: 7d }", WANTED),
        ("start: beginning\nmode: shadow", ""),
        ("start: beginning\nmode: paused", ""),
        ("start: beginning\nbackfill: { act: true }", ""),
        ("start: beginning\nmode: live\nbackfill: { act: true, maxAge: 7d }", ""),
    ] {
        assert_eq!(about(&format!("{WHEN}{more}\nsteps: []\n")), wanted, "{more}");
    }
}

#[test]
fn names_of_steps() {
    let steps = |last: &str| {
        format!(
            "{WHEN}steps:\n  - {{ id: call, uses: http/request, connection: api, with: {{ path: /a }} }}\n  \
             - {{ id: two, set: {{ x: 1 }}, outputs: {{ num: \"${{{{ steps.two.outputs.x }}}}\" }} }}\n  - fail: \"${{{{ {last} }}}}\"\n"
        )
    };
    for (expression, wanted) in [
        ("steps.call.outputs.body.a[0].b", ""),
        ("steps.call.status", ""),
        ("steps.two.outputs.num", ""),
        ("steps.two.outputs.x", "name: step `two` has no output `x`; there are: num\n"),
        ("steps.call.outputs.stats", "name: step `call` has no output `stats`; did you mean `status`?\n"),
        (
            "steps.call.body",
            "name: a step has outputs, status, attempt, error, not `body`; write steps.call.outputs.body\n",
        ),
        ("steps.cal.outputs", "name: there is no step `cal`; did you mean `call`?\n"),
        ("steps.step_3.outputs", "name: there is no step `step_3`; there are: call, two\n"),
        ("has(steps.nope.outputs)", "name: there is no step `nope`; there are: call, two\n"),
    ] {
        assert_eq!(about(&steps(expression)), wanted, "{expression}");
    }
}

#[test]
fn workflows() {
    let read = |call: &str, workflow: &str| {
        let rule = format!(
            "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: r }}\nspec:\n  {WHEN}  steps: [{call}]\n"
        );
        let head = "apiVersion: ensue.dev/v1\nkind: Workflow\nmetadata: { name: w }\n";
        super::lines(&super::read(&format!("{rule}---\n{head}spec: {workflow}\n")))
    };
    let good = "{ inputs: { a: { type: text }, b: { default: 1 } }, steps: [{ set: { x: \"${{ inputs.a }}\" } }] }";
    for (call, workflow, wanted) in [
        ("{ workflow: w, with: { a: x } }", good, ""),
        ("{ workflow: w, with: { a: \"${{ event.id }}\", b: [1] } }", good, ""),
        ("{ workflow: w }", good, "the workflow `w` needs a under `with`"),
        ("{ workflow: w, with: { a: 1 } }", good, "the input `a` is of the type text, not the number 1"),
        ("{ workflow: w, with: { a: x, c: 1 } }", good, "the workflow `w` has no input `c`; there are: a, b"),
        ("{ workflow: other/w, with: { a: x } }", good, "there is no workflow `other/w`"),
        ("{ workflow: w, with: { a: x }, retry: { max: 1 } }", good, "`retry` belongs to an action"),
        (
            "{ workflow: w }",
            "{ steps: [{ set: { x: \"${{ event.id }}\" } }] }",
            "a workflow sees its `inputs`, not the event",
        ),
        (
            "{ workflow: w }",
            "{ steps: [{ set: { x: \"${{ let.a }}\" } }] }",
            "a workflow sees its `inputs`, not a rule's `let`",
        ),
        ("{ workflow: w }", "{ steps: [{ set: { x: \"${{ inputs.a }}\" } }] }", "there is no `inputs.a` in a step"),
        ("{ workflow: w }", "{ steps: [], outputs: { x: \"${{ steps.a.outputs }}\" } }", "there is no step `a`"),
        (
            "{ workflow: w }",
            "{ steps: [], inputs: { a: { type: txt, default: 1 } } }",
            "`type` must be one of any, text,",
        ),
        ("{ workflow: w }", "{ steps: [{ workflow: w }] }", "the workflow `w` calls itself"),
        ("{ workflow: w }", "{ when: {}, steps: [] }", "here it is `a Rule's `when`: a workflow is called by a rule`"),
    ] {
        let found = read(call, workflow);
        assert!(found.contains(wanted) && found.is_empty() == wanted.is_empty(), "{call} {workflow}: {found}");
    }
}

#[test]
fn circles_of_workflows_are_refused_and_chains_are_not() {
    let workflow = |name: &str, to: &str| {
        let head = "apiVersion: ensue.dev/v1\nkind: Workflow\n";
        format!(
            "{head}metadata: {{ name: {name} }}\nspec: {{ steps: [{{ switch: [{{ steps: [{{ workflow: {to} }}] }}] }}] }}\n---\n"
        )
    };
    let end = "apiVersion: ensue.dev/v1\nkind: Workflow\nmetadata: { name: end }\nspec: { steps: [] }\n";
    let all = |links: &[(&str, &str)]| {
        let text: String = links.iter().map(|(name, to)| workflow(name, to)).collect();
        super::read(&format!("{text}{end}"))
    };
    assert!(all(&[("a", "b"), ("b", "c"), ("c", "end")]).ok());
    let loaded = all(&[("a", "b"), ("b", "c"), ("c", "b")]);
    let found: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(
        found,
        ["the workflow `b` calls `c`, which comes back to it", "the workflow `c` calls `b`, which comes back to it"]
    );
}

#[test]
fn a_document_that_cannot_be_read_is_still_there_for_others() {
    let text = "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: r }\nspec: { steps: [] }\n---\n\
                apiVersion: ensue.dev/v1\nkind: Scenario\nmetadata: { name: s }\nspec: { given: [], expect: [{ rule: r, fires: 1 }] }\n";
    let found = super::lines(&super::read(text));
    assert_eq!(
        found,
        "4:7: error[missing-field]: a rule needs `when`; write when: a map with event, any, all, sequence, count, absence, name, if, …\n"
    );
}

#[test]
fn patterns_are_judged_by_who_knows_them() {
    let text = "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: r }\nspec:\n  when:\n    event:\n      detail-type: [a]\n      \
                data: { num: [{ numeric: [\">\", x] }] }\n  steps: []\n";
    let check = |json: &serde_json::Value| {
        assert_eq!(json["detail-type"][0], "a");
        vec![
            ("/detail-type".to_owned(), "there is no such attribute".to_owned()),
            ("/data/num/0/numeric/1".to_owned(), "a number is needed".to_owned()),
        ]
    };
    let files = [SourceFile { path: "t.yaml".into(), text: text.into() }];
    let loaded = load_with(&files, &Checks { pattern: Some(&check), ..Checks::default() });
    assert_eq!(
        super::lines(&loaded),
        "7:7: error[habit]: `detail-type` is not a field of an event; here it is `type`\n7:20: error[pattern]: there is no such attribute\n8:38: error[pattern]: a number is needed\n"
    );
}

#[test]
fn a_pattern_begins_with_what_events_have() {
    let cases = [
        ("{ type: [a], data: { detail: { x: [1] } } }", ""),
        ("{ sequence: ['1'], myext: [x], $or: [{ subject: [a] }, { ensuedepth: [0] }] }", ""),
        (
            "{ detail: { state: [running] } }",
            "5:20: error[habit]: `detail` is not a field of an event; here it is `data`\n",
        ),
        (
            "{ $or: [{ detail-type: [x] }, { type: [a] }] }",
            "5:28: error[habit]: `detail-type` is not a field of an event; here it is `type`\n",
        ),
        (
            "{ repository: { name: [x] } }",
            "5:20: error[unknown-field]: `repository` is not a field of an event: only `data` has fields of its own; is it data: {repository: …}?\n",
        ),
        (
            "{ Type: [x] }",
            "5:20: error[unknown-field]: `Type` is not a field of an event: only `data` has fields of its own; is it data: {Type: …}?\n",
        ),
        (
            "{ typ: [x] }",
            "5:20: warning[unknown-field]: `typ` can only be an extension of an event, and is almost `type`\n",
        ),
    ];
    for (pattern, wanted) in cases {
        let text = format!(
            "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: r }}\nspec:\n  when: {{ event: {pattern} }}\n  steps: []\n"
        );
        assert_eq!(super::lines(&super::read(&text)), wanted, "{pattern}");
    }
}

/// Two rules in two files disagree: both places are named.
#[test]
fn a_group_has_one_limit() {
    let file = |name: &str, limit: u32| SourceFile {
        path: format!("{name}.yaml"),
        text: format!(
            "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: {name} }}\nspec:\n  {WHEN}  \
             concurrency: {{ group: site, limit: {limit} }}\n  steps: []\n"
        ),
    };
    assert!(load(&[file("a", 1), file("b", 1)]).ok());
    let told = load(&[file("a", 1), file("b", 2)]).render(false);
    for part in [
        "error[group]: the group `site` has `limit: 2` in rule default/b and `limit: 1` in rule default/a",
        "b.yaml:6:25",
        "the other one is at a.yaml:6:25",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}
