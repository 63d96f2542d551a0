//! YAML itself: what a plain scalar means, and what is not YAML enough for us.

use ensue_lang::{Severity, SourceFile, load};
use serde_json::{Value, json};

use super::{lines, read};

/// The value under `x` in the data of a schedule, which takes anything; or the message.
fn scalar(text: &str) -> Result<Value, String> {
    let head = "apiVersion: ensue.dev/v1\nkind: Source\nmetadata: { name: s }\nspec:\n  schedule:\n    every: 1h\n";
    let loaded = read(&format!("{head}    data:\n      x: {text}\n"));
    match loaded.diagnostics.first() {
        Some(diagnostic) => Err(diagnostic.message.clone()),
        None => {
            let source = loaded.config.sources.values().next().unwrap();
            Ok(source.config["data"]["x"].clone())
        }
    }
}

#[test]
fn scalars_mean_what_the_core_schema_says() {
    for (text, value) in [
        ("", json!(null)),
        ("~", json!(null)),
        ("null", json!(null)),
        ("true", json!(true)),
        ("False", json!(false)),
        ("0", json!(0)),
        ("-12", json!(-12)),
        ("+7", json!(7)),
        ("9223372036854775807", json!(i64::MAX)),
        ("18446744073709551615", json!(u64::MAX)),
        ("0x1F", json!(31)),
        ("1.5", json!(1.5)),
        ("1.0", json!(1.0)),
        (".5", json!(0.5)),
        ("-2.25", json!(-2.25)),
        ("1.5e+3", json!(1500.0)),
        ("abc", json!("abc")),
        ("\"on\"", json!("on")),
        ("'1.10'", json!("1.10")),
        ("1.10.0", json!("1.10.0")),
        ("v1.10", json!("v1.10")),
        ("12:30pm", json!("12:30pm")),
        ("10.0.0.0/8", json!("10.0.0.0/8")),
        ("1e", json!("1e")),
        ("0b2", json!("0b2")),
        ("0x", json!("0x")),
        ("1_a", json!("1_a")),
        (".", json!(".")),
        ("...x", json!("...x")),
        ("5m", json!("5m")),
        ("2026-01-31", json!("2026-01-31")),
        ("one # comment", json!("one")),
        ("a#b", json!("a#b")),
        ("ön", json!("ön")),
        ("\"\\u00e9\\n\"", json!("é\n")),
    ] {
        assert_eq!(scalar(text), Ok(value), "{text}");
    }
}

#[test]
fn scalars_that_yaml_1_1_reads_otherwise_ask_for_quotes() {
    for (text, why) in [
        ("on", "means `true` in YAML 1.1"),
        ("Off", "means `false` in YAML 1.1"),
        ("yes", "means `true` in YAML 1.1"),
        ("NO", "means `false` in YAML 1.1"),
        ("y", "means `true` in YAML 1.1"),
        ("n", "means `false` in YAML 1.1"),
        ("1.10", "is a number and would lose its last zero"),
        ("012", "starts with a zero: it is octal in YAML 1.1 and decimal in YAML 1.2"),
        ("00.5", "starts with a zero: it is octal in YAML 1.1 and decimal in YAML 1.2"),
        ("12:30", "is a number to the base of sixty in YAML 1.1"),
        ("1:30:45.5", "is a number to the base of sixty in YAML 1.1"),
        ("0o17", "is a number in YAML 1.2 and a text in YAML 1.1"),
        ("0b101", "is a number in YAML 1.1 and a text in YAML 1.2"),
        ("-0x1F", "is a number in YAML 1.1 and a text in YAML 1.2"),
        ("1_000", "is a number in YAML 1.1 and a text in YAML 1.2"),
        ("1e3", "is a number in YAML 1.2 and a text in YAML 1.1"),
        ("12e5", "is a number in YAML 1.2 and a text in YAML 1.1"),
        ("1.5e3", "is a number in YAML 1.2 and a text in YAML 1.1"),
        ("99999999999999999999", "is a number too large to be kept exactly"),
        (".inf", "is a number that JSON does not have"),
        ("-.INF", "is a number that JSON does not have"),
        (".nan", "is a number that JSON does not have"),
    ] {
        assert_eq!(scalar(text), Err(format!("`{text}` without quotes {why}")), "{text}");
    }
}

