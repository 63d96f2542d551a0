//! The graph of a configuration, and its loops.

use ensue_engine::config::check;
use ensue_event::ours::ConfigFile;
use ensue_lab::graph::{Does, Edge, From, Graph, look, loops};

/// Rules from lines of `name: when | steps | more fields`.
fn rules(lines: &[&str]) -> String {
    let rule = |line: &&str| {
        let (name, rest) = line.split_once(": ").unwrap();
        let parts: Vec<&str> = rest.split(" | ").collect();
        let more = parts.get(2).map(|more| format!("\n  {more}")).unwrap_or_default();
        format!(
            "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: {name} }}\nspec:\n  when: {}\n  steps: {}{more}\n",
            parts[0],
            parts.get(1).unwrap_or(&"[]")
        )
    };
    lines.iter().map(rule).collect()
}

const SYSTEMS: &str = r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: repo }
spec: { git: { url: "https://github.com/acme/shop.git" } }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: api }
spec: { http: { url: "https://api.example.com" } }
---
apiVersion: ensue.dev/v1
kind: Source
metadata: { name: hub }
spec: { github: { secret: "${{ secrets.HUB }}" } }
---
apiVersion: ensue.dev/v1
kind: Workflow
metadata: { name: tell }
spec:
  inputs: { what: { type: text } }
  steps: [ { id: say, emit: { type: told, subject: "${{ inputs.what }}" } } ]
"#;

fn graph(text: &str) -> (Graph, String, Vec<String>) {
    let mut checked = check(&[ConfigFile { path: "rules.yaml".into(), text: text.into() }]);
    assert!(checked.compiled.is_some(), "{}", checked.render(false));
    let graph = look(&mut checked).unwrap();
    let config = checked.compiled.as_ref().unwrap();
    let ways = loops(&graph, config).iter().map(|one| one.rules.join(" ")).collect();
    (graph, checked.loaded.render(false), ways)
}

/// `a -> b`, with the item where there are several; `-x` where it only keeps the rule from firing.
fn short(edge: &Edge) -> String {
    let plain = |name: &str| name.trim_start_matches("default/").to_owned();
    let from = match &edge.from {
        From::Source(name) => format!("source {}", plain(name)),
        From::Rule(name) => plain(name),
        From::EveryRule => "*".to_owned(),
    };
    let arrow = if edge.does == Does::Stops { "-x" } else { "->" };
    let item = edge.item.as_ref().map(|item| format!(".{item}")).unwrap_or_default();
    format!("{from} {arrow} {}{item}", plain(&edge.to))
}

fn edges(lines: &[&str]) -> Vec<String> {
    graph(&format!("{SYSTEMS}{}", rules(lines))).0.edges.iter().map(short).collect()
}

fn ways(lines: &[&str]) -> Vec<String> {
    graph(&format!("{SYSTEMS}{}", rules(lines))).2
}

#[test]
fn what_a_step_emits_is_held_against_each_item() {
    let made = "a: { event: { type: [x] } } | [ { id: say, emit: { type: yy, subject: \"s/${{ event.id }}\", data: { num: 3, who: \"${{ event.source }}\", list: [ { k: 1 }, { k: 2 } ] } } } ]";
    for (pattern, met) in [
        ("{ type: [yy] }", true),
        ("{ type: [z] }", false),
        ("{ type: [{ prefix: yy }] }", true),
        ("{ type: [{ anything-but: [yy] }] }", false),
        ("{ type: [yy], subject: [{ prefix: s/ }] }", true),
        ("{ type: [yy], subject: [{ prefix: t/ }] }", false),
        ("{ type: [yy], subject: [t] }", false),
        ("{ type: [yy], subject: [s/17] }", true),
        ("{ type: [yy], data: { num: [3] } }", true),
        ("{ type: [yy], data: { num: [{ numeric: [\">\", 3] }] } }", false),
        ("{ type: [yy], data: { who: [anybody] } }", true),
        ("{ type: [yy], data: { list: { k: [2] } } }", true),
        ("{ type: [yy], data: { list: { k: [3] } } }", false),
        ("{ type: [yy], data: { other: [1] } }", false),
        ("{ type: [yy], data: { other: [{ exists: false }] } }", true),
        ("{ type: [yy], source: [/ensue/default/a] }", true),
        ("{ type: [yy], source: [/somebody] }", false),
        ("{ type: [yy], causationid: [{ exists: false }] }", false),
        ("{ type: [yy], ensuedepth: [{ numeric: [\"<\", 3] }] }", true),
    ] {
        let found = edges(&[made, &format!("b: {{ event: {pattern} }}")]);
        assert_eq!(found.contains(&"a -> b".to_owned()), met, "{pattern}: {found:?}");
    }
}

