//! Reviews: questions that are posted and answered, and never stored.

use serde_json::{Value, json};

use crate::auth::{self, Attributes, User};
use crate::clock;
use crate::kinds::Kind;
use crate::managed::{self, Writer};
use crate::schema::{self, Type};
use crate::status::{Failure, invalid_value};
use crate::world::{World, type_of};

/// Resources that answer a POST without storing it.
pub(crate) fn is_review(kind: &Kind) -> bool {
    matches!(kind.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io")
}

pub(crate) fn answer(
    world: &World,
    kind: &Kind,
    namespace: &str,
    user: &User,
    mut body: Value,
    manager: &str,
) -> Result<Value, Failure> {
    body["kind"] = json!(kind.kind);
    body["apiVersion"] = json!(kind.api_version());
    let now = clock::time(clock::now());
    let api_version = kind.api_version();
    let writer = Writer { manager, api_version: &api_version, subresource: "", now: &now };
    let mut review = body.clone();
    schema::normalise(&type_of(kind), &mut review);
    let mut claimed = review.clone();
    if let Some(map) = claimed.as_object_mut() {
        map.remove("status");
    }
    managed::update(&Type::Any, &json!({ "metadata": {}, "spec": {} }), &mut claimed, &writer);
    review["metadata"] = claimed["metadata"].clone();
    match kind.kind.as_str() {
        "SelfSubjectReview" => {
            review["metadata"] = json!({ "creationTimestamp": now });
            review["status"] = json!({ "userInfo": user.to_json() });
        }
        "SelfSubjectRulesReview" => {
            let at = body["spec"]["namespace"].as_str().unwrap_or_default();
            review["metadata"] = json!({});
            review["spec"] = json!({});
            review["status"] = rules(world, user, at);
        }
        "TokenReview" => {
            let token = body["spec"]["token"].as_str().unwrap_or_default();
            review["status"] = match auth::of_token(world, token) {
                Some(user) => json!({ "authenticated": true, "user": user.to_json() }),
                None => json!({ "user": {}, "error": "invalid bearer token" }),
            };
        }
        _ => {
            let spec = &body["spec"];
            let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
            if resource.is_null() == path.is_null() {
                let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
                let cause = invalid_value("spec.resourceAttributes", resource, why);
                return Err(Failure::invalid_kind("authorization.k8s.io", "", "", vec![cause]));
            }
            let who = if kind.kind == "SelfSubjectAccessReview" { user.clone() } else { subject(spec) };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let given = text(&resource["namespace"]);
            let wanted = Attributes {
                verb: text(if resource.is_null() { &path["verb"] } else { &resource["verb"] }),
                group: text(&resource["group"]),
                resource: text(&resource["resource"]),
                subresource: text(&resource["subresource"]),
                name: text(&resource["name"]),
                namespace: if given.is_empty() { namespace.to_owned() } else { given },
                path: text(&path["path"]),
            };
            review["status"] = match auth::allowed(world, &who, &wanted) {
                None => json!({ "allowed": false }),
                Some(why) if why.is_empty() => json!({ "allowed": true }),
                Some(why) => json!({ "allowed": true, "reason": why }),
            };
        }
    }
    Ok(review)
}

fn subject(spec: &Value) -> User {
    let groups = spec["groups"].as_array().into_iter().flatten();
    User {
        name: spec["user"].as_str().unwrap_or_default().to_owned(),
        uid: spec["uid"].as_str().unwrap_or_default().to_owned(),
        groups: groups.filter_map(|one| one.as_str().map(str::to_owned)).collect(),
    }
}

fn rules(world: &World, user: &User, namespace: &str) -> Value {
    let mut resources = vec![
        json!({ "verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
            "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"] }),
        json!({ "verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"] }),
    ];
    let mut paths = Vec::new();
    for (_, rule) in auth::rules(world, user, namespace) {
        if rule["nonResourceURLs"].is_array() {
            paths.push(rule);
        } else {
            resources.push(rule);
        }
    }
    for list in [auth::DISCOVERY, auth::PUBLIC, auth::WELL_KNOWN] {
        paths.push(json!({ "verbs": ["get"], "nonResourceURLs": list }));
    }
    json!({ "resourceRules": resources, "nonResourceRules": paths, "incomplete": false })
}