#[test]
fn what_is_not_yaml_enough() {
    let head = "apiVersion: ensue.dev/v1\nkind: Table\nmetadata: { name: t }\n";
    for (spec, message) in [
        (
            "spec: { key: k, rows: [{ k: !!str 1 }] }",
            "4:29: error[yaml-tag]: tags such as `!!str` are not part of manifests",
        ),
        ("spec: &a { key: k, rows: [], <<: *a }", "4:30: error[yaml-merge]: merge keys are not part of YAML 1.2"),
        ("spec: { key: k, rows: [], key: z }", "4:27: error[yaml-duplicate]: `key` stands twice in this map"),
        ("spec: { key: k, rows: [{ k: 1, 5: a }] }", "4:32: error[yaml-key]: the key `5` is not a text"),
        ("spec: { key: k, rows: [{ k: 1, ? [a] : b }] }", "4:34: error[yaml-key]: a key must be a text"),
        (
            "spec: { key: k, rows: [*nobody] }",
            "4:24: error[yaml]: this is not YAML: while parsing node, found unknown anchor",
        ),
        ("spec: { key: k, rows: [", "error[yaml]: this is not YAML"),
        ("spec:\n\tkey: k", "error[yaml]: this is not YAML"),
        ("spec: &a { key: k, rows: [*a] }", "error[yaml-alias]: this alias is part of what it stands for"),
    ] {
        let found = lines(&read(&format!("{head}{spec}\n")));
        assert!(found.contains(message), "{spec}\nwanted {message}\nfound {found}");
    }
}

#[test]
fn an_error_ends_its_document_and_not_the_file() {
    let good = "apiVersion: ensue.dev/v1\nkind: Table\nmetadata: { name: NAME }\nspec: { key: k, rows: [] }\n";
    let text = format!(
        "{}---\na: [b\n---\n{}---\n# only a comment\n",
        good.replace("NAME", "one"),
        good.replace("NAME", "two")
    );
    let loaded = read(&text);
    assert_eq!(loaded.diagnostics.len(), 1, "{}", lines(&loaded));
    let names: Vec<_> = loaded.config.tables.keys().map(|name| name.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn anchors_share_values_within_bounds() {
    let head = "apiVersion: ensue.dev/v1\nkind: Table\nmetadata: { name: t }\n";
    let loaded = read(&format!("{head}spec: {{ key: k, rows: [{{ k: a, v: &v [1, 2] }}, {{ k: b, v: *v }}] }}\n"));
    assert!(loaded.ok(), "{}", lines(&loaded));
    assert_eq!(loaded.config.tables.values().next().unwrap().lookup("b").unwrap()["v"], json!([1, 2]));

    // "Billion laughs": nine levels of nine each.
    let mut text = format!("{head}spec:\n  key: k\n  rows:\n  - k: a\n    l0: &l0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let refs = vec![format!("*l{}", level - 1); 9].join(", ");
        text.push_str(&format!("    l{level}: &l{level} [{refs}]\n"));
    }
    let loaded = read(&text);
    assert!(lines(&loaded).contains("error[yaml-limit]: aliases add more than 1000 values"), "{}", lines(&loaded));
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [("[", "]"), ("{ a: ", "}")] {
        let text = format!("a: {}1{}", open.repeat(10_000), close.repeat(10_000));
        let found = lines(&read(&text));
        assert!(found.contains("yaml"), "{}", &found[..found.len().min(300)]);
    }
    let block: String = (0..5_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(lines(&read(&block)).contains("more than 48 deep"));
}

#[test]
fn all_files_are_read_in_one_pass() {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let loaded = load(&[
        file("a.yaml", "kind: Rule\n"),
        file("b.yaml", "apiVersion: apps/v1\nkind: Deployment\n"),
        file("c.yaml", "- a\n"),
        file("d.yaml", "apiVersion: ensue.dev/v1\nkind: Rul\n"),
        file("e.yaml", "apiVersion: ensue.dev/v1\nkind: Detector\n"),
        file("empty.yaml", "# nothing\n---\n---\n"),
    ]);
    let found: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "a.yaml:1:1: error[missing-field]: a document needs `apiVersion`; write apiVersion: ensue.dev/v1",
            "b.yaml:1:13: error[document]: `apiVersion` must be ensue.dev/v1, not the text \"apps/v1\"; only documents of ensue belong into this folder",
            "c.yaml:1:1: error[document]: a document is a map with apiVersion, kind, metadata, spec, not a list",
            "d.yaml:2:7: error[document]: there is no kind `Rul`; did you mean `Rule`?",
            "e.yaml:2:7: error[unsupported]: `Detector` is part of the language but not of this version",
        ]
    );
    assert!(loaded.diagnostics.iter().all(|d| d.severity == Severity::Error));
}

#[test]
fn names_are_unique_for_their_kind_and_namespace() {
    let table = |namespace: &str| {
        let head = "apiVersion: ensue.dev/v1\nkind: Table\n";
        format!("{head}metadata: {{ name: t, namespace: {namespace} }}\nspec: {{ key: k, rows: [] }}\n")
    };
    let text = [table("a"), table("b"), table("a")].join("---\n");
    assert_eq!(
        lines(&read(&text)),
        "13:19: error[duplicate]: there are two documents Table a/t; the first is at 3:19\n"
    );
}