#[test]
fn a_condition_says_no_where_all_that_it_reads_is_known() {
    let made = "a: { event: { type: [x] } } | [ { id: say, emit: { type: yy, data: { num: 3, who: \"${{ event.source }}\" } } } ]";
    for (condition, met) in [
        ("event.data.num == 3", true),
        ("event.data.num == 4", false),
        ("event.data.who == 'me'", true),
        ("event.data.who == 'me' && event.data.num > 3", false),
        ("!has(event.causationid)", false),
        ("event.data.who == 'me' && !has(event.causationid)", false),
        ("has(event.causationid)", true),
        ("event.ensuedepth < 3", true),
        ("tables.t[event.type].x", true),
    ] {
        for place in ["item", "rule"] {
            let rule = match place {
                "item" => format!("b: {{ event: {{ type: [yy] }}, if: \"{condition}\" }}"),
                _ => format!("b: {{ event: {{ type: [yy] }} }} | [] | if: \"{condition}\""),
            };
            let table = "---\napiVersion: ensue.dev/v1\nkind: Table\nmetadata: { name: t }\nspec: { key: k, rows: [ { k: yy, x: true } ] }\n";
            let (found, _, _) = graph(&format!("{SYSTEMS}{table}{}", rules(&[made, &rule])));
            let found: Vec<String> = found.edges.iter().map(short).collect();
            assert_eq!(found.contains(&"a -> b".to_owned()), met, "{place}: {condition}: {found:?}");
        }
    }
}

#[test]
fn steps_are_found_wherever_they_stand() {
    let say = "{ emit: { type: yy } }";
    for steps in [
        format!("[ {say} ]"),
        format!("[ {{ switch: [ {{ if: event.data.a, steps: [ {say} ] }} ] }} ]"),
        format!("[ {{ parallel: {{ branches: [ [ {say} ], [ {{ set: {{ a: 1 }} }} ] ] }} }} ]"),
        format!("[ {{ foreach: {{ items: \"${{{{ event.data.l }}}}\", steps: [ {say} ] }} }} ]"),
        format!(
            "[ {{ uses: http/request, connection: api, with: {{ path: /a }}, catch: [ {{ steps: [ {say} ] }} ] }} ]"
        ),
        format!("[ {{ set: {{ a: 1 }}, finally: [ {say} ] }} ]"),
        "[ { workflow: tell, with: { what: a } } ]".to_owned(),
        format!("[]\n  onFailure: [ {say} ]"),
        format!("[]\n  finally: [ {say} ]"),
    ] {
        let rule = format!("a: {{ event: {{ type: [x] }} }} | {steps}");
        let found = checked_edges(&[&rule, "b: { event: { type: [yy, told] } }"]);
        match found {
            Some(found) => assert!(found.contains(&"a -> b".to_owned()), "{steps}: {found:?}"),
            // Not every form is let in by the engine yet.
            None => println!("not a configuration yet: {steps}"),
        }
    }
}

fn checked_edges(lines: &[&str]) -> Option<Vec<String>> {
    let text = format!("{SYSTEMS}{}", rules(lines));
    let mut checked = check(&[ConfigFile { path: "rules.yaml".into(), text }]);
    look(&mut checked).map(|graph| graph.edges.iter().map(short).collect())
}

#[test]
fn sources_actions_that_come_back_and_what_only_stops() {
    let commit = "a: { event: { type: [x] } } | [ { uses: git/commit, connection: repo, with: { branch: main, message: m, files: { a: b } } } ]";
    let found = edges(&[
        commit,
        "b: { event: { type: [com.github.push], data: { ref: [refs/heads/main] } } }",
        "c: { event: { type: [com.github.push], data: { ref: [refs/heads/other] } } }",
        "d: { event: { type: [com.github.push], data: { repository: { full_name: [acme/other] } } } }",
        "e: { event: { type: [com.github.push] }, if: \"!has(event.causationid)\" }",
        "f: { all: [ { name: one, event: { type: [com.github.push] } }, { name: two, event: { type: [z] } } ], key: event.id, within: 5m, unless: { event: { type: [com.github.push] } } }",
    ]);
    assert_eq!(
        found,
        [
            "source hub -> b",
            "source hub -> c",
            "source hub -> d",
            "source hub -> e",
            "source hub -> f.one",
            "source hub -x f.unless",
            "a -> b",
            "a -> f.one",
            "a -x f.unless",
        ]
    );
}

