//! From the JSON of a pattern to its branches, with all that is wrong in it in one pass.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::cidr::Cidr;
use super::test::{Not, Number, Range, Test};
use super::wildcard::Wildcard;
use super::{Branch, Field, Problem, fold};

/// The most branches that `$or` may multiply out to: each is held and looked up like a pattern of its own.
pub(crate) const MAX_BRANCHES: usize = 1_000;
/// The most fields in all branches together, which bounds the memory of one pattern.
pub(crate) const MAX_FIELDS: usize = 20_000;
/// The most alternatives in one pattern. Exact ones cost a hash each; a longer list is a table, not a pattern.
pub(crate) const MAX_ALTERNATIVES: usize = 10_000;
/// The deepest nesting of a pattern: that of the events that are let in.
pub(crate) const MAX_DEPTH: usize = 64;
/// Names that cannot be a field's inside `$or`: there they are operators in the wrong place.
const OPERATORS: [&str; 9] =
    ["exact", "prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr"];

/// Compiles a pattern to the branches of which one must be met.
pub(crate) fn branches(json: &Json) -> Result<Vec<Branch>, Vec<Problem>> {
    let mut compiler = Compiler { problems: Vec::new(), alternatives: 0, fields: 0 };
    let mut branches = vec![Vec::new()];
    match json {
        Json::Object(object) => compiler.object(object, &mut Place::default(), &mut branches, false),
        _ => compiler
            .wrong("", "Filter is not an object; a pattern is a map of fields: `{\"type\": [\"com.example.made\"]}`"),
    }
    if !compiler.problems.is_empty() {
        return Err(compiler.problems);
    }
    for branch in &mut branches {
        branch.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(branches.into_iter().map(|fields| Branch { fields: fields.into() }).collect())
}

/// Where the compiler stands: as a pointer into the pattern, and as a path in the event.
#[derive(Default)]
struct Place {
    pointer: String,
    path: Vec<Box<str>>,
}

impl Place {
    fn within<R>(&mut self, key: &str, run: impl FnOnce(&mut Place) -> R) -> R {
        let (pointer, path) = (self.pointer.len(), self.path.len());
        push_pointer(&mut self.pointer, key);
        // A dot in a key is a step: event-ruler knows a path by its joined name.
        self.path.extend(key.split('.').map(Box::from));
        let result = run(self);
        self.pointer.truncate(pointer);
        self.path.truncate(path);
        result
    }
}

fn push_pointer(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
}

struct Compiler {
    problems: Vec<Problem>,
    alternatives: usize,
    fields: usize,
}

impl Compiler {
    fn wrong(&mut self, pointer: &str, message: impl Into<String>) {
        self.problems.push(Problem { pointer: pointer.to_owned(), message: message.into() });
    }

    fn object(
        &mut self,
        object: &Map<String, Json>,
        place: &mut Place,
        branches: &mut Vec<Vec<Arc<Field>>>,
        in_or: bool,
    ) {
        if object.is_empty() {
            return self.wrong(&place.pointer, "Empty objects are not allowed; name a field, or leave the object out");
        }
        if place.path.len() > MAX_DEPTH {
            return self.wrong(&place.pointer, format!("nested deeper than {MAX_DEPTH} levels, which no event is"));
        }
        for (key, value) in object {
            if key == "$or" {
                continue;
            }
            place.within(key, |place| match value {
                Json::Object(inner) => self.object(inner, place, branches, in_or),
                Json::Array(_) if in_or && OPERATORS.contains(&key.as_str()) => self.wrong(
                    &place.pointer,
                    format!("{key} is a reserved field name which cannot be used inside $or; an operator stands in a field's list: {{\"field\": [{{\"{key}\": …}}]}}"),
                ),
                Json::Array(list) => self.field(list, place, branches),
                _ if OPERATORS.contains(&key.as_str()) => self.wrong(
                    &place.pointer,
                    format!("\"{key}\" must be an object or an array; as an operator it stands in a list: [{{\"{key}\": …}}]"),
                ),
                other => self.wrong(
                    &place.pointer,
                    format!("\"{key}\" must be an object or an array; for this value alone write [{other}]"),
                ),
            });
        }
        // After the fields, whatever the order in the text: a branch may replace one of them.
        if let Some(value) = object.get("$or") {
            let length = place.pointer.len();
            push_pointer(&mut place.pointer, "$or");
            self.or(value, place, branches);
            place.pointer.truncate(length);
        }
    }

    fn or(&mut self, value: &Json, place: &mut Place, branches: &mut Vec<Vec<Arc<Field>>>) {
        let Json::Array(list) = value else {
            return self.wrong(
                &place.pointer,
                "It must be an Array followed with $or: a list of objects, one for each alternative",
            );
        };
        if list.len() < 2 {
            self.wrong(
                &place.pointer,
                "There must have at least 2 Objects in $or relationship; a single one needs no $or",
            );
        }
        let mut all = Vec::new();
        for (at, alternative) in list.iter().enumerate() {
            let length = place.pointer.len();
            push_pointer(&mut place.pointer, &at.to_string());
            match alternative {
                Json::Object(object) => {
                    // The product is refused before it is made: each factor is at most MAX_BRANCHES.
                    let mut own = branches.clone();
                    self.object(object, place, &mut own, true);
                    all.append(&mut own);
                }
                _ => self.wrong(&place.pointer, "Only JSON object is allowed in array of $or relationship"),
            }
            place.pointer.truncate(length);
            if all.len() > MAX_BRANCHES || self.fields > MAX_FIELDS {
                return self.wrong(
                    &place.pointer,
                    format!("$or multiplies out to more than {MAX_BRANCHES} branches; put alternatives of one field into its list, or make it several rules"),
                );
            }
        }
        *branches = all;
    }

    fn field(&mut self, list: &[Json], place: &mut Place, branches: &mut [Vec<Arc<Field>>]) {
        if list.is_empty() {
            return self.wrong(
                &place.pointer,
                "Empty arrays are not allowed; list the values that match, or leave the field out",
            );
        }
        self.alternatives += list.len();
        if self.alternatives > MAX_ALTERNATIVES {
            if self.alternatives - list.len() <= MAX_ALTERNATIVES {
                self.wrong(&place.pointer, format!("more than {MAX_ALTERNATIVES} alternatives in one pattern; keep long lists in a Table and ask `tables` in `if`"));
            }
            return;
        }
        let mut any: Vec<Test> = Vec::with_capacity(list.len());
        for (at, value) in list.iter().enumerate() {
            let test = match value {
                Json::String(text) => Ok(Test::Text(text.as_str().into())),
                Json::Number(number) => number_of(number),
                Json::Bool(true) => Ok(Test::True),
                Json::Bool(false) => Ok(Test::False),
                Json::Null => Ok(Test::Null),
                Json::Object(object) => operator(object),
                Json::Array(_) => {
                    Err("Match value must be String, number, true, false, or null; lists do not nest".to_owned())
                }
            };
            match test {
                Ok(test) => any.push(test),
                Err(message) => self.wrong(&format!("{}/{at}", place.pointer), message),
            }
        }
        let field = Arc::new(Field { path: place.path.as_slice().into(), any: any.into() });
        self.fields += branches.len();
        for branch in branches.iter_mut() {
            // A field named twice can only be one outside `$or` and one inside: the inner one counts, as in event-ruler.
            branch.retain(|known| known.path != field.path);
            branch.push(Arc::clone(&field));
        }
    }
}

fn number_of(number: &serde_json::Number) -> Result<Test, String> {
    Number::new(&number.to_string()).map(Test::Number).ok_or_else(|| format!("`{number}` is not a number"))
}

fn operator(object: &Map<String, Json>) -> Result<Test, String> {
    let mut entries = object.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err(if object.is_empty() {
            "Match expression name not found; write an operator: {\"prefix\": \"abc\"}".to_owned()
        } else {
            "Only one key allowed in match expression; give each operator its own object in the list".to_owned()
        });
    };
    let text = |what: &str| match value {
        Json::String(text) => Ok(text.as_str()),
        _ => Err(format!("{what} match pattern must be a string; for several, write several objects in the list")),
    };
    match name.as_str() {
        "exact" => Ok(Test::Text(text("exact")?.into())),
        "prefix" | "suffix" => {
            let prefix = name == "prefix";
            match value {
                Json::Object(inner) => {
                    let text = ignore_case(inner)
                        .ok_or_else(|| format!("{name} takes a string, or {{\"equals-ignore-case\": \"…\"}}"))?;
                    Ok(if prefix { Test::PrefixFold(fold::folded(text)) } else { Test::SuffixFold(fold::folded(text)) })
                }
                _ => {
                    Ok(if prefix { Test::Prefix(text("prefix")?.into()) } else { Test::Suffix(text("suffix")?.into()) })
                }
            }
        }
        "equals-ignore-case" => Ok(Test::Fold(fold::folded(text("equals-ignore-case")?))),
        "wildcard" => Wildcard::parse(text("wildcard")?).map(Test::Wildcard),
        "cidr" => Cidr::parse(text("cidr")?).map(|cidr| Test::Cidr(Box::new(cidr))),
        "exists" => match value {
            Json::Bool(true) => Ok(Test::Present),
            Json::Bool(false) => Ok(Test::Absent),
            _ => Err("exists match pattern must be either true or false.".to_owned()),
        },
        "numeric" => numeric(value).map(|range| Test::Range(Box::new(range))),
        "anything-but" => anything_but(value).map(|not| Test::Not(Box::new(not))),
        other => Err(match OPERATORS.iter().find(|known| close(known, other)) {
            Some(known) => format!("Unrecognized match type {other}; did you mean `{known}`?"),
            None => format!("Unrecognized match type {other}; there are {}", OPERATORS.join(", ")),
        }),
    }
}

