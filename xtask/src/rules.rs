//! The page `docs/reference/rules.md`: each sentence of `spec/README.md` with the scenarios that prove it.
//!
//! What a scenario says is read by lines here, not as YAML: the test of `spec/` reads it as the language does and refuses
//! one that names no sentence.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::workspace::Source;
use crate::{Result, workspace};

const HEAD: &str = "# The rules of the language, and what proves them\n\nEach scenario is played plainly, with a crash after \
                    each of its records or many of them, from rows and log and from the log alone: `cargo test -p \
                    ensue-lab --test it spec`.\n";

/// The page.
pub(crate) fn page() -> Result<String> {
    let files = workspace::files()?;
    let scenarios: Vec<Proof> = files
        .iter()
        .filter(|file| file.path.starts_with("spec/") && file.path.ends_with(".yaml"))
        .flat_map(proofs)
        .collect();
    make(&workspace::read("spec/README.md")?, &scenarios)
}

/// A scenario and the sentence that it proves.
struct Proof {
    path: String,
    name: String,
    sentence: String,
}

fn proofs(file: &Source) -> Vec<Proof> {
    let documents = file.text.split("\n---\n").filter(|text| text.lines().any(|line| line == "kind: Scenario"));
    documents
        .filter_map(|text| {
            let field = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).map(unquoted);
            let (name, sentence) = (field("  name: ")?, field("    ensue.dev/proves: ")?);
            Some(Proof { path: file.path.clone(), name, sentence })
        })
        .collect()
}

/// A YAML text in single quotes, or in none.
fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    inner.map_or_else(|| text.to_owned(), |inner| inner.replace("''", "'"))
}

fn make(sentences: &str, scenarios: &[Proof]) -> Result<String> {
    let mut by: BTreeMap<&str, Vec<&Proof>> = BTreeMap::new();
    for proof in scenarios {
        by.entry(&proof.sentence).or_default().push(proof);
    }
    let mut out = String::from(HEAD);
    for line in sentences.lines() {
        if let Some(section) = line.strip_prefix("## ") {
            // Writing to a String does not fail.
            let _ = writeln!(out, "\n## {section}");
        } else if let Some(sentence) = line.strip_prefix("- ") {
            let proofs = by.remove(sentence).ok_or_else(|| format!("spec/: no scenario proves: {sentence}"))?;
            let _ = writeln!(out, "\n{sentence}\n");
            for Proof { path, name, .. } in proofs {
                let _ = writeln!(out, "- [{name}](../../{path})");
            }
        }
    }
    match by.into_values().flatten().next() {
        Some(lost) => Err(format!("{}: `{}` proves a sentence that spec/README.md has not", lost.path, lost.name)),
        None => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_with_their_scenarios_and_nothing_without() {
        let text = "kind: Rule\nmetadata: { name: r }\n---\nkind: Scenario\nmetadata:\n  name: 'it''s so'\n  annotations:\n    ensue.dev/proves: 'A key is text.'\n";
        let found = proofs(&Source { path: "spec/a.yaml".into(), text: text.into() });
        let page = make("# T\n\n## Keys\n\n- A key is text.\n", &found).expect("a page");
        assert!(page.ends_with("\n## Keys\n\nA key is text.\n\n- [it's so](../../spec/a.yaml)\n"), "{page}");
        assert!(make("- Another.\n", &[]).is_err());
        assert!(make("", &found).is_err());
    }
}
