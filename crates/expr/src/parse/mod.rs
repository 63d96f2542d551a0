//! Source text to tree: a hand-written parser by operator strength.
//!
//! It knows the byte of everything, counts the nesting before it goes down, and allocates nothing that the source does not
//! pay for: a hostile text costs its length.

mod literal;
mod macros;
mod operand;
mod token;

pub(crate) use token::until_close;

use std::sync::Arc;

use crate::ast::{Binary, Expr, Node, Root, Segment, Unary};
use crate::error::{Error, Span};
use crate::value::{MapKey, Value};
use token::{Kind, Token};

/// Bytes of a source: no expression that a person reads comes near.
pub const MAX_SOURCE: usize = 32 * 1024;
/// Levels of brackets, arguments and branches, as design 5.4 has it; CEL asks for 12 at least.
pub const MAX_NESTING: u32 = 32;
/// Root names of one source: there are a dozen in the language, and each is looked up among the others.
const MAX_NAMES: usize = 64;
/// Levels of a tree. Chains `a + b + c`, `a.f().g()` go deep on one side without nesting; CEL asks for 24 at least.
const MAX_DEPTH: u32 = 128;

/// Words that CEL keeps for later. `let` is one of them, and one of our names.
const RESERVED: [&str; 16] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The functions that the embedding answers.
pub(crate) const HOST: [&str; 3] = ["success", "failed", "always"];

/// A tree and its root names, in the order of their slots.
pub(crate) struct Parsed {
    pub(crate) root: Expr,
    pub(crate) names: Vec<Arc<str>>,
}

/// Parses a whole source.
pub(crate) fn parse(source: &str) -> Result<Parsed, Error> {
    if source.len() > MAX_SOURCE {
        return Err(Error::new(
            Span::new(MAX_SOURCE, source.len()),
            format!("the expression has {} bytes, more than {MAX_SOURCE}", source.len()),
        )
        .hint("move data into a Table, or parts into `let`"));
    }
    let tokens = token::tokens(source)?;
    let mut parser = Parser { source, tokens, at: 0, nesting: 0, variables: Vec::new(), names: Vec::new() };
    if parser.peek().kind == Kind::End {
        return Err(Error::new(parser.peek().span, "the expression is empty"));
    }
    let root = parser.expr()?;
    if parser.peek().kind != Kind::End {
        return Err(parser.unexpected("an operator or the end"));
    }
    Ok(Parsed { root, names: parser.names })
}

struct Parser<'s> {
    source: &'s str,
    tokens: Vec<Token>,
    at: usize,
    nesting: u32,
    /// The macros' variables in sight, innermost last: their positions are their slots.
    variables: Vec<Arc<str>>,
    names: Vec<Arc<str>>,
}

/// A node, with its depth checked.
fn build(node: Node, span: Span) -> Result<Expr, Error> {
    let mut expr = Expr { node, span, depth: 1 };
    expr.depth = 1 + expr.children().iter().map(|child| child.depth).max().unwrap_or(0);
    if expr.depth > MAX_DEPTH {
        // What is refused is dropped here, at this depth at most.
        return Err(Error::new(span, format!("the expression is more than {MAX_DEPTH} operators deep"))
            .hint("name parts of it with `let`"));
    }
    Ok(expr)
}

