//! Failures and the `Status` bodies that tell them.

use serde_json::{Map, Value, json};

use crate::kinds::Kind;

/// A request that is refused: the HTTP status and the body.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
    /// The token of an inconsistent continuation, for 410 of a list.
    pub(crate) again: Option<String>,
    /// Seconds of `Retry-After`.
    pub(crate) retry_after: Option<u32>,
    /// The body is text, not a `Status`.
    pub(crate) plain: bool,
    /// Refused before the request was looked at: the answer is marked as not to be sniffed.
    pub(crate) early: bool,
}

/// One cause of an invalid object.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    reason: &'static str,
    pub(crate) message: String,
    pub(crate) field: String,
}

pub(crate) fn cause(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Cause {
    Cause { reason, message: message.into(), field: field.into() }
}

/// `Required value`, with what follows it.
pub(crate) fn required(field: impl Into<String>, rest: &str) -> Cause {
    let message = if rest.is_empty() { "Required value".to_owned() } else { format!("Required value: {rest}") };
    cause("FieldValueRequired", field, message)
}

/// `Invalid value: <value>: why`.
pub(crate) fn invalid_value(field: impl Into<String>, value: &Value, why: &str) -> Cause {
    cause("FieldValueInvalid", field, format!("Invalid value: {value}: {why}"))
}

/// `Forbidden: why`.
pub(crate) fn forbidden_value(field: impl Into<String>, why: &str) -> Cause {
    cause("FieldValueForbidden", field, format!("Forbidden: {why}"))
}

/// `Unsupported value: "x": supported values: ...`.
pub(crate) fn unsupported_value(field: impl Into<String>, value: &Value, of: &[&str]) -> Cause {
    let list: Vec<String> = of.iter().map(|one| format!("\"{one}\"")).collect();
    let message = format!("Unsupported value: {value}: supported values: {}", list.join(", "));
    cause("FieldValueNotSupported", field, message)
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Failure {
        let message = message.into();
        Failure { code, reason, message, details: None, again: None, retry_after: None, plain: false, early: false }
    }

    pub(crate) fn details(mut self, details: Value) -> Failure {
        self.details = Some(details);
        self
    }

    pub(crate) fn retry(mut self, seconds: u32) -> Failure {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) fn add_detail(&mut self, name: &str, value: Value) {
        self.details.get_or_insert_with(|| json!({}))[name] = value;
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(400, "BadRequest", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Failure {
        Failure::new(500, "", message)
    }

    /// The path is unknown: 404 as text.
    pub(crate) fn no_page() -> Failure {
        Failure { plain: true, ..Failure::new(404, "", "404 page not found\n") }
    }

    /// A resource of a known group that does not exist.
    pub(crate) fn no_resource() -> Failure {
        Failure::new(404, "NotFound", "the server could not find the requested resource").details(json!({}))
    }

    pub(crate) fn method() -> Failure {
        let message = "the server does not allow this method on the requested resource";
        Failure::new(405, "MethodNotAllowed", message).details(json!({}))
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Failure {
        let message = format!("{} \"{name}\" not found", kind.qualified());
        Failure::new(404, "NotFound", message).details(named(name, &kind.group, &kind.plural))
    }

    pub(crate) fn exists(kind: &Kind, name: &str) -> Failure {
        let message = format!("{} \"{name}\" already exists", kind.qualified());
        Failure::new(409, "AlreadyExists", message).details(named(name, &kind.group, &kind.plural))
    }

    /// 409 of an object of this resource: what could not be done and why.
    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Failure {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified());
        Failure::new(409, "Conflict", message).details(named(name, &kind.group, &kind.plural))
    }

    pub(crate) fn modified(kind: &Kind, name: &str) -> Failure {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Failure::conflict(kind, name, why)
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, causes: Vec<Cause>) -> Failure {
        // Both event groups are checked as core/v1.
        let group = if kind.is("events") { "" } else { kind.group.as_str() };
        Failure::invalid_kind(group, &kind.kind, name, causes)
    }

    /// 422 with causes; `kind` with its group stands in front.
    pub(crate) fn invalid_kind(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Failure {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut each: Vec<String> = Vec::new();
        for one in &causes {
            let text = format!("{}: {}", one.field, one.message);
            if !each.contains(&text) {
                each.push(text);
            }
        }
        let list = if each.len() == 1 { each.concat() } else { format!("[{}]", each.join(", ")) };
        let causes: Vec<Value> = causes
            .iter()
            .map(|one| {
                let mut cause = json!({ "reason": one.reason, "message": one.message });
                if !one.field.is_empty() {
                    cause["field"] = json!(one.field);
                }
                cause
            })
            .collect();
        let mut details = named(name, group, kind);
        details["causes"] = json!(causes);
        Failure::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {list}")).details(details)
    }

    /// The `Status` object.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure" });
        body["message"] = json!(self.message);
        body["code"] = json!(self.code);
        if !self.reason.is_empty() {
            body["reason"] = json!(self.reason);
        }
        if let Some(token) = &self.again {
            body["metadata"]["continue"] = json!(token);
        }
        if let Some(details) = &self.details {
            body["details"] = details.clone();
        }
        body
    }
}

/// `details` of a `Status`, without what is empty.
pub(crate) fn named(name: &str, group: &str, kind: &str) -> Value {
    let pairs = [("name", name), ("group", group), ("kind", kind)];
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    Value::Object(given.map(|(key, value)| ((*key).to_owned(), json!(value))).collect::<Map<_, _>>())
}

/// `Status` of something that worked, with details.
pub(crate) fn success(details: Option<Value>) -> Value {
    let mut body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
    if let Some(details) = details {
        body["details"] = details;
    }
    body
}
