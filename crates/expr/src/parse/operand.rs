//! Operands: literals, names, calls, lists, maps, parentheses.

use std::sync::Arc;

use super::token::{Kind, Token};
use super::{HOST, MAX_NAMES, Parser, RESERVED, build, literal, macros};
use crate::ast::{Call, Entry, Expr, Item, Node, Root};
use crate::error::{Error, Span};
use crate::functions::{self, Function};
use crate::value::{Type, Value};

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Result<Expr, Error> {
        let token = self.bump();
        let literal = |value| build(Node::Literal(value), token.span);
        match token.kind {
            Kind::Int(n) => match i64::try_from(n) {
                Ok(n) => literal(Value::Int(n)),
                Err(_) => Err(Error::new(token.span, "the number is beyond the range of int")
                    .hint("write it with a point for a double, or with u for a uint")),
            },
            Kind::Uint(n) => literal(Value::Uint(n)),
            Kind::Double(f) => literal(Value::Double(f)),
            Kind::Text { raw, bytes, triple } => literal(literal::decode(self.source, token.span, raw, bytes, triple)?),
            Kind::Sign("-") => {
                let number = self.bump();
                let value = match number.kind {
                    Kind::Int(n) => Value::Int(0_i64.saturating_sub_unsigned(n)),
                    Kind::Double(f) => Value::Double(-f),
                    _ => {
                        self.at -= 1;
                        return Err(self.unexpected("a number"));
                    }
                };
                build(Node::Literal(value), token.span.to(number.span))
            }
            Kind::Sign("(") => {
                let expr = self.nested()?;
                self.expect(")", "`)`")?;
                Ok(expr)
            }
            Kind::Sign("[") => self.list(token.span),
            Kind::Sign("{") => self.map(token.span),
            // `.name` is the root name, past a macro's variable of that name.
            Kind::Sign(".") if self.peek().kind == Kind::Word => {
                let name = self.bump();
                self.name(name, token.span.to(name.span), false)
            }
            Kind::Word => self.name(token, token.span, true),
            _ => {
                self.at -= 1;
                Err(self.unexpected("a value"))
            }
        }
    }

    /// What begins with a name.
    fn name(&mut self, token: Token, span: Span, variables: bool) -> Result<Expr, Error> {
        let text: Arc<str> = self.text(token).into();
        let slot = self.variables.iter().rposition(|name| *name == text).filter(|_| variables);
        if let Some(slot) = slot
            && !self.is("(")
        {
            return build(Node::Path(Root::Variable(text, slot), Vec::new()), span);
        }
        match &*text {
            "true" => return build(Node::Literal(Value::Bool(true)), span),
            "false" => return build(Node::Literal(Value::Bool(false)), span),
            "null" => return build(Node::Literal(Value::Null), span),
            _ => {}
        }
        if self.is("(") {
            return self.function(token, &text);
        }
        if let Some(call) = self.namespaced(token)? {
            return Ok(call);
        }
        if let Some(of) = Type::named(&text) {
            return build(Node::Literal(Value::Type(of)), span);
        }
        if RESERVED.contains(&&*text) || text.as_ref() == "in" {
            return Err(Error::new(span, format!("`{text}` is a reserved word"))
                .hint("as a member it is written x[\"…\"] or x.…, as a name it needs another one"));
        }
        let known = self.names.iter().position(|name| *name == text);
        if known.is_none() && self.names.len() == MAX_NAMES {
            return Err(Error::new(span, format!("the expression reads more than {MAX_NAMES} names")));
        }
        let slot = known.unwrap_or_else(|| {
            self.names.push(text.clone());
            self.names.len() - 1
        });
        build(Node::Path(Root::Name(text, slot), Vec::new()), span)
    }

    /// `math.least(…)`, `cel.bind(…)`, `google.protobuf.Timestamp`: names with a dot that are ours.
    fn namespaced(&mut self, first: Token) -> Result<Option<Expr>, Error> {
        if !self.is(".") || self.ahead(1).kind != Kind::Word {
            return Ok(None);
        }
        let second = self.ahead(1);
        if self.ahead_is(2, "(") {
            let full = format!("{}.{}", self.text(first), self.text(second));
            if full == "cel.bind" {
                self.at += 2;
                return self.bind(first.span).map(Some);
            }
            if let Some(function) = functions::find(&full, false) {
                self.at += 3;
                let args = self.args()?;
                return self.call(function, false, args, first.span, first.span.to(second.span)).map(Some);
            }
            if functions::namespaces().any(|space| space == self.text(first)) {
                return Err(self.no_function(&full, first.span.to(second.span), false));
            }
        }
        let third = self.ahead(3);
        let full = first.span.to(third.span);
        let of = match full.of(self.source) {
            "google.protobuf.Timestamp" => Type::Timestamp,
            "google.protobuf.Duration" => Type::Duration,
            _ => return Ok(None),
        };
        self.at += 4;
        build(Node::Literal(Value::Type(of)), full).map(Some)
    }

    fn function(&mut self, name: Token, text: &Arc<str>) -> Result<Expr, Error> {
        self.at += 1;
        if &**text == "has" {
            let operand = self.nested()?;
            self.expect(")", "`)`")?;
            let span = name.span.to(self.last());
            if !matches!(operand.node, Node::Path(..) | Node::Index(..)) {
                return Err(Error::new(operand.span, "has() takes a path, as has(event.data.sha)"));
            }
            return build(Node::Has(Box::new(operand)), span);
        }
        let args = self.args()?;
        if HOST.contains(&&**text) && args.is_empty() {
            return build(Node::Host(text.clone()), name.span.to(self.last()));
        }
        match functions::find(text, false) {
            Some(function) => self.call(function, false, args, name.span, name.span),
            None => Err(self.no_function(text, name.span, false)),
        }
    }

    pub(super) fn method(&mut self, target: Expr, start: Span, name: Token, text: &Arc<str>) -> Result<Expr, Error> {
        self.at += 1;
        if &**text == "orValue" {
            let default = self.nested()?;
            self.expect(")", "`)`")?;
            let span = start.to(self.last());
            return build(Node::OrValue(Box::new(target), Box::new(default)), span);
        }
        if let Some(kind) = macros::named(text) {
            return self.each(kind, target, start, name.span);
        }
        let mut args = self.args()?;
        let Some(function) = functions::find(text, true) else {
            return Err(self.no_function(text, name.span, true));
        };
        args.insert(0, target);
        self.call(function, true, args, start, name.span)
    }

    /// Arguments up to the closing parenthesis; the opening one is taken.
    fn args(&mut self) -> Result<Vec<Expr>, Error> {
        let mut args = Vec::new();
        while !self.take(")") {
            if !args.is_empty() {
                self.expect(",", "`,` or `)`")?;
            }
            args.push(self.nested()?);
        }
        Ok(args)
    }

    fn call(
        &self,
        function: &'static Function,
        method: bool,
        args: Vec<Expr>,
        start: Span,
        name: Span,
    ) -> Result<Expr, Error> {
        let given = args.len();
        if !function.takes(given) {
            let less = usize::from(method);
            return Err(Error::new(
                name,
                format!("{}() takes {}, not {}", function.name, function.arity(less), given - less),
            ));
        }
        let regex = match args.get(1) {
            Some(Expr { node: Node::Literal(Value::String(pattern)), span, .. }) if function.name == "matches" => {
                Some(functions::regex(pattern, functions::LITERAL).map_err(|message| Error::new(*span, message))?)
            }
            _ => None,
        };
        build(Node::Call(Call { function, method, args, regex }), start.to(self.last()))
    }

    fn no_function(&self, name: &str, span: Span, method: bool) -> Error {
        let kind = if method { "method" } else { "function" };
        let error = Error::new(span, format!("there is no {kind} `{name}`"));
        match functions::suggest(name, method) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn list(&mut self, start: Span) -> Result<Expr, Error> {
        let mut items = Vec::new();
        while !self.take("]") {
            if !items.is_empty() {
                self.expect(",", "`,` or `]`")?;
                // A comma may stand after the last item.
                if self.take("]") {
                    break;
                }
            }
            items.push(Item { optional: self.take("?"), value: self.nested()? });
        }
        build(Node::List(items), start.to(self.last()))
    }

    fn map(&mut self, start: Span) -> Result<Expr, Error> {
        let mut entries = Vec::new();
        while !self.take("}") {
            if !entries.is_empty() {
                self.expect(",", "`,` or `}`")?;
                if self.take("}") {
                    break;
                }
            }
            let optional = self.take("?");
            let key = self.nested()?;
            self.expect(":", "`:` and the value")?;
            entries.push(Entry { optional, key, value: self.nested()? });
        }
        build(Node::Map(entries), start.to(self.last()))
    }
}