#[test]
fn records_lead_from_the_rules_that_they_name() {
    let on = |pattern: &str| format!("w: {{ event: {{ type: [{pattern} }} }}");
    for (pattern, found) in [
        ("dev.ensue.run.finished]", vec!["* -> w"]),
        ("dev.ensue.run.finished], data: { rule: [default/a] }", vec!["a -> w"]),
        ("dev.ensue.run.finished], data: { rule: [{ anything-but: [default/w] }] }", vec!["a -> w"]),
        ("dev.ensue.run.finished], data: { status: [cancelled] }", vec!["* -> w"]),
        ("dev.ensue.run.finished], data: { status: [failed] }", vec![]),
        ("dev.ensue.action.answered]", vec!["a -> w"]),
        ("{ prefix: dev.ensue.run. }], data: { rule: [default/a] }", vec!["a -> w", "a -> w", "a -> w"]),
        ("{ prefix: dev. }]", vec![]),
    ] {
        let a = "a: { event: { type: [x] } } | [ { uses: http/request, connection: api, with: { path: /a } } ]";
        assert_eq!(edges(&[a, &on(pattern)]), found, "{pattern}");
    }
    let excluding = "w: { event: { type: [dev.ensue.run.finished] }, if: event.data.rule != 'default/w' }";
    assert_eq!(edges(&["a: { event: { type: [x] } }", excluding]), ["a -> w"]);
}

#[test]
fn loops_are_found_each_once() {
    let say = |kind: &str| format!("[ {{ id: say, emit: {{ type: {kind} }} }} ]");
    let rule =
        |name: &str, hears: &str, says: &str| format!("{name}: {{ event: {{ type: [{hears}] }} }} | {}", say(says));
    for (all, found) in [
        (vec![("a", "x", "yy"), ("b", "yy", "z")], vec![]),
        (vec![("a", "x", "x")], vec!["default/a"]),
        (vec![("a", "x", "yy"), ("b", "yy", "x")], vec!["default/a default/b"]),
        (vec![("a", "x", "yy"), ("b", "yy", "z"), ("c", "z", "x")], vec!["default/a default/b default/c"]),
        // Two loops through one rule, and a rule that only looks on.
        (
            vec![("a", "x", "yy"), ("b", "yy", "x"), ("c", "yy", "x"), ("d", "yy", "w")],
            vec!["default/a default/b", "default/c default/a"],
        ),
        (
            vec![("a", "x", "yy"), ("b", "yy", "x"), ("c", "p", "q"), ("d", "q", "p")],
            vec!["default/a default/b", "default/c default/d"],
        ),
    ] {
        let lines: Vec<String> = all.iter().map(|(name, hears, says)| rule(name, hears, says)).collect();
        assert_eq!(ways(&lines.iter().map(String::as_str).collect::<Vec<_>>()), found, "{all:?}");
    }
    // What only keeps a rule from firing closes no loop.
    let absence = "a: { absence: { after: { event: { type: [x] } }, of: { event: { type: [yy] } }, for: 5m }, key: event.subject } | [ { emit: { type: yy } } ]";
    assert_eq!(ways(&[absence]), Vec::<String>::new());
}

#[test]
fn warnings_say_where_by_what_and_what_bounds_it() {
    let text = rules(&[
        "a: { event: { type: [x] } } | [ { id: say, emit: { type: yy } } ]",
        "b: { event: { type: [yy] } } | [ { id: back, emit: { type: x } } ] | throttle: { limit: 1, per: 30m }",
        "commit: { event: { type: [com.github.push] } } | [ { id: push, uses: git/commit, connection: repo, with: { branch: main, message: m, files: { a: b } } } ]",
        "notify: { event: { type: [dev.ensue.run.failed] } } | [ { id: tell, uses: http/request, connection: api, with: { path: /a } } ]",
        "pair: { sequence: [ { name: one, event: { type: [p] } }, { name: two, event: { type: [q] } } ], key: event.subject, within: 5m } | [ { id: again, emit: { type: p } } ]",
        "steps: { event: { type: [dev.ensue.action.answered] } } | [ { id: call, uses: http/request, connection: api, with: { path: /a } } ]",
    ]);
    insta::assert_snapshot!(graph(&format!("{SYSTEMS}{text}")).1);
}

/// Ten thousand rules, each of which sets off the next, and the last the first.
#[test]
fn a_large_configuration_is_looked_at_quickly() {
    let many = 10_000;
    let lines: Vec<String> = (0..many)
        .map(|n| format!("r{n}: {{ event: {{ type: [t{n}] }} }} | [ {{ emit: {{ type: t{} }} }} ]", (n + 1) % many))
        .collect();
    let text = rules(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let checked = check(&[ConfigFile { path: "rules.yaml".into(), text }]);
    let config = checked.compiled.unwrap();
    let began = std::time::Instant::now();
    let graph = Graph::of(&config);
    let found = loops(&graph, &config);
    println!("{} edges, {} loops in {} ms", graph.edges.len(), found.len(), began.elapsed().as_millis());
    assert_eq!((graph.edges.len(), found.len(), found[0].rules.len()), (many, 1, many));
}
