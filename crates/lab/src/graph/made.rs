//! What a rule can make: the events that its steps emit, our own records about its runs, and what comes back from the
//! outside systems that it acts on. Each as far as it is known before anything has happened.

use std::collections::BTreeMap;

use ensue_engine::config::Decider;
use ensue_engine::emit::SOURCE;
use ensue_expr::Template;
use ensue_lang::{Config, Name, Source, Step, StepKind, Wait};
use ensue_rule::Known;
use serde_json::Value;

use super::{By, RECORDS};

/// An event that may come, as far as it is known.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) by: By,
    /// Its type as people read it: `com.example.*` where only the beginning is known.
    pub(super) kind: String,
    /// One of our own records.
    pub(super) ours: bool,
    /// The chain of causes goes on with it, one longer.
    pub(super) counted: bool,
    pub(super) shape: Shape,
}

/// A part of an event.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Leaf(Known),
    List(Vec<Shape>),
    /// Fields; `open` where there may be more.
    Fields {
        fields: BTreeMap<String, Shape>,
        open: bool,
    },
}

impl Shape {
    /// What is known at a path.
    pub(super) fn at<T: AsRef<str>>(&self, path: &[T]) -> Known {
        match (self, path.split_first()) {
            (Shape::Leaf(known), None) => known.clone(),
            (Shape::Leaf(Known::Present | Known::Anything), Some(_)) => Known::Anything,
            (Shape::Leaf(_), Some(_)) => Known::Absent,
            (Shape::List(all), _) if all.is_empty() => Known::Absent,
            (Shape::List(all), _) => Known::Some(all.iter().map(|one| one.at(path)).collect()),
            (Shape::Fields { .. }, None) => Known::Absent,
            (Shape::Fields { fields, open }, Some((key, rest))) => match fields.get(key.as_ref()) {
                Some(field) => field.at(rest),
                // A key with dots is a path.
                None if *open || fields.keys().any(|key| key.contains('.')) => Known::Anything,
                None => Known::Absent,
            },
        }
    }

    fn text(text: &str) -> Shape {
        Shape::Leaf(Known::Is(text.into()))
    }

    /// A tree whose texts are templates.
    fn of(json: &Value) -> Shape {
        match json {
            Value::String(text) => Shape::Leaf(written(text, Known::Anything)),
            Value::Array(all) => Shape::List(all.iter().map(Shape::of).collect()),
            Value::Object(all) => Shape::Fields {
                fields: all.iter().map(|(name, value)| (name.clone(), Shape::of(value))).collect(),
                open: false,
            },
            scalar => Shape::Leaf(Known::Is(scalar.clone())),
        }
    }

    fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, Shape)>) -> Shape {
        let fields = fields.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect();
        Shape::Fields { fields, open: true }
    }
}

/// What is known of a text that may be a template; `whole` of one that is one expression.
fn written(text: &str, whole: Known) -> Known {
    let Ok(template) = Template::compile(text) else { return whole };
    if let Some(text) = template.literal() {
        return Known::Is(text.into());
    }
    if template.whole().is_some() {
        return whole;
    }
    // `$${{` stands for itself: what is before it is known, and no more.
    let first = text.split("${{").next().unwrap_or_default();
    let first = if text.get(first.len()..).is_some_and(|rest| rest.starts_with("${{")) {
        first.strip_suffix('$').unwrap_or(first)
    } else {
        first
    };
    let last = if text.contains("$${{") { "" } else { text.rsplit("}}").next().unwrap_or_default() };
    Known::Text { first: first.to_owned(), last: last.to_owned() }
}

/// A text that is there, whatever it is.
fn any_text() -> Known {
    Known::Text { first: String::new(), last: String::new() }
}

/// The type, as people read it.
pub(super) fn named(known: &Known) -> String {
    match known {
        Known::Is(Value::String(text)) => text.clone(),
        Known::Text { first, last } if first.is_empty() && last.is_empty() => "any type".to_owned(),
        Known::Text { first, last } => format!("{first}*{last}"),
        _ => "any type".to_owned(),
    }
}

/// Everything that a rule makes when it fires, but our own records.
pub(super) fn by_steps(decider: &Decider, config: &Config) -> Vec<Made> {
    let mut made = Vec::new();
    let mut within = Vec::new();
    let rule = &decider.rule;
    let lists = [&rule.steps, &rule.on_failure, &rule.finally];
    let mut maker = Maker { rule: &rule.name, config, made: &mut made, within: &mut within };
    for steps in lists {
        maker.steps(steps, &rule.canonical, "");
    }
    made
}

struct Maker<'a> {
    rule: &'a Name,
    config: &'a Config,
    made: &'a mut Vec<Made>,
    /// The workflows that we are in.
    within: &'a mut Vec<Name>,
}

