//! What a call of an action asks for: the permissions that its catalog lists, for the objects that it names.

use ensue_expr::Template;
use ensue_lang::catalog::{ActionSpec, On, objects};
use serde_json::Value;

use super::kinds::{Resource, resource};

/// Something that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) place: Place,
    pub(super) group: String,
    /// With a subresource behind a slash.
    pub(super) resource: String,
    pub(super) name: Option<String>,
    pub(super) verbs: Vec<&'static str>,
    /// What was not known, and what is taken instead.
    pub(super) note: Option<String>,
}

/// Where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Cluster,
    Namespace(String),
    /// That of the kubeconfig's context, or of the pod.
    Own,
}

/// A text of a manifest.
enum Said<'w> {
    Nothing,
    Text(&'w str),
    /// A template: known when it runs.
    Computed,
}

fn said(text: Option<&str>) -> Said<'_> {
    match text {
        None | Some("") => Said::Nothing,
        Some(text) if !text.contains("${{") => Said::Text(text),
        Some(text) => match Template::compile(text) {
            // `$${{` is written where `${{` is meant: no name has it.
            Ok(template) if template.literal().is_some() => Said::Nothing,
            _ => Said::Computed,
        },
    }
}

/// What a call asks for.
pub(super) fn wants(action: &ActionSpec, with: &Value) -> Vec<Want> {
    let mut all = Vec::new();
    let named = objects(with);
    for permission in action.permissions {
        match permission.on {
            On::Object(part) if named.is_empty() => {
                let verbs = used(action, with, None, part, permission.verbs);
                all.push(anything(part, verbs, "what it names is computed"));
            }
            On::Object(part) => {
                for object in &named {
                    // What is made from a beginning has a name that nobody knows yet.
                    let name = object.name.filter(|_| {
                        action.name != "kubernetes/create" || with.pointer("/manifest/metadata/name").is_some()
                    });
                    of_object(action, with, (&object.kind, object.namespace, name), part, permission.verbs, &mut all);
                }
            }
            On::Beside { group, resource } => {
                let verbs = used(action, with, None, resource, permission.verbs);
                let namespace = named.first().and_then(|one| one.namespace);
                let namespace = namespace.or_else(|| with.get("namespace").and_then(Value::as_str));
                let namespace = namespace.or_else(|| with.pointer("/manifest/metadata/namespace")?.as_str());
                let (place, note) = place(namespace);
                push(&mut all, place, group, resource, None, verbs, note);
            }
            On::Everywhere { group, resource } => {
                push(&mut all, Place::Cluster, group, resource, None, permission.verbs.to_vec(), None);
            }
        }
    }
    all
}

fn of_object(
    action: &ActionSpec,
    with: &Value,
    (kind, namespace, name): (&str, Option<&str>, Option<&str>),
    part: &str,
    verbs: &[&'static str],
    all: &mut Vec<Want>,
) {
    // The version of a manifest may be computed alone: the whole counts.
    let found = match said(Some(kind.trim_matches('/'))) {
        Said::Text(kind) => resource(kind),
        Said::Nothing | Said::Computed => None,
    };
    let Some(found) = found else {
        all.push(anything(part, used(action, with, None, part, verbs), "its kind is computed"));
        return;
    };
    let verbs = used(action, with, Some(&found), part, verbs);
    let everywhere = with.get("allNamespaces") == Some(&Value::Bool(true));
    let (place, mut note) = match found.namespaced && !everywhere {
        true => place(namespace),
        false => (Place::Cluster, None),
    };
    if found.guessed {
        let guess = format!("`{}` is a guess for {kind}: compare `kubectl api-resources`", found.plural);
        note = Some(note.map_or(guess.clone(), |note| format!("{note}; {guess}")));
    }
    let name = match said(name) {
        Said::Text(name) => Some(name.to_owned()),
        Said::Nothing | Said::Computed => None,
    };
    let sub = with.get("subresource").and_then(Value::as_str).filter(|_| action.name == "kubernetes/patch");
    // A part that is patched by itself; the object is read all the same.
    let (whole, below): (Vec<&str>, Vec<&str>) = verbs.iter().partition(|verb| sub.is_none() || **verb != "patch");
    let path = |part: &str| if part.is_empty() { found.plural.clone() } else { format!("{}/{part}", found.plural) };
    for (resource, verbs) in [(path(part), whole), (path(sub.unwrap_or_default()), below)] {
        // Who makes an object, or lists them, says no name that could be compared.
        let (all_of, one): (Vec<&str>, Vec<&str>) = verbs.iter().partition(|verb| ["create", "list"].contains(verb));
        push(all, place.clone(), &found.group, &resource, None, all_of, note.clone());
        push(all, place.clone(), &found.group, &resource, name.clone(), one, note.clone());
    }
}

fn push(
    all: &mut Vec<Want>,
    place: Place,
    group: &str,
    resource: &str,
    name: Option<String>,
    verbs: Vec<&'static str>,
    note: Option<String>,
) {
    if !verbs.is_empty() {
        all.push(Want { place, group: group.to_owned(), resource: resource.to_owned(), name, verbs, note });
    }
}

/// Everything: nothing narrower is right.
fn anything(part: &str, verbs: Vec<&'static str>, why: &str) -> Want {
    let resource = if part.is_empty() { "*".to_owned() } else { format!("*/{part}") };
    let note = Some(format!("{why}: every kind in all namespaces; narrow it to those that come"));
    Want { place: Place::Cluster, group: "*".to_owned(), resource, name: None, verbs, note }
}

fn place(namespace: Option<&str>) -> (Place, Option<String>) {
    match said(namespace) {
        Said::Text(namespace) => (Place::Namespace(namespace.to_owned()), None),
        Said::Nothing => (Place::Own, None),
        Said::Computed => (Place::Cluster, Some("its namespace is computed: all namespaces".to_owned())),
    }
}

/// Of the verbs that an action can need those that this call does.
fn used(
    action: &ActionSpec,
    with: &Value,
    object: Option<&Resource>,
    part: &str,
    verbs: &[&'static str],
) -> Vec<&'static str> {
    let has = |name: &str| with.get(name).is_some_and(|value| !value.is_null() && *value != Value::Bool(false));
    let waits = !action.with.fields.iter().any(|field| field.name == "wait")
        || has("wait")
        || action.name == "kubernetes/wait-for";
    let wanted = match (action.name, part) {
        ("kubernetes/scale", "") => object.is_none_or(|object| object.plain_scale),
        ("kubernetes/scale", "scale") => object.is_none_or(|object| !object.plain_scale),
        ("kubernetes/scale", _) => !has("force"),
        ("kubernetes/logs", "pods") => !has("pod"),
        ("kubernetes/run-job", "cronjobs") => has("cronJob"),
        _ => true,
    };
    verbs.iter().copied().filter(|verb| wanted && (*verb != "watch" || waits)).collect()
}
