//! From the JSON of a pattern to its branches, with all that is wrong in it in one pass.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::operator::{OPERATORS, number_of, operator};
use super::test::Test;
use super::{Branch, Field, Problem};

/// The most branches that `$or` may multiply out to: each is held and looked up like a pattern of its own.
pub(crate) const MAX_BRANCHES: usize = 1_000;
/// The most fields in all branches together, which bounds the memory of one pattern.
pub(crate) const MAX_FIELDS: usize = 20_000;
/// The most alternatives in one pattern. Exact ones cost a hash each; a longer list is a table, not a pattern.
pub(crate) const MAX_ALTERNATIVES: usize = 10_000;
/// The most alternatives of one pattern that no lookup answers: each is tried on each value, and an event may have tens
/// of thousands.
pub(crate) const MAX_COMPUTED: usize = 500;
/// The deepest nesting of a pattern: that of the events that are let in.
pub(crate) const MAX_DEPTH: usize = 64;
/// Compiles a pattern to the branches of which one must be met.
pub(crate) fn branches(json: &Json) -> Result<Vec<Branch>, Vec<Problem>> {
    let mut compiler = Compiler { problems: Vec::new(), alternatives: 0, computed: 0, fields: 0 };
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
    computed: usize,
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
        let computed: usize = any.iter().map(Test::computed).sum();
        self.computed += computed;
        if self.computed > MAX_COMPUTED && self.computed - computed <= MAX_COMPUTED {
            self.wrong(
                &place.pointer,
                format!("more than {MAX_COMPUTED} alternatives in one pattern that are tried one by one: wildcards, ranges, addresses, and prefixes that ignore case; use exact values, prefixes and suffixes, or make it several rules"),
            );
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