impl Maker<'_> {
    fn steps(&mut self, steps: &[Step], document: &Value, before: &str) {
        for step in steps {
            self.step(step, document, before);
        }
    }

    fn step(&mut self, step: &Step, document: &Value, before: &str) {
        let id = format!("{before}{}", step.id);
        match &step.kind {
            StepKind::Emit { .. } => {
                let json = document.pointer(&format!("/spec{}/emit", step.path)).unwrap_or(&Value::Null);
                let made = self.emitted(&id, json);
                self.made.push(made);
            }
            StepKind::Uses { action, connection, .. } => {
                let json = document.pointer(&format!("/spec{}/with", step.path)).unwrap_or(&Value::Null);
                self.acted(&id, action, connection.as_deref(), json);
            }
            StepKind::Workflow { name, .. } => self.workflow(&id, name),
            StepKind::Switch(cases) => cases.iter().for_each(|case| self.steps(&case.steps, document, before)),
            StepKind::Parallel(all) => all.branches.iter().for_each(|one| self.steps(&one.steps, document, before)),
            StepKind::Foreach(each) => self.steps(&each.steps, document, before),
            StepKind::Set(_) | StepKind::Fail { .. } | StepKind::Approve(_) => {}
            StepKind::Wait(wait) => match &**wait {
                Wait::Duration(_) | Wait::Until(_) | Wait::For { .. } => {}
            },
        }
        step.catch.iter().for_each(|catch| self.steps(&catch.steps, document, before));
        self.steps(&step.finally, document, before);
        if let Some(undo) = &step.undo {
            self.step(undo, document, before);
        }
    }

    fn workflow(&mut self, id: &str, written: &str) {
        let Some((name, workflow)) = self.config.workflow(written, &self.rule.namespace) else { return };
        // A loop of workflows is refused when they are read.
        if self.within.contains(name) {
            return;
        }
        self.within.push(name.clone());
        let before = format!("{id}.");
        for steps in [&workflow.steps, &workflow.on_failure, &workflow.finally] {
            self.steps(steps, &workflow.canonical, &before);
        }
        self.within.pop();
    }

    fn emitted(&self, step: &str, json: &Value) -> Made {
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let kind = written(text("type").unwrap_or_default(), any_text());
        let source = text("source")
            .map_or_else(|| Known::Is(format!("/ensue/{}", self.rule).into()), |source| written(source, any_text()));
        let mut fields: Vec<(&str, Shape)> = vec![
            ("type", Shape::Leaf(kind.clone())),
            ("source", Shape::Leaf(source)),
            // One that comes out empty is left out.
            ("subject", Shape::Leaf(text("subject").map_or(Known::Absent, |text| written(text, Known::Anything)))),
            ("data", json.get("data").map_or(Shape::Leaf(Known::Absent), Shape::of)),
        ];
        fields.extend(of_ours());
        let extensions = json.get("extensions").and_then(Value::as_object);
        for (name, value) in extensions.into_iter().flatten() {
            fields.push((name, Shape::of(value)));
        }
        Made {
            by: By::Emit { step: step.to_owned() },
            kind: named(&kind),
            ours: false,
            counted: true,
            shape: Shape::fields(fields),
        }
    }

    /// What an outside system makes of an action, where it is a source of this configuration too.
    fn acted(&mut self, step: &str, action: &str, connection: Option<&str>, with: &Value) {
        let connection = connection.and_then(|name| self.config.connection(name, &self.rule.namespace));
        if connection.is_some_and(|(_, one)| one.dry_run) {
            return;
        }
        for pair in PAIRS.iter().filter(|pair| pair.action == action) {
            for (name, source) in &self.config.sources {
                if source.type_name != pair.source {
                    continue;
                }
                let url = connection.and_then(|(_, one)| one.config.get("url")).and_then(Value::as_str);
                if let Some((kind, shape)) = (pair.makes)(source, with, url) {
                    let by = By::Action {
                        step: step.to_owned(),
                        action: action.to_owned(),
                        source: name.to_string(),
                        marked: pair.marked,
                    };
                    self.made.push(Made { by, kind, ours: false, counted: pair.marked, shape });
                }
            }
        }
    }
}

