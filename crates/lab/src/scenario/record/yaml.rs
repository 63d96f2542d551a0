//! YAML that people read: short maps and lists in one line, longer ones over several.

use ensue_event::Span;
use serde_json::Value;

/// Columns that a line may have.
const WIDTH: usize = 118;

/// What is written: values, and maps whose order is kept.
#[derive(Debug, Clone)]
pub(super) enum Yaml {
    Value(Value),
    /// A length of time, which needs no quotes.
    Span(Span),
    Map(Vec<(String, Yaml)>),
    List(Vec<Yaml>),
}

impl Yaml {
    pub(super) fn text(text: impl Into<String>) -> Yaml {
        Yaml::Value(Value::String(text.into()))
    }

    /// A map of those fields that are there.
    pub(super) fn map<const N: usize>(fields: [(&str, Option<Yaml>); N]) -> Yaml {
        Yaml::Map(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }

    /// In one line.
    pub(super) fn flow(&self) -> String {
        match self {
            Yaml::Value(Value::Object(object)) => {
                braces(object.iter().map(|(name, value)| (name.as_str(), Yaml::Value(value.clone()).flow())))
            }
            Yaml::Value(Value::Array(items)) => brackets(items.iter().map(|item| Yaml::Value(item.clone()).flow())),
            Yaml::Value(Value::String(text)) if plain(text) => text.clone(),
            Yaml::Value(value) => value.to_string(),
            Yaml::Span(span) => span.to_string(),
            Yaml::Map(fields) => braces(fields.iter().map(|(name, value)| (name.as_str(), value.flow()))),
            Yaml::List(items) => brackets(items.iter().map(Yaml::flow)),
        }
    }

    /// Writes the item of a list, `- ` before it.
    pub(super) fn item(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        let flow = self.flow();
        let fields = self.fields();
        if indent + flow.len() + 2 <= WIDTH || fields.is_empty() {
            out.push_str(&format!("{pad}- {flow}\n"));
            return;
        }
        let mut inner = String::new();
        fields.iter().for_each(|(name, value)| value.field(name, indent + 2, &mut inner));
        out.push_str(&format!("{pad}- {}", inner.trim_start()));
    }

    /// Writes a field of a map.
    pub(super) fn field(&self, name: &str, indent: usize, out: &mut String) {
        let (pad, key) = (" ".repeat(indent), key(name));
        let flow = self.flow();
        let (fields, items) = (self.fields(), self.items());
        if indent + key.len() + flow.len() + 2 <= WIDTH || fields.is_empty() && items.is_empty() {
            out.push_str(&format!("{pad}{key}: {flow}\n"));
            return;
        }
        out.push_str(&format!("{pad}{key}:\n"));
        fields.iter().for_each(|(name, value)| value.field(name, indent + 2, out));
        items.iter().for_each(|item| item.item(indent + 2, out));
    }

    fn fields(&self) -> Vec<(String, Yaml)> {
        match self {
            Yaml::Map(fields) => fields.clone(),
            Yaml::Value(Value::Object(object)) => {
                object.iter().map(|(name, value)| (name.clone(), Yaml::Value(value.clone()))).collect()
            }
            _ => Vec::new(),
        }
    }

    fn items(&self) -> Vec<Yaml> {
        match self {
            Yaml::List(items) => items.clone(),
            Yaml::Value(Value::Array(items)) => items.iter().cloned().map(Yaml::Value).collect(),
            _ => Vec::new(),
        }
    }
}

fn braces<'a>(fields: impl Iterator<Item = (&'a str, String)>) -> String {
    let all: Vec<String> = fields.map(|(name, value)| format!("{}: {value}", key(name))).collect();
    if all.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", all.join(", ")) }
}

fn brackets(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn key(name: &str) -> String {
    if plain(name) { name.to_owned() } else { Value::String(name.to_owned()).to_string() }
}

/// Whether a text means itself without quotes, in YAML 1.1 too.
fn plain(text: &str) -> bool {
    const WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/_-.@ ".contains(c))
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}
