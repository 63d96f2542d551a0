//! The library: one table of functions per subject. Names and meanings are those of CEL and its extensions; where ours
//! differ, the function says so.

mod convert;
mod encoders;
mod format;
mod lists;
mod math;
mod sets;
mod strings;
mod times;

use std::fmt;
use std::sync::Arc;

use crate::budget::{Budget, Spent};
use crate::value::Value;
pub(crate) use strings::quote;

/// A function of the library.
pub struct Function {
    /// Its name, with the namespace: `size`, `math.least`.
    pub name: &'static str,
    pub(crate) form: Form,
    /// Fewest and most arguments; a method's target is the first.
    pub(crate) args: (usize, usize),
    pub(crate) run: fn(&mut Cx<'_>, &[Value]) -> Result<Value, Fault>,
}

/// How a function may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `f(x)`
    Plain,
    /// `x.f()`
    Method,
    /// Both.
    Either,
}

/// What a function works with.
pub(crate) struct Cx<'a> {
    pub(crate) budget: &'a mut Budget,
    pub(crate) patterns: &'a mut Patterns,
    /// The literal pattern of this call, compiled with the program.
    pub(crate) regex: Option<&'a Arc<regex::Regex>>,
}

/// Why a function has no value.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It does not take these types; the caller knows which they are.
    Types,
    /// The same, with its own words.
    Type(String),
    /// The types are right, the value is not.
    Value(String),
    /// There is no such item: absent.
    Empty,
    Secret(String),
    Spent(Spent),
}

impl From<Spent> for Fault {
    fn from(spent: Spent) -> Fault {
        Fault::Spent(spent)
    }
}

impl Cx<'_> {
    /// Counts the reading of so many bytes.
    pub(crate) fn read(&mut self, bytes: usize) -> Result<(), Fault> {
        Ok(self.budget.step(bytes as u64 / 64)?)
    }

    /// Counts a text that was made.
    pub(crate) fn text(&mut self, text: String) -> Result<Value, Fault> {
        self.budget.make(text.len())?;
        Ok(Value::from(text))
    }
}

/// The last pattern that was computed and not literal: in a macro's body it is mostly the same one.
#[derive(Default)]
pub(crate) struct Patterns {
    last: Option<(Arc<str>, Arc<regex::Regex>)>,
}

/// Steps that the compilation of a pattern costs: fifty of them are a budget.
const COMPILE: u64 = 2_000;
/// Bytes of a literal pattern, compiled: `\w{1,50}` in Unicode needs a little over 2 MiB.
pub(crate) const LITERAL: usize = 4 * 1024 * 1024;
/// Bytes of a computed pattern, compiled with each evaluation: little, since fifty may be.
const COMPUTED: usize = 256 * 1024;
/// Bytes of a pattern's text.
const PATTERN: usize = 8 * 1024;

/// Compiles a pattern of `matches`. The engine takes time linear in the text whatever the pattern is.
pub(crate) fn regex(pattern: &str, size: usize) -> Result<Arc<regex::Regex>, String> {
    if pattern.len() > PATTERN {
        return Err(format!("the pattern has {} bytes, more than {PATTERN}", pattern.len()));
    }
    regex::RegexBuilder::new(pattern)
        .size_limit(size)
        .dfa_size_limit(size)
        .nest_limit(32)
        .build()
        .map(Arc::new)
        .map_err(|error| {
            let text = error.to_string();
            let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            format!("the pattern {pattern:?} is refused: {}", line.trim().trim_start_matches("error: "))
        })
}