fn ignore_case(object: &Map<String, Json>) -> Option<&str> {
    match (object.len(), object.get("equals-ignore-case")) {
        (1, Some(Json::String(text))) => Some(text),
        _ => None,
    }
}

/// Whether the name is an operator's but for case, hyphens and underscores.
fn close(known: &str, name: &str) -> bool {
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect::<String>();
    plain(known) == plain(name)
}

fn numeric(value: &Json) -> Result<Range, String> {
    let Json::Array(terms) = value else {
        return Err("Value of numeric must be an array: [\">\", 0, \"<=\", 5]".to_owned());
    };
    let mut range = Range { low: None, high: None };
    let pairs = terms.chunks(2);
    if pairs.len() > 2 {
        return Err("Too many terms in numeric range expression; one lower and one upper bound are the most".to_owned());
    }
    for pair in pairs {
        let (operator, bound) = match pair {
            [Json::String(operator), Json::Number(number)] => (
                operator.as_str(),
                Number::new(&number.to_string()).ok_or_else(|| format!("`{number}` is not a number"))?,
            ),
            [Json::String(operator), ..] => return Err(format!("Value of {operator} must be numeric")),
            [other, ..] => {
                return Err(format!(
                    "Invalid member in numeric match: {other}; an operator and a number in turn: [\">\", 0, \"<=\", 5]"
                ));
            }
            [] => continue,
        };
        match operator {
            "=" if terms.len() > 2 => {
                return Err("Too many elements in numeric expression: `=` stands alone".to_owned());
            }
            "=" => {
                range.low = Some((bound.clone(), true));
                range.high = Some((bound, true));
            }
            ">" | ">=" if range.low.is_none() && range.high.is_none() => range.low = Some((bound, operator == ">=")),
            "<" | "<=" if range.high.is_none() => range.high = Some((bound, operator == "<=")),
            ">" | ">=" | "<" | "<=" => {
                return Err(format!(
                    "Bad numeric range operator: {operator}; the lower bound comes first, then the upper one"
                ));
            }
            _ => return Err(format!("Unrecognized numeric range operator: {operator}; there are = < <= > >=")),
        }
    }
    match (&range.low, &range.high) {
        (None, None) => {
            Err("Invalid member in numeric match: nothing; write [\">\", 0] or [\">\", 0, \"<=\", 5]".to_owned())
        }
        _ if range.is_empty() => {
            Err(format!("Bottom must be less than top: nothing is in {}", Test::Range(Box::new(range))))
        }
        _ => Ok(range),
    }
}

