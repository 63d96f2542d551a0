//! How an object is shown: in another version, as a Table, as metadata only.

use serde_json::{Map, Value, json};

use crate::clock;
use crate::kinds::Kind;
use crate::schema::{self, Type};
use crate::status::Failure;
use crate::world::type_of;

/// What the client wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Whole,
    Table,
    Metadata,
}

/// What `Accept` asks for; 406 if there is nothing that is served.
pub(crate) fn negotiate(accept: &str) -> Result<View, Failure> {
    if accept.is_empty() {
        return Ok(View::Whole);
    }
    for clause in accept.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        if !matches!(parts.next(), Some("application/json" | "*/*" | "application/*")) {
            continue;
        }
        match parts.find_map(|part| part.strip_prefix("as=")) {
            None => return Ok(View::Whole),
            Some("Table") => return Ok(View::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Ok(View::Metadata),
            Some(_) => {}
        }
    }
    let message = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, \
                   application/vnd.kubernetes.protobuf";
    Err(Failure::new(406, "NotAcceptable", message).details(json!({})))
}

/// An object as stored, in the version of the resource that was asked for.
pub(crate) fn of_storage(kind: &Kind, object: &Value) -> Value {
    let mut object = object.clone();
    match (kind.group.as_str(), kind.plural.as_str(), kind.version.as_str()) {
        ("events.k8s.io", _, _) => rename(&mut object, EVENT_NAMES, false),
        ("autoscaling", "horizontalpodautoscalers", "v1") => hpa_to_v1(&mut object),
        _ => {}
    }
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.kind);
    object
}

/// The other way: what was written in the version of the resource, as it is stored.
pub(crate) fn to_storage(kind: &Kind, mut object: Value) -> Value {
    match (kind.group.as_str(), kind.plural.as_str(), kind.version.as_str()) {
        ("events.k8s.io", _, _) => {
            rename(&mut object, EVENT_NAMES, true);
            object["apiVersion"] = json!("v1");
            schema::normalise(&Type::Named("Event".to_owned()), &mut object);
        }
        ("autoscaling", "horizontalpodautoscalers", "v1") => {
            object["apiVersion"] = json!("autoscaling/v2");
            hpa_from_v1(&mut object);
        }
        _ => {}
    }
    object
}

/// Names of core/v1 and events.k8s.io/v1 for the same fields.
const EVENT_NAMES: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

fn rename(object: &mut Value, names: &[(&str, &str)], back: bool) {
    let Some(map) = object.as_object_mut() else { return };
    for (core, events) in names {
        let (from, to) = if back { (events, core) } else { (core, events) };
        if let Some(value) = map.remove(*from) {
            map.insert((*to).to_owned(), value);
        }
    }
    if !back {
        // These are always written in core/v1 and left out when empty here.
        map.retain(|name, value| !matches!(name.as_str(), "reportingController" | "reportingInstance") || value != "");
    }
}

fn hpa_to_v1(object: &mut Value) {
    let Some(spec) = object["spec"].as_object_mut() else { return };
    let mut rest = Vec::new();
    for metric in spec.remove("metrics").as_ref().and_then(Value::as_array).into_iter().flatten() {
        match metric["resource"]["target"]["averageUtilization"].as_i64() {
            Some(percent) if metric["resource"]["name"] == "cpu" => {
                spec.insert("targetCPUUtilizationPercentage".to_owned(), json!(percent));
            }
            _ => rest.push(metric.clone()),
        }
    }
    let mut notes = Map::new();
    if !rest.is_empty() {
        notes.insert("autoscaling.alpha.kubernetes.io/metrics".to_owned(), json!(json!(rest).to_string()));
    }
    if let Some(behavior) = spec.remove("behavior") {
        notes.insert("autoscaling.alpha.kubernetes.io/behavior".to_owned(), json!(behavior.to_string()));
    }
    if let Some(status) = object["status"].as_object_mut() {
        status.remove("currentMetrics");
        if let Some(conditions) = status.remove("conditions") {
            notes.insert("autoscaling.alpha.kubernetes.io/conditions".to_owned(), json!(conditions.to_string()));
        }
        status.entry("currentReplicas").or_insert_with(|| json!(0));
    }
    for (name, value) in notes {
        object["metadata"]["annotations"][name] = value;
    }
}

fn hpa_from_v1(object: &mut Value) {
    if let Some(percent) = object["spec"].as_object_mut().and_then(|spec| spec.remove("targetCPUUtilizationPercentage"))
    {
        let target = json!({ "type": "Utilization", "averageUtilization": percent });
        object["spec"]["metrics"] = json!([{ "type": "Resource", "resource": { "name": "cpu", "target": target } }]);
    }
}

/// Whether objects of this resource are shown as they are stored.
fn is_stored(kind: &Kind) -> bool {
    !matches!((kind.group.as_str(), kind.version.as_str()), ("events.k8s.io", _) | ("autoscaling", "v1"))
}

