//! `ensue graph`: which rule can set off which.

use std::collections::BTreeSet;
use std::path::Path;

use ensue_engine::config::check as compile;
use ensue_lab::graph::{By, Does, Edge, From, Graph, Loop, loops, way};
use indexmap::IndexMap;
use serde_json::json;

use super::check::complain;
use super::folder::read;
use crate::errors::Error;
use crate::output::Output;

pub(crate) fn graph(path: &Path, output: Output) -> Result<(), Error> {
    let files = read(path, &IndexMap::new())?.files;
    let checked = compile(&files);
    let Some(config) = &checked.compiled else { return Err(complain(&checked, files.len())) };
    let graph = Graph::of(config);
    let found = loops(&graph, config);
    if output.for_graphviz() {
        output.line(dot(&graph, &found).trim_end());
    } else if output.for_people() {
        table(&graph, &found, output);
    } else {
        let rules: Vec<String> = config.rules.iter().map(|decider| decider.name.to_string()).collect();
        let sources: Vec<String> = config.config.sources.keys().map(ToString::to_string).collect();
        output.value(&json!({
            "sources": sources, "rules": rules, "edges": graph.edges, "unfed": graph.unfed, "loops": found,
        }));
    }
    Ok(())
}

fn table(graph: &Graph, found: &[Loop], output: Output) {
    if graph.edges.is_empty() {
        output.line("nothing leads from a source or a rule to a rule");
    } else {
        let rows: Vec<Vec<String>> = graph.edges.iter().map(row).collect();
        output.table(&["FROM", "EVENT", "TO", "BY"], &rows);
    }
    if !graph.unfed.is_empty() {
        output.line(format!("\nfed by nothing but POST /events: {}", graph.unfed.join(", ")));
    }
    if graph.cut {
        output.line("\nthere is too much of it: edges may be missing");
    }
    for one in found {
        let every = if one.every_rule { " (it hears the runs of every rule)" } else { "" };
        output.line(format!("\nloop: {}{every}", way(one)));
        for bound in &one.bounds {
            output.line(format!("  bounded: {bound}"));
        }
    }
}

fn row(edge: &Edge) -> Vec<String> {
    let item = edge.item.as_ref().map(|item| format!(" ({item})")).unwrap_or_default();
    let stops = if edge.does == Does::Stops { ", keeps it from firing" } else { "" };
    vec![from(&edge.from), edge.kind.clone(), format!("{}{item}", edge.to), format!("{}{stops}", by(&edge.by))]
}

fn from(from: &From) -> String {
    match from {
        From::Source(name) => format!("source {name}"),
        From::Rule(name) => name.clone(),
        From::EveryRule => "every rule".to_owned(),
    }
}

fn by(by: &By) -> String {
    match by {
        By::Source => "the source".to_owned(),
        By::Emit { step } => format!("step {step}"),
        By::Record { .. } => "its runs".to_owned(),
        By::Action { step, action, source, .. } => format!("step {step}: {action}, through source {source}"),
    }
}

/// The picture: sources as houses, rules as boxes, edges named by the type of their event; those of loops are red.
fn dot(graph: &Graph, found: &[Loop]) -> String {
    let red: BTreeSet<&Edge> = found.iter().flat_map(|one| &one.edges).collect();
    let mut lines: BTreeSet<String> = BTreeSet::new();
    let mut out = String::from("digraph ensue {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for edge in &graph.edges {
        let name = from(&edge.from);
        if edge.from != From::Rule(name.clone()) {
            let shape = if edge.from == From::EveryRule { "ellipse" } else { "house" };
            lines.insert(format!("  {} [shape={shape}];\n", quoted(&name)));
        }
        lines.insert(format!("  {};\n", quoted(&edge.to)));
    }
    lines.extend(graph.unfed.iter().map(|name| format!("  {};\n", quoted(name))));
    out.extend(lines);
    for edge in &graph.edges {
        let mut how = vec![format!("label={}", quoted(&edge.kind))];
        if edge.does == Does::Stops {
            how.push("style=dashed".to_owned());
        }
        if red.contains(edge) {
            how.push("color=red".to_owned());
        }
        out.push_str(&format!("  {} -> {} [{}];\n", quoted(&from(&edge.from)), quoted(&edge.to), how.join(", ")));
    }
    out.push_str("}\n");
    out
}

/// A quoted text of Graphviz: only quotes and backslashes mean something in it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
