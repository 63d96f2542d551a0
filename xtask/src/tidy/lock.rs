//! The lock file: one of each that matters, and none of what we do not want.

use std::collections::BTreeMap;

use super::Finding;

/// Of these there is one version: two would be two sets of bugs, settings and compile times.
const ONCE: &[&str] = &[
    "axum",
    "blake3",
    "http",
    "http-body",
    "hyper",
    "jiff",
    "libsqlite3-sys",
    "reqwest",
    "rustls",
    "serde",
    "serde_json",
    "tokio",
];

/// Versions that may stand beside ours, and why.
const BESIDE: &[(&str, &str)] = &[
    // kube and k8s-openapi are built on it; its values never meet ours.
    ("jiff", "0.2."),
];

/// These are not there at all, and why.
const NEVER: &[(&str, &str)] = &[
    ("aws-lc-rs", "rustls uses ring here"),
    ("aws-lc-sys", "rustls uses ring here"),
    ("native-tls", "TLS is rustls"),
    ("openssl", "TLS is rustls"),
    ("openssl-sys", "TLS is rustls"),
    ("serde_yaml", "it is not kept up; YAML is read with saphyr-parser"),
    ("serde_yml", "YAML is read with saphyr-parser"),
    ("chrono", "time is jiff"),
];

/// Checks the text of `Cargo.lock`.
pub(super) fn check(lock: &str) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    let mut name = "";
    for (at, line) in lock.lines().enumerate() {
        if let Some(value) = quoted(line, "name = ") {
            name = value;
        } else if let Some(version) = quoted(line, "version = ") {
            versions.entry(name).or_default().push((at + 1, version));
        }
    }
    let mut findings = Vec::new();
    for name in ONCE {
        let all = versions.get(name).map_or(&[][..], Vec::as_slice);
        let counts = |version: &str| !BESIDE.iter().any(|(of, beside)| of == name && version.starts_with(beside));
        let found: Vec<&(usize, &str)> = all.iter().filter(|(_, version)| counts(version)).collect();
        if let [_, (line, _), ..] = found.as_slice() {
            let all: Vec<&str> = found.iter().map(|(_, version)| *version).collect();
            let what = format!(
                "{name} is there as {}: `cargo tree -i {name}` shows who asks; let all ask for one",
                all.join(" and ")
            );
            findings.push(Finding::new("Cargo.lock", *line, what));
        }
    }
    for (name, why) in NEVER {
        if let Some([(line, _), ..]) = versions.get(name).map(Vec::as_slice) {
            let what = format!("{name} must not be there ({why}): `cargo tree -i {name}` shows who asks for it");
            findings.push(Finding::new("Cargo.lock", *line, what));
        }
    }
    findings
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_and_never_are_found() {
        let lock = "version = 4\n\n[[package]]\nname = \"hyper\"\nversion = \"0.14.1\"\n\n[[package]]\nname = \"hyper\"\nversion = \"1.9.0\"\n\n\
                    [[package]]\nname = \"openssl\"\nversion = \"0.10.0\"\n\n[[package]]\nname = \"rand\"\nversion = \"0.8.0\"\n\n\
                    [[package]]\nname = \"rand\"\nversion = \"0.9.0\"\n";
        let found: Vec<String> = check(lock).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("Cargo.lock:9: hyper is there as 0.14.1 and 1.9.0"), "{found:?}");
        assert!(found[1].starts_with("Cargo.lock:13: openssl must not be there (TLS is rustls)"), "{found:?}");
    }
}
