//! Sizes, depths, prose, and words that say "not finished".

use super::Finding;
use super::code::code;
use crate::workspace::Source;

/// Over this a file is split, unless it is a test or one of the tables below.
const LONGEST: usize = 800;

/// Files that are one table or one generated thing: path and what it is.
const TABLES: &[(&str, &str)] = &[("crates/event/src/ours.rs", "the list of our own records with their fields")];

/// The most folders above a file, from the root.
const DEEPEST: usize = 7;

/// Macros that stand for something that is not there.
const ABSENT: &[&str] = &["todo!", "unimplemented!"];

/// Checks one file.
pub(super) fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let folders = file.path.matches('/').count();
    if folders > DEEPEST {
        let what = format!("{folders} folders deep, {DEEPEST} is the limit: flatten its branch");
        findings.push(Finding::new(&file.path, 0, what));
    }
    let rust = file.path.ends_with(".rs");
    if rust {
        let lines = file.text.lines().count();
        let test = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
        if lines > LONGEST && !test && !TABLES.iter().any(|(path, _)| *path == file.path) {
            let what = format!("{lines} lines, {LONGEST} is the limit: find the second idea in it and give it a file");
            findings.push(Finding::new(&file.path, 0, what));
        }
        for (at, line) in code(&file.text).lines().enumerate() {
            for word in ABSENT.iter().filter(|word| super::code::has(line, word)) {
                findings.push(Finding::new(&file.path, at + 1, format!("`{word}`: write it, or leave the case out")));
            }
        }
    }
    if rust || file.path.ends_with(".toml") || file.path.ends_with(".sh") {
        // In two pieces, so that this file may name them.
        let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
        for (at, line) in file.text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| super::code::has(line, mark)) {
                let what = format!("`{mark}`: do it, or write an issue and say here what holds today");
                findings.push(Finding::new(&file.path, at + 1, what));
            }
        }
    }
    findings
}

/// What concerns all files together: every crate says in its first file what it is.
pub(super) fn whole(files: &[Source], members: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        let roots = [format!("{member}/src/lib.rs"), format!("{member}/src/main.rs")];
        match files.iter().find(|file| roots.contains(&file.path)) {
            Some(file) if file.text.starts_with("//! ") => {}
            Some(file) => {
                findings.push(Finding::new(&file.path, 1, "begin with `//!`: what the crate is, is not, and a map"));
            }
            None => findings.push(Finding::new(
                &format!("{member}/Cargo.toml"),
                0,
                "the crate has no src/lib.rs or src/main.rs",
            )),
        }
    }
    for (path, _) in TABLES {
        if !files.iter().any(|file| file.path == *path) {
            findings.push(Finding::new("xtask/src/tidy/sources.rs", 0, format!("{path} is listed and does not exist")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn sizes_depths_and_unfinished_words_are_found() {
        let long = "x\n".repeat(801);
        for (path, text, expected) in [
            ("crates/a/src/b.rs", long.as_str(), "crates/a/src/b.rs: 801 lines"),
            ("a/b/c/d/e/f/g/h/i.txt", "", "a/b/c/d/e/f/g/h/i.txt: 8 folders deep"),
            ("crates/a/src/b.rs", "\nfn f() { todo!() }", "crates/a/src/b.rs:2: `todo!`"),
            ("a.rs", concat!("// TO", "DO: more"), concat!("a.rs:1: `TO", "DO`")),
        ] {
            let found = check(&source(path, text));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].to_string().starts_with(expected), "{found:?}");
        }
        for (path, text) in
            [("crates/a/tests/it/b.rs", long.as_str()), ("a.rs", "// todo! is a macro"), ("a/b/c/d/e/f/g/h.rs", "")]
        {
            assert_eq!(check(&source(path, text)), []);
        }
    }

    #[test]
    fn a_crate_says_what_it_is() {
        let tables = TABLES.iter().map(|(path, _)| source(path, ""));
        let files: Vec<Source> = [source("a/src/lib.rs", "//! A.\n"), source("b/src/lib.rs", "mod x;\n")]
            .into_iter()
            .chain(tables)
            .collect();
        let found = whole(&files, &["a", "b", "c"].map(str::to_owned));
        let places: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(places, ["b/src/lib.rs", "c/Cargo.toml"]);
    }
}
