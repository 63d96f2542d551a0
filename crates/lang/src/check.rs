//! A value against its description: unknown fields, missing ones, wrong types.
//!
//! Expressions and templates are only looked at as texts here; reading compiles them.

use std::net::IpAddr;

use serde_json::Value;

use crate::cron::Cron;
use crate::diagnostic::{Diagnostic, did_you_mean, suggest};
use crate::read::Cx;
use crate::secret;
use crate::shape::{Field, Shape, Ty};
use crate::span::Span;
use crate::tree::{Kind, Node, short};

/// Which texts are evaluated later, so that their type cannot be known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    /// All are what they say, in every field below too: nothing here is evaluated.
    Never,
    /// All are what they say; fields below may be templates.
    Literal,
    /// Those with `${{ }}`.
    Templates,
}

/// Checks a value; `name` is its field, for messages.
pub(crate) fn value(cx: &mut Cx<'_>, node: &Node, ty: &Ty, name: &str, texts: Texts) {
    if node.scalar().is_some_and(|scalar| scalar.refused) {
        return;
    }
    if node.is_null() && !matches!(ty, Ty::Any) {
        let help = format!("write {}, or remove `{name}`", ty.expected());
        cx.report.push(Diagnostic::error("empty", cx.mark(node), format!("`{name}` is empty")).help(help));
        return;
    }
    let template = texts == Texts::Templates && node.text().is_some_and(|text| text.contains("${{"));
    if template {
        let whole = node.text().is_some_and(|text| text.starts_with("${{") && text.ends_with("}}"));
        let textual = matches!(ty, Ty::Any | Ty::Text | Ty::Template | Ty::Url | Ty::MaybeSecret | Ty::Cidr);
        if !whole && !textual {
            wrong(cx, node, ty, name, None);
        }
        return;
    }
    match ty {
        Ty::Any | Ty::Template | Ty::Text | Ty::MaybeSecret => text_like(cx, node, ty, name, texts),
        Ty::Object(shape) => object(cx, node, shape, name, texts),
        Ty::List(of) => match &node.kind {
            Kind::Seq(items) => items.iter().for_each(|item| value(cx, item, of, name, texts)),
            _ => {
                let one = node.scalar().map(|scalar| format!("write a list: [{}]", short(&scalar.text)));
                wrong(cx, node, ty, name, one);
            }
        },
        Ty::Map(of) => match &node.kind {
            Kind::Map(entries) => entries.iter().for_each(|entry| value(cx, &entry.value, of, &entry.key, texts)),
            _ => wrong(cx, node, ty, name, None),
        },
        Ty::Either(list) => match list.iter().find(|ty| same_kind(node, ty)) {
            Some(ty) => value(cx, node, ty, name, texts),
            None => wrong(cx, node, ty, name, None),
        },
        Ty::Key => match &node.kind {
            Kind::Seq(items) => items.iter().for_each(|item| value(cx, item, &Ty::Expr, name, texts)),
            _ => value(cx, node, &Ty::Expr, name, texts),
        },
        Ty::Expr => {
            if node.scalar().is_none() {
                let help = "an expression is a text; for a list or a map write it in quotes: '[1, 2]'";
                wrong(cx, node, ty, name, Some(help.to_owned()));
            }
        }
        Ty::Pattern => {
            if !matches!(node.kind, Kind::Map(_)) {
                wrong(cx, node, ty, name, Some("write { type: [TYPE] }".to_owned()));
            }
        }
        _ => scalar(cx, node, ty, name),
    }
}

/// Whether this kind of YAML value could be meant for this type.
fn same_kind(node: &Node, ty: &Ty) -> bool {
    match (&node.kind, ty) {
        (_, Ty::Any) | (Kind::Seq(_), Ty::List(_) | Ty::Key) => true,
        (Kind::Map(_), Ty::Map(_) | Ty::Object(_) | Ty::Pattern) => true,
        (Kind::Scalar(scalar), Ty::Int(..) | Ty::Number) => scalar.value.is_number(),
        (Kind::Scalar(scalar), Ty::Bool) => scalar.value.is_boolean(),
        (Kind::Scalar(_), Ty::List(_) | Ty::Map(_) | Ty::Object(_) | Ty::Pattern) => false,
        (Kind::Scalar(_), _) => true,
        _ => false,
    }
}

fn wrong(cx: &mut Cx<'_>, node: &Node, ty: &Ty, name: &str, help: Option<String>) {
    let message = format!("`{name}` must be {}, not {}", ty.expected(), node.describe());
    let at = cx.mark(node);
    cx.report.push(Diagnostic::error("type", at, message).maybe_help(help));
}

