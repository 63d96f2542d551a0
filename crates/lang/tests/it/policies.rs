//! Policies as people write them, and their mistakes.

use ensue_lang::{Checks, Decides, SourceFile, Then, load_with};

use super::CONNECTIONS;

fn loaded(spec: &str) -> ensue_lang::Loaded {
    let indented: String = spec.trim().lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("apiVersion: ensue.dev/v1\nkind: Policy\nmetadata: {{ name: p }}\nspec:\n{indented}");
    let rego = |text: &str| match text.lines().position(|line| line.contains("wrong")) {
        Some(at) => Err((at + 1, 3, "it is wrong".to_owned())),
        None => Ok(()),
    };
    let files = [
        SourceFile { path: "t.yaml".into(), text },
        SourceFile { path: "connections.yaml".into(), text: CONNECTIONS.into() },
    ];
    load_with(&files, &Checks { rego: Some(&rego), ..Checks::default() })
}

#[test]
fn every_part_of_a_policy_is_read() {
    let loaded = loaded(
        r#"
scope: all
match: { actions: [kubernetes/*, git/commit, "*"], connections: [api, "te*"] }
checks:
  - { if: "now.getDayOfWeek() == 5", deny: "no deploys on Fridays, ${{ rule.name }}" }
  - { if: "steps.build.outputs.size > 3 && let.x == inputs.y", approve: { from: [sre], min: 2, timeout: 1h, reason: "look" } }
  - { if: "action.with.replicas < 3", allow: true }
default: deny
"#
        .replace("kubernetes/*, ", "")
        .as_str(),
    );
    assert_eq!(super::lines(&loaded), "");
    let policy = loaded.config.policies.values().next().unwrap();
    assert!(policy.everywhere && !policy.allows);
    let Decides::Checks(checks) = &policy.decides else { panic!() };
    let [Then::Deny(_), Then::Approve(ask), Then::Allow] = [&checks[0].then, &checks[1].then, &checks[2].then] else {
        panic!("{checks:?}")
    };
    assert_eq!((ask.from.as_slice(), ask.min, ask.timeout), (&["sre".to_owned()][..], 2, Some(3_600_000_000)));
    let matches = &policy.matches;
    assert!(matches.action("git/commit", Some("default/api"), "shop/r"));
    assert!(matches.action("slack/post", Some("shop/team"), "shop/r"));
    assert!(!matches.action("git/commit", Some("default/other"), "shop/r"), "another connection");
    assert!(!matches.action("git/commit", None, "shop/r") && !matches.command("cancel", None, None));
}

#[test]
fn a_command_that_names_nothing_is_about_everything() {
    let loaded = loaded(
        "match: { commands: [cancel, thaw], rules: [\"shop/*\"], connections: [api] }\nchecks: [ { deny: \"no\" } ]",
    );
    let policy = loaded.config.policies.values().next().unwrap();
    for (verb, connection, rule, asked) in [
        ("thaw", None, None, true),
        ("thaw", Some("default/api"), None, true),
        ("thaw", Some("default/team"), None, false),
        ("cancel", None, Some("shop/r"), true),
        ("cancel", None, Some("default/r"), false),
        ("freeze", None, None, false),
    ] {
        assert_eq!(policy.matches.command(verb, connection, rule), asked, "{verb} {connection:?} {rule:?}");
    }
    assert!(!policy.matches.action("git/commit", Some("default/api"), "shop/r"));
}

#[test]
fn mistakes() {
    for (spec, wanted) in [
        ("checks: []", "empty: a policy without checks allows everything; add a check, or write `default: deny`"),
        ("checks: []\ndefault: deny", ""),
        ("match: {}", "missing-field: a policy needs one of checks, rego"),
        ("rules: []", "habit: `rules` is not a field of a policy; here it is `checks`"),
        ("checks: [ { if: \"true\" } ]", "missing-field: a check of a policy needs one of deny, approve, allow"),
        (
            "checks: [ { deny: \"a\", allow: true } ]",
            "exclusive: `deny` and `allow` exclude each other in a check of a policy",
        ),
        ("checks: [ { allow: false } ]", "type: a check allows, or says why it denies; write deny: and the reason"),
        (
            "checks: [ { deny: \"a\" }, { if: \"true\", deny: \"b\" } ]",
            "unreachable: no check below one without `if` is ever asked; move the one without `if` to the end",
        ),
        (
            "checks: [ { approve: { min: 2 } } ]",
            "missing-field: the `approve` of a policy needs `from`; write from: a list, each item a text",
        ),
        (
            "checks: [ { approve: { from: [] } } ]",
            "empty: nobody may answer this; name a role that tokens have: `ensue token create --role sre`",
        ),
        ("checks: [ { if: \"action.with.\", deny: \"a\" } ]", "expression: "),
        ("checks: [ { if: \"actor == 'ann'\", deny: \"a\" } ]", "name: `actor` is not there in a policy about actions"),
        (
            "match: { commands: [cancel] }\nchecks: [ { if: \"action.name == 'x'\", deny: \"a\" } ]",
            "name: `action` is not there in a policy about commands",
        ),
        (
            "match: { commands: [cancle] }\nchecks: [ { deny: \"a\" } ]",
            "type: `commands` must be one of *, freeze, thaw, mode, retry, resume, skip, cancel, settle, approve, \
             rollback, redrive, discard, not `cancle`; did you mean `cancel`?",
        ),
        (
            "match: { actions: [git/comit] }\nchecks: [ { deny: \"a\" } ]",
            "unknown-action: no action of this version is called `git/comit`; did you mean `git/commit`?",
        ),
        (
            "match: { connections: [taem] }\nchecks: [ { deny: \"a\" } ]",
            "unknown-reference: no connection of this configuration is called `taem`; did you mean `team`?",
        ),
        (
            "match: { rules: [\"shop/*\"] }\nchecks: [ { deny: \"a\" } ]",
            "unknown-reference: no rule of this configuration is called `shop/*`",
        ),
        (
            "match: { actions: [git/commit], commands: [cancel] }\nchecks: [ { deny: \"a\" } ]",
            "exclusive: `actions` and `commands` exclude each other in the `match` of a policy; write two policies: an \
             action and a command have different names to look at",
        ),
        ("rego: \"package ensue\"\nchecks: []", "exclusive: `checks` and `rego` exclude each other in a policy"),
        (
            "checks: [ { if: \"event.payload.x\", deny: \"a\" } ]",
            "habit: an event has no `payload`; here it is `event.data`",
        ),
    ] {
        let loaded = loaded(spec);
        let told: Vec<String> = loaded
            .diagnostics
            .iter()
            .map(|d| {
                d.help.as_ref().map_or_else(
                    || format!("{}: {}", d.code, d.message),
                    |help| format!("{}: {}; {help}", d.code, d.message),
                )
            })
            .collect();
        let told = told.join("\n");
        let right = if wanted.ends_with(": ") { told.starts_with(wanted) } else { told == wanted };
        assert!(right, "{spec}\n{told}\n{wanted}");
    }
}

#[test]
fn a_mistake_in_rego_is_shown_where_it_stands() {
    let loaded = loaded("rego: |\n  package ensue\n\n  deny wrong if {\n");
    insta::assert_snapshot!(loaded.render(false), @r"
    error[rego]: it is wrong
     --> t.yaml:8:7
      |
    8 |     deny wrong if {
      |       ^^^^^^^^^^^^^
    ");
}

#[test]
fn a_policy_reads_back_from_its_canonical_form() {
    let loaded = loaded("match: { actions: [git/*] }\nchecks: [ { if: \"key == 'a'\", deny: \"no ${{ key }}\" } ]");
    let policy = loaded.config.policies.values().next().unwrap();
    let back = ensue_lang::Policy::from_canonical(&policy.canonical).unwrap();
    assert_eq!((back.digest, &back.matches), (policy.digest, &policy.matches));
}
