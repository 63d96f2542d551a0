//! Macros: `list.all(x, …)` and its kin, `cel.bind(x, …, …)`. Their first arguments are names, not expressions.

use std::sync::Arc;

use super::token::Kind;
use super::{Parser, build};
use crate::ast::{Each, Expr, Macro, Node};
use crate::error::{Error, Span};

/// The macro of this name.
pub(super) fn named(name: &str) -> Option<Macro> {
    Some(match name {
        "all" => Macro::All,
        "exists" => Macro::Exists,
        "exists_one" | "existsOne" => Macro::ExistsOne,
        "filter" => Macro::Filter,
        "map" => Macro::Map,
        "transformList" => Macro::TransformList,
        "transformMap" => Macro::TransformMap,
        _ => return None,
    })
}

/// How each is called, for messages.
fn form(kind: Macro) -> &'static str {
    match kind {
        Macro::All => "all(x, condition)",
        Macro::Exists => "exists(x, condition)",
        Macro::ExistsOne => "exists_one(x, condition)",
        Macro::Filter => "filter(x, condition)",
        Macro::Map => "map(x, value) or map(x, condition, value)",
        Macro::TransformList => "transformList(i, x, value) or transformList(i, x, condition, value)",
        Macro::TransformMap => "transformMap(k, x, value) or transformMap(k, x, condition, value)",
    }
}

impl Parser<'_> {
    /// The arguments of a macro; the opening parenthesis is taken.
    pub(super) fn each(&mut self, kind: Macro, over: Expr, start: Span, name: Span) -> Result<Expr, Error> {
        let first = self.variable(form(kind))?;
        self.expect(",", "`,`")?;
        let two = match kind {
            Macro::TransformList | Macro::TransformMap => true,
            Macro::All | Macro::Exists | Macro::ExistsOne => self.peek().kind == Kind::Word && self.ahead_is(1, ","),
            Macro::Filter | Macro::Map => false,
        };
        let second = if two {
            let variable = self.variable(form(kind))?;
            self.expect(",", "`,`")?;
            Some(variable)
        } else {
            None
        };
        if second.as_ref() == Some(&first) {
            return Err(Error::new(name, format!("both variables are called `{first}`")).hint("give them two names"));
        }
        let visible = self.variables.len();
        self.variables.push(first.clone());
        self.variables.extend(second.clone());
        let mut filter = None;
        let mut body = self.nested()?;
        if matches!(kind, Macro::Map | Macro::TransformList | Macro::TransformMap) && self.take(",") {
            filter = Some(body);
            body = self.nested()?;
        }
        self.variables.truncate(visible);
        if self.is(",") {
            return Err(Error::new(name, format!("{}() has too many arguments", kind.name()))
                .hint(format!("write {}", form(kind))));
        }
        self.expect(")", "`)`")?;
        let span = start.to(self.last());
        build(Node::Each(Box::new(Each { kind, over, first, second, filter, body })), span)
    }

    /// The arguments of `cel.bind`; the opening parenthesis is next.
    pub(super) fn bind(&mut self, start: Span) -> Result<Expr, Error> {
        self.expect("(", "`(`")?;
        let name = self.variable("cel.bind(x, value, expression)")?;
        self.expect(",", "`,`")?;
        let value = self.nested()?;
        self.expect(",", "`,`")?;
        self.variables.push(name.clone());
        let body = self.nested()?;
        self.variables.pop();
        self.expect(")", "`)`")?;
        build(Node::Bind(name, Box::new(value), Box::new(body)), start.to(self.last()))
    }

    fn variable(&mut self, form: &str) -> Result<Arc<str>, Error> {
        let token = self.peek();
        let text = self.text(token);
        if token.kind != Kind::Word || matches!(text, "true" | "false" | "null" | "in") || !self.ahead_is(1, ",") {
            return Err(Error::new(token.span, "a macro's variable should stand here").hint(format!("write {form}")));
        }
        let name = text.into();
        self.at += 1;
        Ok(name)
    }
}
