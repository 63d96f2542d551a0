//! What a value may look like: the one description from which checks and the JSON Schema are made.

/// The type of a value.
#[derive(Clone, Copy, Debug)]
pub enum Ty {
    /// Any value.
    Any,
    /// A text.
    Text,
    /// A whole number from the first to the second.
    Int(i64, i64),
    /// Any number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A length of time: `30m`.
    Duration,
    /// A CEL expression.
    Expr,
    /// One CEL expression or a list of them.
    Key,
    /// A text with `${{ }}` in it.
    Template,
    /// An event pattern.
    Pattern,
    /// `[a-z][a-z0-9_]*`.
    Ident,
    /// A name of a document: lower-case letters, digits, `-` and `.`.
    Name,
    /// The name of another document, `name` or `namespace/name`.
    Ref,
    /// A point in time, RFC 3339.
    Time,
    /// A schedule in cron's five or six fields.
    Cron,
    /// A time zone of the IANA database: `Europe/Berlin`.
    Zone,
    /// An address range: `10.0.0.0/8`.
    Cidr,
    /// An `http://` or `https://` address.
    Url,
    /// A text, or `${{ secrets.NAME }}`.
    MaybeSecret,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A list.
    List(&'static Ty),
    /// A map with any keys.
    Map(&'static Ty),
    /// A map with known fields.
    Object(&'static Shape),
    /// Whatever one of these allows; the first one whose kind of YAML value fits is the one that is checked.
    Either(&'static [Ty]),
}

/// A map with known fields.
#[derive(Debug)]
pub struct Shape {
    /// What it is, for messages: `a rule`.
    pub what: &'static str,
    /// The fields.
    pub fields: &'static [Field],
    /// Exactly one of these must be there; empty: no such group.
    pub one_of: &'static [&'static str],
    /// What people write who come from elsewhere, and what it is called here.
    pub habits: &'static [(&'static str, &'static str)],
}

/// A field of a map.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub ty: Ty,
    /// It must be there.
    pub required: bool,
    /// It takes `${{ secrets.NAME }}` and nothing else.
    pub secret: bool,
    /// What it is for; one sentence.
    pub doc: &'static str,
}

impl Field {
    /// A field that may be left out.
    #[must_use]
    pub const fn new(name: &'static str, ty: Ty, doc: &'static str) -> Field {
        Field { name, ty, required: false, secret: false, doc }
    }

    /// The same field, required.
    #[must_use]
    pub const fn required(mut self) -> Field {
        self.required = true;
        self
    }

    /// The same field, taking nothing but a secret.
    #[must_use]
    pub const fn secret(mut self) -> Field {
        self.secret = true;
        self
    }
}

impl Shape {
    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Ty {
    /// Whether a computed value may stand here, as far as its kind tells. One that is null is left out.
    #[must_use]
    pub fn takes(&self, value: &serde_json::Value) -> bool {
        match self {
            _ if value.is_null() => true,
            // A number or a Boolean has one way to be written; a list or a map has not.
            Ty::Text | Ty::Url | Ty::Choice(_) => !value.is_array() && !value.is_object(),
            Ty::Int(low, high) => value.as_i64().is_some_and(|number| (*low..=*high).contains(&number)),
            Ty::Number => value.is_number(),
            Ty::Bool => value.is_boolean(),
            Ty::List(_) => value.is_array(),
            Ty::Map(_) | Ty::Object(_) => value.is_object(),
            _ => true,
        }
    }

    /// What is expected, in words: `a duration such as 30m`.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Ty::Any => "any value".into(),
            Ty::Text | Ty::Template => "a text".into(),
            Ty::Int(i64::MIN, i64::MAX) => "a whole number".into(),
            Ty::Int(low, i64::MAX) => format!("a whole number of at least {low}"),
            Ty::Int(low, high) => format!("a whole number from {low} to {high}"),
            Ty::Number => "a number".into(),
            Ty::Bool => "true or false".into(),
            Ty::Duration => "a duration such as 30s, 15m or 7d".into(),
            Ty::Expr => "an expression".into(),
            Ty::Key => "an expression or a list of expressions".into(),
            Ty::Pattern => "a pattern: a map of fields to lists of alternatives".into(),
            Ty::Ident => "a name of lower-case letters, digits and `_`".into(),
            Ty::Name => "a name of lower-case letters, digits, `-` and `.`".into(),
            Ty::Ref => "the name of a document, `name` or `namespace/name`".into(),
            Ty::Time => "a time such as 2026-01-31T09:30:00Z".into(),
            Ty::Cron => "a schedule such as \"*/5 * * * *\"".into(),
            Ty::Zone => "a time zone such as Europe/Berlin".into(),
            Ty::Cidr => "an address range such as 10.0.0.0/8".into(),
            Ty::Url => "an address that begins with http:// or https://".into(),
            Ty::MaybeSecret => "a text or \"${{ secrets.NAME }}\"".into(),
            Ty::Choice(choices) => format!("one of {}", choices.join(", ")),
            Ty::List(Ty::Object(shape)) => format!("a list, each item {}", shape.what),
            Ty::List(of) => format!("a list, each item {}", of.expected()),
            Ty::Map(_) => "a map".into(),
            Ty::Object(shape) => {
                let names: Vec<&str> = shape.fields.iter().take(8).map(|field| field.name).collect();
                let more = if shape.fields.len() > names.len() { ", …" } else { "" };
                format!("a map with {}{more}", names.join(", "))
            }
            Ty::Either(list) => list.iter().map(Ty::expected).collect::<Vec<_>>().join(", or "),
        }
    }
}
