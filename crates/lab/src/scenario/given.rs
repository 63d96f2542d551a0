//! What a scenario gives, in the order of time.

use std::rc::Rc;

use bytes::Bytes;
use ensue_event::http::{self, Message};
use ensue_event::json::Scanner;
use ensue_event::ours::ConfigFile;
use ensue_event::{Event, Span};
use ensue_expr::{Budget, Scope, TemplateValue, Value as Computed};
use ensue_lang::{Asks, Happening, Manifests, Scenario};
use serde_json::Value;

use super::stage::START;
use super::{Beside, Error, full};

/// Something that happens once.
#[derive(Debug, Clone)]
pub(super) enum Comes {
    /// An event, through this source.
    Event { event: Box<Event>, via: Rc<str> },
    /// Another configuration.
    Apply(Vec<ConfigFile>),
    /// The node stops and starts.
    Restart { down: Span },
    /// A person asks for something.
    Operator(Operator),
    /// A source says something.
    Disconnected { source: String },
    /// The same.
    CaughtUp { source: String },
}

/// What a person asks for; names are full ones.
#[derive(Debug, Clone)]
pub(super) struct Operator {
    pub(super) asks: Asks,
    pub(super) by: String,
    pub(super) roles: Vec<String>,
    pub(super) reason: String,
}

/// Everything that comes, with its time from the start. Two of one time keep the order in which they are written.
pub(super) fn all(scenario: &Scenario, beside: &dyn Beside) -> Result<Vec<(Span, Comes)>, Error> {
    let file = &scenario.file;
    let mut out = Vec::new();
    for (number, given) in scenario.given.iter().enumerate() {
        let line = given.span.line;
        let unread = |name: &str, why| Error::File { file: file.clone(), line, name: name.to_owned(), why };
        let wrong = |why: String| Error::Event { file: file.clone(), line, why };
        let named = |name: &String| full(name, scenario);
        let once = match &given.what {
            Happening::Event { event, via, times, every } => {
                let written = match event {
                    ensue_lang::Event::Inline(tree) => Written::Tree(tree),
                    ensue_lang::Event::File(name) => {
                        let bytes = beside.read(name).map_err(|why| unread(name, why))?;
                        Written::Json(serde_json::from_slice(&bytes).map_err(|why| wrong(format!("{name}: {why}")))?)
                    }
                };
                let via: Rc<str> = via.as_ref().map_or_else(|| "scenario".to_owned(), named).into();
                for turn in 0..(*times).max(1) {
                    let at = Span(given.at + every * i64::from(turn));
                    let event = Box::new(written.event(number, turn, at).map_err(wrong)?);
                    out.push((at, Comes::Event { event, via: Rc::clone(&via) }));
                }
                continue;
            }
            Happening::Apply(Manifests::Beside(name)) => {
                Comes::Apply(beside.manifests(name).map_err(|why| unread(name, why))?)
            }
            Happening::Apply(Manifests::Text(text)) => {
                Comes::Apply(vec![ConfigFile { path: format!("{file}, line {line}"), text: text.clone() }])
            }
            Happening::Restart { down } => Comes::Restart { down: Span(*down) },
            Happening::Operator { asks, by, roles, reason } => Comes::Operator(Operator {
                asks: resolved(asks, scenario),
                by: by.clone().unwrap_or_else(|| "scenario".to_owned()),
                roles: roles.clone(),
                reason: reason.clone().unwrap_or_else(|| "the scenario says so".to_owned()),
            }),
            Happening::Disconnected { source } => Comes::Disconnected { source: named(source) },
            Happening::CaughtUp { source } => Comes::CaughtUp { source: named(source) },
        };
        out.push((Span(given.at), once));
    }
    out.sort_by_key(|(at, _)| *at);
    Ok(out)
}

/// The same with full names.
fn resolved(asks: &Asks, scenario: &Scenario) -> Asks {
    let mut asks = asks.clone();
    let resolve = |name: &mut String| *name = full(name, scenario);
    match &mut asks {
        Asks::Mode { rule, .. } | Asks::Redrive { rule } | Asks::Discard { rule } | Asks::Runs { rule, .. } => {
            resolve(rule);
        }
        Asks::Freeze { connection, rule } | Asks::Thaw { connection, rule, .. } => {
            connection.iter_mut().chain(rule).for_each(resolve);
        }
    }
    asks
}

enum Written<'a> {
    Tree(&'a TemplateValue),
    Json(Value),
}

/// The one name that a written event sees.
struct Index(u32);

impl Scope for Index {
    fn get(&self, name: &str) -> Option<Computed> {
        (name == "index").then(|| Computed::from(u64::from(self.0)))
    }
}

impl Written<'_> {
    /// A CloudEvent: what is left out is filled in, and each repetition has an id of its own.
    fn event(&self, number: usize, turn: u32, at: Span) -> Result<Event, String> {
        let (value, own) = match self {
            Written::Tree(tree) => {
                let rendered = tree.render(&Index(turn), &mut Budget::new()).map_err(|why| why.to_string())?;
                (rendered.to_json(), tree.templates().iter().any(|(pointer, _)| pointer == "/id"))
            }
            Written::Json(value) => (value.clone(), false),
        };
        let mut object = match value {
            Value::Object(object) => object,
            _ => return Err("a map of attributes and `data` is expected".to_owned()),
        };
        object.entry("specversion").or_insert_with(|| "1.0".into());
        object.entry("source").or_insert_with(|| "/scenario".into());
        object.entry("time").or_insert_with(|| (START + at).to_string().into());
        let id = object.get("id").and_then(Value::as_str).map_or_else(|| format!("given-{number}"), str::to_owned);
        let id = if turn == 0 || own { id } else { format!("{id}-{turn}") };
        object.insert("id".into(), id.into());
        let body = Bytes::from(Value::Object(object).to_string());
        let none: [(&str, &[u8]); 0] = [];
        let message = Message { content_type: Some("application/cloudevents+json"), headers: none, body };
        let batch = http::decode(message, &mut Scanner::new()).map_err(|why| why.to_string())?;
        batch.events.into_iter().next().ok_or_else(|| "there is no event in it".to_owned())
    }
}
