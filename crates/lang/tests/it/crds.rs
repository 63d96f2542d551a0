//! The definitions of custom resources: they are structural, and take what the language takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use ensue_lang::crd::{definitions, plural};
use ensue_lang::{Kind, Severity, SourceFile, load};
use regex::Regex;
use serde_json::Value;

const KEPT: &str = "x-kubernetes-preserve-unknown-fields";

/// What a schema of `apiextensions.k8s.io/v1` may say at each level, beyond conditions on values.
const WORDS: &[&str] = &[
    "type",
    "properties",
    "additionalProperties",
    "items",
    "description",
    "required",
    "enum",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "maxItems",
    "oneOf",
    KEPT,
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
];

/// Why a schema is not structural, by the rules of
/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>.
fn structural(schema: &Value, path: &str, wrong: &mut Vec<String>) {
    let Some(fields) = schema.as_object() else { return wrong.push(format!("{path}: no schema")) };
    let mut say = |what: &str| wrong.push(format!("{path}: {what}"));
    if !fields.contains_key("type") && schema[KEPT] != true {
        say("no type");
    }
    if schema.get("type").is_some_and(|ty| !ty.is_string()) {
        say("several types");
    }
    if fields.contains_key("properties") && fields.contains_key("additionalProperties") {
        say("both properties and additionalProperties");
    }
    for word in fields.keys().filter(|word| !WORDS.contains(&word.as_str())) {
        say(&format!("`{word}` is not known"));
    }
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        let only_required = one.as_object().is_some_and(|map| map.keys().eq(["required"]));
        let known = one["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if !only_required || !known.into_iter().all(|name| schema["properties"].get(name).is_some()) {
            say("`oneOf` says more than which of the fields are required");
        }
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && Regex::new(pattern).is_err()
    {
        say("`pattern` is no regular expression");
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        structural(inner, &format!("{path}.{name}"), wrong);
    }
    for word in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(word) {
            structural(inner, &format!("{path}[{word}]"), wrong);
        }
    }
    if schema["type"] == "array" && schema.get("items").is_none() {
        wrong.push(format!("{path}: a list of what?"));
    }
}

