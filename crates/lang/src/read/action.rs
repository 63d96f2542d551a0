//! Calls of actions, against the catalog.

use ensue_expr::Template;
use serde_json::{Map, Value};

use crate::catalog::{self, ACTIONS};
use crate::check::{self, Texts};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::model::StepKind;
use crate::read::steps::Body;
use crate::read::text;
use crate::refs::Ref;
use crate::secret;
use crate::shape::Ty;
use crate::tree::{Entry, Kind, Node};

impl Body<'_, '_> {
    pub(super) fn uses(&mut self, step: &Node, uses: &Node) -> Option<StepKind> {
        let action = uses.text()?.to_owned();
        let empty = Node { span: uses.span, kind: Kind::Map(Vec::new()) };
        let with = step.get("with").filter(|with| matches!(with.kind, Kind::Map(_))).unwrap_or(&empty);
        let exec = action == "exec/run";
        if !self.cx.pinned {
            match catalog::action(&action) {
                Some(spec) => {
                    // Anything but a map was reported as such.
                    if step.get("with").is_none_or(|with| matches!(with.kind, Kind::Map(_))) {
                        check::object(self.cx, with, &spec.with, "with", Texts::Templates);
                    }
                    let connection = step.get("connection");
                    let written = connection.and_then(Node::text).filter(|text| check::form(&Ty::Ref, text));
                    // What is written there in another form was reported as such.
                    if connection.is_none() || written.is_some() {
                        let at = connection.map_or(uses.span, |node| node.span);
                        self.cx.refs.push(Ref::connection(written, at, &self.cx.namespace, spec));
                    }
                }
                None => {
                    let known = ACTIONS.iter().map(|spec| spec.name);
                    let help = did_you_mean(&action, known);
                    let message = format!("there is no action `{action}` in this version");
                    self.cx.report.push(Diagnostic::error("unknown-action", uses.span, message).maybe_help(help));
                }
            }
        }
        let mut json = with.to_json();
        let with = if exec {
            self.environment(step, with, &mut json);
            ensue_expr::TemplateValue::compile(&json).ok()?
        } else {
            self.cx.tree(with, &json, &self.scope)?
        };
        Some(StepKind::Uses { action, connection: text(step, "connection").map(str::to_owned), with })
    }

    /// The environment of a program: that of the step and that under `with` are one, secrets in it become handles, and
    /// everything else becomes text. So a handle is there only where the manifest says so: no event can smuggle one in.
    fn environment(&mut self, step: &Node, with: &Node, json: &mut Value) {
        for entry in with.entries().iter().filter(|entry| entry.key != "env") {
            self.cx.leaves(&entry.value, &self.scope);
        }
        let entries: Vec<&Entry> =
            [step.get("env"), with.get("env")].into_iter().flatten().flat_map(Node::entries).collect();
        let mut env = Map::new();
        for entry in entries {
            env.insert(entry.key.clone(), self.variable(step, entry));
        }
        if let Some(fields) = json.as_object_mut()
            && (!env.is_empty() || fields.contains_key("env"))
        {
            fields.insert("env".to_owned(), Value::Object(env));
        }
    }

    fn variable(&mut self, step: &Node, entry: &Entry) -> Value {
        let node = &entry.value;
        let Some(text) = node.text() else {
            return node.scalar().map_or(Value::Null, |scalar| scalar.text.clone().into());
        };
        if let Some(name) = secret::name(text) {
            if !self.cx.pinned {
                let connection = step.get("connection").and_then(Node::text);
                self.cx.refs.push(Ref::exec_secret(name, connection, node.span, &self.cx.namespace));
            }
            return secret::handle(name);
        }
        self.cx.leaves(node, &self.scope);
        match Template::compile(text).ok().as_ref().and_then(Template::whole) {
            // The line break ends a comment.
            Some(program) => format!("${{{{ string({}\n) }}}}", program.source()).into(),
            None => text.into(),
        }
    }
}
