//! What is generated: the pages of `docs/reference/`, which are what the program says of itself, and in `deploy/` the
//! definitions of its kinds for clusters.

use crate::{Result, nothing_left, rules, shell, take_flag, workspace};

/// Stands first in every generated page.
const MADE: &str = "<!-- Made by `cargo xtask gen`; changes are made in its source. -->\n\n";

/// The pages, as `ensue reference PAGE` prints them. The JSON Schema is not among them: `ensue schema` prints it, and it
/// is long. One more, `rules`, is made from `spec/`.
const PAGES: [&str; 4] = ["records", "language", "kubernetes", "cli"];

/// The definitions of the kinds, as `ensue schema --crds` prints them, where Helm looks for them.
const DEFINITIONS: &str = "deploy/chart/ensue/crds/ensue.dev.yaml";

/// Writes the pages, or with `--check` says which ones are not up to date.
pub(crate) fn run(arguments: &[String]) -> Result {
    let mut arguments = arguments.to_vec();
    let check = take_flag(&mut arguments, "--check");
    nothing_left(&arguments)?;
    let mut stale = Vec::new();
    let mut pages = vec![("rules", rules::page()?)];
    for page in PAGES {
        pages.push((page, shell::output(ensue().args(["reference", page]))?));
    }
    let mut files: Vec<(String, String)> =
        pages.iter().map(|(page, text)| (format!("docs/reference/{page}.md"), format!("{MADE}{text}"))).collect();
    let definitions = shell::output(ensue().args(["schema", "--crds"]))?;
    files.push((
        DEFINITIONS.into(),
        format!("# Made by `cargo xtask gen`; changes are made in its source.\n{definitions}"),
    ));
    for (path, text) in files {
        if workspace::read(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            stale.push(path);
            continue;
        }
        let file = workspace::root().join(&path);
        let folder = file.parent().unwrap_or(workspace::root());
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, &text))
            .map_err(|error| format!("cannot write {path}: {error}"))?;
        println!("written: {path}");
    }
    if stale.is_empty() { Ok(()) } else { Err(format!("not up to date: {}; run `cargo xtask gen`", stale.join(", "))) }
}

/// The binary, as the tests build it.
fn ensue() -> std::process::Command {
    let mut cargo = shell::cargo();
    cargo.args(["run", "--quiet", "--package", "ensue-cli", "--"]);
    // The same lines on every machine.
    cargo.env("COLUMNS", "100").env("NO_COLOR", "1");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENSUE_")) {
        cargo.env_remove(name);
    }
    cargo
}
