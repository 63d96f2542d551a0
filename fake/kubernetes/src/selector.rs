//! Label and field selectors.

use serde_json::Value;

use crate::kinds::Kind;
use crate::status::Failure;

/// One requirement on labels.
#[derive(Clone, Debug, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

/// What a list, watch or collection is narrowed to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    /// Path, value, equal or not.
    fields: Vec<(String, String, bool)>,
}

impl Selector {
    /// From the query of a request to this resource.
    pub(crate) fn parse(kind: &Kind, labels: &str, fields: &str) -> Result<Selector, Failure> {
        let labels =
            parse_labels(labels).map_err(|why| Failure::bad_request(format!("unable to parse requirement: {why}")))?;
        let fields = parse_fields(kind, fields)?;
        Ok(Selector { labels, fields })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, kind: &Kind, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|one| one.matches(labels))
            && self.fields.iter().all(|(path, value, equal)| (field(kind, object, path) == *value) == *equal)
    }
}

impl Requirement {
    fn matches(&self, labels: &Value) -> bool {
        let value = |key: &str| labels[key].as_str().map(str::to_owned);
        match self {
            Requirement::In(key, values) => value(key).is_some_and(|value| values.contains(&value)),
            Requirement::NotIn(key, values) => value(key).is_none_or(|value| !values.contains(&value)),
            Requirement::Exists(key) => value(key).is_some(),
            Requirement::Missing(key) => value(key).is_none(),
        }
    }
}

/// The parts of a selector: words and the signs between them.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_whitespace() || "=!(),".contains(letter) {
            if !word.is_empty() {
                tokens.push(std::mem::take(&mut word));
            }
            if (letter == '=' || letter == '!') && letters.peek() == Some(&'=') {
                letters.next();
                tokens.push(format!("{letter}="));
            } else if !letter.is_whitespace() {
                tokens.push(letter.to_string());
            }
        } else {
            word.push(letter);
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    let tokens = tokens(text);
    let mut at = tokens.iter().map(String::as_str).peekable();
    let mut requirements = Vec::new();
    while let Some(first) = at.next() {
        if first == "," {
            continue;
        }
        if first == "!" {
            let key = at.next().ok_or("found '', expected: identifier")?;
            requirements.push(Requirement::Missing(key.to_owned()));
            continue;
        }
        if "=()!".contains(first) || first == "==" || first == "!=" {
            return Err(format!("found '{first}', expected: !, identifier, or 'end of string'"));
        }
        let key = first.to_owned();
        match at.next() {
            None | Some(",") => requirements.push(Requirement::Exists(key)),
            Some(sign @ ("=" | "==" | "!=")) => {
                let value = at.next_if(|one| *one != ",").unwrap_or_default().to_owned();
                requirements.push(match sign {
                    "!=" => Requirement::NotIn(key, vec![value]),
                    _ => Requirement::In(key, vec![value]),
                });
            }
            Some(word @ ("in" | "notin")) => {
                let found = at.next().unwrap_or_default();
                if found != "(" {
                    return Err(format!("found '{found}' expected: '('"));
                }
                let mut values = Vec::new();
                loop {
                    match at.next() {
                        Some(")") => break,
                        Some(",") => {}
                        Some(value) => {
                            values.push(value.to_owned());
                            if !matches!(at.peek(), Some(&"," | &")")) {
                                let found = at.peek().copied().unwrap_or_default();
                                return Err(format!("found '{found}', expected: ',' or ')'"));
                            }
                        }
                        None => return Err("found '', expected: ',' or ')'".to_owned()),
                    }
                }
                requirements.push(match word {
                    "in" => Requirement::In(key, values),
                    _ => Requirement::NotIn(key, values),
                });
            }
            Some(found) => return Err(format!("found '{found}', expected: in, notin, =, ==, !=, gt, lt")),
        }
    }
    Ok(requirements)
}

/// Fields that can be selected besides `metadata.name` and `metadata.namespace`.
fn selectable(kind: &Kind) -> Vec<String> {
    if let Some(custom) = &kind.custom {
        let fields = custom.version["selectableFields"].as_array().into_iter().flatten();
        return fields
            .filter_map(|one| one["jsonPath"].as_str())
            .map(|path| path.trim_start_matches('.').to_owned())
            .collect();
    }
    let fields: &[&str] = match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "events") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        ("apps", "replicasets") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        _ => &[],
    };
    fields.iter().map(|one| (*one).to_owned()).collect()
}

