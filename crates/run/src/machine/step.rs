//! Steps that are done at once: `set`, `switch`, `emit`, and the way into and out of a workflow.

use ensue_event::ours::Failure;
use ensue_expr::{Program, TemplateValue, Value};
use indexmap::IndexMap;

use super::{Command, Flow, Machine, Said};
use crate::branch::Frame;
use crate::graph::{Emit, Enter, Node, NodeId};

impl<'a> Machine<'a> {
    pub(super) fn pass(&mut self, node: &'a Node, values: &IndexMap<String, TemplateValue>) -> Result<Flow, Failure> {
        self.begin(node);
        let outputs = self.render_all(values)?;
        self.done(node, outputs)
    }

    pub(super) fn choice(&mut self, node: &'a Node, cases: &[(Option<Program>, NodeId)]) -> Result<Flow, Failure> {
        self.begin(node);
        for (cond, to) in cases {
            let holds = match cond {
                Some(cond) => self.holds(cond)?,
                None => true,
            };
            if holds {
                self.done(node, serde_json::Value::Null)?;
                return Ok(Flow::Go(*to));
            }
        }
        self.done(node, serde_json::Value::Null)
    }

    pub(super) fn emit(&mut self, node: &'a Node, emit: &Emit) -> Result<Flow, Failure> {
        self.begin(node);
        let kind = self.text(&emit.kind)?;
        if kind.is_empty() || kind.starts_with(ensue_event::ours::PREFIX) {
            let why = format!("`emit` of type `{kind}`: a type of your own is needed; `dev.ensue.` belongs to ensue");
            return Err(Failure::new("Expression", why));
        }
        let source = emit.source.as_ref().map(|source| self.text(source)).transpose()?;
        let subject = emit.subject.as_ref().map(|subject| self.text(subject)).transpose()?;
        let data = emit.data.as_ref().map(|data| self.render(data)).transpose()?.map(|value| value.to_json());
        let mut extensions = Vec::new();
        for (name, value) in &emit.extensions {
            extensions.push((name.clone(), self.text(value)?));
        }
        let id = self.run.effect_key(&node.path, self.here().index());
        self.out.push(Command::Emit(Box::new(Said { id, kind, source, subject, data, extensions })));
        self.done(node, serde_json::json!({"id": id}))
    }

    pub(super) fn enter(&mut self, node: &'a Node, enter: &Enter) -> Result<Flow, Failure> {
        self.begin(node);
        let given = self.render(&enter.with)?;
        let mut inputs = serde_json::Map::new();
        for (name, input) in &enter.inputs {
            let given = given.get(name).map(Value::to_json).or_else(|| input.default.clone());
            let (workflow, wanted) = (&enter.workflow, input.ty.as_str());
            let value = given.ok_or_else(|| {
                let why = format!("the workflow {workflow} needs the input `{name}`; give it under `with`");
                Failure::new("Expression", why)
            })?;
            if !input.ty.accepts(&value) {
                let why =
                    format!("the input `{name}` of the workflow {workflow} must be of type {wanted}; {value} is not");
                return Err(Failure::new("Expression", why));
            }
            inputs.insert(name.clone(), value);
        }
        let undos = self.here().undos.len();
        self.here_mut().at.frames.push(Frame { path: node.path.clone(), inputs: inputs.into(), undos });
        Ok(Flow::Go(node.next))
    }

    pub(super) fn leave(&mut self, node: &'a Node, outputs: &IndexMap<String, TemplateValue>) -> Result<Flow, Failure> {
        let outputs = self.render_all(outputs)?;
        self.here_mut().at.frames.pop();
        self.done(node, outputs)
    }
}
