//! The document that is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ensue_event::ours::{Answer, Command, Failure, Operator};
use ensue_event::{Origin, Span, Time};
use ensue_lang::Name;
use serde_json::{Map, Value};

use super::guide::Note;
use super::past::{Came, Past};
use super::yaml::Yaml;
use crate::scenario::answers::Told;
use crate::scenario::{Call, Played, Ran};

/// Events that are longer than this as JSON go to files.
const INLINE: usize = 500;
/// Texts and lists of `with` and `data` that are longer are left out: a person would leave them out too.
const TEXT: usize = 160;
const LIST: usize = 20;
/// Different calls of one step that are expected one by one.
const CALLS: usize = 20;

/// A step by its rule, or its action, and its path.
type Step<'a> = (&'a str, &'a str);

/// What was given, as it is written.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) name: Name,
    items: Vec<Item>,
    pub(super) files: Vec<(String, String)>,
}

/// An item of `given`.
#[derive(Debug)]
struct Item {
    /// The comment above it.
    comment: Option<String>,
    at: Span,
    fields: Vec<(String, Yaml)>,
}

/// The run as it went again, twice.
pub(super) struct Twice<'a> {
    pub(super) played: &'a Played,
    /// With other times and ids.
    pub(super) later: &'a Played,
    pub(super) ran: &'a Ran,
}

impl Given {
    pub(super) fn of(past: &Past, stem: Option<&str>) -> Given {
        let (namespace, rule) = past.fired.rule.split_once('/').unwrap_or((Name::DEFAULT, &past.fired.rule));
        let run: String = past.run.to_string().chars().take(8).collect();
        let name = Name::new(namespace, format!("{rule} as in run {run}"));
        let mut given = Given { name, items: Vec::new(), files: Vec::new() };
        for (at, came) in &past.came {
            match came {
                Came::Event { position, event, via } => {
                    let from = via.as_ref().map_or_else(String::new, |via| format!(", through the source {via}"));
                    let text = serde_json::to_string_pretty(event).unwrap_or_default();
                    let written = match stem.filter(|_| event.to_string().len() > INLINE) {
                        Some(stem) => {
                            let name = format!("{stem}.{}.json", given.files.len() + 1);
                            given.files.push((name.clone(), format!("{text}\n")));
                            Yaml::text(name)
                        }
                        None => inline(event),
                    };
                    let mut fields = vec![("event".to_owned(), written)];
                    fields.extend(
                        via.as_ref().filter(|via| reference(via)).map(|via| ("via".to_owned(), Yaml::text(via))),
                    );
                    given.items.push(Item {
                        comment: Some(format!("record {position} of the log{from}")),
                        at: *at,
                        fields,
                    });
                }
                Came::Operator(operator) => {
                    let asked = asks(operator, past, rule);
                    given.items.push(Item { comment: None, at: *at, fields: vec![("operator".to_owned(), asked)] });
                }
                Came::Restart(down) => {
                    let down = Yaml::map([("down", Some(Yaml::Span(*down)))]);
                    given.items.push(Item { comment: None, at: *at, fields: vec![("restart".to_owned(), down)] });
                }
            }
        }
        given
    }

    /// A scenario that expects nothing; `later` with other times, and ids that hang on other positions.
    pub(super) fn alone(&self, past: &Past, later: bool) -> String {
        let mut out = self.head(past);
        out.push_str("spec:\n  given:\n");
        if later {
            out.push_str("    - { at: 0s, source: { caughtUp: another } }\n");
        }
        self.items(if later { Span::mins(67) } else { Span::ZERO }, &mut out);
        out.push_str("  expect: []\n");
        out
    }

    fn head(&self, past: &Past) -> String {
        let mut out = String::new();
        let Past { run, start, over, .. } = past;
        let _ = writeln!(out, "# Run {run} of the rule {}, as it happened", past.fired.rule);
        let _ = writeln!(out, "# from {} to {}; `ensue test --record` wrote this.", second(*start), second(*over));
        out.push_str("# Times count from its first event. What hangs on the clock, on ids of ensue, or is long is not expected.\n");
        let meta = Yaml::map([
            ("name", Some(Yaml::text(self.name.name.clone()))),
            ("namespace", (self.name.namespace != Name::DEFAULT).then(|| Yaml::text(self.name.namespace.clone()))),
        ]);
        let _ = writeln!(out, "apiVersion: ensue.dev/v1\nkind: Scenario\nmetadata: {}", meta.flow());
        out
    }

