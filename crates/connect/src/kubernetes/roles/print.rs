//! Roles as objects: YAML with a comment for each rule, JSON, or values of the chart.

use serde_json::{Map, Value, json};

use super::{Asker, Role, Rule};

const API: &str = "rbac.authorization.k8s.io";

/// What an asker's roles are called: `name`, with the connection and the user behind it where there are several.
fn called(name: &str, asker: &Asker, all: &[Asker]) -> String {
    let mut parts = vec![name.to_owned()];
    if all.iter().any(|other| other.connection != asker.connection) {
        parts.push(asker.connection.to_string().replace('/', "-"));
    }
    if let Some(user) = &asker.user {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        parts.push(user.strip_prefix("system:serviceaccount:").unwrap_or(user).chars().map(plain).collect());
    }
    parts.join("-")
}

/// Whom roles are bound to: the user that is asked for, else the service account, NAMESPACE/NAME.
fn subject(asker: &Asker, account: Option<&str>) -> Option<Value> {
    let of_account =
        |namespace: &str, name: &str| json!({ "kind": "ServiceAccount", "name": name, "namespace": namespace });
    match (&asker.user, account.and_then(|account| account.split_once('/'))) {
        (Some(user), _) => {
            let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
            Some(match account {
                Some((namespace, name)) => of_account(namespace, name),
                None => json!({ "apiGroup": API, "kind": "User", "name": user }),
            })
        }
        (None, Some((namespace, name))) => Some(of_account(namespace, name)),
        (None, None) => None,
    }
}

fn rule(rule: &Rule) -> Value {
    let mut out = json!({ "apiGroups": [rule.group], "resources": [rule.resource], "verbs": rule.verbs });
    if let (false, Some(out)) = (rule.names.is_empty(), out.as_object_mut()) {
        out.insert("resourceNames".into(), json!(rule.names));
    }
    out
}

/// A role and what binds it: the head of the first, which lacks its rules, and the whole second.
fn objects(name: &str, role: &Role, subject: Option<&Value>) -> (Value, Option<Value>) {
    let mut meta = Map::from_iter([("name".to_owned(), Value::from(name))]);
    meta.extend(role.namespace.clone().map(|namespace| ("namespace".to_owned(), namespace.into())));
    let kind = if role.namespace.is_some() { "Role" } else { "ClusterRole" };
    let version = format!("{API}/v1");
    let binding = subject.map(|subject| {
        json!({
            "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": meta,
            "roleRef": { "apiGroup": API, "kind": kind, "name": name }, "subjects": [subject],
        })
    });
    (json!({ "apiVersion": version, "kind": kind, "metadata": meta }), binding)
}

/// All objects as one list, for programs.
#[must_use]
pub fn list(all: &[Asker], name: &str, account: Option<&str>) -> Value {
    let mut items = Vec::new();
    for asker in all {
        let (name, subject) = (called(name, asker, all), subject(asker, account));
        for role in &asker.roles {
            let (mut head, binding) = objects(&name, role, subject.as_ref());
            if let Some(head) = head.as_object_mut() {
                head.insert("rules".into(), role.rules.iter().map(rule).collect());
            }
            items.push(head);
            items.extend(binding);
        }
    }
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

/// All objects as documents for people and `kubectl apply`, each rule with what needs it.
#[must_use]
pub fn yaml(all: &[Asker], name: &str, account: Option<&str>) -> String {
    let mut documents = Vec::new();
    for asker in all {
        let (called, subject) = (called(name, asker, all), subject(asker, account));
        let whom = asker.user.as_ref().map(|user| format!(", as {user}")).unwrap_or_default();
        let mut comment = format!("# What is asked of the cluster of the connection {}{whom}.\n", asker.connection);
        for role in &asker.roles {
            let (head, binding) = objects(&called, role, subject.as_ref());
            let mut text = std::mem::take(&mut comment);
            lines(&head, 0, &mut text);
            text.push_str("rules:\n");
            rules(&role.rules, 2, &mut text);
            documents.push(text);
            documents.extend(binding.map(|binding| {
                let mut text = String::new();
                lines(&binding, 0, &mut text);
                text
            }));
        }
    }
    documents.join("---\n")
}

/// The same as values of the chart, whose service account they are for.
#[must_use]
pub fn values(all: &[Asker]) -> String {
    let mut out = "rbac:\n".to_owned();
    for asker in all.iter().filter(|asker| asker.user.is_none()) {
        for role in asker.roles.iter().filter(|role| role.namespace.is_none()) {
            out.push_str("  clusterRules:\n");
            rules(&role.rules, 4, &mut out);
        }
        let spaces: Vec<(&String, &Role)> =
            asker.roles.iter().filter_map(|role| Some((role.namespace.as_ref()?, role))).collect();
        if !spaces.is_empty() {
            out.push_str("  namespaceRules:\n");
        }
        for (namespace, role) in spaces {
            out.push_str(&format!("    {}:\n", scalar(&namespace.as_str().into())));
            rules(&role.rules, 6, &mut out);
        }
    }
    out
}

fn rules(all: &[Rule], depth: usize, out: &mut String) {
    let indent = " ".repeat(depth);
    for one in all {
        for why in &one.why {
            out.push_str(&format!("{indent}# {}\n", why.replace(['\n', '\r'], " ")));
        }
        let mut text = String::new();
        lines(&rule(one), depth + 2, &mut text);
        out.push_str(&format!("{indent}- {}", text.trim_start()));
    }
}

/// Plain YAML; lists of texts on one line.
fn lines(value: &Value, depth: usize, out: &mut String) {
    let indent = " ".repeat(depth);
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => {
                out.push_str(&format!("{indent}{name}:\n"));
                lines(value, depth + 2, out);
            }
            Value::Array(items) if items.iter().all(Value::is_string) => {
                let items: Vec<String> = items.iter().map(scalar).collect();
                out.push_str(&format!("{indent}{name}: [{}]\n", items.join(", ")));
            }
            Value::Array(items) => {
                out.push_str(&format!("{indent}{name}:\n"));
                for item in items {
                    let mut text = String::new();
                    lines(item, depth + 4, &mut text);
                    out.push_str(&format!("{indent}  - {}", text.trim_start()));
                }
            }
            other => out.push_str(&format!("{indent}{name}: {}\n", scalar(other))),
        }
    }
}

/// Names as they are, where YAML reads them as texts; all else in quotes.
fn scalar(value: &Value) -> String {
    let word = |text: &str| {
        let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-./".contains(&byte))
            && !reserved.contains(&text.to_ascii_lowercase().as_str())
    };
    match value {
        Value::String(text) if word(text) => text.clone(),
        other => other.to_string(),
    }
}
