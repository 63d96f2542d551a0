//! What is known of the types: fields, list keys, defaults. Built-in types come from `schema.txt`, those of custom
//! resources from their OpenAPI schema; both become the same tree.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};

/// A type as far as the server must know it.
#[derive(Clone, Debug)]
pub(crate) enum Type {
    /// A text, number or boolean, and what has no parts of its own.
    Leaf(Leaf),
    /// Anything, owned in parts: maps by key, lists as one value.
    Any,
    /// One value with parts, owned as a whole.
    Atomic(Box<Type>),
    /// A map owned by key.
    Map(Box<Type>),
    /// A list of unique values.
    Set(Box<Type>),
    /// A list keyed by fields of its items.
    Keyed(Box<Type>, Vec<String>),
    /// A list owned as a whole.
    List(Box<Type>),
    /// A named struct of `schema.txt`.
    Named(String),
    /// A struct with fields of its own.
    Struct(Arc<Struct>),
}

/// What a leaf holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    Text,
    Integer,
    Boolean,
    Bytes,
    Time,
    Other,
}

/// The fields of a struct.
#[derive(Debug, Default)]
pub(crate) struct Struct {
    pub(crate) fields: BTreeMap<String, Field>,
    /// Fields that are not listed are kept.
    pub(crate) open: bool,
}

/// One field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) of: Type,
    /// Written even when empty; so it is there before anybody set it.
    pub(crate) always: bool,
    /// A zero value is not left out.
    pub(crate) pointer: bool,
    pub(crate) default: Option<Value>,
}

static TYPES: LazyLock<BTreeMap<String, Arc<Struct>>> = LazyLock::new(|| {
    include_str!("schema.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .map(|(name, fields)| (name.to_owned(), Arc::new(parse_struct(fields))))
        .collect()
});

fn parse_struct(text: &str) -> Struct {
    let fields = text.split(' ').filter_map(|one| one.split_once(':'));
    Struct { fields: fields.map(|(name, spec)| (name.to_owned(), parse_field(spec))).collect(), open: false }
}

fn parse_field(spec: &str) -> Field {
    let (spec, default) = match spec.split_once('=') {
        Some((spec, value)) => (spec, Some(serde_json::from_str(value).unwrap_or_else(|_| json!(value)))),
        None => (spec, None),
    };
    let always = spec.contains('!');
    let pointer = spec.contains('*');
    Field { of: parse_type(spec.trim_end_matches(['!', '*'])), always, pointer, default }
}

fn parse_type(text: &str) -> Type {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match inner.split_once('|') {
            Some((item, keys)) => Type::Keyed(Box::new(parse_type(item)), keys.split(',').map(str::to_owned).collect()),
            None => Type::List(Box::new(parse_type(inner))),
        };
    }
    if let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return Type::Set(Box::new(parse_type(inner)));
    }
    if let Some(inner) = text.strip_prefix('@') {
        return Type::Atomic(Box::new(parse_type(inner)));
    }
    match text {
        "s" => Type::Leaf(Leaf::Text),
        "i" => Type::Leaf(Leaf::Integer),
        "b" => Type::Leaf(Leaf::Boolean),
        "t" => Type::Leaf(Leaf::Time),
        "q" | "x" => Type::Leaf(Leaf::Other),
        "m" => Type::Map(Box::new(Type::Leaf(Leaf::Text))),
        "bm" => Type::Map(Box::new(Type::Leaf(Leaf::Bytes))),
        "am" => Type::Atomic(Box::new(Type::Map(Box::new(Type::Leaf(Leaf::Text))))),
        "any" => Type::Any,
        name => Type::Named(name.to_owned()),
    }
}

/// A built-in type by name.
pub(crate) fn built_in(name: &str) -> Option<Arc<Struct>> {
    TYPES.get(name).cloned()
}