fn parse_fields(kind: &Kind, text: &str) -> Result<Vec<(String, String, bool)>, Failure> {
    let mut fields = Vec::new();
    let known = selectable(kind);
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
            (path, value, false)
        } else if let Some((path, value)) = part.split_once("==") {
            (path, value, true)
        } else if let Some((path, value)) = part.split_once('=') {
            (path, value, true)
        } else {
            let message = format!("invalid selector: '{text}'; can't understand '{part}'");
            return Err(Failure::bad_request(message));
        };
        let path = path.trim();
        if path != "metadata.name" && path != "metadata.namespace" && !known.iter().any(|one| one == path) {
            return Err(Failure::bad_request(unknown_field(kind, path)));
        }
        fields.push((path.to_owned(), value.trim().to_owned(), equal));
    }
    Ok(fields)
}

fn unknown_field(kind: &Kind, path: &str) -> String {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods" | "nodes" | "namespaces" | "secrets" | "events")
        | ("events.k8s.io" | "apps", _)
        | ("batch", "jobs") => {
            format!("field label not supported: {path}")
        }
        _ if kind.custom.is_some() => format!("field label not supported: {path}"),
        _ => format!("\"{path}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
    }
}

fn field(kind: &Kind, object: &Value, path: &str) -> String {
    let path = match path {
        // The same object is kept for both event groups, in the form of core/v1.
        _ if kind.group == "events.k8s.io" && path.starts_with("regarding.") => {
            path.replacen("regarding", "involvedObject", 1)
        }
        "reportingController" => "reportingComponent".to_owned(),
        "source" => "source.component".to_owned(),
        "status.successful" => "status.succeeded".to_owned(),
        other => other.to_owned(),
    };
    let value = path.split('.').fold(object, |value, name| &value[name]);
    match value {
        Value::Null if path == "spec.unschedulable" || path == "spec.hostNetwork" => "false".to_owned(),
        Value::Null if path.starts_with("status.") && (path.ends_with("succeeded") || path.ends_with("replicas")) => {
            "0".to_owned()
        }
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a `LabelSelector` object selects these labels; an empty one selects all, `null` nothing.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    if selector.is_null() {
        return false;
    }
    let equal = selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| labels[key] == *value);
    equal
        && selector["matchExpressions"].as_array().into_iter().flatten().all(|one| {
            let key = one["key"].as_str().unwrap_or_default();
            let has = |value: &Value| one["values"].as_array().is_some_and(|values| values.contains(value));
            match one["operator"].as_str() {
                Some("In") => has(&labels[key]),
                Some("NotIn") => !has(&labels[key]),
                Some("Exists") => labels.get(key).is_some(),
                _ => labels.get(key).is_none(),
            }
        })
}

/// A `LabelSelector` as the text of a query, as `status.selector` of a Scale.
pub(crate) fn text(selector: &Value) -> String {
    let mut parts: Vec<String> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    for one in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = one["key"].as_str().unwrap_or_default();
        let values: Vec<&str> = one["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        parts.push(match one["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("Exists") => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels() {
        let labels = json!({ "app": "web", "env": "prod" });
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,env!=dev", true),
            ("env in (prod, dev)", true),
            ("env notin (prod)", false),
            ("none notin (prod)", true),
            ("app", true),
            ("!app", false),
            ("app=", false),
        ] {
            let all = parse_labels(text).unwrap();
            assert_eq!(all.iter().all(|one| one.matches(&labels)), expected, "{text}");
        }
        assert_eq!(parse_labels("a in (b"), Err("found '', expected: ',' or ')'".to_owned()));
    }

    #[test]
    fn a_label_selector_object() {
        let selector = json!({
            "matchLabels": { "app": "web" },
            "matchExpressions": [{ "key": "env", "operator": "NotIn", "values": ["dev"] }]
        });
        assert!(selects(&selector, &json!({ "app": "web" })));
        assert!(!selects(&selector, &json!({ "app": "web", "env": "dev" })));
        assert_eq!(text(&selector), "app=web,env notin (dev)");
    }
}
