//! The report in the form that JUnit's XML has become: what every CI reads.
//!
//! A `testsuite` for each configuration, a `testcase` for each scenario. A scenario that is not met has a `failure`; one
//! that cannot be played, and a configuration with mistakes, an `error`.

use std::fmt::Write as _;
use std::path::Path;

use super::play::{Item, Summary};
use super::show;

/// The report.
pub(super) fn xml(items: &[&Item]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"ensue\"{}>", counts(items));
    for suite in items.chunk_by(|a, b| configuration(a) == configuration(b)) {
        let Some(first) = suite.first() else { continue };
        let name = configuration(first).display().to_string();
        let _ = writeln!(out, "  <testsuite name=\"{}\"{}>", text(&name), counts(suite));
        suite.iter().for_each(|item| case(item, &name, &mut out));
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn configuration(item: &Item) -> &Path {
    match item {
        Item::Case(case) => &case.configuration,
        Item::Unread { configuration, .. } | Item::Broken { configuration, .. } | Item::Empty { configuration } => {
            configuration
        }
    }
}

fn counts(items: &[&Item]) -> String {
    let took = items.iter().map(|item| match item {
        Item::Case(case) => case.took,
        _ => std::time::Duration::ZERO,
    });
    let Summary { passed, failed, broken, took } = Summary::of(items.iter().copied(), took.sum());
    // What cannot be played is an error, not a failure.
    let errors = items.iter().filter(|item| matches!(item, Item::Case(case) if case.result.is_err())).count();
    let (tests, failures) = (passed + failed + broken, failed - errors);
    let errors = errors + broken;
    format!(" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{:.6}\"", took.as_secs_f64())
}

fn case(item: &Item, suite: &str, out: &mut String) {
    let (name, place, took, found) = match item {
        Item::Empty { .. } => return,
        Item::Case(case) => {
            let details = show::details(case).join("\n");
            let found = match &case.result {
                Ok(outcome) => outcome.differences.first().map(|first| ("failure", first.expected.clone(), details)),
                Err(why) => Some(("error", why.to_string(), details)),
            };
            let place = format!(" file=\"{}\" line=\"{}\"", text(&case.file), case.line);
            (case.name.name.as_str(), place, case.took.as_secs_f64(), found)
        }
        Item::Unread { why, .. } => ("configuration", String::new(), 0.0, Some(("error", why.clone(), String::new()))),
        Item::Broken { checked, .. } => {
            let message = "the configuration has mistakes".to_owned();
            ("configuration", String::new(), 0.0, Some(("error", message, checked.render(false))))
        }
    };
    let _ =
        write!(out, "    <testcase name=\"{}\" classname=\"{}\"{place} time=\"{took:.6}\"", text(name), text(suite));
    match found {
        None => out.push_str("/>\n"),
        Some((kind, message, details)) => {
            let _ = writeln!(out, ">\n      <{kind} message=\"{}\">{}</{kind}>", text(&message), text(&details));
            out.push_str("    </testcase>\n");
        }
    }
}

/// A text as it may stand in XML 1.0, in an attribute too: what no XML can hold becomes U+FFFD.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