/// The type of an OpenAPI schema of a custom resource.
pub(crate) fn of_openapi(schema: &Value) -> Type {
    let flag = |name: &str| schema[name] == json!(true);
    let atomic = |of: Type| Type::Atomic(Box::new(of));
    match schema["type"].as_str() {
        Some("object") => {
            if let Some(properties) = schema["properties"].as_object() {
                let fields = properties
                    .iter()
                    .map(|(name, one)| {
                        let default = one.get("default").cloned();
                        (name.clone(), Field { of: of_openapi(one), always: false, pointer: true, default })
                    })
                    .collect();
                let open = flag("x-kubernetes-preserve-unknown-fields");
                let of = Type::Struct(Arc::new(Struct { fields, open }));
                return if schema["x-kubernetes-map-type"] == "atomic" { atomic(of) } else { of };
            }
            match schema.get("additionalProperties") {
                Some(of) if of.is_object() => {
                    let of = Type::Map(Box::new(of_openapi(of)));
                    if schema["x-kubernetes-map-type"] == "atomic" { atomic(of) } else { of }
                }
                _ if flag("x-kubernetes-preserve-unknown-fields") => Type::Any,
                _ => Type::Struct(Arc::new(Struct::default())),
            }
        }
        Some("array") => {
            let item = Box::new(of_openapi(&schema["items"]));
            match schema["x-kubernetes-list-type"].as_str() {
                Some("map") => {
                    let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                    Type::Keyed(item, keys.filter_map(|key| key.as_str().map(str::to_owned)).collect())
                }
                Some("set") => Type::Set(item),
                _ => Type::List(item),
            }
        }
        Some("string") => Type::Leaf(Leaf::Text),
        Some("integer") => Type::Leaf(Leaf::Integer),
        Some("boolean") => Type::Leaf(Leaf::Boolean),
        Some(_) => Type::Leaf(Leaf::Other),
        None if flag("x-kubernetes-int-or-string") => Type::Leaf(Leaf::Other),
        None => Type::Any,
    }
}

/// The type of a whole custom resource: metadata is that of every object.
pub(crate) fn of_custom(version: &Value) -> Type {
    let mut of = match of_openapi(&version["schema"]["openAPIV3Schema"]) {
        Type::Struct(of) => Struct { fields: of.fields.clone(), open: of.open },
        _ => Struct { fields: BTreeMap::new(), open: true },
    };
    let metadata = Field { of: Type::Named("ObjectMeta".to_owned()), always: true, pointer: true, default: None };
    of.fields.insert("metadata".to_owned(), metadata);
    Type::Struct(Arc::new(of))
}

impl Type {
    /// The struct behind the name, if it is one.
    pub(crate) fn fields(&self) -> Option<Arc<Struct>> {
        match self {
            Type::Named(name) => built_in(name),
            Type::Struct(of) => Some(of.clone()),
            _ => None,
        }
    }

    /// The type of a member by name.
    pub(crate) fn member(&self, name: &str) -> Type {
        match self {
            Type::Atomic(of) => of.member(name),
            Type::Map(of) => (**of).clone(),
            _ => match self.fields() {
                Some(of) => of.fields.get(name).map_or(Type::Any, |field| field.of.clone()),
                None => Type::Any,
            },
        }
    }

    /// The type of the items of a list.
    pub(crate) fn item(&self) -> Type {
        match self {
            Type::List(of) | Type::Set(of) | Type::Keyed(of, _) => (**of).clone(),
            Type::Atomic(of) => of.item(),
            _ => Type::Any,
        }
    }
}

/// How deep the same recursion may go: objects are trees of bounded depth.
const DEPTH: usize = 64;

/// Fills in defaults, in structs that are there.
pub(crate) fn default(of: &Type, value: &mut Value) {
    default_at(of, value, 0);
}

fn default_at(of: &Type, value: &mut Value, depth: usize) {
    if depth > DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            if let Some(fields) = struct_of(of) {
                for (name, field) in &fields.fields {
                    if let Some(default) = &field.default
                        && map.get(name).is_none_or(|now| now.is_null() || is_unset(field, now))
                    {
                        map.insert(name.clone(), default.clone());
                    }
                }
            }
            for (name, one) in map.iter_mut() {
                default_at(&of.member(name), one, depth + 1);
            }
        }
        Value::Array(items) => {
            let item = of.item();
            items.iter_mut().for_each(|one| default_at(&item, one, depth + 1));
        }
        _ => {}
    }
}

fn struct_of(of: &Type) -> Option<Arc<Struct>> {
    match of {
        Type::Atomic(of) => of.fields(),
        of => of.fields(),
    }
}

/// A field that is no pointer and holds its zero value cannot be told from one that was not given.
fn is_unset(field: &Field, value: &Value) -> bool {
    !field.pointer && is_zero(value) && !matches!(field.of, Type::Any)
}

pub(crate) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Writes a built-in object as the Go types would: empty fields left out, those without `omitempty` there.
/// Fields that the type does not have are dropped, their paths returned.
pub(crate) fn normalise(of: &Type, value: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    normalise_at(of, value, "", &mut unknown, 0);
    unknown
}