fn text_like(cx: &mut Cx<'_>, node: &Node, ty: &Ty, name: &str, texts: Texts) {
    if texts != Texts::Templates && matches!(ty, Ty::Any | Ty::Text) {
        no_secrets(cx, node, name);
    }
    if matches!(ty, Ty::Any) {
        return;
    }
    let Some(scalar) = node.scalar() else { return wrong(cx, node, ty, name, None) };
    let Some(text) = scalar.value.as_str() else {
        // Numbers and Booleans in a text's place would be written otherwise than they stand here.
        let help = Some(format!("write \"{}\" in quotes", scalar.text));
        return wrong(cx, node, ty, name, help);
    };
    if matches!(ty, Ty::MaybeSecret)
        && texts != Texts::Templates
        && text.contains("${{")
        && secret::name(text).is_none()
    {
        let help = "write \"${{ secrets.NAME }}\" and nothing beside it";
        let message = format!("`{name}` takes a text, or one secret alone");
        cx.report.push(Diagnostic::error("secret", node.span, message).help(help));
    }
}

/// Nothing evaluates these texts: a secret in one would be sent as it is written.
fn no_secrets(cx: &mut Cx<'_>, node: &Node, name: &str) {
    match &node.kind {
        Kind::Scalar(_) => {
            if node.text().is_some_and(|text| text.contains("${{")) && !cx.pinned {
                let (code, message) = if node.text().is_some_and(|text| text.contains("secrets.")) {
                    ("secret", format!("`{name}` does not take a secret"))
                } else {
                    ("template", format!("`{name}` is a literal: `${{{{ }}}}` is not evaluated here"))
                };
                cx.report.push(Diagnostic::error(code, node.span, message));
            }
        }
        Kind::Seq(items) => items.iter().for_each(|item| no_secrets(cx, item, name)),
        Kind::Map(entries) => {
            if let [entry] = entries.as_slice()
                && entry.key == "$secret"
            {
                let message = format!("`{name}` does not take a secret");
                cx.report.push(Diagnostic::error("secret", entry.key_span, message));
            }
            entries.iter().for_each(|entry| no_secrets(cx, &entry.value, &entry.key));
        }
    }
}

/// Checks a map with known fields.
pub(crate) fn object(cx: &mut Cx<'_>, node: &Node, shape: &'static Shape, name: &str, texts: Texts) {
    object_with(cx, node, shape, name, texts, &[]);
}