/// What an API server would refuse of a value or drop from it.
fn judge(schema: &Value, value: &Value, path: &str, wrong: &mut Vec<String>) {
    if schema[KEPT] == true && schema.get("type").is_none() {
        return;
    }
    let fits = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some(other) => panic!("{path}: there is no type {other}"),
    };
    let mut say = |what: String| wrong.push(format!("{path}: {what}"));
    if !fits {
        return say(format!("{value} is no {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        say(format!("{value} is none of {}", schema["enum"]));
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !matches(pattern, text)
    {
        say(format!("{value} does not match {pattern}"));
    }
    if let Some(number) = value.as_f64() {
        let below = schema["minimum"].as_f64().is_some_and(|least| number < least);
        if below || schema["maximum"].as_f64().is_some_and(|most| number > most) {
            say(format!("{value} is out of its range"));
        }
    }
    if let Some(one) = schema["oneOf"].as_array() {
        let met =
            |one: &&Value| one["required"].as_array().unwrap().iter().all(|n| value.get(n.as_str().unwrap()).is_some());
        let count = one.iter().filter(met).count();
        if count != 1 {
            say(format!("{count} of the fields of which one must be there"));
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            say(format!("`{name}` is missing"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        judge(&schema["items"], item, &format!("{path}[{index}]"), wrong);
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match schema["properties"].get(name).or_else(|| schema.get("additionalProperties")) {
            Some(schema) => judge(schema, inner, &path, wrong),
            None if schema[KEPT] == true || path.starts_with(".metadata.") => {}
            None => wrong.push(format!("{path}: it would be dropped")),
        }
    }
}

fn schema_of(kind: Kind) -> &'static Value {
    static ALL: LazyLock<Vec<Value>> = LazyLock::new(definitions);
    let one = ALL.iter().find(|one| one["spec"]["names"]["kind"] == kind.as_str()).unwrap();
    &one["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Whether a pattern of a schema is met; each is compiled once.
fn matches(pattern: &str, text: &str) -> bool {
    static KNOWN: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
}

#[test]
fn every_definition_is_structural_and_small_enough_for_kubectl() {
    for definition in definitions() {
        let names = &definition["spec"]["names"];
        assert_eq!(definition["metadata"]["name"], format!("{}.ensue.dev", names["plural"].as_str().unwrap()));
        let version = &definition["spec"]["versions"][0];
        let mut wrong = Vec::new();
        structural(&version["schema"]["openAPIV3Schema"], "", &mut wrong);
        assert!(wrong.is_empty(), "{}: {wrong:#?}", names["kind"]);
        assert_eq!(version["subresources"]["status"], serde_json::json!({}));
        // `kubectl apply` keeps the whole text in an annotation; all of an object's have room for 256 KiB.
        let size = definition.to_string().len();
        assert!(size < 250_000, "{}: {size}", names["kind"]);
    }
    let columns = &definitions()[2]["spec"]["versions"][0]["additionalPrinterColumns"];
    let titles: Vec<&str> = columns.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Accepted", "Mode", "Last fired", "Age", "Why"]);
    assert_eq!(plural(Kind::Policy), "policies");
}

/// All manifests below a folder of the workspace.
fn manifests(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            manifests(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            out.push(path);
        }
    }
}

#[test]
fn what_the_language_takes_the_definitions_take_and_keep_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    for folder in ["examples", "spec", "crates/lang/tests/fixtures"] {
        manifests(&root.join(folder), &mut paths);
    }
    let (mut good, mut refused, mut left) = (0, 0, 0);
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = load(&[SourceFile { path: path.display().to_string(), text }]);
        // Alone, a file may refer to what stands in another one: that is for the whole to say.
        let own = |d: &&ensue_lang::Diagnostic| d.severity == Severity::Error && d.code != "unknown-reference";
        let mistakes: Vec<String> = loaded.diagnostics.iter().filter(own).map(ToString::to_string).collect();
        for (kind, name, _, document) in loaded.config.canonical() {
            let mut wrong = Vec::new();
            judge(schema_of(kind), document, "", &mut wrong);
            match (mistakes.is_empty(), wrong.is_empty()) {
                (true, ok) => {
                    assert!(ok, "{}: {kind} {name}: {wrong:#?}", path.display());
                    good += 1;
                }
                (false, false) => refused += 1,
                // The status says it.
                (false, true) => left += 1,
            }
        }
    }
    assert!(
        good > 200 && refused + left > 5,
        "{good} good, {refused} refused by the schema, {left} left to the status"
    );
}

#[test]
fn what_a_schema_can_tell_it_refuses() {
    let rule = |spec: &str| {
        load(&[SourceFile {
            path: "t.yaml".into(),
            text: format!("apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: r }}\nspec: {spec}\n"),
        }])
    };
    for (spec, expected) in [
        ("{ when: { event: { type: [a] } }, mode: lively, steps: [] }", ".spec.mode: \"lively\" is none of"),
        ("{ when: { event: { type: [a] } }, timeout: soon, steps: [] }", ".spec.timeout: \"soon\" does not match"),
        ("{ when: { event: { type: [a] } }, throtle: { limit: 1 }, steps: [] }", ".spec.throtle: it would be dropped"),
        ("{ when: { event: { type: [a] } }, throttle: { limit: 0, per: 1m }, steps: [] }", "0 is out of its range"),
        ("{ when: { any: [], all: [] }, steps: [] }", ".spec.when: 2 of the fields of which one must be there"),
    ] {
        let loaded = rule(spec);
        assert!(!loaded.ok());
        let Some((kind, _, _, document)) = loaded.config.canonical().next() else { panic!("{spec}: not read") };
        let mut wrong = Vec::new();
        judge(schema_of(kind), document, "", &mut wrong);
        assert!(wrong.iter().any(|one| one.contains(expected)), "{spec}: {wrong:?}");
    }
}