impl Parser<'_> {
    fn ahead(&self, count: usize) -> Token {
        let end = Token { kind: Kind::End, span: Span::new(self.source.len(), self.source.len()) };
        self.tokens.get(self.at + count).copied().unwrap_or(end)
    }

    fn peek(&self) -> Token {
        self.ahead(0)
    }

    fn is(&self, sign: &str) -> bool {
        self.ahead_is(0, sign)
    }

    fn ahead_is(&self, count: usize, sign: &str) -> bool {
        matches!(self.ahead(count).kind, Kind::Sign(found) if found == sign)
    }

    fn bump(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Takes the sign, if it is next.
    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str, what: &str) -> Result<Token, Error> {
        if self.is(sign) { Ok(self.bump()) } else { Err(self.unexpected(what)) }
    }

    fn text(&self, token: Token) -> &str {
        token.span.of(self.source)
    }

    /// The place of what was taken last.
    fn last(&self) -> Span {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(Span::default(), |token| token.span)
    }

    fn unexpected(&self, wanted: &str) -> Error {
        let token = self.peek();
        if token.kind == Kind::End {
            return Error::new(token.span, format!("the expression ends where {wanted} should follow"));
        }
        let text = self.text(token);
        let error = Error::new(token.span, format!("unexpected `{text}` where {wanted} should stand"));
        match text {
            "and" | "AND" => error.hint("write && for «and»"),
            "or" | "OR" => error.hint("write || for «or»"),
            "is" => error.hint("write == to compare"),
            "not" => error.hint("write ! for «not»"),
            "?" => error.hint("a choice is written condition ? value : other"),
            _ => error,
        }
    }

    /// An expression inside of something: counts the nesting.
    fn nested(&mut self) -> Result<Expr, Error> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(Error::new(self.peek().span, format!("nested deeper than {MAX_NESTING} levels"))
                .hint("name parts of it with `let`"));
        }
        let expr = self.expr();
        self.nesting -= 1;
        expr
    }

    /// `a ? b : c ? d : e`: the chain is a loop, so that it costs no recursion.
    fn expr(&mut self) -> Result<Expr, Error> {
        let mut branches = Vec::new();
        let last = loop {
            let condition = self.or()?;
            if !self.take("?") {
                break condition;
            }
            let then = self.nested()?;
            self.expect(":", "`:` and the other value")?;
            branches.push((condition, then));
        };
        branches.into_iter().rev().try_fold(last, |otherwise, (condition, then)| {
            let span = condition.span.to(otherwise.span);
            build(Node::If(Box::new(condition), Box::new(then), Box::new(otherwise)), span)
        })
    }

    fn or(&mut self) -> Result<Expr, Error> {
        self.chain("||", Self::and, Node::Or)
    }

    fn and(&mut self) -> Result<Expr, Error> {
        self.chain("&&", |parser| parser.operators(1), Node::And)
    }

    fn chain(
        &mut self,
        sign: &str,
        part: fn(&mut Self) -> Result<Expr, Error>,
        node: fn(Vec<Expr>) -> Node,
    ) -> Result<Expr, Error> {
        let first = part(self)?;
        if !self.is(sign) {
            return Ok(first);
        }
        let start = first.span;
        let mut all = vec![first];
        while self.take(sign) {
            all.push(part(self)?);
        }
        let span = all.last().map_or(start, |last| start.to(last.span));
        build(node(all), span)
    }

    /// Operators of at least this strength.
    fn operators(&mut self, strength: u8) -> Result<Expr, Error> {
        let mut left = self.unary()?;
        while let Some(operator) = self.operator().filter(|operator| operator.strength() >= strength) {
            self.at += 1;
            let right = self.operators(operator.strength() + 1)?;
            let span = left.span.to(right.span);
            left = build(Node::Binary(operator, Box::new(left), Box::new(right)), span)?;
        }
        Ok(left)
    }

    fn operator(&self) -> Option<Binary> {
        let token = self.peek();
        Some(match token.kind {
            Kind::Word if self.text(token) == "in" => Binary::In,
            Kind::Sign("==") => Binary::Equal,
            Kind::Sign("!=") => Binary::NotEqual,
            Kind::Sign("<") => Binary::Less,
            Kind::Sign("<=") => Binary::LessOrEqual,
            Kind::Sign(">") => Binary::Greater,
            Kind::Sign(">=") => Binary::GreaterOrEqual,
            Kind::Sign("+") => Binary::Add,
            Kind::Sign("-") => Binary::Subtract,
            Kind::Sign("*") => Binary::Multiply,
            Kind::Sign("/") => Binary::Divide,
            Kind::Sign("%") => Binary::Remainder,
            _ => return None,
        })
    }

    /// `!!a`, `--a`: a loop, since a text of a thousand `!` must not go down a thousand levels.
    fn unary(&mut self) -> Result<Expr, Error> {
        let mut signs = Vec::new();
        loop {
            let token = self.peek();
            let sign = match token.kind {
                Kind::Sign("!") => Unary::Not,
                // The minus of a literal is part of it: -9223372036854775808 has no positive half.
                Kind::Sign("-") if !matches!(self.ahead(1).kind, Kind::Int(_) | Kind::Double(_)) => Unary::Negate,
                _ => break,
            };
            self.at += 1;
            signs.push((sign, token.span));
        }
        let operand = self.postfix()?;
        signs.into_iter().rev().try_fold(operand, |operand, (sign, span)| {
            let span = span.to(operand.span);
            build(Node::Unary(sign, Box::new(operand)), span)
        })
    }

    /// An operand and what follows it: members, indexes, methods.
    fn postfix(&mut self) -> Result<Expr, Error> {
        let start = self.peek().span;
        let mut expr = self.primary()?;
        loop {
            if self.take(".") {
                let optional = self.take("?");
                let name = self.bump();
                let text = match name.kind {
                    Kind::Word if !matches!(self.text(name), "in" | "true" | "false" | "null") => self.text(name),
                    Kind::Quoted => self.text(name).trim_matches('`'),
                    _ => {
                        self.at -= 1;
                        return Err(self
                            .unexpected("a member's name")
                            .hint("a name with other characters is written [\"a-name\"]"));
                    }
                };
                let text: Arc<str> = text.into();
                if self.is("(") && !optional && name.kind == Kind::Word {
                    expr = self.method(expr, start, name, &text)?;
                    continue;
                }
                let segment = Segment { key: MapKey::String(text), bracket: false, span: name.span };
                expr = member(expr, segment, start.to(name.span))?;
            } else if self.is("[") {
                self.at += 1;
                self.take("?");
                let index = self.nested()?;
                self.expect("]", "`]`")?;
                let span = start.to(self.last());
                let key = match &index.node {
                    Node::Literal(value @ (Value::String(_) | Value::Int(_) | Value::Bool(_))) => MapKey::of(value),
                    _ => None,
                };
                expr = match key {
                    Some(key) => member(expr, Segment { key, bracket: true, span: index.span }, span)?,
                    None => build(Node::Index(Box::new(expr), Box::new(index)), span)?,
                };
            } else if self.is("{") && matches!(expr.node, Node::Path(..)) {
                return Err(self
                    .unexpected("an operator")
                    .hint("there are no message types here; a map is written {\"key\": value}"));
            } else if self.is("(") && matches!(expr.node, Node::Path(..)) {
                return Err(self.unexpected("an operator"));
            } else {
                return Ok(expr);
            }
        }
    }
}

/// Adds a segment: to the path that the operand is, or to a new one that begins with it.
fn member(operand: Expr, segment: Segment, span: Span) -> Result<Expr, Error> {
    match operand {
        Expr { node: Node::Path(root, mut segments), depth, .. } => {
            segments.push(segment);
            Ok(Expr { node: Node::Path(root, segments), span, depth })
        }
        other => build(Node::Path(Root::Expr(Box::new(other)), vec![segment]), span),
    }
}
