//! Where an expression's names come from.

use std::collections::BTreeMap;

use crate::value::Value;

/// Gives values to the root names of an expression: `event`, `let`, `steps`, …
pub trait Scope {
    /// The value of a name; nothing where it has none, as `event` where a timer decided.
    ///
    /// Within one evaluation each name is asked for once at most, and only where it is needed.
    fn get(&self, name: &str) -> Option<Value>;

    /// The value of a condition's function without arguments, as `failed()` in a step's `if`; nothing where there is none.
    fn call(&self, _function: &str) -> Option<Value> {
        None
    }
}

/// A scope that is a map.
#[derive(Clone, Debug, Default)]
pub struct Names {
    values: BTreeMap<String, Value>,
    functions: BTreeMap<String, Value>,
}

impl Names {
    /// Without names.
    pub fn new() -> Names {
        Names::default()
    }

    /// The same, with this name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Names {
        self.set(name, value);
        self
    }

    /// The same, with this function's answer.
    #[must_use]
    pub fn with_call(mut self, function: impl Into<String>, value: impl Into<Value>) -> Names {
        self.functions.insert(function.into(), value.into());
        self
    }

    /// Gives a name its value, in place of an earlier one.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.values.insert(name.into(), value.into());
    }

    /// Takes a name away.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }
}

impl Scope for Names {
    fn get(&self, name: &str) -> Option<Value> {
        self.values.get(name).cloned()
    }

    fn call(&self, function: &str) -> Option<Value> {
        self.functions.get(function).cloned()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Names {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Names {
        let mut names = Names::new();
        for (name, value) in entries {
            names.set(name, value);
        }
        names
    }
}

impl Scope for BTreeMap<String, Value> {
    fn get(&self, name: &str) -> Option<Value> {
        BTreeMap::get(self, name).cloned()
    }
}

/// The first scope that has a name gives it.
impl<A: Scope + ?Sized, B: Scope + ?Sized> Scope for (&A, &B) {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name).or_else(|| self.1.get(name))
    }

    fn call(&self, function: &str) -> Option<Value> {
        self.0.call(function).or_else(|| self.1.call(function))
    }
}