    fn items(&self, shift: Span, out: &mut String) {
        for Item { comment, at, fields } in &self.items {
            if let Some(comment) = comment {
                let _ = writeln!(out, "    # {comment}");
            }
            let at = Span(at.micros() + shift.micros());
            let mut all = vec![("at".to_owned(), Yaml::Span(at))];
            all.extend(fields.iter().cloned());
            Yaml::Map(all).item(4, out);
        }
    }
}

/// To the second, for people.
fn second(at: Time) -> Time {
    Time(at.micros() - at.micros().rem_euclid(1_000_000))
}

/// Whether a text can be the name of a document.
fn reference(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-./".contains(&b))
}

/// An event as a person would write it: what it is before what it says, and nothing that goes without saying.
fn inline(event: &Value) -> Yaml {
    const FIRST: [&str; 5] = ["type", "source", "id", "subject", "time"];
    let Value::Object(mut rest) = literal(event) else { return Yaml::Value(literal(event)) };
    rest.remove("specversion");
    if rest.get("datacontenttype").is_some_and(|media| media == "application/json") {
        rest.remove("datacontenttype");
    }
    let mut fields: Vec<(String, Value)> =
        FIRST.iter().filter_map(|name| Some(((*name).to_owned(), rest.remove(*name)?))).collect();
    let data = rest.remove("data").map(|data| ("data".to_owned(), data));
    fields.extend(rest);
    fields.extend(data);
    Yaml::Map(fields.into_iter().map(|(name, value)| (name, Yaml::Value(value))).collect())
}

