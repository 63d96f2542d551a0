//! Text with `${{ expression }}` in it.
//!
//! A template that is one expression and nothing else keeps the expression's type. Inside of text a value is rendered:
//! strings as they are, numbers and booleans as `string(x)` has them, `null` as `null`, times as RFC 3339, durations as
//! `30m`, bytes as base64, lists and maps as JSON. What comes out is never read as a template again. `$${{` stands for the
//! three characters `${{`.

use std::collections::BTreeSet;

use crate::budget::{Budget, Spent};
use crate::error::{Error, EvalError, Span};
use crate::eval;
use crate::parse;
use crate::program::{Program, Read};
use crate::scope::Scope;
use crate::value::Value;

/// What becomes of a secret's handle inside of text.
#[derive(Clone, Copy, Default)]
pub enum Secrets<'a> {
    /// It is an error. Alone in its template a handle stays a handle.
    #[default]
    Refuse,
    /// It becomes `***`: for pages and messages.
    Mask,
    /// It becomes its content: only at the moment of acting. `None` where there is no such secret.
    Reveal(&'a dyn Fn(&str) -> Option<String>),
}

/// A compiled template; cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    /// An expression, and where its source begins in the template's text.
    Expr(Program, usize),
}

impl Template {
    /// Compiles a text with any number of expressions.
    ///
    /// # Errors
    /// The first wrong expression, with its place in the text; one that is not closed.
    pub fn compile(text: &str) -> Result<Template, Error> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        let shifted = |error: Error, by: usize| Error { span: error.span.shifted(by), ..error };
        while let Some((plain, _)) = text.get(at..).and_then(|rest| rest.split_once("${{")) {
            let open = at + plain.len();
            at = open + 3;
            if let Some(plain) = plain.strip_suffix('$') {
                literal.push_str(plain);
                literal.push_str("${{");
                continue;
            }
            literal.push_str(plain);
            let rest = text.get(open..).unwrap_or_default();
            let close = parse::until_close(rest).map_err(|error| shifted(error, open))?;
            let inner = rest.get(3..close).unwrap_or_default();
            let offset = at + inner.len() - inner.trim_start().len();
            let program = Program::compile(inner.trim()).map_err(|error| shifted(error, offset))?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Expr(program, offset));
            at = open + close + 2;
        }
        literal.push_str(text.get(at..).unwrap_or_default());
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Template { parts })
    }

    /// The text, where there is no expression in it.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The expression, where the whole is one.
    pub fn whole(&self) -> Option<&Program> {
        match self.parts.as_slice() {
            [Part::Expr(program, _)] => Some(program),
            _ => None,
        }
    }

    /// The expressions, each with the byte of the text at which its source begins.
    pub fn programs(&self) -> impl Iterator<Item = (&Program, usize)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expr(program, offset) => Some((program, *offset)),
            Part::Text(_) => None,
        })
    }

    /// The root names that it reads.
    pub fn names(&self) -> BTreeSet<String> {
        self.programs().flat_map(|(program, _)| program.names()).collect()
    }

    /// The static paths that it reads, each once.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let paths: BTreeSet<_> = self.programs().flat_map(|(program, _)| program.paths()).collect();
        paths.into_iter().collect()
    }

    /// The static paths with their places in the text, in the order written.
    pub fn reads(&self) -> Vec<Read> {
        self.programs()
            .flat_map(|(program, offset)| {
                program.reads().iter().map(move |read| Read { span: read.span.shifted(offset), ..read.clone() })
            })
            .collect()
    }

    /// The value: that of the one expression, or the text.
    ///
    /// # Errors
    /// As [`Program::eval`], with places in the text; a secret inside of text.
    pub fn render(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Value, EvalError> {
        self.render_as(scope, budget, Secrets::Refuse)
    }

    /// The same, with another treatment of secrets.
    ///
    /// # Errors
    /// As [`Template::render`]; a secret that cannot be revealed.
    pub fn render_as(&self, scope: &dyn Scope, budget: &mut Budget, secrets: Secrets<'_>) -> Result<Value, EvalError> {
        if let [Part::Expr(program, offset)] = self.parts.as_slice() {
            let value = program.eval(scope, budget).map_err(|error| error.shifted(*offset))?;
            return match secrets {
                Secrets::Refuse => Ok(value),
                _ => disclose(value, secrets, place(program, *offset)),
            };
        }
        let most = budget.output_left();
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => {
                    text.push_str(plain);
                    budget.result(plain.len()).map_err(|spent| too_much(spent, Span::default()))?;
                }
                Part::Expr(program, offset) => {
                    let span = place(program, *offset);
                    let value = program.value(scope, budget).map_err(|error| error.shifted(*offset))?;
                    eval::count(budget, &value, 0).map_err(|spent| too_much(spent, span))?;
                    text.push_str(&rendered(disclose(value, secrets, span)?));
                }
            }
        }
        // Counted as values; quotes and escapes of JSON may have come on top.
        if text.len() as u64 > most {
            return Err(too_much(Spent::Output, Span::default()));
        }
        Ok(Value::from(text))
    }
}

fn place(program: &Program, offset: usize) -> Span {
    Span::new(offset, offset + program.source().len())
}

fn too_much(spent: Spent, span: Span) -> EvalError {
    EvalError::Budget { message: spent.message(), span }
}

fn rendered(value: Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Bytes(_) => value.to_json().as_str().unwrap_or_default().to_owned(),
        other => other.scalar_text().unwrap_or_else(|| other.to_json_text()),
    }
}

/// The value with its handles refused, masked, or revealed.
fn disclose(value: Value, secrets: Secrets<'_>, span: Span) -> Result<Value, EvalError> {
    match value {
        Value::Secret(name) => match secrets {
            Secrets::Refuse => Err(EvalError::Secret {
                message: format!(
                    "the secret {name} stands inside of text; give it alone, as \"${{{{ secrets.{name} }}}}\""
                ),
                span,
            }),
            Secrets::Mask => Ok(Value::from("***")),
            Secrets::Reveal(content) => content(&name).map(Value::from).ok_or_else(|| EvalError::Secret {
                message: format!("there is no secret {name}; set it in the environment, a file, or the secrets folder"),
                span,
            }),
        },
        Value::List(items) if items.iter().any(holds_secret) => items
            .iter()
            .map(|item| disclose(item.clone(), secrets, span))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::from),
        Value::Map(map) if map.values().any(holds_secret) => map
            .iter()
            .map(|(key, value)| Ok((key.clone(), disclose(value.clone(), secrets, span)?)))
            .collect::<Result<crate::value::Map, EvalError>>()
            .map(Value::from),
        other => Ok(other),
    }
}

fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Secret(_) => true,
        Value::List(items) => items.iter().any(holds_secret),
        Value::Map(map) => map.values().any(holds_secret),
        _ => false,
    }
}