fn anything_but(value: &Json) -> Result<Not, String> {
    let mut not = Not::default();
    if let Json::Object(object) = value {
        let mut entries = object.iter();
        let (Some((name, value)), None) = (entries.next(), entries.next()) else {
            return Err("Only one key allowed in match expression: anything-but takes one operator".to_owned());
        };
        let mut tests = Vec::new();
        for text in texts(value)
            .ok_or_else(|| format!("Inside anything-but/{name} list, a string or a list of strings is required"))?
        {
            if text.is_empty() && name != "equals-ignore-case" {
                return Err("Null prefix/suffix not allowed: everything begins and ends with the empty text".to_owned());
            }
            tests.push(match name.as_str() {
                "prefix" => Test::Prefix(text.into()),
                "suffix" => Test::Suffix(text.into()),
                "equals-ignore-case" => Test::Fold(fold::folded(text)),
                "wildcard" => Test::Wildcard(Wildcard::parse(text)?),
                other => return Err(format!("Unsupported anything-but pattern: {other}; there are prefix, suffix, wildcard, equals-ignore-case")),
            });
        }
        tests.dedup();
        not.tests = tests.into();
        return Ok(not);
    }
    let single = [value.clone()];
    let list = match value {
        Json::Array(list) => list.as_slice(),
        _ => &single,
    };
    let mut listed = Vec::new();
    let mut numbers = Vec::new();
    for value in list {
        match value {
            Json::String(text) => listed.push(Box::from(text.as_str())),
            Json::Number(number) => {
                numbers.push(Number::new(&number.to_string()).ok_or_else(|| format!("`{number}` is not a number"))?)
            }
            _ => {
                return Err(
                    "Inside anything but list, start|null|boolean is not supported: strings or numbers".to_owned()
                );
            }
        }
    }
    if listed.is_empty() == numbers.is_empty() {
        return Err(
            "Inside anything but list, either all values are number or string, mixed type is not supported".to_owned()
        );
    }
    listed.sort_unstable();
    listed.dedup();
    numbers.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    numbers.dedup();
    not.texts = listed.into();
    not.numbers = numbers.into();
    Ok(not)
}

/// A text, or a list of one or more.
fn texts(value: &Json) -> Option<Vec<&str>> {
    match value {
        Json::String(text) => Some(vec![text]),
        Json::Array(list) if !list.is_empty() => list.iter().map(Json::as_str).collect(),
        _ => None,
    }
}
