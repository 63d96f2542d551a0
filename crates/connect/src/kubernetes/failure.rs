//! What an API server's refusals mean: one place for all requests, so that each says the same for the same.

use std::fmt;

use ensue_event::Span;
use ensue_event::ours::Failure;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::action::{denied, wrong};
use crate::net::retry_after;

/// What a request does to what, in the words of RBAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'static str,
    /// The API group; empty for the core.
    pub group: String,
    /// The plural, with a subresource behind a slash: `deployments/scale`. Empty for what is no resource.
    pub resource: String,
    /// The namespace, if it is asked in one.
    pub namespace: Option<String>,
    /// The object, if it is about one.
    pub name: Option<String>,
}

impl Subject {
    /// Reads it from a request: `/apis/GROUP/VERSION/[namespaces/NAMESPACE/]RESOURCE[/NAME[/SUBRESOURCE]]`.
    #[must_use]
    pub fn of(method: &Method, path: &str, watch: bool) -> Subject {
        let mut parts = path.trim_matches('/').split('/').filter(|part| !part.is_empty());
        let group = match parts.next() {
            Some("apis") => parts.next().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        // The version.
        let _ = parts.next();
        let rest: Vec<&str> = parts.collect();
        let (namespace, rest) = match rest.as_slice() {
            // A namespace is an object too: /api/v1/namespaces/NAME.
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) => {
                (Some((*namespace).to_owned()), rest)
            }
            rest => (None, rest),
        };
        let (resource, name) = match rest {
            [] => (String::new(), None),
            [resource] => ((*resource).to_owned(), None),
            [resource, name] => ((*resource).to_owned(), Some((*name).to_owned())),
            [resource, name, sub @ ..] => (format!("{resource}/{}", sub.join("/")), Some((*name).to_owned())),
        };
        let verb = match (method.as_str(), name.is_some()) {
            ("GET" | "HEAD", _) if watch => "watch",
            ("GET" | "HEAD", true) => "get",
            ("GET" | "HEAD", false) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", true) => "delete",
            _ => "deletecollection",
        };
        Subject { verb, group, resource, namespace, name }
    }

    /// The resource with its group: `deployments.apps`.
    #[must_use]
    pub fn full(&self) -> String {
        match (self.resource.as_str(), self.group.as_str()) {
            ("", "") => "the API".to_owned(),
            ("", group) => format!("the API group {group}"),
            (resource, "") => resource.to_owned(),
            (resource, group) => match resource.split_once('/') {
                Some((resource, sub)) => format!("{resource}.{group}/{sub}"),
                None => format!("{resource}.{group}"),
            },
        }
    }

    fn place(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!(" in the namespace {namespace}"),
            None => String::new(),
        }
    }

    /// What it is about, without the verb: `deployments.apps "web" in the namespace shop`.
    fn object(&self) -> String {
        let name = self.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
        format!("{}{name}{}", self.full(), self.place())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.object())
    }
}

/// An answer that is no success: its status, and what the server says of it. The `Status` of an ERROR line of a watch
/// is one too.
pub fn refused(subject: &Subject, code: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let status: Value = serde_json::from_slice(body).unwrap_or_default();
    let status = if status.get("kind").and_then(Value::as_str) == Some("Status") { status } else { Value::Null };
    let text = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default();
    let said = match text("message") {
        "" => String::from_utf8_lossy(body).trim().chars().take(300).collect(),
        message => message.to_owned(),
    };
    let causes = status.pointer("/details/causes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut failure = match (code.as_u16(), text("reason")) {
        (401, _) => denied(format!(
            "the cluster does not know who asks (401 on {subject}): the token or certificate of the connection is wrong or has expired"
        )),
        // An admission plugin or a quota forbids too, in other words.
        (403, _) if said.contains(" cannot ") || said.is_empty() => denied(format!(
            "not permitted: {subject}: {said}; grant the verb `{}` on `{}` to that user",
            subject.verb,
            subject.full(),
        )),
        (403, _) => denied(format!("the cluster forbids to {subject}: {said}")),
        (404, _) if status.pointer("/details/kind").is_some() => {
            Failure::new("NotFound", format!("cannot {subject}: {said}"))
        }
        // No body of the API: the resource is not served, or not yet where its CRD was created just now.
        (404, _) => Failure::new(
            "NotServed",
            format!("the cluster does not serve {}: is it installed there? One that was installed just now is served in a moment", subject.full()),
        )
        .retryable(),
        (409, "AlreadyExists") => Failure::new("AlreadyExists", format!("{} is there already", subject.object())),
        (409, _) => Failure::new("Conflict", format!("cannot {subject}: {}", conflict(&said, causes))),
        (410, _) => Failure::new("Gone", format!("cannot {subject}: {said}; what it names is too old, ask anew")),
        (422, _) => Failure::new("Invalid", format!("the cluster does not accept to {subject}: {}", invalid(&said, causes))),
        (429, _) => Failure::new("Status", format!("the cluster asks to wait (429 on {subject}): {said}")).retryable(),
        (500.., _) => Failure::new("Status", format!("the cluster answered {code} on {subject}: {said}")).retryable(),
        _ => wrong(format!("the cluster answered {code} on {subject}: {said}")),
    };
    if failure.retryable {
        let told = status.pointer("/details/retryAfterSeconds").and_then(Value::as_i64).filter(|told| *told > 0);
        failure.retry_after = retry_after(headers, jiff::Timestamp::now()).or_else(|| told.map(Span::secs));
    }
    failure.details = json!({
        "status": code.as_u16(), "reason": text("reason"), "message": said, "causes": causes, "verb": subject.verb,
        "continue": status.pointer("/metadata/continue"), "group": subject.group, "resource": subject.resource, "namespace": subject.namespace, "name": subject.name,
    });
    failure
}

