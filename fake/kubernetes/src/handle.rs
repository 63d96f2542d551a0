//! From a call to an answer: which path, which verb, who may, and what is said.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::auth::{self, Attributes};
use crate::delete::{Deletion, Left};
use crate::discovery;
use crate::list;
use crate::patch;
use crate::request::{Call, Route, Target, route};
use crate::reviews;
use crate::schema::{self, Type};
use crate::selector::Selector;
use crate::status::Failure;
use crate::views;
use crate::watch::Watch;
use crate::world::{World, type_of};
use crate::write::{self, Options, Validation};
use crate::yaml;

/// What is said.
pub(crate) enum Answer {
    Json(u16, Value),
    /// With another content type than JSON's.
    Typed(u16, &'static str, String),
    Watch(Box<Watch>),
    /// A status without a body.
    Empty(u16),
}

/// An answer with the texts of its `Warning` headers.
pub(crate) struct Said {
    pub(crate) answer: Answer,
    pub(crate) warnings: Vec<String>,
}

const TEXT: &str = "text/plain; charset=utf-8";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// What a server-side apply is sent as.
const APPLY: &str = "application/apply-patch+yaml";

/// Whether a request opens a watch.
pub(crate) fn is_watch(method: &Method, path: &str, query: &[(String, String)]) -> bool {
    let asked = query.iter().any(|(key, value)| key == "watch" && matches!(value.as_str(), "true" | "1"));
    *method == Method::GET && (asked || path.starts_with("/api/v1/watch/") || path.contains("/v1/watch/"))
}

/// Answers a call whose user is known. `expired` makes a continued list too old.
pub(crate) fn handle(world: &mut World, call: &Call, expired: bool) -> Result<Said, Failure> {
    let mut warnings = Vec::new();
    let answer = answer(world, call, expired, &mut warnings)?;
    Ok(Said { answer, warnings })
}

fn answer(world: &mut World, call: &Call, expired: bool, warnings: &mut Vec<String>) -> Result<Answer, Failure> {
    let route = route(world, &call.path);
    let verb = verb(call, route.as_ref().ok());
    let wanted = match &route {
        Ok(Route::Target(target)) => auth::attributes(target, verb),
        _ => Attributes { verb: verb.to_owned(), path: call.path.clone(), ..Attributes::default() },
    };
    let user = auth::impersonate(world, call.user.clone(), &call.headers, &wanted)?;
    if auth::allowed(world, &user, &wanted).is_none() {
        return Err(auth::forbidden(&user, &wanted));
    }
    // Apply makes what is not there.
    if let Ok(Route::Target(target)) = &route
        && call.content_type() == APPLY
        && target.subresource.is_empty()
        && world.shown(&target.kind, &target.namespace, &target.name).is_err()
    {
        let wanted = auth::attributes(target, "create");
        if auth::allowed(world, &user, &wanted).is_none() {
            return Err(auth::forbidden(&user, &wanted));
        }
    }
    match route? {
        Route::Other => other(world, call),
        Route::GroupVersion(group, version) if call.method == Method::GET => {
            Ok(Answer::Json(200, discovery::resources(world, &group, &version)))
        }
        Route::GroupVersion(..) => Err(Failure::method()),
        Route::UnknownResource => Err(Failure::no_resource()),
        Route::Target(target) => {
            if call.method == Method::HEAD {
                return Ok(Answer::Empty(405));
            }
            if let Some(custom) = world.initialising(&target) {
                return Err(custom);
            }
            resource(world, call, &target, verb, &user, expired, warnings)
        }
    }
}

fn verb(call: &Call, route: Option<&Route>) -> &'static str {
    let Some(Route::Target(target)) = route else {
        return match call.method {
            Method::POST => "post",
            Method::PUT => "put",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => "get",
        };
    };
    let watch = target.watch || call.flag("watch");
    match call.method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if target.name.is_empty() => "deletecollection",
        Method::DELETE => "delete",
        _ if watch && target.subresource.is_empty() => "watch",
        _ if target.name.is_empty() => "list",
        _ => "get",
    }
}

fn other(world: &World, call: &Call) -> Result<Answer, Failure> {
    let accept = call.header("accept");
    let aggregated = accept.contains("as=APIGroupDiscoveryList");
    let parts: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["version"] => Ok(Answer::Json(200, discovery::version())),
        ["healthz" | "livez" | "readyz", ..] => Ok(Answer::Typed(200, TEXT, health(call))),
        ["api"] if aggregated => Ok(Answer::Typed(200, AGGREGATED, discovery::aggregated(world, true).to_string())),
        ["apis"] if aggregated => Ok(Answer::Typed(200, AGGREGATED, discovery::aggregated(world, false).to_string())),
        ["api"] => Ok(Answer::Json(200, discovery::api(call.header("host")))),
        ["apis"] => Ok(Answer::Json(200, discovery::apis(world))),
        ["apis", group] if world.kinds().any(|kind| kind.group == *group) => {
            Ok(Answer::Json(200, discovery::api_group(world, group, true)))
        }
        _ => Err(Failure::no_page()),
    }
}

