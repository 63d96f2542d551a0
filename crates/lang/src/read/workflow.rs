//! Workflows.

use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::model::{Input, InputType, Name, WorkflowSpec};
use crate::read::steps::Body;
use crate::read::{Cx, micros, text};
use crate::scope::Scope;
use crate::tree::Node;

pub(super) fn workflow(cx: &mut Cx<'_>, spec: &Node, name: &Name) -> WorkflowSpec {
    let inputs = inputs(cx, spec.get("inputs"));
    let mut scope = Scope::new("a workflow", &["inputs", "steps", "tables", "run", "now"]);
    scope.inputs = inputs.keys().cloned().collect();
    let mut body = Body::new(cx, spec, scope);
    body.workflow = Some(name.clone());
    let steps = body.list(spec.get("steps"), "/steps");
    let outputs = body.outputs(spec.get("outputs"));
    let on_failure = body.failing(spec.get("onFailure"), "/onFailure");
    let finally = body.failing(spec.get("finally"), "/finally");
    WorkflowSpec { inputs, steps, outputs, on_failure, finally, timeout: micros(spec, "timeout") }
}

fn inputs(cx: &mut Cx<'_>, node: Option<&Node>) -> IndexMap<String, Input> {
    let mut inputs = IndexMap::new();
    for entry in node.map(Node::entries).unwrap_or_default() {
        if !crate::check::ident_or_camel(&entry.key) {
            let message = format!("`{}` cannot be used as `inputs.{}`", entry.key, entry.key);
            let help = "write a name of letters, digits and `_`";
            cx.report.push(Diagnostic::error("name", entry.key_span, message).help(help));
        }
        let ty = text(&entry.value, "type").and_then(InputType::parse).unwrap_or_default();
        let default = entry.value.get("default").map(Node::to_json);
        if let Some(value) = default.as_ref().filter(|value| !ty.accepts(value)) {
            let at = entry.value.get("default").map_or(entry.key_span, |node| node.span);
            let message = format!("the default {value} is not of the type {}", ty.as_str());
            cx.report.push(Diagnostic::error("type", at, message));
        }
        inputs.insert(entry.key.clone(), Input { ty, default });
    }
    inputs.sort_unstable_keys();
    inputs
}