/// The HTTP status of a failure that the server answered with.
#[must_use]
pub fn status(failure: &Failure) -> Option<u64> {
    failure.details.get("status").and_then(Value::as_u64)
}

/// Whose fields are in the way, where they are.
fn conflict(said: &str, causes: &[Value]) -> String {
    let owned = causes.iter().filter(|cause| cause["reason"] == "FieldManagerConflict").filter_map(|cause| {
        let owner = cause["message"].as_str()?.strip_prefix("conflict with ")?;
        Some(format!("{} belongs to {owner}", cause["field"].as_str().unwrap_or_default()))
    });
    let owned: Vec<String> = owned.collect();
    match owned.as_slice() {
        [] => format!("{said}: somebody was faster"),
        owned => format!("{}; `force: true` takes it over", owned.join(", ")),
    }
}

/// The fields that are not as they must be.
fn invalid(said: &str, causes: &[Value]) -> String {
    let fields = causes.iter().filter_map(|cause| {
        let message = cause["message"].as_str()?;
        Some(match cause["field"].as_str().unwrap_or_default() {
            "" => message.to_owned(),
            field => format!("{field}: {message}"),
        })
    });
    let fields: Vec<String> = fields.collect();
    if fields.is_empty() { said.to_owned() } else { fields.join("; ") }
}

/// A request that got no answer. Before a connection stands nothing was sent: another try is safe. After that, only what
/// may be sent twice is sent again; of anything else nobody knows whether it was done.
pub fn unanswered(subject: &Subject, error: &kube::Error, repeatable: bool) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let (mut last, mut connecting) = (String::new(), false);
    while let Some(at) = cause {
        if let Some(auth) = at.downcast_ref::<kube::client::AuthError>() {
            return denied(format!("no credentials for {subject}: {auth}; look at the user of the kubeconfig"));
        }
        connecting |= at
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect);
        last = at.to_string();
        cause = at.source();
    }
    if connecting {
        return Failure::new("Connect", format!("the cluster cannot be reached to {subject}: {last}")).retryable();
    }
    broke_off(subject, &last, repeatable)
}

/// An answer that did not come whole.
pub fn broke_off(subject: &Subject, why: &str, repeatable: bool) -> Failure {
    if repeatable {
        return Failure::new("Connect", format!("the cluster broke off on {subject}: {why}")).retryable();
    }
    Failure::new("Uncertain", format!("the cluster broke off on {subject}, and may or may not have done it: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_as_rbac_calls_it() {
        let cases = [
            ("GET", "/api/v1/pods", false, "list pods"),
            ("GET", "/api/v1/namespaces/demo/pods", true, "watch pods in the namespace demo"),
            ("GET", "/api/v1/namespaces/demo", false, "get namespaces \"demo\""),
            ("PUT", "/api/v1/namespaces/demo/finalize", false, "update namespaces/finalize \"demo\""),
            ("GET", "/api/v1/namespaces", false, "list namespaces"),
            (
                "PATCH",
                "/apis/apps/v1/namespaces/demo/deployments/web/scale",
                false,
                "patch deployments.apps/scale \"web\" in the namespace demo",
            ),
            (
                "POST",
                "/api/v1/namespaces/demo/pods/web-1/eviction",
                false,
                "create pods/eviction \"web-1\" in the namespace demo",
            ),
            (
                "DELETE",
                "/api/v1/namespaces/demo/configmaps",
                false,
                "deletecollection configmaps in the namespace demo",
            ),
            ("GET", "/apis", false, "list the API"),
            ("GET", "/apis/ops.example.com/v1", false, "list the API group ops.example.com"),
        ];
        for (method, path, watch, told) in cases {
            assert_eq!(Subject::of(&method.parse().unwrap(), path, watch).to_string(), told);
        }
    }
}
