//! Who asks and what they may do: tokens, impersonation, RBAC.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Value, json};

use crate::request::Target;
use crate::status::{Failure, named};
use crate::world::World;

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
}

/// What they want to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// A path that is no resource; then only it and the verb count.
    pub(crate) path: String,
}

/// Paths that everybody who is known may read.
pub(crate) const DISCOVERY: &[&str] = &[
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
];
/// Paths that everybody may read.
pub(crate) const PUBLIC: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/version/"];
pub(crate) const WELL_KNOWN: &[&str] = &["/.well-known", "/.well-known/*"];

impl User {
    pub(crate) fn new(name: &str, uid: &str, groups: &[&str]) -> User {
        User {
            name: name.to_owned(),
            uid: uid.to_owned(),
            groups: groups.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    pub(crate) fn anonymous() -> User {
        User::new("system:anonymous", "", &["system:unauthenticated"])
    }

    pub(crate) fn service_account(namespace: &str, name: &str, uid: &str) -> User {
        let group = format!("system:serviceaccounts:{namespace}");
        let groups = ["system:serviceaccounts", &group, "system:authenticated"];
        User::new(&format!("system:serviceaccount:{namespace}:{name}"), uid, &groups)
    }

    fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|one| one == group)
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut user = json!({ "username": self.name, "groups": self.groups });
        if !self.uid.is_empty() {
            user["uid"] = json!(self.uid);
        }
        user
    }
}

/// The user of a token: `admin`, `dev`, or the service account it was issued to.
pub(crate) fn of_token(world: &World, token: &str) -> Option<User> {
    match token {
        "admin" => Some(User::new("admin", "1", &["system:masters", "system:authenticated"])),
        "dev" => Some(User::new("dev", "2", &["dev", "system:authenticated"])),
        token => world.tokens.get(token).cloned(),
    }
}

/// Who the headers say that asks; 401 for a token that is not known.
pub(crate) fn authenticate(world: &World, headers: &HeaderMap) -> Result<User, Failure> {
    let Some(value) = headers.get("authorization") else { return Ok(User::anonymous()) };
    let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    let user = token.and_then(|token| of_token(world, token.trim()));
    user.ok_or_else(|| Failure::new(401, "Unauthorized", "Unauthorized"))
}

/// The user whom the headers ask to be, if the real one may be them.
pub(crate) fn impersonate(
    world: &World,
    user: User,
    headers: &HeaderMap,
    wanted: &Attributes,
) -> Result<User, Failure> {
    let all = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok().map(str::to_owned)).collect()
    };
    let Some(name) = all("impersonate-user").into_iter().next() else { return Ok(user) };
    let may = |resource: &str, namespace: &str, name: &str| {
        let (verb, namespace) = ("impersonate".to_owned(), namespace.to_owned());
        let (resource, name) = (resource.to_owned(), name.to_owned());
        allowed(world, &user, &Attributes { verb, resource, namespace, name, ..Attributes::default() }).is_some()
    };
    let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let may_be = match account {
        Some((namespace, account)) => may("serviceaccounts", namespace, account),
        None => may("users", "", &name),
    };
    let mut groups = all("impersonate-group");
    if !may_be || !groups.iter().all(|group| may("groups", "", group)) {
        let verb = format!("impersonate-on:user-info:{}", wanted.verb);
        return Err(forbidden(&user, &Attributes { verb, ..wanted.clone() }));
    }
    if let Some((namespace, account)) = account {
        return Ok(User::service_account(namespace, account, ""));
    }
    groups.push("system:authenticated".to_owned());
    Ok(User { name, uid: all("impersonate-uid").concat(), groups })
}

/// What a request to a resource asks for.
pub(crate) fn attributes(target: &Target, verb: &str) -> Attributes {
    Attributes {
        verb: verb.to_owned(),
        group: target.kind.group.clone(),
        resource: target.kind.plural.clone(),
        subresource: target.subresource.clone(),
        name: target.name.clone(),
        namespace: target.namespace.clone(),
        path: String::new(),
    }
}

/// 403, in the words of the real server.
pub(crate) fn forbidden(user: &User, wanted: &Attributes) -> Failure {
    if !wanted.path.is_empty() {
        let message = format!("forbidden: User \"{}\" cannot {} path \"{}\"", user.name, wanted.verb, wanted.path);
        let failure = Failure::new(403, "Forbidden", message).details(json!({}));
        return Failure { early: true, ..failure };
    }
    let Attributes { verb, group, resource, name, namespace, .. } = wanted;
    let qualified = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
    let object = if name.is_empty() { qualified } else { format!("{qualified} \"{name}\"") };
    let whole =
        if wanted.subresource.is_empty() { resource.clone() } else { format!("{resource}/{}", wanted.subresource) };
    let place = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{namespace}\"")
    };
    let message = format!(
        "{object} is forbidden: User \"{}\" cannot {verb} resource \"{whole}\" in API group \"{group}\" {place}",
        user.name
    );
    let failure = Failure::new(403, "Forbidden", message).details(named(name, group, resource));
    Failure { early: true, ..failure }
}

