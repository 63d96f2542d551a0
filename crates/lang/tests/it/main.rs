//! What the language takes, what it refuses, and in which words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    missing_docs
)]

mod any_text;
mod canonical;
mod catalog;
mod crds;
mod examples;
mod mistakes;
mod places;
mod policies;
mod scenarios;
mod schema;
mod secrets;
mod yaml;

use ensue_lang::{Loaded, SourceFile, load};

/// Reads one file called `t.yaml`.
fn read(text: &str) -> Loaded {
    load(&[SourceFile { path: "t.yaml".into(), text: text.into() }])
}

/// The messages, one a line, without the file's name.
fn lines(loaded: &Loaded) -> String {
    loaded.diagnostics.iter().map(|d| d.to_string().replace("t.yaml:", "") + "\n").collect()
}

/// Connections of every type, for rules to name.
const CONNECTIONS: &str = r#"
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
kind: Connection
metadata: { name: here }
spec: { exec: { enabled: true, secretsFor: [trusted] } }
"#;

/// Reads the `spec` of a rule, given from its first column, beside those connections; lines count from the spec's.
fn rule(spec: &str) -> Loaded {
    let indented: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: r }}\nspec:\n{indented}");
    load(&[
        SourceFile { path: "t.yaml".into(), text },
        SourceFile { path: "connections.yaml".into(), text: CONNECTIONS.into() },
    ])
}

/// The messages about a rule, without places.
fn about(spec: &str) -> String {
    let loaded = rule(spec);
    let without = |d: &ensue_lang::Diagnostic| match &d.help {
        Some(help) => format!("{}: {}; {help}\n", d.code, d.message),
        None => format!("{}: {}\n", d.code, d.message),
    };
    loaded.diagnostics.iter().map(without).collect()
}

/// The text of a fixture.
fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