/// `ok`, or with `verbose` the checks that a small server of this version has.
fn health(call: &Call) -> String {
    if !call.query.iter().any(|(key, _)| key == "verbose") {
        return "ok".to_owned();
    }
    let name = call.path.trim_matches('/');
    let checks: String = include_str!("checks.txt").lines().map(|check| format!("[+]{check} ok\n")).collect();
    format!("{checks}{name} check passed\n")
}

fn namespace<'a>(target: &'a Target, object: &'a Value) -> &'a str {
    if target.namespace.is_empty() {
        object["metadata"]["namespace"].as_str().unwrap_or_default()
    } else {
        &target.namespace
    }
}

fn options(call: &Call, target: &Target) -> Options {
    Options {
        manager: call.manager(),
        dry_run: call.dry_run(),
        validation: match call.query("fieldValidation") {
            "Strict" => Validation::Strict,
            "Ignore" => Validation::Ignore,
            _ => Validation::Warn,
        },
        subresource: target.subresource.clone(),
        force: call.flag("force"),
        warnings: Vec::new(),
    }
}

fn resource(
    world: &mut World,
    call: &Call,
    target: &Target,
    verb: &str,
    user: &auth::User,
    expired: bool,
    warnings: &mut Vec<String>,
) -> Result<Answer, Failure> {
    let kind = &target.kind;
    let verbs = if target.subresource.is_empty() {
        &kind.verbs
    } else {
        match kind.subresource(&target.subresource) {
            Some(sub) => &sub.verbs,
            None => return Err(Failure::no_resource()),
        }
    };
    if !verbs.iter().any(|one| one == verb) {
        return Err(Failure::method());
    }
    let view = views::negotiate(call.header("accept"))?;
    let shown = |code: u16, object: &Value| Ok(Answer::Json(code, views::one(kind, view, object, true)));
    let mut options = options(call, target);
    match (verb, target.subresource.as_str()) {
        ("watch", _) => Ok(Answer::Watch(Box::new(Watch::open(world, target, call, view)?))),
        ("list", _) => Ok(Answer::Typed(200, "application/json", list::list(world, target, call, view, expired)?)),
        ("get", "log") => Ok(Answer::Typed(200, "text/plain", world.log(target, call)?)),
        ("get", "scale") => Ok(Answer::Json(
            200,
            crate::subresources::scale_of(kind, &world.shown(kind, &target.namespace, &target.name)?),
        )),
        ("get", _) => {
            if let Some(wanted) = list::version(call.query("resourceVersion")).map_err(Failure::bad_request)?
                && wanted > world.store.version()
            {
                return Err(list::too_large(wanted, world.store.version()));
            }
            let at = if kind.namespaced { target.namespace.as_str() } else { "" };
            let found =
                world.get(&kind.storage, at, &target.name).ok_or_else(|| Failure::not_found(kind, &target.name))?;
            shown(200, &found)
        }
        ("create", sub) => {
            let body = read_body(call, &kind.kind)?;
            match sub {
                "" if reviews::is_review(kind) => {
                    let review = reviews::answer(world, kind, &target.namespace, user, body, &options.manager)?;
                    Ok(Answer::Json(201, review))
                }
                "" if kind.plural == "bindings" => {
                    let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                    Ok(Answer::Json(201, world.bind(&target.namespace, &name, &body)?))
                }
                "binding" => Ok(Answer::Json(201, world.bind(&target.namespace, &target.name, &body)?)),
                "eviction" => Ok(Answer::Json(201, world.evict(target, &body, call.dry_run())?)),
                "token" => Ok(Answer::Json(201, world.issue_token(target, &body, &options.manager)?)),
                "" => {
                    let object = write::decode(kind, body, &mut options)?;
                    let place = namespace(target, &object).to_owned();
                    let created = world.create(kind, &place, object, &options)?;
                    warnings.append(&mut options.warnings);
                    shown(201, &created)
                }
                _ => Err(Failure::no_resource()),
            }
        }
        ("update", "scale") => {
            let body = read_body(call, "Scale")?;
            let scale = world.rescale(target, &mut options, false, |scale| {
                *scale = body;
                Ok(())
            })?;
            Ok(Answer::Json(200, scale))
        }
        ("update", _) => {
            let body = read_body(call, &kind.kind)?;
            let object = world.replace(kind, &target.namespace, &target.name, body, &mut options)?;
            warnings.append(&mut options.warnings);
            shown(200, &object)
        }
        ("patch", sub) => {
            let answer = patched(world, call, target, &mut options, sub)?;
            warnings.append(&mut options.warnings);
            match answer {
                (code, None, scale) => Ok(Answer::Json(code, scale)),
                (code, Some(object), _) => shown(code, &object),
            }
        }
        ("delete", _) => {
            let deletion = deletion(call)?;
            if kind.plural == "jobs" && kind.group == "batch" && deletion.policy.is_empty() {
                let text = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove \
                            them or set propagationPolicy=Orphan to suppress this warning";
                warnings.push(text.to_owned());
            }
            match world.delete(kind, &target.namespace, &target.name, &deletion)? {
                Left::Object(object) => shown(200, &object),
                Left::Status(status) => Ok(Answer::Json(200, status)),
            }
        }
        _ => {
            let deletion = deletion(call)?;
            let selector = Selector::parse(kind, call.query("labelSelector"), call.query("fieldSelector"))?;
            let metadata = json!({ "resourceVersion": world.store.version().to_string() });
            let left = world.delete_collection(kind, &target.namespace, &selector, &deletion)?;
            let objects: Vec<&Value> = left.iter().map(|object| &**object).collect();
            Ok(Answer::Json(200, views::list(kind, view, &objects, metadata)))
        }
    }
}

