//! Who may import whom: the members stand in the order of the data, and a crate sees only what stands above it.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use crate::workspace::{Metadata, Package, root};

/// Crates without clock, file, socket, thread or chance: the fold and all that it calls.
pub(super) const PURE: &[&str] =
    &["ensue-event", "ensue-expr", "ensue-lang", "ensue-rule", "ensue-run", "ensue-engine"];

/// What a pure crate does not reach by any path.
const WORLD: &[&str] = &[
    "async-std",
    "axum",
    "getrandom",
    "hyper",
    "mio",
    "notify",
    "rand",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tracing",
];

/// Pairs that the order alone would allow.
const NEVER: &[(&str, &[&str], &str)] = &[
    (
        "ensue-connect",
        &["ensue-log", "ensue-state", "ensue-rule", "ensue-run", "ensue-engine", "ensue-pump", "ensue-lab"],
        "connectors know the world, not who decides",
    ),
    ("xtask", &["ensue-*"], "the automation must build when the product does not"),
];

/// Checks the table of dependencies.
pub(super) fn check(members: &[String], metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own = own_packages(members, metadata);
    let order: BTreeMap<&str, usize> =
        own.iter().enumerate().map(|(at, (_, package))| (package.name.as_str(), at)).collect();
    for (at, (folder, package)) in own.iter().enumerate() {
        let manifest = format!("{folder}/Cargo.toml");
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if order.get(name).is_some_and(|other| *other > at) {
                let what =
                    format!("{} imports {name}, which stands below it: a crate sees only those above", package.name);
                findings.push(Finding::new(&manifest, 0, what));
            }
            for (who, whom, why) in NEVER {
                let hit =
                    whom.iter().any(|one| one.strip_suffix('*').map_or(*one == name, |start| name.starts_with(start)));
                if *who == package.name && hit {
                    findings.push(Finding::new(&manifest, 0, format!("{who} must not import {name}: {why}")));
                }
            }
            if PURE.contains(&package.name.as_str()) && dependency.kind.is_none() && WORLD.contains(&name) {
                let what =
                    format!("{} is pure and must not use {name}: what it needs comes as an argument", package.name);
                findings.push(Finding::new(&manifest, 0, what));
            }
        }
    }
    findings.extend(reached(&own, metadata));
    findings
}

/// The members with their packages, in the order of the members.
fn own_packages<'a>(members: &'a [String], metadata: &'a Metadata) -> Vec<(&'a str, &'a Package)> {
    let find = |folder: &str| {
        let manifest = root().join(folder).join("Cargo.toml");
        metadata.packages.iter().find(|package| package.manifest_path == manifest)
    };
    members.iter().filter_map(|folder| Some((folder.as_str(), find(folder)?))).collect()
}

/// What pure crates reach through others.
fn reached(own: &[(&str, &Package)], metadata: &Metadata) -> Vec<Finding> {
    let Some(graph) = &metadata.resolve else { return Vec::new() };
    let names: BTreeMap<&str, &str> = metadata.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
    let edges: BTreeMap<&str, Vec<&str>> = graph
        .nodes
        .iter()
        .map(|node| {
            let normal = node.deps.iter().filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            (node.id.as_str(), normal.map(|edge| edge.pkg.as_str()).collect())
        })
        .collect();
    let mut findings = Vec::new();
    for (folder, package) in own.iter().filter(|(_, package)| PURE.contains(&package.name.as_str())) {
        let mut seen = BTreeSet::new();
        let mut open = vec![(package.id.as_str(), package.name.clone())];
        while let Some((id, path)) = open.pop() {
            for next in edges.get(id).into_iter().flatten() {
                let name = names.get(next).copied().unwrap_or_default();
                if !seen.insert(*next) {
                    continue;
                }
                let path = format!("{path} > {name}");
                if WORLD.contains(&name) && id != package.id {
                    let what = format!(
                        "{} is pure and reaches {name} ({path}): turn off the feature that asks for it",
                        package.name
                    );
                    findings.push(Finding::new(&format!("{folder}/Cargo.toml"), 0, what));
                }
                open.push((next, path));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, folder: &str, uses: &[(&str, Option<&str>)]) -> serde_json::Value {
        let dependencies: Vec<_> = uses.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
        let manifest = root().join(folder).join("Cargo.toml");
        json!({ "id": name, "name": name, "manifest_path": manifest, "dependencies": dependencies })
    }

    fn told(packages: &[serde_json::Value], nodes: serde_json::Value) -> Vec<String> {
        let metadata = json!({ "packages": packages, "resolve": { "nodes": nodes }, "target_directory": "target" });
        let members = ["crates/event", "crates/rule", "crates/connect", "xtask"].map(str::to_owned);
        check(&members, &serde_json::from_value(metadata).unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_crate_sees_only_those_above() {
        let found = told(
            &[
                package(
                    "ensue-event",
                    "crates/event",
                    &[("ensue-rule", None), ("serde", None), ("tempfile", Some("dev"))],
                ),
                package("ensue-rule", "crates/rule", &[("ensue-event", None), ("tokio", None)]),
                package("ensue-connect", "crates/connect", &[("ensue-event", None), ("ensue-rule", Some("dev"))]),
                package("xtask", "xtask", &[("ensue-event", None)]),
            ],
            json!([]),
        );
        let starts = [
            "crates/event/Cargo.toml: ensue-event imports ensue-rule, which stands below it",
            "crates/rule/Cargo.toml: ensue-rule is pure and must not use tokio",
            "crates/connect/Cargo.toml: ensue-connect must not import ensue-rule: connectors",
            "xtask/Cargo.toml: xtask must not import ensue-event",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}");
        }
    }

    #[test]
    fn a_pure_crate_does_not_reach_the_world_through_others() {
        let edge = |name: &str, kind: Option<&str>| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let found = told(
            &[
                package("ensue-event", "crates/event", &[("ids", None)]),
                package("ids", "elsewhere/ids", &[]),
                package("rand", "elsewhere/rand", &[]),
                package("mio", "elsewhere/mio", &[]),
            ],
            json!([
                { "id": "ensue-event", "deps": [edge("ids", None)] },
                { "id": "ids", "deps": [edge("rand", None), edge("mio", Some("dev"))] },
            ]),
        );
        let expected = "crates/event/Cargo.toml: ensue-event is pure and reaches rand (ensue-event > ids > rand)";
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with(expected), "{found:#?}");
    }
}