fn normalise_at(of: &Type, value: &mut Value, path: &str, unknown: &mut Vec<String>, depth: usize) {
    if depth > DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            if let Some(fields) = struct_of(of) {
                normalise_struct(&fields, map, path, unknown, depth);
            } else if let Type::Map(item) = of {
                for (name, one) in map.iter_mut() {
                    if one.is_null() && matches!(**item, Type::Leaf(Leaf::Text)) {
                        *one = json!("");
                    }
                    normalise_at(item, one, &format!("{path}.{name}"), unknown, depth + 1);
                }
            }
        }
        Value::Array(items) => {
            let item = of.item();
            for (at, one) in items.iter_mut().enumerate() {
                normalise_at(&item, one, &format!("{path}[{at}]"), unknown, depth + 1);
            }
        }
        _ => {}
    }
}

fn normalise_struct(of: &Struct, map: &mut Map<String, Value>, path: &str, unknown: &mut Vec<String>, depth: usize) {
    let root = path.is_empty();
    if !of.open {
        map.retain(|name, _| {
            let known = of.fields.contains_key(name) || root && (name == "kind" || name == "apiVersion");
            if !known {
                unknown.push(join(path, name));
            }
            known
        });
    }
    for (name, field) in &of.fields {
        if let Some(one) = map.get_mut(name) {
            normalise_at(&field.of, one, &join(path, name), unknown, depth + 1);
            let is_struct = field.of.fields().is_some() || matches!(field.of, Type::Atomic(_) | Type::Any);
            let drop = match &*one {
                Value::Null => true,
                Value::Object(map) => !field.always && map.is_empty() && !is_struct,
                other => !field.always && !field.pointer && is_zero(other),
            };
            if drop {
                map.remove(name);
            }
        }
        if field.always && !map.contains_key(name) {
            let zero = match &field.of {
                Type::Leaf(Leaf::Text) => json!(""),
                Type::Leaf(Leaf::Integer) => json!(0),
                Type::Leaf(Leaf::Boolean) => json!(false),
                // A pointer to a struct; the others are structs.
                Type::Atomic(of) if matches!(&**of, Type::Named(name) if name == "LabelSelector") => Value::Null,
                Type::Leaf(_) | Type::List(_) | Type::Keyed(..) | Type::Set(_) => Value::Null,
                of => {
                    let mut value = json!({});
                    normalise_at(of, &mut value, &join(path, name), unknown, depth + 1);
                    value
                }
            };
            map.insert(name.clone(), zero);
        }
    }
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What a value is to Go's decoder, or why it cannot be decoded: `json: cannot unmarshal ...`.
pub(crate) fn type_error(of: &Type, value: &Value, root: &str, path: &str) -> Option<String> {
    let cannot = |want: &str| {
        let what = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Number(_) => "number",
            _ => "bool",
        };
        let field = if path.is_empty() { String::new() } else { format!("struct field {root}.{path} of type ") };
        Some(format!("json: cannot unmarshal {what} into Go {field}{want}"))
    };
    match (of, value) {
        (_, Value::Null) | (Type::Any, _) => None,
        (Type::Atomic(of), _) => type_error(of, value, root, path),
        (Type::Leaf(Leaf::Text | Leaf::Bytes), Value::String(_)) => None,
        (Type::Leaf(Leaf::Text), _) => cannot("string"),
        (Type::Leaf(Leaf::Integer), Value::Number(_)) => None,
        (Type::Leaf(Leaf::Integer), _) => cannot("int32"),
        (Type::Leaf(Leaf::Boolean), Value::Bool(_)) => None,
        (Type::Leaf(Leaf::Boolean), _) => cannot("bool"),
        (Type::Leaf(_), _) => None,
        (Type::Map(of), Value::Object(map)) => map.values().find_map(|one| type_error(of, one, root, path)),
        (Type::Map(of), _) => match **of {
            Type::Leaf(Leaf::Bytes) => cannot("map[string][]uint8"),
            _ => cannot("map[string]string"),
        },
        (Type::List(of) | Type::Set(of) | Type::Keyed(of, _), Value::Array(items)) => {
            items.iter().find_map(|one| type_error(of, one, root, path))
        }
        (Type::List(_) | Type::Set(_) | Type::Keyed(..), _) => cannot("[]string"),
        (Type::Named(_) | Type::Struct(_), Value::Object(map)) => {
            let fields = of.fields()?;
            let find = |(name, one): (&String, &Value)| {
                let field = fields.fields.get(name)?;
                type_error(&field.of, one, root, &join(path, name))
            };
            map.iter().find_map(find)
        }
        (Type::Named(name), _) => cannot(&format!("v1.{name}")),
        (Type::Struct(_), _) => cannot("object"),
    }
}
