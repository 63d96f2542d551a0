//! Secrets stand where they are made for, and nowhere else.

use super::{about, lines, read};

#[test]
fn a_rule_cannot_send_a_secret_anywhere() {
    let steps = |step: &str| format!("when: {{ event: {{ type: [a] }} }}\nsteps:\n  - {step}\n");
    for step in [
        "{ uses: http/request, connection: api, with: { path: \"/${{ secrets.TOKEN }}\" } }",
        "{ uses: slack/post, connection: team, with: { text: \"${{ secrets.TOKEN }}\" } }",
        "{ set: { a: { b: [\"${{ secrets['TOKEN'] }}\"] } } }",
        "{ emit: { type: a, data: \"${{ secrets }}\" } }",
        "{ fail: \"x ${{ secrets.TOKEN }}\" }",
        "{ fail: x, if: \"secrets.TOKEN == 'a'\" }",
    ] {
        let found = about(&steps(step));
        assert!(found.starts_with("secret: a rule cannot send a secret anywhere"), "{step}: {found}");
    }
    let found = about(
        "when: { event: { type: [a] } }\nlet: { a: secrets.X }\nif: secrets.Y == \"\"\nsteps: [{ set: { a: 1 } }]",
    );
    assert_eq!(found.matches("a rule cannot send a secret").count(), 2, "{found}");
}

#[test]
fn programs_get_secrets_where_the_connection_allows_their_namespace() {
    let rule = |namespace: &str| {
        let step = "{ uses: exec/run, connection: here, with: { argv: [x] }, env: { T: \"${{ secrets.T }}\" } }";
        let head = format!("apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: r, namespace: {namespace} }}\n");
        format!("{head}spec:\n  when: {{ event: {{ type: [a] }} }}\n  steps: [{step}]\n---{}", super::CONNECTIONS)
    };
    assert_eq!(lines(&read(&rule("trusted"))), "");
    let found = lines(&read(&rule("other")));
    assert!(found.contains("steps of the namespace `other` may not name secrets, here T"), "{found}");
}

#[test]
fn fields_of_connections() {
    let connection = |spec: &str| {
        let head = "apiVersion: ensue.dev/v1\nkind: Connection\nmetadata: { name: c }\n";
        lines(&read(&format!("{head}spec: {spec}\n")))
    };
    for (spec, wanted) in [
        ("{ http: { bearer: \"${{ secrets.T }}\" } }", ""),
        ("{ http: { bearer: \"${{secrets.T}}\" } }", ""),
        ("{ http: }", ""),
        ("{ http: { bearer: abc } }", "`bearer` takes a secret and nothing else"),
        ("{ http: { bearer: \"Bearer ${{ secrets.T }}\" } }", "`bearer` takes a secret and nothing else"),
        ("{ http: { bearer: \"${{ secrets.T + 'x' }}\" } }", "`bearer` takes a secret and nothing else"),
        ("{ http: { bearer: { $secret: T } } }", "`bearer` takes a secret and nothing else"),
        ("{ http: { headers: { A: \"Bearer ${{ secrets.T }}\" } } }", "`A` takes a text, or one secret alone"),
        ("{ http: { headers: { A: { $secret: T } } } }", "`A` must be a text or"),
        ("{ http: { url: \"${{ secrets.T }}\" } }", "`url` must be an address"),
        ("{ git: { url: \"${{ secrets.T }}\" } }", "`url` does not take a secret"),
        ("{ git: { url: x, username: \"${{ event.data.u }}\" } }", "`username` is a literal"),
        ("{ slack: }", "needs `webhook`"),
        ("{ limits: { perMinute: 1 } }", "a connection needs its type: one of http, git, slack, exec"),
        ("{ htp: {} }", "did you mean `http`?"),
        ("{ http: {}, exec: {} }", "a connection has one type, not `http` and `exec`"),
        ("{ http: { allowNetworks: [10.0.0.0] } }", "`allowNetworks` must be an address range"),
    ] {
        let found = connection(spec);
        assert!(found.contains(wanted) && found.is_empty() == wanted.is_empty(), "{spec}: {found}");
    }
}

#[test]
fn the_data_of_a_schedule_is_no_place_for_a_secret() {
    let head = "apiVersion: ensue.dev/v1\nkind: Source\nmetadata: { name: c }\n";
    for data in ["{ a: \"${{ secrets.T }}\" }", "{ a: [{ $secret: T }] }"] {
        let found = lines(&read(&format!("{head}spec: {{ schedule: {{ every: 1h, data: {data} }} }}\n")));
        assert!(found.contains("does not take a secret"), "{found}");
    }
}

#[test]
fn what_looks_like_a_token_is_a_warning() {
    // Put together here, so that no scanner takes this file for a leak.
    for (start, rest) in [
        ("ghp", "_0123456789012345678901234567890123456789"),
        ("xoxb", "-0123456789-0123456789"),
        ("AKIA", "0123456789ABCDEF"),
        ("https://hooks.slack", ".com/services/T0/B0/0123456789"),
        ("-----BEGIN RSA ", "PRIVATE KEY-----"),
    ] {
        let spec = format!("when: {{ event: {{ type: [a] }} }}\nsteps: [{{ set: {{ a: \"x {start}{rest}\" }} }}]");
        let loaded = super::rule(&spec);
        assert!(loaded.ok());
        assert!(loaded.diagnostics[0].message.starts_with("this looks like"), "{start}");
    }
    let fine = "when: { event: { type: [a] } }\nsteps: [{ set: { a: \"ghp_short AKIA\", b: TAKIA0123456789ABCDEF0 } }]";
    assert_eq!(about(fine), "");
}