/// What every event that we write has.
fn of_ours() -> [(&'static str, Shape); 5] {
    let text = || Shape::Leaf(any_text());
    [
        ("id", text()),
        ("time", text()),
        ("correlationid", text()),
        ("causationid", text()),
        ("ensuedepth", Shape::Leaf(Known::Present)),
    ]
}

/// A type and what is known of an event of it; nothing where the source does not tell of the action.
type Told = Option<(String, Shape)>;

/// An action, and a source at which the same outside system tells of it.
struct Pair {
    action: &'static str,
    source: &'static str,
    /// What the source tells, of a connection with this address.
    makes: fn(source: &Source, with: &Value, url: Option<&str>) -> Told,
    /// The event carries our mark: the effect as `causationid`, and how long the chain is.
    marked: bool,
}

/// Actions that come back as events. The mark is the trailer `Ensue-Cause` of a commit; only the source `github` reads
/// it.
const PAIRS: &[Pair] = &[
    Pair { action: "git/commit", source: "github", makes: pushed, marked: true },
    Pair { action: "git/commit", source: "webhook", makes: told_of_a_push, marked: false },
];

/// A push, as GitHub tells it.
fn pushed(_: &Source, with: &Value, url: Option<&str>) -> Told {
    const KIND: &str = "com.github.push";
    let mut data = vec![("deleted", Shape::Leaf(Known::Is(false.into()))), ("ref", Shape::Leaf(branch(with)))];
    // The repository is known where the address is one of GitHub itself.
    if let Some(name) = url.and_then(repository) {
        let named = Shape::fields([("full_name", Shape::Leaf(Known::Is(name.into())))]);
        data.push(("repository", named));
    }
    let shape = Shape::fields([
        ("type", Shape::text(KIND)),
        ("causationid", Shape::Leaf(any_text())),
        ("ensuedepth", Shape::Leaf(Known::Present)),
        ("data", Shape::fields(data)),
    ]);
    Some((KIND.to_owned(), shape))
}

/// A push, as another forge tells it: where the type of the source's events says so.
fn told_of_a_push(source: &Source, _: &Value, _: Option<&str>) -> Told {
    let kind = written(source.config.get("type")?.as_str()?, any_text());
    let push = named(&kind).to_ascii_lowercase().contains("push");
    let shape = Shape::fields([("type", Shape::Leaf(kind.clone())), ("ensuedepth", Shape::Leaf(Known::Absent))]);
    push.then(|| (named(&kind), shape))
}

fn branch(with: &Value) -> Known {
    let branch = with.get("branch").and_then(Value::as_str).unwrap_or_default();
    match written(branch, any_text()) {
        Known::Is(Value::String(branch)) => Known::Is(format!("refs/heads/{branch}").into()),
        Known::Text { first, last } => Known::Text { first: format!("refs/heads/{first}"), last },
        _ => any_text(),
    }
}

/// `owner/name` of an address at github.com.
fn repository(url: &str) -> Option<String> {
    let rest = url.split_once("github.com").map(|(_, rest)| rest.trim_start_matches([':', '/']))?;
    let name = rest.trim_end_matches('/').trim_end_matches(".git");
    (name.split('/').count() == 2).then(|| name.to_owned())
}

/// Our own records about a rule; `rule` is nothing for what holds of every rule.
pub(super) fn records(rule: Option<&str>) -> impl Iterator<Item = Made> {
    let rule = rule.map(str::to_owned);
    RECORDS.iter().map(move |record| {
        let name = rule.as_deref().map_or(Known::Present, |name| Known::Is(name.into()));
        let mut data = vec![("v", Shape::Leaf(Known::Present))];
        if record.names_rule {
            data.push(("rule", Shape::Leaf(name)));
        }
        if !record.status.is_empty() {
            let all = record.status.iter().map(|status| Known::Is((*status).into())).collect();
            data.push(("status", Shape::Leaf(Known::Some(all))));
        }
        let mut fields = vec![
            ("type", Shape::text(record.kind)),
            ("source", if record.acts { Shape::Leaf(any_text()) } else { Shape::text(SOURCE) }),
            ("subject", Shape::Leaf(Known::Absent)),
            ("data", Shape::fields(data)),
        ];
        fields.extend(of_ours());
        Made {
            by: By::Record { kind: record.kind.to_owned() },
            kind: record.kind.to_owned(),
            ours: true,
            counted: true,
            shape: Shape::fields(fields),
        }
    })
}

/// What comes from a source of the configuration.
pub(super) fn by_source(name: &Name, source: &Source) -> Vec<Made> {
    let text = |first: &str| Known::Text { first: first.to_owned(), last: String::new() };
    let config = |field: &str| source.config.get(field).and_then(Value::as_str);
    let kind = match source.type_name.as_str() {
        "github" => text("com.github."),
        "registry" => text("com.docker.distribution."),
        "kubernetes" => text("io.k8s."),
        "webhook" => written(config("type").unwrap_or_default(), any_text()),
        "schedule" => config("type").map_or_else(
            || Known::Text { first: "schedule.".to_owned(), last: name.name.clone() },
            |kind| Known::Is(kind.into()),
        ),
        _ => any_text(),
    };
    let shape = Shape::fields([("type", Shape::Leaf(kind.clone())), ("ensuedepth", Shape::Leaf(Known::Absent))]);
    vec![Made { by: By::Source, kind: named(&kind), ours: false, counted: false, shape }]
}
