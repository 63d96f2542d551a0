//! No machine's paths and no registry's hosts: the tree must build and read the same anywhere, behind any mirror.
//!
//! The texts are put together from pieces, so that this file does not find itself.

use super::Finding;
use super::code::word;
use crate::workspace::Source;

/// Hosts of package registries and of their mirrors.
const HOSTS: &[&str] = &[
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("//crates", ".io"),
    concat!("registry.npmjs", ".org"),
    concat!("files.pythonhosted", ".org"),
    concat!("pypi", ".org"),
    concat!("deb.debian", ".org"),
    concat!("archive.ubuntu", ".com"),
    concat!("proxy.golang", ".org"),
];

/// Paths that exist on somebody's machine only.
const PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tm", "p/ensue"), concat!("/Us", "ers/")];

/// Checks one file; cargo writes the lock file and names its registry there.
pub(super) fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.path == "Cargo.lock" {
        return findings;
    }
    for (at, line) in file.text.lines().enumerate() {
        for host in HOSTS.iter().filter(|host| line.contains(**host)) {
            let what = format!("`{host}` is the host of a registry: leave it to the user's cargo, pip or apt settings");
            findings.push(Finding::new(&file.path, at + 1, what));
        }
        for path in PATHS.iter().filter(|path| begins_a_path(line, path)) {
            let what = format!("`{path}` is a path of one machine: make it relative, or an argument");
            findings.push(Finding::new(&file.path, at + 1, what));
        }
    }
    findings
}

/// True if the text stands where a path may begin, and not within a longer one or an address.
fn begins_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back()).unwrap_or(' ');
        !word(before) && !['/', '.', '-', '}', '*', '$'].contains(&before)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_paths_are_found_where_they_begin() {
        let (work, host) = (PATHS[0], HOSTS[0]);
        for (text, count) in [
            (format!("cd {work}main"), 1),
            (format!("\"{work}x\""), 1),
            (format!("fn{work}x and ../shared{work}y and ${{HOME}}{work}z"), 0),
            (format!("https://{host}/x"), 1),
            ("https://docs.rs/".into(), 0),
        ] {
            let file = Source { path: "a.md".into(), text: text.clone() };
            assert_eq!(check(&file).len(), count, "{text}");
            assert_eq!(check(&Source { path: "Cargo.lock".into(), text }), []);
        }
    }
}