/// The same, where further fields are allowed that somebody else checks.
pub(crate) fn object_with(
    cx: &mut Cx<'_>,
    node: &Node,
    shape: &'static Shape,
    name: &str,
    texts: Texts,
    others: &[&'static str],
) {
    let Kind::Map(entries) = &node.kind else { return wrong(cx, node, &Ty::Object(shape), name, None) };
    // Fields that somebody meant: their absence is not worth a second message.
    let mut meant: Vec<&str> = Vec::new();
    for entry in entries {
        let Some(field) = shape.field(&entry.key) else {
            if !others.contains(&entry.key.as_str()) {
                meant.extend(unknown(cx, &entry.key, entry.key_span, shape, others));
            }
            continue;
        };
        // The names of a step's own values are known before it runs.
        let named = texts == Texts::Literal && matches!(field.ty, Ty::Map(_)) && entry.value.text().is_some();
        if named {
            wrong(cx, &entry.value, &field.ty, field.name, None);
        } else if field.secret {
            secret::only(cx, &entry.value, field);
        } else {
            value(cx, &entry.value, &field.ty, field.name, nested(field, texts));
        }
    }
    missing(cx, node, shape, &meant);
}

/// Fields whose texts are templates, and those inside of a template tree.
fn nested(field: &Field, texts: Texts) -> Texts {
    // An event that a scenario writes out. Elsewhere `event` is a pattern or a name.
    if field.name == "event" && matches!(field.ty, Ty::Either(_)) {
        return Texts::Templates;
    }
    let evaluated = ["with", "set", "outputs", "env", "data", "extensions", "matrix", "items", "until", "emit", "fail"];
    if texts == Texts::Literal && evaluated.contains(&field.name) { Texts::Templates } else { texts }
}

fn unknown(
    cx: &mut Cx<'_>,
    key: &str,
    at: Span,
    shape: &'static Shape,
    others: &[&'static str],
) -> Option<&'static str> {
    if let Some((_, here)) = shape.habits.iter().find(|(habit, _)| *habit == key) {
        let message = format!("`{key}` is not a field of {}", shape.what);
        cx.report.push(Diagnostic::error("habit", at, message).help(format!("here it is `{here}`")));
        return here.split([':', ',', ' ']).next();
    }
    let names = shape.fields.iter().map(|field| field.name).chain(others.iter().copied());
    let message = format!("`{}` is not a field of {}", short(key), shape.what);
    let help = did_you_mean(key, names.clone());
    cx.report.push(Diagnostic::error("unknown-field", at, message).maybe_help(help));
    suggest(key, names)
}

fn missing(cx: &mut Cx<'_>, node: &Node, shape: &'static Shape, meant: &[&str]) {
    let at = cx.mark(node);
    for field in shape.fields.iter().filter(|field| field.required) {
        if node.get(field.name).is_none() && !meant.contains(&field.name) {
            let message = format!("{} needs `{}`", shape.what, field.name);
            let help = format!("write {}: {}", field.name, field.ty.expected());
            cx.report.push(Diagnostic::error("missing-field", at, message).help(help));
        }
    }
    if shape.one_of.is_empty() {
        return;
    }
    let there: Vec<_> = shape.one_of.iter().filter_map(|one| node.entry(one)).collect();
    match there.as_slice() {
        [] if shape.one_of.iter().any(|one| meant.contains(one)) => {}
        [] => {
            let message = format!("{} needs one of {}", shape.what, shape.one_of.join(", "));
            cx.report.push(Diagnostic::error("missing-field", at, message));
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("`{}` and `{}` exclude each other in {}", first.key, second.key, shape.what);
            let both = Diagnostic::error("exclusive", second.key_span, message).label(first.key_span, "first here");
            cx.report.push(both);
        }
    }
}

/// Texts with a form, numbers and Booleans.
fn scalar(cx: &mut Cx<'_>, node: &Node, ty: &Ty, name: &str) {
    let Some(scalar) = node.scalar() else { return wrong(cx, node, ty, name, None) };
    let text = scalar.text.as_str();
    let help = match (ty, &scalar.value) {
        (Ty::Int(low, high), Value::Number(number)) => match number.as_i64() {
            Some(n) if (*low..=*high).contains(&n) => return,
            _ => None,
        },
        (Ty::Number, Value::Number(_)) | (Ty::Bool, Value::Bool(_)) => return,
        (Ty::Int(..) | Ty::Number, Value::String(_)) if text.parse::<f64>().is_ok() => {
            Some(format!("write {text} without quotes"))
        }
        (Ty::Bool, Value::String(_)) => match text {
            "true" | "false" => Some(format!("write {text} without quotes")),
            "yes" | "on" | "y" => Some("write true".to_owned()),
            "no" | "off" | "n" => Some("write false".to_owned()),
            _ => None,
        },
        (Ty::Duration, _) => match ensue_expr::duration::parse(text) {
            Ok(_) => return,
            Err(error) => Some(error.to_string()),
        },
        (Ty::Choice(choices), Value::String(_)) => {
            if choices.contains(&text) {
                return;
            }
            suggest(text, choices.iter().copied()).map(|found| format!("did you mean `{found}`?"))
        }
        (_, Value::String(_)) if form(ty, text) => return,
        _ => None,
    };
    if let (Ty::Choice(choices), Some(_)) = (ty, &help) {
        let message = format!("`{name}` must be one of {}, not `{}`", choices.join(", "), short(text));
        cx.report.push(Diagnostic::error("type", node.span, message).maybe_help(help));
        return;
    }
    wrong(cx, node, ty, name, help);
}

/// Whether a text has the form that its type asks for.
pub(crate) fn form(ty: &Ty, text: &str) -> bool {
    match ty {
        Ty::Ident => ident(text),
        Ty::Name => label(text),
        Ty::Ref => match text.split_once('/') {
            Some((namespace, name)) => label(namespace) && label(name),
            None => label(text),
        },
        Ty::Time => ensue_event::Time::parse(text).is_ok(),
        Ty::Cron => Cron::parse(text, "UTC").is_ok(),
        // Never the machine's own database: it could differ from another's.
        Ty::Zone => jiff::tz::TimeZoneDatabase::bundled().get(text).is_ok(),
        Ty::Cidr => cidr(text),
        Ty::Url => {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace))
        }
        _ => false,
    }
}

/// `[a-z][a-z0-9_]*`.
pub(crate) fn ident(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A name as Kubernetes has them (RFC 1123 subdomain).
pub(crate) fn label(text: &str) -> bool {
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 253
        && text.starts_with(end)
        && text.ends_with(end)
        && text.chars().all(|c| end(c) || c == '-' || c == '.')
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    match (address.parse::<IpAddr>(), bits.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
        (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
        _ => false,
    }
}

/// A name that can follow a point in an expression.
pub(crate) fn ident_or_camel(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
