//! Manifests: dependencies in order, versions in one place.

use super::Finding;
use crate::workspace::Source;

/// Checks a `Cargo.toml`; other files have nothing to say here.
pub(super) fn check(file: &Source, members: &[String]) -> Vec<Finding> {
    let root = file.path == "Cargo.toml";
    // A workspace of its own, which needs another compiler.
    if file.path == "fuzz/Cargo.toml" {
        return Vec::new();
    }
    if !root && !file.path.ends_with("/Cargo.toml") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut inside = false;
    let mut before: Option<(Place, String)> = None;
    for (at, line) in file.text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
            before = None;
            continue;
        }
        let Some(name) =
            line.split(['=', '.', ' ']).next().filter(|name| inside && !name.is_empty() && !line.starts_with('#'))
        else {
            continue;
        };
        if !root && !line.contains("workspace = true") {
            let what =
                format!("{name}: write `{name}.workspace = true` and its version into the root manifest, once for all");
            findings.push(Finding::new(&file.path, at + 1, what));
        }
        let place = place(name, members, root);
        if let Some((last, other)) = before.as_ref().filter(|(last, _)| *last > place) {
            let _ = last;
            let what = format!(
                "{name} stands after {other}: first our own crates in the order of the data, then the others by name"
            );
            findings.push(Finding::new(&file.path, at + 1, what));
        }
        before = Some((place, name.to_owned()));
    }
    findings
}

/// Ours before others; ours by the order of the members, in the root by name; others by name.
type Place = (bool, usize, String);

fn place(name: &str, members: &[String], root: bool) -> Place {
    match name.strip_prefix("ensue-") {
        Some(_) if root => (false, 0, name.into()),
        Some(short) => {
            let at = members.iter().position(|member| member.strip_prefix("crates/") == Some(short));
            (false, at.unwrap_or(usize::MAX), name.into())
        }
        None => (true, 0, name.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, text: &str) -> Vec<String> {
        let members = ["crates/event", "crates/expr", "crates/log"].map(str::to_owned);
        check(&Source { path: path.into(), text: text.into() }, &members).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn order_and_versions() {
        let fine = "[package]\nversion = \"1\"\n\n[dependencies]\nensue-event.workspace = true\nensue-log.workspace = true\n\
                    base64.workspace = true\nserde = { workspace = true, features = [\"rc\"] }\n\n[dev-dependencies]\nbase64.workspace = true\n";
        assert_eq!(told("crates/x/Cargo.toml", fine), Vec::<String>::new());
        for (path, text, expected) in [
            (
                "crates/x/Cargo.toml",
                "[dependencies]\nensue-log.workspace = true\nensue-expr.workspace = true\n",
                "crates/x/Cargo.toml:3: ensue-expr stands after ensue-log",
            ),
            (
                "crates/x/Cargo.toml",
                "[dependencies]\nserde.workspace = true\n# why\nbase64.workspace = true\n",
                "crates/x/Cargo.toml:4: base64 stands after serde",
            ),
            ("crates/x/Cargo.toml", "[dev-dependencies]\nserde = \"1\"\n", "crates/x/Cargo.toml:2: serde: write"),
            (
                "Cargo.toml",
                "[workspace.dependencies]\nserde = \"1\"\nensue-log = { path = \"x\" }\n",
                "Cargo.toml:3: ensue-log stands",
            ),
        ] {
            let found = told(path, text);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(expected), "{found:?}");
        }
        assert_eq!(
            told("Cargo.toml", "[workspace.dependencies]\nensue-log = \"1\"\n\nbase64 = \"1\"\nserde = \"1\"\n"),
            Vec::<String>::new()
        );
    }
}
