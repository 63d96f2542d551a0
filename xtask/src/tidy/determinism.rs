//! The same log gives the same state: in what the fold calls there is no clock, no chance, no I/O, no order by hash.

use super::Finding;
use super::code::{code, has};
use crate::workspace::Source;

/// Where the rules hold: the pure crates, and the loop that the simulator turns too.
const FOLDERS: &[&str] = &[
    "crates/event/src/",
    "crates/expr/src/",
    "crates/lang/src/",
    "crates/rule/src/",
    "crates/run/src/",
    "crates/engine/src/",
    "crates/pump/src/",
];

/// What must not stand in code there, and what to do instead.
const RULES: &[(&[&str], &str)] = &[
    (
        &["SystemTime", "Instant", "::now()"],
        "there is no clock here: time is the append time of the record, given as an argument",
    ),
    (&["std::fs", "File::open", "OpenOptions"], "there are no files here: contents are given as arguments"),
    (
        &["TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs", "UnixStream"],
        "there is no network here: an effect asks the dispatcher",
    ),
    (&["std::thread", "thread::spawn", "thread_local!"], "there are no threads here: the fold is one"),
    (&["std::env", "std::process"], "there is no environment here: configuration is a record"),
    (&["tokio", "async fn", ".await"], "there is no async here: the node waits, the fold does not"),
    (
        &["rand::", "getrandom", "Uuid::new_v4", "Uuid::now_v7"],
        "there is no chance here: ids are hashes, jitter is one too",
    ),
    (&["RandomState", "DefaultHasher"], "this hash differs between processes or versions: use BLAKE3, or a BTreeMap"),
    (
        &[
            ".sin()",
            ".cos()",
            ".tan()",
            ".asin()",
            ".acos()",
            ".atan()",
            ".atan2(",
            ".sinh()",
            ".cosh()",
            ".tanh()",
            ".exp()",
            ".exp2()",
            ".exp_m1()",
            ".ln()",
            ".ln_1p()",
            ".log2()",
            ".log10()",
            ".powf(",
            ".powi(",
            ".cbrt()",
            ".hypot(",
        ],
        "this function differs between machines: use the one of `libm`",
    ),
];

/// Says, on the line before a map by hash is named, that it is never iterated over.
const LOOKUP: &str = "// Lookup only:";

/// Checks one file.
pub(super) fn check(file: &Source) -> Vec<Finding> {
    let applies = file.path.ends_with(".rs") && FOLDERS.iter().any(|folder| file.path.starts_with(folder));
    // A module of tests in a file of its own.
    if !applies || file.path.ends_with("/tests.rs") || file.path.contains("/tests/") {
        return Vec::new();
    }
    let allowed = file.text.lines().any(|line| line.trim_start().starts_with(LOOKUP));
    let mut findings = Vec::new();
    for (at, line) in code(&file.text).lines().enumerate() {
        for (patterns, instead) in RULES {
            for pattern in patterns.iter().filter(|pattern| has(line, pattern)) {
                findings.push(Finding::new(&file.path, at + 1, format!("`{pattern}`: {instead}")));
            }
        }
        let hashed = has(line, "HashMap") || has(line, "HashSet");
        if hashed && !allowed && line.trim_start().starts_with("use ") {
            let what = format!(
                "a map by hash has no order that is the same everywhere: use BTreeMap or IndexMap, or say why it is never \
                 iterated over in a comment `{LOOKUP} …` before this line"
            );
            findings.push(Finding::new(&file.path, at + 1, what));
        }
        if hashed && has(line, "std::collections::HashMap::new") {
            findings.push(Finding::new(&file.path, at + 1, "import it with `use`, so that its reason can stand there"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, text: &str) -> Vec<String> {
        check(&Source { path: path.into(), text: text.into() }).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_fold_must_not_know_is_found_with_its_line() {
        for (text, line, word) in [
            ("use std::time::SystemTime;", 1, "clock"),
            ("fn f() {\n    let t = jiff::Timestamp::now();\n}", 2, "clock"),
            ("fn f() { std::fs::read(p) }", 1, "files"),
            ("use std::collections::{BTreeMap, HashMap};", 1, "order"),
            ("fn f(x: f64) -> f64 { x.powi(2) }", 1, "libm"),
            ("async fn f() {}", 1, "async"),
        ] {
            let found = told("crates/rule/src/x.rs", text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(
                found[0].starts_with(&format!("crates/rule/src/x.rs:{line}: ")) && found[0].contains(word),
                "{found:?}"
            );
        }
    }

    #[test]
    fn what_is_fine_is_not_told() {
        for (path, text) in [
            ("crates/node/src/x.rs", "use std::time::Instant;"),
            ("crates/rule/src/x.rs", "// SystemTime is not used: see std::fs\nlet x = \"Instant\";"),
            (
                "crates/rule/src/x.rs",
                "// Lookup only: names to numbers, the list gives the order.\nuse hashbrown::HashMap;",
            ),
            ("crates/rule/src/x.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"),
            ("crates/rule/src/x.rs", "use std::net::IpAddr;"),
            ("crates/rule/tests/it/x.rs", "use std::fs;"),
            ("crates/rule/src/x.rs", "fn instant(x: f64) -> f64 { x.sqrt() }"),
        ] {
            assert_eq!(told(path, text), Vec::<String>::new(), "{text}");
        }
    }
}