/// The text of [`one`]; objects that are shown as they are stored are written without a copy.
pub(crate) fn one_text(kind: &Kind, view: View, object: &Value, columns: bool) -> String {
    if view == View::Whole && is_stored(kind) {
        object.to_string()
    } else {
        one(kind, view, object, columns).to_string()
    }
}

/// The text of [`list`], likewise.
pub(crate) fn list_text(kind: &Kind, view: View, objects: &[&Value], list_metadata: Value) -> String {
    if view != View::Whole || !is_stored(kind) {
        return list(kind, view, objects, list_metadata).to_string();
    }
    let empty = list(kind, view, &[], list_metadata).to_string();
    let Some((before, after)) = empty.split_once("\"items\":[]") else { return empty };
    let mut text = format!("{before}\"items\":[");
    for (at, object) in objects.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_item(kind, object, &mut text);
    }
    text.push(']');
    text.push_str(after);
    text
}

/// An item of a list: those of built-in kinds do not say their kind.
fn write_item(kind: &Kind, object: &Value, text: &mut String) {
    if kind.custom.is_some() {
        text.push_str(&object.to_string());
        return;
    }
    let fields =
        object.as_object().into_iter().flatten().filter(|(name, _)| !matches!(name.as_str(), "kind" | "apiVersion"));
    for (at, (name, value)) in fields.enumerate() {
        text.push(if at == 0 { '{' } else { ',' });
        text.push_str(&format!("{}:{value}", Value::from(name.as_str())));
    }
    text.push('}');
}

/// One object in the wanted view. `columns` tells whether a Table describes its columns.
pub(crate) fn one(kind: &Kind, view: View, object: &Value, columns: bool) -> Value {
    match view {
        View::Whole => of_storage(kind, object),
        View::Metadata => metadata(object),
        View::Table => {
            let version = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
            table(kind, std::slice::from_ref(&object), version, columns)
        }
    }
}

