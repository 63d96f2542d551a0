//! A tree as text again: what compiles to the same tree, in one spelling.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::ast::{Each, Expr, Node, Root, Segment, Unary};
use crate::functions::quote;
use crate::value::{MapKey, Value};

/// How tightly a node binds; a part that binds less than its place asks for stands in parentheses.
mod strength {
    pub(super) const CHOICE: u8 = 0;
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    /// Of relations; sums and products follow.
    pub(super) const OPERATORS: u8 = 2;
    pub(super) const UNARY: u8 = 6;
    pub(super) const MEMBER: u8 = 7;
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer { out: String::new(), variables: Vec::new() };
        printer.expr(self, strength::CHOICE)?;
        f.write_str(&printer.out)
    }
}

struct Printer {
    out: String,
    /// The macros' variables in sight: a root name of that name needs a point before it.
    variables: Vec<Arc<str>>,
}

fn own(expr: &Expr) -> u8 {
    match &expr.node {
        Node::If(..) => strength::CHOICE,
        Node::Or(_) => strength::OR,
        Node::And(_) => strength::AND,
        Node::Binary(operator, ..) => strength::OPERATORS + operator.strength(),
        Node::Unary(..) => strength::UNARY,
        _ => strength::MEMBER,
    }
}

impl Printer {
    fn expr(&mut self, expr: &Expr, wanted: u8) -> fmt::Result {
        let own = own(expr);
        if own < wanted {
            self.out.push('(');
            self.node(expr, own)?;
            self.out.push(')');
            Ok(())
        } else {
            self.node(expr, own)
        }
    }