impl Patterns {
    pub(crate) fn get(&mut self, pattern: &Arc<str>, budget: &mut Budget) -> Result<Arc<regex::Regex>, Fault> {
        if let Some((known, regex)) = &self.last
            && known == pattern
        {
            return Ok(regex.clone());
        }
        budget.step(COMPILE)?;
        let compiled = regex(pattern, COMPUTED).map_err(Fault::Value)?;
        self.last = Some((pattern.clone(), compiled.clone()));
        Ok(compiled)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    /// Whether it takes so many arguments, a method's target counted.
    pub(crate) fn takes(&self, count: usize) -> bool {
        (self.args.0..=self.args.1).contains(&count)
    }

    /// How many it takes, without the first `less`, for messages.
    pub(crate) fn arity(&self, less: usize) -> String {
        let (few, many) = (self.args.0.saturating_sub(less), self.args.1.saturating_sub(less));
        let arguments = |n: usize| if n == 1 { "1 argument".to_owned() } else { format!("{n} arguments") };
        match many {
            _ if self.args.1 == usize::MAX => format!("at least {}", arguments(few)),
            _ if few == many => arguments(few),
            _ => format!("{few} to {}", arguments(many)),
        }
    }
}

const fn plain(
    name: &'static str,
    args: (usize, usize),
    run: fn(&mut Cx<'_>, &[Value]) -> Result<Value, Fault>,
) -> Function {
    Function { name, form: Form::Plain, args, run }
}

const fn method(
    name: &'static str,
    args: (usize, usize),
    run: fn(&mut Cx<'_>, &[Value]) -> Result<Value, Fault>,
) -> Function {
    Function { name, form: Form::Method, args, run }
}

const fn either(
    name: &'static str,
    args: (usize, usize),
    run: fn(&mut Cx<'_>, &[Value]) -> Result<Value, Fault>,
) -> Function {
    Function { name, form: Form::Either, args, run }
}

fn all() -> impl Iterator<Item = &'static Function> {
    let tables: [&'static [Function]; 7] =
        [convert::TABLE, strings::TABLE, lists::TABLE, times::TABLE, math::TABLE, encoders::TABLE, sets::TABLE];
    tables.into_iter().flatten()
}

/// The function of this name that may be written in this form.
pub(crate) fn find(name: &str, as_method: bool) -> Option<&'static Function> {
    let wrong = if as_method { Form::Plain } else { Form::Method };
    all().find(|function| function.name == name && function.form != wrong)
}

/// The first parts of names with a dot.
pub(crate) fn namespaces() -> impl Iterator<Item = &'static str> {
    all().filter_map(|function| function.name.split_once('.')).map(|(space, _)| space)
}

/// What people write who come from another language.
const HABITS: [(&str, &str); 21] = [
    ("len", "size"),
    ("length", "size"),
    ("count", "size"),
    ("toLowerCase", "lowerAscii"),
    ("lower", "lowerAscii"),
    ("toLower", "lowerAscii"),
    ("toUpperCase", "upperAscii"),
    ("upper", "upperAscii"),
    ("toUpper", "upperAscii"),
    ("includes", "contains"),
    ("hasPrefix", "startsWith"),
    ("hasSuffix", "endsWith"),
    ("startswith", "startsWith"),
    ("endswith", "endsWith"),
    ("match", "matches"),
    ("str", "string"),
    ("float", "double"),
    ("any", "exists"),
    ("some", "exists"),
    ("every", "all"),
    ("strip", "trim"),
];

/// What may have been meant by a name that does not exist.
pub(crate) fn suggest(name: &str, as_method: bool) -> Option<String> {
    if let Some((_, ours)) = HABITS.iter().find(|(habit, _)| *habit == name) {
        return Some(if as_method { format!("write x.{ours}(…)") } else { format!("write {ours}(…)") });
    }
    if matches!(name, "default" | "or" | "coalesce" | "orElse" | "getOrDefault") {
        return Some("write path.orValue(default)".to_owned());
    }
    if matches!(name, "has_key" | "hasKey" | "exists_key" | "defined" | "isSet") {
        return Some("write has(path)".to_owned());
    }
    if let Some(other) = find(name, !as_method) {
        let last = other.name;
        return Some(if as_method {
            format!("it is written {last}(x)")
        } else {
            format!("it is written x.{last}(…)")
        });
    }
    let near = all()
        .filter(|function| (function.form != Form::Plain) || !as_method)
        .map(|function| (distance(name, function.name), function.name))
        .min()?;
    (near.0 <= 2 && near.0 < name.len()).then(|| format!("did you mean {}?", near.1))
}

/// Letters to change, add or take away between two names, case not counted.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 40 {
        return usize::MAX;
    }
    let b: Vec<u8> = b.to_ascii_lowercase().into_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_ascii_lowercase().bytes().enumerate() {
        let mut next = vec![i + 1];
        for ((y, pair), left) in b.iter().zip(row.windows(2)).zip(0..) {
            let before: usize = next.get(left).copied().unwrap_or(usize::MAX);
            let [diagonal, above] = pair else { continue };
            next.push((diagonal + usize::from(x != *y)).min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}