fn metadata(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

/// A list in the wanted view.
pub(crate) fn list(kind: &Kind, view: View, objects: &[&Value], list_metadata: Value) -> Value {
    match view {
        View::Whole => {
            let custom = kind.custom.is_some();
            let items = objects.iter().map(|object| {
                let mut object = of_storage(kind, object);
                if !custom && let Some(map) = object.as_object_mut() {
                    map.remove("kind");
                    map.remove("apiVersion");
                }
                object
            });
            let mut list =
                json!({ "kind": kind.list_kind, "apiVersion": kind.api_version(), "metadata": list_metadata });
            list["items"] = items.collect();
            if custom && list["metadata"].get("continue").is_none() {
                list["metadata"]["continue"] = json!("");
            }
            list
        }
        View::Metadata => json!({
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": list_metadata,
            "items": objects.iter().map(|object| metadata(object)).collect::<Vec<_>>(),
        }),
        View::Table => table(kind, objects, list_metadata, true),
    }
}

/// The object of a bookmark: the type without content, and a version.
pub(crate) fn bookmark(kind: &Kind, view: View, version: u64, initial: bool) -> Value {
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if initial {
        metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
    }
    match view {
        View::Metadata => {
            json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata })
        }
        View::Table => table(kind, &[], metadata, false),
        View::Whole => {
            let mut object = json!({ "kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata });
            if kind.custom.is_none() {
                schema::normalise(&type_of(kind), &mut object);
            }
            if matches!(kind.plural.as_str(), "deployments" | "replicasets") {
                object["spec"]["replicas"] = json!(0);
            }
            object
        }
    }
}

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources \
may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for \
creation idempotence and configuration definition. Cannot be updated. More info: \
https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is \
not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is \
represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: \
https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

const DATA: &str = "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or \
'.'. Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap with \
the keys in the BinaryData field, this is enforced during validation process.";

fn column(name: &str, kind: &str, description: &str) -> Value {
    let format = if name == "Name" { "name" } else { "" };
    json!({ "name": name, "type": kind, "format": format, "description": description, "priority": 0 })
}

/// The columns of a kind and the cells of an object. Kinds without a table of their own have name and age.
fn cells(kind: &Kind, object: &Value) -> (Vec<Value>, Vec<Value>) {
    if kind.plural == "events" {
        return event_cells(object);
    }
    let name = object["metadata"]["name"].clone();
    let age = json!(age(&object["metadata"]["creationTimestamp"]));
    let mut columns = vec![column("Name", "string", NAME)];
    let mut cells = vec![name];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    match kind.plural.as_str() {
        "configmaps" => {
            let count = |field: &str| object[field].as_object().map_or(0, Map::len);
            columns.push(column("Data", "string", DATA));
            cells.push(json!(count("data") + count("binaryData")));
        }
        "pods" => {
            let statuses = object["status"]["containerStatuses"].as_array();
            let ready = statuses.into_iter().flatten().filter(|one| one["ready"] == true).count();
            let total = object["spec"]["containers"].as_array().map_or(0, Vec::len);
            let restarts: u64 = statuses.into_iter().flatten().map(|one| number(&one["restartCount"])).sum();
            columns.push(column("Ready", "string", "The aggregate readiness state of this pod for accepting traffic."));
            columns.push(column("Status", "string", "The aggregate status of the containers in this pod."));
            columns.push(column(
                "Restarts",
                "string",
                "The number of times the containers in this pod have been restarted.",
            ));
            cells.extend([
                json!(format!("{ready}/{total}")),
                object["status"]["phase"].clone(),
                json!(restarts.to_string()),
            ]);
        }
        "deployments" => {
            let status = &object["status"];
            columns.push(column("Ready", "string", "Number of the pod with ready state"));
            columns.push(column("Up-to-date", "string", "Number of updated pods"));
            columns.push(column("Available", "string", "Number of available pods"));
            let ready = format!("{}/{}", number(&status["readyReplicas"]), number(&object["spec"]["replicas"]));
            cells.extend([
                json!(ready),
                json!(number(&status["updatedReplicas"])),
                json!(number(&status["availableReplicas"])),
            ]);
        }
        _ => {}
    }
    let printer =
        kind.custom.as_ref().and_then(|custom| custom.version["additionalPrinterColumns"].as_array().cloned());
    for one in printer.into_iter().flatten() {
        let path = one["jsonPath"].as_str().unwrap_or_default().trim_start_matches('.');
        let value = path.split('.').fold(object, |value, name| &value[name]);
        columns.push(column(one["name"].as_str().unwrap_or_default(), one["type"].as_str().unwrap_or("string"), ""));
        cells.push(value.clone());
    }
    columns.push(column("Age", "string", CREATED));
    cells.push(age);
    (columns, cells)
}

/// Columns of an event: name, type, what it says, and whether it is shown at first.
const EVENT_COLUMNS: &[(&str, &str, u8)] = &[
    ("Last Seen", "The time at which the most recent occurrence of this event was recorded.", 0),
    ("Type", "Type of this event (Normal, Warning), new types could be added in the future", 0),
    (
        "Reason",
        "This should be a short, machine understandable string that gives the reason for the transition into the \
                object's current status.",
        0,
    ),
    ("Object", "The object that this event is about.", 0),
    (
        "Subobject",
        "If referring to a piece of an object instead of an entire object, this string should contain a valid \
                   JSON/Go field access statement, such as desiredState.manifest.containers[2]. For example, if the object \
                   reference is to a container within a pod, this would take on a value like: \"spec.containers{name}\" (where \
                   \"name\" refers to the name of the container that triggered the event) or if no container name is specified \
                   \"spec.containers[2]\" (container with index 2 in this pod). This syntax is chosen only to have some \
                   well-defined way of referencing a part of an object.",
        1,
    ),
    ("Source", "The component reporting this event. Should be a short machine understandable string.", 1),
    ("Message", "A human-readable description of the status of this operation.", 0),
    ("First Seen", "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)", 1),
    ("Count", "The number of times this event has occurred.", 1),
    ("Name", NAME, 1),
];

fn event_cells(object: &Value) -> (Vec<Value>, Vec<Value>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let columns = EVENT_COLUMNS.iter().map(|(name, description, priority)| {
        let mut one = column(name, "string", description);
        one["priority"] = json!(priority);
        one
    });
    let about = &object["involvedObject"];
    let time = &object["eventTime"];
    let (first, last) =
        if time.is_null() { (&object["firstTimestamp"], &object["lastTimestamp"]) } else { (time, time) };
    let source = match (text(&object["source"]["component"]), text(&object["source"]["host"])) {
        (component, _) if component.is_empty() => {
            format!("{}, {}", text(&object["reportingComponent"]), text(&object["reportingInstance"]))
        }
        (component, host) if host.is_empty() => component,
        (component, host) => format!("{component}, {host}"),
    };
    let cells = vec![
        json!(age(last)),
        object["type"].clone(),
        object["reason"].clone(),
        json!(format!("{}/{}", text(&about["kind"]).to_lowercase(), text(&about["name"]))),
        json!(text(&about["fieldPath"])),
        json!(source),
        object["message"].clone(),
        json!(age(first)),
        json!(object["count"].as_u64().unwrap_or(1)),
        object["metadata"]["name"].clone(),
    ];
    (columns.collect(), cells)
}

fn table(kind: &Kind, objects: &[&Value], list_metadata: Value, with_columns: bool) -> Value {
    let columns =
        if with_columns { json!(cells(kind, objects.first().copied().unwrap_or(&Value::Null)).0) } else { Value::Null };
    let rows: Vec<Value> =
        objects.iter().map(|object| json!({ "cells": cells(kind, object).1, "object": metadata(object) })).collect();
    json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_metadata, "columnDefinitions": columns, "rows": rows })
}

fn age(created: &Value) -> String {
    let then = created.as_str().and_then(clock::parse).unwrap_or_default();
    let seconds = clock::now().as_secs().saturating_sub(then);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if !seconds.is_multiple_of(60) => format!("{}m{}s", seconds / 60, seconds % 60),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}
