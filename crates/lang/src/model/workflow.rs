//! Workflows: steps that rules share.

use ensue_expr::TemplateValue;
use indexmap::IndexMap;
use serde_json::Value;

use super::{Micros, Resource, Step};

/// A workflow.
pub type Workflow = Resource<WorkflowSpec>;

/// What a workflow says.
#[derive(Clone, Debug)]
pub struct WorkflowSpec {
    /// What it is called with.
    pub inputs: IndexMap<String, Input>,
    /// What it does.
    pub steps: Vec<Step>,
    /// What it gives back.
    pub outputs: IndexMap<String, TemplateValue>,
    /// What follows if its steps failed.
    pub on_failure: Vec<Step>,
    /// What follows at the end in any case.
    pub finally: Vec<Step>,
    /// How long the whole may take.
    pub timeout: Option<Micros>,
}

/// One input.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// What it must be.
    pub ty: InputType,
    /// What it is where the caller gives none; nothing: the caller must.
    pub default: Option<Value>,
}

/// What an input must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputType {
    /// Anything.
    #[default]
    Any,
    /// A text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A list.
    List,
    /// A map.
    Map,
    /// A length of time.
    Duration,
}

impl InputType {
    /// Its words in a manifest, in the order of the variants.
    pub(crate) const WORDS: &[&str] = &["any", "text", "int", "number", "bool", "list", "map", "duration"];

    /// Its word in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            InputType::Any => "any",
            InputType::Text => "text",
            InputType::Int => "int",
            InputType::Number => "number",
            InputType::Bool => "bool",
            InputType::List => "list",
            InputType::Map => "map",
            InputType::Duration => "duration",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<InputType> {
        use InputType::{Any, Bool, Duration, Int, List, Map, Number, Text};
        [Any, Text, Int, Number, Bool, List, Map, Duration].into_iter().find(|ty| ty.as_str() == word)
    }

    /// Whether a value is of this type.
    #[must_use]
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            InputType::Any => true,
            InputType::Text => value.is_string(),
            InputType::Int => value.is_i64() || value.is_u64(),
            InputType::Number => value.is_number(),
            InputType::Bool => value.is_boolean(),
            InputType::List => value.is_array(),
            InputType::Map => value.is_object(),
            InputType::Duration => value.as_str().is_some_and(|text| ensue_expr::duration::parse(text).is_ok()),
        }
    }
}
