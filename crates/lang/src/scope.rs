//! Which names an expression may use where.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ensue_expr::Read;

use crate::diagnostic::did_you_mean;

/// Every root name of the language.
const ROOTS: &[&str] = &[
    "event", "events", "key", "let", "inputs", "steps", "tables", "run", "error", "now", "batch", "item", "index",
    "headers", "secrets", "action", "command", "actor", "roles", "rule",
];
/// What an expression sees of a step.
const STEP_FIELDS: &[&str] = &["outputs", "status", "attempt", "error"];

/// The names at one place of a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// Where it is, for messages: `when`.
    pub(crate) place: &'static str,
    /// The root names.
    pub(crate) roots: BTreeSet<&'static str>,
    /// The names under `let`.
    pub(crate) lets: BTreeSet<String>,
    /// The names under `events`.
    pub(crate) items: BTreeSet<String>,
    /// The names under `inputs`.
    pub(crate) inputs: BTreeSet<String>,
    /// The steps that have begun here, each with its outputs where they are known.
    pub(crate) steps: BTreeMap<String, Option<Vec<String>>>,
    /// All written ids of the document.
    pub(crate) ids: Rc<BTreeSet<String>>,
    /// What is below the root names depends on the rule: it is not known here.
    pub(crate) open: bool,
    /// `success()`, `failed()` and `always()` may be asked.
    pub(crate) condition: bool,
}

/// What is wrong with a name, and what to write instead.
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Scope {
    pub(crate) fn new(place: &'static str, roots: &[&'static str]) -> Scope {
        Scope { place, roots: roots.iter().copied().collect(), ..Scope::default() }
    }

    /// The same with one more root name.
    pub(crate) fn and(mut self, root: &'static str) -> Scope {
        self.roots.insert(root);
        self
    }

    /// The same at another place.
    pub(crate) fn at(&self, place: &'static str) -> Scope {
        Scope { place, ..self.clone() }
    }

    /// Checks one path that an expression reads.
    pub(crate) fn check(&self, read: &Read) -> Option<Wrong> {
        let mut path = read.path.iter().map(String::as_str);
        let root = path.next()?;
        if !self.roots.contains(root) {
            return Some(self.no_root(root));
        }
        let second = path.next()?;
        match root {
            "event" => habit(second),
            _ if self.open => None,
            "let" => self.one_of(&self.lets, second, "let"),
            "events" => self.one_of(&self.items, second, "events"),
            "inputs" => self.one_of(&self.inputs, second, "inputs"),
            "steps" => self.step(second, path.next(), path.next()),
            _ => None,
        }
    }

    /// Checks a function that only conditions have.
    pub(crate) fn check_call(&self, function: &str) -> Option<Wrong> {
        (!self.condition).then(|| Wrong {
            code: "name",
            message: format!("`{function}()` can be asked only in the `if` of a step, not in {}", self.place),
            help: None,
        })
    }

    fn no_root(&self, root: &str) -> Wrong {
        let place = self.place;
        let (code, message, help) = match root {
            "secrets" => (
                "secret",
                "a rule cannot send a secret anywhere".to_owned(),
                Some("put \"${{ secrets.NAME }}\" into the Connection or Source that needs it".to_owned()),
            ),
            "events" => (
                "name",
                "`events` is there only where the items of `when` have names".to_owned(),
                Some("here it is `event`".to_owned()),
            ),
            "event" if self.roots.contains("inputs") => (
                "name",
                "a workflow sees its `inputs`, not the event".to_owned(),
                Some("add an input and let the rule pass it with `with`".to_owned()),
            ),
            "let" if self.roots.contains("inputs") => (
                "name",
                "a workflow sees its `inputs`, not a rule's `let`".to_owned(),
                Some("add an input and let the rule pass it with `with`".to_owned()),
            ),
            "inputs" => (
                "name",
                format!("`inputs` are those of a workflow; there are none in {place}"),
                Some("name the value in `let`".to_owned()),
            ),
            "key" => (
                "name",
                "`key` is there only where `when` has a `key`".to_owned(),
                Some("name the value in `let`".to_owned()),
            ),
            "error" => ("name", "`error` is there only in `catch`, `onFailure` and `finally`".to_owned(), None),
            known if ROOTS.contains(&known) => ("name", format!("`{known}` is not there in {place}"), None),
            unknown => (
                "name",
                format!("there is no `{unknown}` in {place}"),
                did_you_mean(unknown, self.roots.iter().copied()),
            ),
        };
        Wrong { code, message, help }
    }

    fn one_of(&self, known: &BTreeSet<String>, name: &str, root: &str) -> Option<Wrong> {
        (!known.contains(name)).then(|| Wrong {
            code: "name",
            message: format!("there is no `{root}.{name}` in {}", self.place),
            help: did_you_mean(name, known.iter().map(String::as_str)),
        })
    }

    fn step(&self, id: &str, part: Option<&str>, output: Option<&str>) -> Option<Wrong> {
        let Some(outputs) = self.steps.get(id) else {
            let (message, help) = if self.ids.contains(id) {
                (format!("step `{id}` is not finished here"), Some("move this behind it".to_owned()))
            } else {
                (format!("there is no step `{id}`"), did_you_mean(id, self.ids.iter().map(String::as_str)))
            };
            return Some(Wrong { code: "name", message, help });
        };
        let part = part?;
        if !STEP_FIELDS.contains(&part) {
            let message = format!("a step has {}, not `{part}`", STEP_FIELDS.join(", "));
            return Some(Wrong { code: "name", message, help: Some(format!("write steps.{id}.outputs.{part}")) });
        }
        let known = outputs.as_ref().filter(|_| part == "outputs")?;
        let output = output?;
        (!known.iter().any(|name| name == output)).then(|| Wrong {
            code: "name",
            message: format!("step `{id}` has no output `{output}`"),
            help: did_you_mean(output, known.iter().map(String::as_str)),
        })
    }
}

/// What other systems call the data of an event.
fn habit(field: &str) -> Option<Wrong> {
    matches!(field, "detail" | "payload" | "body").then(|| Wrong {
        code: "habit",
        message: format!("an event has no `{field}`"),
        help: Some("here it is `event.data`".to_owned()),
    })
}