/// Whether the user may; the text says by what.
pub(crate) fn allowed(world: &World, user: &User, wanted: &Attributes) -> Option<String> {
    if user.is_in("system:masters") {
        return Some(String::new());
    }
    if !wanted.path.is_empty() {
        let listed = |paths: &[&str]| {
            paths
                .iter()
                .any(|one| one.strip_suffix('*').map_or(*one == wanted.path, |start| wanted.path.starts_with(start)))
        };
        let open = listed(PUBLIC) || user.is_in("system:authenticated") && (listed(DISCOVERY) || listed(WELL_KNOWN));
        if open && wanted.verb == "get" {
            return Some(String::new());
        }
    }
    if user.is_in("system:authenticated") && wanted.verb == "create" {
        let own = match wanted.group.as_str() {
            "authorization.k8s.io" => ["selfsubjectaccessreviews", "selfsubjectrulesreviews"].as_slice(),
            "authentication.k8s.io" => ["selfsubjectreviews"].as_slice(),
            _ => &[],
        };
        if own.contains(&wanted.resource.as_str()) {
            return Some("RBAC: allowed by ClusterRoleBinding \"system:basic-user\"".to_owned());
        }
    }
    rules(world, user, &wanted.namespace).into_iter().find(|(_, rule)| matches(rule, wanted)).map(|(why, _)| why)
}

/// The rules that bindings give the user in a namespace (and in the cluster), each with its reason.
pub(crate) fn rules(world: &World, user: &User, namespace: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut add = |binding: &Arc<Value>, kind: &str, at: &str| {
        let subjects = binding["subjects"].as_array().into_iter().flatten();
        let Some(subject) = subjects.into_iter().find(|one| is_subject(one, user, at)) else { return };
        let reference = &binding["roleRef"];
        let (role_kind, role) = (text(&reference["kind"]), text(&reference["name"]));
        let object = match role_kind {
            "Role" => world.get("roles.rbac.authorization.k8s.io", at, role),
            _ => world.get("clusterroles.rbac.authorization.k8s.io", "", role),
        };
        let name = text(&binding["metadata"]["name"]);
        let place = if at.is_empty() { String::new() } else { format!("/{at}") };
        let who = format!("{} \"{}\"", text(&subject["kind"]), subject_name(subject));
        let why = format!("RBAC: allowed by {kind} \"{name}{place}\" of {role_kind} \"{role}\" to {who}");
        if let Some(object) = object {
            for rule in object["rules"].as_array().into_iter().flatten() {
                found.push((why.clone(), rule.clone()));
            }
        }
    };
    for binding in world.store.list("clusterrolebindings.rbac.authorization.k8s.io", None) {
        add(binding, "ClusterRoleBinding", "");
    }
    if !namespace.is_empty() {
        for binding in world.store.list("rolebindings.rbac.authorization.k8s.io", Some(namespace)) {
            add(binding, "RoleBinding", namespace);
        }
    }
    found
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn subject_name(subject: &Value) -> String {
    match text(&subject["namespace"]) {
        "" => text(&subject["name"]).to_owned(),
        namespace => format!("{}/{namespace}", text(&subject["name"])),
    }
}

fn is_subject(subject: &Value, user: &User, namespace: &str) -> bool {
    let name = text(&subject["name"]);
    match text(&subject["kind"]) {
        "User" => user.name == name,
        "Group" => user.is_in(name),
        "ServiceAccount" => {
            let at = subject["namespace"].as_str().unwrap_or(namespace);
            user.name == format!("system:serviceaccount:{at}:{name}")
        }
        _ => false,
    }
}

fn matches(rule: &Value, wanted: &Attributes) -> bool {
    let has = |field: &str, one: &str| {
        rule[field].as_array().is_some_and(|list| list.iter().any(|other| other == "*" || other == one))
    };
    if !has("verbs", &wanted.verb) {
        return false;
    }
    if !wanted.path.is_empty() {
        let paths = rule["nonResourceURLs"].as_array().into_iter().flatten().filter_map(Value::as_str);
        return paths
            .into_iter()
            .any(|one| one.strip_suffix('*').map_or(one == wanted.path, |start| wanted.path.starts_with(start)));
    }
    let resource = if wanted.subresource.is_empty() {
        has("resources", &wanted.resource)
    } else {
        has("resources", &format!("{}/{}", wanted.resource, wanted.subresource))
            || has("resources", &format!("*/{}", wanted.subresource))
    };
    let names = rule["resourceNames"].as_array();
    let named = names.is_none_or(|names| names.is_empty() || names.iter().any(|one| *one == wanted.name));
    has("apiGroups", &wanted.group) && resource && named
}