    fn node(&mut self, expr: &Expr, own: u8) -> fmt::Result {
        match &expr.node {
            Node::Literal(value) => self.literal(value),
            Node::Path(root, segments) => {
                match root {
                    Root::Name(name, _) => {
                        if self.variables.contains(name) {
                            self.out.push('.');
                        }
                        self.out.push_str(name);
                    }
                    Root::Variable(name, _) => self.out.push_str(name),
                    Root::Expr(operand) => self.expr(operand, strength::MEMBER)?,
                }
                segments.iter().for_each(|segment| self.segment(segment));
                Ok(())
            }
            Node::Index(operand, index) => {
                self.expr(operand, strength::MEMBER)?;
                self.out.push('[');
                self.expr(index, strength::CHOICE)?;
                self.out.push(']');
                Ok(())
            }
            Node::Unary(sign, operand) => {
                self.out.push(if *sign == Unary::Not { '!' } else { '-' });
                // A minus before a number would become part of it.
                if *sign == Unary::Negate && starts_with_number(operand) {
                    self.out.push('(');
                    self.expr(operand, strength::CHOICE)?;
                    self.out.push(')');
                    Ok(())
                } else {
                    self.expr(operand, strength::UNARY)
                }
            }
            Node::Binary(operator, a, b) => {
                self.expr(a, own)?;
                write!(self.out, " {} ", operator.sign())?;
                self.expr(b, own + 1)
            }
            Node::And(all) => self.chain(all, " && ", own),
            Node::Or(all) => self.chain(all, " || ", own),
            Node::If(condition, then, otherwise) => {
                self.expr(condition, strength::OR)?;
                self.out.push_str(" ? ");
                self.expr(then, strength::CHOICE)?;
                self.out.push_str(" : ");
                self.expr(otherwise, strength::CHOICE)
            }
            Node::List(items) => {
                self.out.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.out.push_str(if at > 0 { ", " } else { "" });
                    self.out.push_str(if item.optional { "?" } else { "" });
                    self.expr(&item.value, strength::CHOICE)?;
                }
                self.out.push(']');
                Ok(())
            }
            Node::Map(entries) => {
                self.out.push('{');
                for (at, entry) in entries.iter().enumerate() {
                    self.out.push_str(if at > 0 { ", " } else { "" });
                    self.out.push_str(if entry.optional { "?" } else { "" });
                    self.expr(&entry.key, strength::CHOICE)?;
                    self.out.push_str(": ");
                    self.expr(&entry.value, strength::CHOICE)?;
                }
                self.out.push('}');
                Ok(())
            }
            Node::Has(operand) => self.call("has", [&**operand]),
            Node::OrValue(operand, default) => {
                self.expr(operand, strength::MEMBER)?;
                self.call(".orValue", [&**default])
            }
            Node::Call(call) => match (call.method, call.args.split_first()) {
                (true, Some((target, rest))) => {
                    self.expr(target, strength::MEMBER)?;
                    self.out.push('.');
                    self.call(call.function.name, rest)
                }
                _ => self.call(call.function.name, &call.args),
            },
            Node::Host(name) => self.call(name, []),
            Node::Each(each) => self.each(each),
            Node::Bind(name, value, body) => {
                write!(self.out, "cel.bind({name}, ")?;
                self.expr(value, strength::CHOICE)?;
                self.out.push_str(", ");
                self.variables.push(name.clone());
                self.expr(body, strength::CHOICE)?;
                self.variables.pop();
                self.out.push(')');
                Ok(())
            }
        }
    }

    fn chain(&mut self, all: &[Expr], sign: &str, own: u8) -> fmt::Result {
        for (at, part) in all.iter().enumerate() {
            self.out.push_str(if at > 0 { sign } else { "" });
            self.expr(part, own + 1)?;
        }
        Ok(())
    }

    fn call<'e>(&mut self, name: &str, args: impl IntoIterator<Item = &'e Expr>) -> fmt::Result {
        self.out.push_str(name);
        self.out.push('(');
        for (at, arg) in args.into_iter().enumerate() {
            self.out.push_str(if at > 0 { ", " } else { "" });
            self.expr(arg, strength::CHOICE)?;
        }
        self.out.push(')');
        Ok(())
    }

    fn each(&mut self, each: &Each) -> fmt::Result {
        self.expr(&each.over, strength::MEMBER)?;
        write!(self.out, ".{}({}", each.kind.name(), each.first)?;
        let visible = self.variables.len();
        self.variables.push(each.first.clone());
        if let Some(second) = &each.second {
            write!(self.out, ", {second}")?;
            self.variables.push(second.clone());
        }
        for part in each.filter.iter().chain([&each.body]) {
            self.out.push_str(", ");
            self.expr(part, strength::CHOICE)?;
        }
        self.variables.truncate(visible);
        self.out.push(')');
        Ok(())
    }

    fn segment(&mut self, segment: &Segment) {
        match &segment.key {
            MapKey::String(name) if !segment.bracket && is_name(name) => {
                self.out.push('.');
                self.out.push_str(name);
            }
            MapKey::String(name) => {
                self.out.push('[');
                self.out.push_str(&quote(name));
                self.out.push(']');
            }
            key => self.out.push_str(&format!("[{key}]")),
        }
    }

    fn literal(&mut self, value: &Value) -> fmt::Result {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(b) => write!(self.out, "{b}")?,
            Value::Int(n) => write!(self.out, "{n}")?,
            Value::Uint(n) => write!(self.out, "{n}u")?,
            Value::Double(f) => write!(self.out, "{f:?}")?,
            Value::String(text) => self.out.push_str(&quote(text)),
            Value::Bytes(bytes) => {
                self.out.push_str("b\"");
                for byte in bytes.iter() {
                    match byte {
                        b'"' | b'\\' => write!(self.out, "\\{}", char::from(*byte))?,
                        b' '..=b'~' => self.out.push(char::from(*byte)),
                        other => write!(self.out, "\\x{other:02x}")?,
                    }
                }
                self.out.push('"');
            }
            Value::Type(of) => self.out.push_str(of.name()),
            // No other value has a literal.
            other => self.out.push_str(&other.to_json_text()),
        }
        Ok(())
    }
}

/// Whether the text of a node begins with a number, though the node is none: `5.f()`, `5[0]`.
fn starts_with_number(expr: &Expr) -> bool {
    match &expr.node {
        Node::Literal(Value::Int(n)) => *n >= 0,
        Node::Literal(Value::Uint(_)) => false,
        Node::Literal(Value::Double(f)) => f.is_sign_positive(),
        Node::Path(Root::Expr(operand), _) | Node::Index(operand, _) | Node::OrValue(operand, _) => {
            starts_with_number(operand)
        }
        Node::Call(call) if call.method => call.args.first().is_some_and(starts_with_number),
        Node::Each(each) => starts_with_number(&each.over),
        _ => false,
    }
}

fn is_name(text: &str) -> bool {
    !matches!(text, "in" | "true" | "false" | "null")
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