/// An event whose texts mean themselves where templates are read.
fn literal(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${{", "$${{")),
        Value::Array(items) => items.iter().map(literal).collect(),
        Value::Object(object) => {
            object.iter().map(|(name, value)| (name.clone(), literal(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn asks(operator: &Operator, past: &Past, rule: &str) -> Yaml {
    let Operator { command, actor, roles, reason } = operator;
    let text = |text: &str| Some(Yaml::text(text));
    let flag = |set: bool| set.then_some(Yaml::Value(Value::Bool(true)));
    let only = |connection: &Option<String>, rule: &Option<String>, discard: bool| {
        Yaml::map([
            ("connection", connection.as_deref().and_then(text)),
            ("rule", rule.as_deref().and_then(text)),
            ("discard", flag(discard)),
        ])
    };
    let mut fields: Vec<(&str, Option<Yaml>)> = match command {
        Command::RetryRun { .. } => vec![("retry", text(rule))],
        Command::ResumeRun { from, .. } => vec![("resume", text(rule)), ("from", from.as_deref().and_then(text))],
        Command::SkipStep { step, .. } => vec![("skip", text(rule)), ("step", text(step))],
        Command::CancelRun { .. } => vec![("cancel", text(rule))],
        Command::Settle { step, verdict, .. } => {
            vec![("settle", text(rule)), ("step", text(step)), ("verdict", text(verdict))]
        }
        Command::Approve { step, refuse, .. } => {
            vec![("approve", text(rule)), ("step", text(step)), ("refuse", flag(*refuse))]
        }
        Command::Rollback { .. } => vec![("rollback", text(rule))],
        Command::Freeze { connection, rule } => vec![("freeze", Some(only(connection, rule, false)))],
        Command::Thaw { connection, rule, discard } => vec![("thaw", Some(only(connection, rule, *discard)))],
        _ => Vec::new(),
    };
    let of_run = !matches!(command, Command::Freeze { .. } | Command::Thaw { .. });
    fields.push(("key", past.fired.key.as_deref().filter(|_| of_run).map(key)));
    fields.push(("by", text(actor)));
    let all: Vec<Yaml> = roles.iter().map(Yaml::text).collect();
    fields.push(("roles", (!all.is_empty()).then_some(Yaml::List(all))));
    fields.push(("reason", text(reason)));
    Yaml::Map(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

/// A key; a composite one as the list that it is.
fn key(key: &str) -> Yaml {
    match serde_json::from_str::<Value>(key) {
        Ok(list @ Value::Array(_)) => Yaml::Value(list),
        _ => Yaml::text(key),
    }
}

/// The whole document.
pub(super) fn scenario(past: &Past, given: &Given, twice: &Twice<'_>, notes: &[Note]) -> String {
    let mut out = given.head(past);
    out.push_str("spec:\n  given:\n");
    given.items(Span::ZERO, &mut out);
    actions(notes, twice.played, &mut out);
    out.push_str("  expect:\n");
    expect(past, twice).iter().for_each(|item| item.item(4, &mut out));
    out
}

/// What actions answered, by rule and step where more than one calls them.
fn actions(notes: &[Note], played: &Played, out: &mut String) {
    let mut all: BTreeMap<&str, Vec<(Step<'_>, Vec<&Note>)>> = BTreeMap::new();
    for note in notes {
        let steps = all.entry(&note.action).or_default();
        let of = (note.rule.as_str(), note.step.as_str());
        match steps.iter_mut().find(|(known, _)| *known == of) {
            Some((_, all)) => all.push(note),
            None => steps.push((of, vec![note])),
        }
    }
    if all.is_empty() {
        return;
    }
    out.push_str("  actions:                    # what they answered then, and after how long\n");
    for (action, steps) in all {
        let mut callers: Vec<(&str, &str)> = played.calls.iter().filter(|call| call.action == action).map(by).collect();
        callers.sort_unstable();
        callers.dedup();
        let answers = steps.into_iter().map(|((rule, step), notes)| {
            let when = Yaml::map([("rule", Some(Yaml::text(rule))), ("step", Some(Yaml::text(step)))]);
            let mut fields = Vec::new();
            fields.extend((callers.len() > 1).then(|| ("when".to_owned(), when)));
            match notes.as_slice() {
                [one] => fields.extend(answer(one)),
                several => {
                    let list = several.iter().map(|note| Yaml::Map(answer(note))).collect();
                    fields.push(("sequence".to_owned(), Yaml::List(list)));
                }
            }
            Yaml::Map(fields)
        });
        let answers: Vec<Yaml> = answers.collect();
        match answers.as_slice() {
            [one] => one.field(action, 4, out),
            _ => Yaml::List(answers).field(action, 4, out),
        }
    }
}

fn by(call: &Call) -> (&str, &str) {
    (&call.rule, &call.step)
}

fn answer(note: &Note) -> Vec<(String, Yaml)> {
    let mut fields = vec![match &note.told {
        Told::Answer(Answer::Ok(outputs)) => ("returns".to_owned(), Yaml::Value(outputs.clone())),
        Told::Answer(Answer::Err(failure)) => ("fails".to_owned(), fails(failure)),
        Told::Uncertain(why) => ("uncertain".to_owned(), Yaml::text(why)),
    }];
    if note.after > Span::ZERO {
        fields.push(("after".to_owned(), Yaml::Span(note.after)));
    }
    fields
}

fn fails(failure: &Failure) -> Yaml {
    let Failure { name, message, retryable, retry_after, details } = failure;
    // What a scenario takes for granted need not be said.
    let usual = matches!(name.as_str(), "Connect" | "Timeout" | "Status");
    Yaml::map([
        ("name", Some(Yaml::text(name))),
        ("message", Some(Yaml::text(message))),
        ("retryable", (*retryable != usual).then_some(Yaml::Value(Value::Bool(*retryable)))),
        ("retryAfter", retry_after.map(Yaml::Span)),
        ("details", (!details.is_null()).then(|| Yaml::Value(details.clone()))),
    ])
}

fn expect(past: &Past, twice: &Twice<'_>) -> Vec<Yaml> {
    let Twice { played, later, ran } = twice;
    let rule = past.fired.rule.split_once('/').map_or(past.fired.rule.as_str(), |(_, name)| name);
    let count = |times: usize| Some(Yaml::Value(times.into()));
    let of_key = || past.fired.key.as_deref().map(key);
    let fires =
        played.fired.iter().filter(|fired| fired.rule == past.fired.rule && fired.key == past.fired.key).count();
    let mut out = vec![Yaml::map([("rule", Some(Yaml::text(rule))), ("fires", count(fires)), ("key", of_key())])];

    let mine = |played: &Played| -> Vec<Call> {
        let run = played.runs.iter().find(|run| run.rule == ran.rule && run.key == ran.key).map(|run| run.run);
        played.calls.iter().filter(|call| Some(call.run) == run).cloned().collect()
    };
    let (calls, again) = (mine(played), mine(later));
    // In the order of their first calls: action, step, and what is expected of it.
    let mut groups: Vec<(Step<'_>, Vec<(Value, usize)>)> = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let with =
            again.get(at).filter(|other| other.step == call.step).and_then(|other| common(&call.with, &other.with));
        let with = with.unwrap_or(Value::Null);
        let of = (call.action.as_str(), call.step.as_str());
        if !groups.iter().any(|(known, _)| *known == of) {
            groups.push((of, Vec::new()));
        }
        let Some((_, withs)) = groups.iter_mut().find(|(known, _)| *known == of) else { continue };
        match withs.iter_mut().find(|(known, _)| *known == with) {
            Some((_, times)) => *times += 1,
            None => withs.push((with, 1)),
        }
    }
    for ((action, step), withs) in &groups {
        let all: usize = withs.iter().map(|(_, times)| times).sum();
        let withs = if withs.len() > CALLS { &[(Value::Null, all)][..] } else { withs.as_slice() };
        out.extend(withs.iter().map(|(with, times)| {
            Yaml::map([
                ("action", Some(Yaml::text(*action))),
                ("step", Some(Yaml::text(*step))),
                ("times", count(*times)),
                ("with", (!with.is_null()).then(|| Yaml::Value(with.clone()))),
            ])
        }));
    }
    out.push(Yaml::map([
        ("run", Some(Yaml::text(rule))),
        ("status", Some(Yaml::text(&ran.status))),
        ("key", of_key()),
    ]));
    if let Some((step, error)) = ran.failed.as_ref().filter(|_| ran.status == "failed") {
        out.push(Yaml::map([
            ("run", Some(Yaml::text(rule))),
            ("step", Some(Yaml::text(step))),
            ("status", Some(Yaml::text("failed"))),
            ("error", Some(Yaml::text(&error.name))),
        ]));
    }
    for step in ran.steps.iter().filter(|step| step.status == "skipped").take(CALLS) {
        out.push(Yaml::map([
            ("run", Some(Yaml::text(rule))),
            ("step", Some(Yaml::text(&step.path))),
            ("status", Some(Yaml::text("skipped"))),
        ]));
    }
    out.extend(emitted(past, played, later));
    out
}

/// Events of `emit` steps: of the types of which as many came then.
fn emitted(past: &Past, played: &Played, later: &Played) -> Vec<Yaml> {
    let of = |played: &Played, kind: &str| -> Vec<Value> {
        let records = played.records.iter().filter(|record| matches!(record.origin, Origin::Emitted(_)));
        let records = records.filter(|record| *record.event.kind == *kind);
        records
            .map(|record| record.event.json().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default())
            .collect()
    };
    let mut out = Vec::new();
    for (kind, count) in &past.emitted {
        let (first, second) = (of(played, kind), of(later, kind));
        if first.len() != *count {
            continue;
        }
        let mut groups: Vec<(Value, usize)> = Vec::new();
        for (at, data) in first.iter().enumerate() {
            let data = second.get(at).and_then(|other| common(data, other)).unwrap_or_default();
            match groups.iter_mut().find(|(known, _)| *known == data) {
                Some((_, times)) => *times += 1,
                None => groups.push((data, 1)),
            }
        }
        out.extend(groups.into_iter().map(|(data, times)| {
            Yaml::map([
                ("event", Some(Yaml::text(kind))),
                ("times", Some(Yaml::Value(times.into()))),
                ("data", (!data.is_null()).then_some(Yaml::Value(data))),
            ])
        }));
    }
    out
}

/// What is in both, without what is long; nothing where that is nothing.
fn common(a: &Value, b: &Value) -> Option<Value> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let fields: Map<String, Value> =
                a.iter().filter_map(|(name, value)| Some((name.clone(), common(value, b.get(name)?)?))).collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        (Value::String(text), _) => (a == b && text.len() <= TEXT).then(|| a.clone()),
        // Lists are compared whole, so all of one must be the same.
        (Value::Array(items), _) => {
            (a == b && items.len() <= LIST && a.to_string().len() <= 2 * TEXT).then(|| a.clone())
        }
        _ => (a == b).then(|| a.clone()),
    }
}
