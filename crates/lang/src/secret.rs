//! Secrets: names in the places made for them, and texts elsewhere that look like one.

use serde_json::{Value, json};

use crate::catalog::Field;
use crate::diagnostic::Diagnostic;
use crate::read::Cx;
use crate::shape::{Shape, Ty};
use crate::tree::{Kind, Node};

/// The name in a text that is `${{ secrets.NAME }}` and nothing else.
pub(crate) fn name(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim();
    let name = inner.strip_prefix("secrets.")?;
    let head = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (head && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')).then_some(name)
}

/// The handle as connections get it.
pub(crate) fn handle(name: &str) -> Value {
    json!({ "$secret": name })
}

/// Checks a field that takes nothing but a secret; a list takes several.
pub(crate) fn only(cx: &mut Cx<'_>, node: &Node, field: &Field) {
    if let (Kind::Seq(items), Ty::List(_)) = (&node.kind, &field.ty) {
        items.iter().for_each(|item| only(cx, item, field));
        return;
    }
    if node.text().and_then(name).is_none() {
        let at = cx.mark(node);
        let message = format!("`{}` takes a secret and nothing else", field.name);
        let help = "write \"${{ secrets.NAME }}\"; the content comes from the environment, a file or a mounted folder";
        cx.report.push(Diagnostic::error("secret", at, message).help(help));
    }
}

/// The settings of a connection or source, with handles where secrets stand.
pub(crate) fn config(node: &Node, shape: &Shape) -> Value {
    let entries = node.entries().iter().map(|entry| {
        let field = shape.field(&entry.key);
        let value = match field {
            Some(field) => with_handles(&entry.value, &field.ty, field.secret),
            None => entry.value.to_json(),
        };
        (entry.key.clone(), value)
    });
    Value::Object(entries.collect())
}

fn with_handles(node: &Node, ty: &Ty, secret: bool) -> Value {
    match (&node.kind, ty) {
        (Kind::Seq(items), Ty::List(of)) => items.iter().map(|item| with_handles(item, of, secret)).collect(),
        (Kind::Map(entries), Ty::Map(of)) => {
            Value::Object(entries.iter().map(|e| (e.key.clone(), with_handles(&e.value, of, secret))).collect())
        }
        (Kind::Map(_), Ty::Object(shape)) => config(node, shape),
        (Kind::Scalar(_), _) if secret || matches!(ty, Ty::MaybeSecret) => {
            node.text().and_then(name).map_or_else(|| node.to_json(), handle)
        }
        _ => node.to_json(),
    }
}

/// Beginnings of well-known tokens, what they are, and how much must follow.
const SHAPES: &[(&str, &str, usize)] = &[
    ("ghp_", "a GitHub token", 30),
    ("gho_", "a GitHub token", 30),
    ("ghs_", "a GitHub token", 30),
    ("ghu_", "a GitHub token", 30),
    ("github_pat_", "a GitHub token", 30),
    ("glpat-", "a GitLab token", 15),
    ("xoxb-", "a Slack token", 10),
    ("xoxp-", "a Slack token", 10),
    ("xapp-", "a Slack token", 10),
    ("https://hooks.slack.com/services/", "a Slack webhook", 10),
    ("AKIA", "an AWS access key", 16),
    ("ASIA", "an AWS access key", 16),
    ("AIza", "a Google API key", 30),
    ("sk_live_", "a Stripe key", 16),
    ("npm_", "an npm token", 30),
    ("dop_v1_", "a DigitalOcean token", 30),
];

/// Warns of texts that look like a secret.
pub(crate) fn look_for_tokens(cx: &mut Cx<'_>, node: &Node) {
    match &node.kind {
        Kind::Seq(items) => items.iter().for_each(|item| look_for_tokens(cx, item)),
        Kind::Map(entries) => entries.iter().for_each(|entry| look_for_tokens(cx, &entry.value)),
        Kind::Scalar(scalar) => {
            if let Some(what) = token(&scalar.text) {
                let help = "move it out of the manifest and write \"${{ secrets.NAME }}\" in a Connection or Source";
                let message = format!("this looks like {what}");
                cx.report.push(Diagnostic::warning("token", node.span, message).help(help));
            }
        }
    }
}

fn token(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    SHAPES.iter().find_map(|(start, what, least)| {
        let (before, after) = text.split_once(start)?;
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
        let long = after.chars().take_while(|c| word(*c)).count() >= *least;
        (long && !before.ends_with(word)).then_some(*what)
    })
}
