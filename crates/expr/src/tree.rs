//! A JSON tree whose texts are templates: a step's `with`, an event to emit.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::budget::Budget;
use crate::error::{Error, EvalError, Span};
use crate::eval;
use crate::program::{Program, Read};
use crate::scope::Scope;
use crate::template::{Secrets, Template};
use crate::value::{Map, MapKey, Value};

/// A compiled tree.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateValue(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// A part without any expression in it.
    Literal(Value),
    Text(Template),
    List(Vec<Node>),
    Map(Vec<(MapKey, Node)>),
}

/// A wrong template in a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {error}", if pointer.is_empty() { "/" } else { pointer.as_str() })]
pub struct TemplateError {
    /// The leaf as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong there; its span is in the text of the leaf.
    pub error: Error,
}

impl TemplateValue {
    /// Compiles all texts of a tree. Keys are literal.
    ///
    /// # Errors
    /// The first wrong text; [`TemplateValue::errors`] has them all.
    pub fn compile(json: &Json) -> Result<TemplateValue, TemplateError> {
        let mut errors = Vec::new();
        let node = compile(json, &mut String::new(), &mut errors);
        match errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(TemplateValue(node)),
        }
    }

    /// All that is wrong in a tree.
    pub fn errors(json: &Json) -> Vec<TemplateError> {
        let mut errors = Vec::new();
        compile(json, &mut String::new(), &mut errors);
        errors
    }

    /// A tree that is this value.
    pub fn constant(value: Value) -> TemplateValue {
        TemplateValue(Node::Literal(value))
    }

    /// The value, where there is no expression in the whole tree.
    pub fn literal(&self) -> Option<&Value> {
        match &self.0 {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The templates with an expression in them, each with its JSON pointer, in the tree's order.
    pub fn templates(&self) -> Vec<(String, &Template)> {
        let mut found = Vec::new();
        walk(&self.0, &mut String::new(), &mut found);
        found
    }

    /// The expressions, each with its JSON pointer.
    pub fn programs(&self) -> Vec<(String, &Program)> {
        self.templates()
            .into_iter()
            .flat_map(|(pointer, template)| template.programs().map(move |(program, _)| (pointer.clone(), program)))
            .collect()
    }

    /// The root names that it reads.
    pub fn names(&self) -> BTreeSet<String> {
        self.templates().into_iter().flat_map(|(_, template)| template.names()).collect()
    }

    /// The static paths that it reads, each once.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let paths: BTreeSet<_> = self.templates().into_iter().flat_map(|(_, template)| template.paths()).collect();
        paths.into_iter().collect()
    }

    /// The static paths, each with the pointer of its leaf and its place there.
    pub fn reads(&self) -> Vec<(String, Read)> {
        self.templates()
            .into_iter()
            .flat_map(|(pointer, template)| template.reads().into_iter().map(move |read| (pointer.clone(), read)))
            .collect()
    }

    /// The tree with its templates rendered.
    ///
    /// # Errors
    /// As [`Template::render`], with the leaf's pointer.
    pub fn render(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Value, EvalError> {
        self.render_as(scope, budget, Secrets::Refuse)
    }

    /// The same, with another treatment of secrets.
    ///
    /// # Errors
    /// As [`Template::render_as`], with the leaf's pointer.
    pub fn render_as(&self, scope: &dyn Scope, budget: &mut Budget, secrets: Secrets<'_>) -> Result<Value, EvalError> {
        Render { scope, budget, secrets }.node(&self.0, &mut String::new())
    }
}

impl TryFrom<&Json> for TemplateValue {
    type Error = TemplateError;

    fn try_from(json: &Json) -> Result<TemplateValue, TemplateError> {
        TemplateValue::compile(json)
    }
}

/// Goes one level down in a pointer, and up again after.
fn below<T>(pointer: &mut String, part: &str, then: impl FnOnce(&mut String) -> T) -> T {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    let result = then(pointer);
    pointer.truncate(length);
    result
}

fn compile(json: &Json, pointer: &mut String, errors: &mut Vec<TemplateError>) -> Node {
    match json {
        Json::String(text) => match Template::compile(text) {
            Ok(template) => match template.literal() {
                Some(text) => Node::Literal(Value::from(text)),
                None => Node::Text(template),
            },
            Err(error) => {
                errors.push(TemplateError { pointer: pointer.clone(), error });
                Node::Literal(Value::Null)
            }
        },
        Json::Array(items) => {
            let nodes: Vec<Node> = items
                .iter()
                .enumerate()
                .map(|(at, item)| below(pointer, &at.to_string(), |pointer| compile(item, pointer, errors)))
                .collect();
            let literals: Option<Vec<Value>> = nodes.iter().map(constant).collect();
            literals.map_or(Node::List(nodes), |items| Node::Literal(Value::from(items)))
        }
        Json::Object(map) => {
            let nodes: Vec<(MapKey, Node)> = map
                .iter()
                .map(|(key, value)| {
                    below(pointer, key, |pointer| {
                        if key.contains("${{") {
                            let error = Error::new(Span::new(0, key.len()), "a key cannot be computed")
                                .hint("compute the whole map: \"${{ {let.name: value} }}\"");
                            errors.push(TemplateError { pointer: pointer.clone(), error });
                        }
                        (MapKey::from(key.as_str()), compile(value, pointer, errors))
                    })
                })
                .collect();
            let literals: Option<Map> = nodes.iter().map(|(key, node)| Some((key.clone(), constant(node)?))).collect();
            literals.map_or(Node::Map(nodes), |map| Node::Literal(Value::from(map)))
        }
        other => Node::Literal(Value::from(other)),
    }
}

fn constant(node: &Node) -> Option<Value> {
    match node {
        Node::Literal(value) => Some(value.clone()),
        _ => None,
    }
}

fn walk<'n>(node: &'n Node, pointer: &mut String, found: &mut Vec<(String, &'n Template)>) {
    match node {
        Node::Literal(_) => {}
        Node::Text(template) => found.push((pointer.clone(), template)),
        Node::List(nodes) => {
            for (at, node) in nodes.iter().enumerate() {
                below(pointer, &at.to_string(), |pointer| walk(node, pointer, found));
            }
        }
        Node::Map(nodes) => {
            for (key, node) in nodes {
                below(pointer, &key.to_string(), |pointer| walk(node, pointer, found));
            }
        }
    }
}

struct Render<'a, 'b> {
    scope: &'a dyn Scope,
    budget: &'a mut Budget,
    secrets: Secrets<'b>,
}

impl Render<'_, '_> {
    fn node(&mut self, node: &Node, pointer: &mut String) -> Result<Value, EvalError> {
        match node {
            Node::Literal(value) => {
                eval::count(self.budget, value, 0).map_err(|spent| {
                    at(pointer, EvalError::Budget { message: spent.message(), span: Span::default() })
                })?;
                Ok(value.clone())
            }
            Node::Text(template) => {
                template.render_as(self.scope, self.budget, self.secrets).map_err(|error| at(pointer, error))
            }
            Node::List(nodes) => nodes
                .iter()
                .enumerate()
                .map(|(at, node)| below(pointer, &at.to_string(), |pointer| self.node(node, pointer)))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::from),
            Node::Map(nodes) => nodes
                .iter()
                .map(|(key, node)| {
                    below(pointer, &key.to_string(), |pointer| Ok((key.clone(), self.node(node, pointer)?)))
                })
                .collect::<Result<Map, EvalError>>()
                .map(Value::from),
        }
    }
}

fn at(pointer: &str, error: EvalError) -> EvalError {
    if pointer.is_empty() { error } else { EvalError::At { pointer: pointer.to_owned(), error: Box::new(error) } }
}
