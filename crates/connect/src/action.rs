//! What is done to the world: one try of one action.

use std::collections::BTreeMap;
use std::sync::Arc;

use ensue_event::ours::{Answer, Failure};
use ensue_event::{Key, Span};
use serde_json::Value;

use crate::log::Log;
use crate::world::World;

/// One try of one effect.
#[derive(Clone, Debug)]
pub struct Call {
    /// The effect: the idempotency key that all automatic tries share.
    pub effect: Key,
    /// The number of the try, from 1.
    pub attempt: u32,
    /// The run.
    pub run: Key,
    /// The path of the step within the run.
    pub step: String,
    /// The namespace of the rule or workflow.
    pub namespace: String,
    /// `type/operation`.
    pub action: String,
    /// The connection that it goes through.
    pub connection: Option<Connection>,
    /// What it is called with; secrets are handles.
    pub with: Value,
    /// How long the try may take.
    pub timeout: Span,
    /// What else the marks say that are left in the world; may be empty.
    pub cause: String,
    /// Where it says what it does, while it goes on.
    pub log: Log,
}

/// A connection as its document says; secrets are handles.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// `http`, `git` and so on.
    pub type_name: String,
    /// Its settings.
    pub config: Value,
}

impl Call {
    /// The mark that says why something was done: effect and run, and the beginning of the rest of the cause.
    #[must_use]
    pub fn mark(&self) -> String {
        self.mark_of("")
    }

    /// The same, naming what it belongs to of the thing that carries it: `generation=4`.
    pub(crate) fn mark_of(&self, what: &str) -> String {
        // A key of a correlation can be 64 KiB long; a mark is one line of a message or a header.
        let cause: String = self.cause.chars().filter(|c| !c.is_control()).take(200).collect();
        let words = [self.effect.to_string(), self.run.to_string(), what.to_owned(), cause];
        let words: Vec<&str> = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).collect();
        words.join(" ")
    }

    /// A field of `with`; null counts as absent.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.with.get(name).filter(|value| !value.is_null())
    }

    /// A text in `with`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.field(name)?.as_str()
    }

    /// A text in `with` that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        match self.text(name) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(wrong(format!("{} needs a text `{name}` in `with`", self.action))),
        }
    }

    /// The whole numbers of a list in `with`.
    pub(crate) fn numbers(&self, name: &str) -> Vec<i64> {
        let items = self.field(name).and_then(Value::as_array);
        items.map(|items| items.iter().filter_map(Value::as_i64).collect()).unwrap_or_default()
    }
}

/// An operation of a kind of outside system. A call is one try: it never retries and never panics, and dropping its
/// future ends what it has begun as far as the world allows.
#[async_trait::async_trait]
pub trait Action: Send + Sync {
    /// `type/operation`.
    fn name(&self) -> &'static str;

    /// Whether doing this call twice is the same as doing it once: then a try that timed out may be repeated.
    fn repeatable(&self, call: &Call) -> bool;

    /// Does it.
    async fn call(&self, call: Call, world: &World) -> Answer;
}

/// All actions of this build.
#[must_use]
pub fn actions() -> BTreeMap<&'static str, Arc<dyn Action>> {
    #[allow(unused_mut, reason = "without the systems that have several")]
    let mut all: Vec<Arc<dyn Action>> = vec![
        #[cfg(feature = "http")]
        Arc::new(crate::http::Request),
        #[cfg(feature = "git")]
        Arc::new(crate::git::Commit),
        #[cfg(feature = "slack")]
        Arc::new(crate::slack::Post),
        #[cfg(feature = "exec")]
        Arc::new(crate::exec::Run),
    ];
    #[cfg(feature = "kubernetes")]
    all.extend(crate::kubernetes::act::all());
    all.into_iter().map(|action| (action.name(), action)).collect()
}

/// A call that no try can do: something in it is not as it must be.
pub(crate) fn wrong(message: impl Into<String>) -> Failure {
    Failure::new("StepFailed", message)
}

/// A call that is not allowed.
pub(crate) fn denied(message: impl Into<String>) -> Failure {
    Failure::new("Denied", message)
}

/// An answer from a result.
pub(crate) fn answer(result: Result<Value, Failure>) -> Answer {
    match result {
        Ok(outputs) => Answer::Ok(outputs),
        Err(failure) => Answer::Err(failure),
    }
}