/// The options of a deletion: the body, else the query.
fn deletion(call: &Call) -> Result<Deletion, Failure> {
    let mut options = if call.body.is_empty() { json!({}) } else { read_body(call, "DeleteOptions")? };
    if !call.query("propagationPolicy").is_empty() {
        options["propagationPolicy"] = json!(call.query("propagationPolicy"));
    }
    if let Ok(seconds) = call.query("gracePeriodSeconds").parse::<u64>() {
        options["gracePeriodSeconds"] = json!(seconds);
    }
    if call.dry_run() {
        options["dryRun"] = json!(["All"]);
    }
    Deletion::read(&options)
}

/// The object in a body of JSON or YAML.
fn read_body(call: &Call, kind: &str) -> Result<Value, Failure> {
    match call.content_type() {
        "application/json" | "" => serde_json::from_slice(&call.body).map_err(|error| {
            let why = write::json_error(&error, &call.body);
            let text = String::from_utf8_lossy(&call.body);
            Failure::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({text})"
            ))
        }),
        "application/yaml" => yaml::parse(&call.body).map_err(Failure::bad_request),
        _ => {
            let message = "the body of the request was in an unknown format - accepted media types include: \
                           application/json, application/yaml, application/vnd.kubernetes.protobuf";
            Err(Failure::new(415, "UnsupportedMediaType", message))
        }
    }
}

type Patched = (u16, Option<Arc<Value>>, Value);

fn patched(
    world: &mut World,
    call: &Call,
    target: &Target,
    options: &mut Options,
    sub: &str,
) -> Result<Patched, Failure> {
    let kind = &target.kind;
    let body: &Bytes = &call.body;
    let media = call.content_type();
    let apply = media == APPLY;
    let change: Value = match media {
        "application/json-patch+json" | "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            let custom = kind.custom.is_some() && media.contains("strategic");
            if custom {
                let message = "the body of the request was in an unknown format - accepted media types include: \
                               application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
                return Err(Failure::new(415, "UnsupportedMediaType", message));
            }
            let wrong = |why: &str| Failure::bad_request(format!("error decoding patch: {why}"));
            let value: Value = serde_json::from_slice(body).map_err(|error| wrong(&write::json_error(&error, body)))?;
            if media == "application/json-patch+json" && !value.is_array() {
                return Err(wrong("json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"));
            }
            value
        }
        APPLY => yaml::parse(body).map_err(|why| Failure::bad_request(format!("error decoding YAML: {why}")))?,
        _ => {
            let message = "415: Unsupported Media Type";
            return Err(Failure::new(415, "UnsupportedMediaType", message).details(json!({})));
        }
    };
    if apply {
        options.manager = call.query("fieldManager").to_owned();
    } else {
        write::check_patch_options(options.force)?;
    }
    let of = if sub == "scale" { Type::Named("Scale".to_owned()) } else { type_of(kind) };
    let edit = |object: &mut Value| {
        match media {
            "application/json-patch+json" => patch::json_patch(object, &change).ok_or_else(|| {
                let message = "the server rejected our request due to an error in our request";
                Failure::new(422, "Invalid", message).details(json!({}))
            })?,
            "application/strategic-merge-patch+json" => patch::strategic(&of, object, &change),
            _ => patch::merge(object, &change),
        }
        if sub == "scale" {
            schema::normalise(&of, object);
        }
        Ok(())
    };
    if sub == "scale" {
        let scale = world.rescale(target, options, apply, edit)?;
        return Ok((200, None, scale));
    }
    if apply {
        let (created, object) = world.apply(kind, &target.namespace, &target.name, &change, options)?;
        return Ok((if created { 201 } else { 200 }, Some(object), Value::Null));
    }
    let object = world.patch(kind, &target.namespace, &target.name, options, edit)?;
    Ok((200, Some(object), Value::Null))
}
