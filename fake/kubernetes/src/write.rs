//! Create, replace, patch and apply: from the bytes of a request to an object in the store.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock;
use crate::controllers::namespaces;
use crate::kinds::Kind;
use crate::managed::{self, Conflicts, Writer};
use crate::schema;
use crate::status::{Failure, cause, forbidden_value, invalid_value, required};
use crate::store::Key;
use crate::strategy;
use crate::validate;
use crate::views;
use crate::world::{World, type_of};

/// How a write is to be done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) manager: String,
    pub(crate) dry_run: bool,
    pub(crate) validation: Validation,
    pub(crate) subresource: String,
    /// `force` of an apply.
    pub(crate) force: bool,
    /// Texts for `Warning` headers.
    pub(crate) warnings: Vec<String>,
}

/// What becomes of unknown fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Validation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

impl Options {
    /// A write of one of the server's own programs.
    pub(crate) fn of(manager: &str, subresource: &str) -> Options {
        Options { manager: manager.to_owned(), subresource: subresource.to_owned(), ..Options::default() }
    }
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object["metadata"][name].as_str().unwrap_or_default()
}

/// The error of a body that is not JSON, as Go's decoder says it.
pub(crate) fn json_error(error: &serde_json::Error, body: &[u8]) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let line = body.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let found = line.get(error.column().saturating_sub(1)).copied().unwrap_or_default();
    let shown = if found.is_ascii_graphic() || found == b' ' {
        char::from(found).to_string()
    } else {
        format!("\\x{found:02x}")
    };
    format!("invalid character '{shown}' looking for beginning of value")
}

/// Reads an object that a client sent: its type is that of the endpoint, its defaults are set.
pub(crate) fn decode(kind: &Kind, mut object: Value, options: &mut Options) -> Result<Value, Failure> {
    let (version, name) = (kind.version.clone(), kind.kind.clone());
    let cannot = |why: &str| {
        Failure::bad_request(format!("{name} in version \"{version}\" cannot be handled as a {name}: {why}"))
    };
    if !object.is_object() {
        return Err(cannot("json: cannot unmarshal into Go value of type map[string]interface {}"));
    }
    let given = object["kind"].as_str().unwrap_or_default().to_owned();
    let given_version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    if !given.is_empty() && given != kind.kind && kind.custom.is_none() {
        let short = given_version.rsplit('/').next().unwrap_or_default();
        return Err(Failure::bad_request(format!(
            "{given} in version \"{short}\" cannot be handled as a {name}: converting ({short}.{given}) to (core.{name}): unknown conversion"
        )));
    }
    if !given_version.is_empty() && given_version != kind.api_version() && kind.custom.is_none() {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({given_version}) does not match the expected API version ({})",
            kind.api_version()
        )));
    }
    let of = type_of(kind);
    if kind.custom.is_none() {
        if let Some(why) = schema::type_error(&of, &object, &kind.kind, "") {
            return Err(cannot(&why));
        }
        if let Some(why) = validate::undecodable(kind, &object) {
            return Err(cannot(&why));
        }
    }
    object["kind"] = json!(kind.kind);
    object["apiVersion"] = json!(kind.api_version());
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let unknown = schema::normalise(&of, &mut object);
    if !unknown.is_empty() && options.validation == Validation::Strict {
        let list: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
        return Err(cannot(&format!("strict decoding error: {}", list.join(", "))));
    }
    if options.validation == Validation::Warn {
        options.warnings.extend(unknown.iter().map(|path| format!("unknown field \"{path}\"")));
    }
    strategy::defaults(kind, &mut object);
    if kind.custom.is_none() {
        schema::normalise(&of, &mut object);
    }
    Ok(object)
}

/// Whether a write changes nothing but versions and times of owners; then it is none.
fn same(old: &Value, new: &Value) -> bool {
    let bare = |object: &Value| {
        let mut copy = object.clone();
        if let Some(metadata) = copy["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
            for entry in metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
                entry["time"] = Value::Null;
            }
        }
        copy
    };
    bare(old) == bare(new)
}

impl World {
    fn writer<'a>(kind: &Kind, options: &'a Options, now: &'a str, version: &'a mut String) -> Writer<'a> {
        *version = kind.api_version();
        Writer { manager: &options.manager, api_version: version, subresource: &options.subresource, now }
    }

    /// Creates an object that was decoded.
    pub(crate) fn create(
        &mut self,
        kind: &Kind,
        namespace: &str,
        mut object: Value,
        options: &Options,
    ) -> Result<Arc<Value>, Failure> {
        let given = text(&object, "namespace").to_owned();
        if kind.namespaced && !given.is_empty() && given != namespace {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Failure::bad_request(message));
        }
        let at = if kind.namespaced { namespace } else { "" };
        let now = clock::time(clock::now());
        let version = text(&object, "resourceVersion").to_owned();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for field in [
                "uid",
                "creationTimestamp",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "generation",
                "selfLink",
                "resourceVersion",
            ] {
                metadata.remove(field);
            }
            metadata.remove("managedFields");
            if !at.is_empty() {
                metadata.insert("namespace".to_owned(), json!(at));
            }
        }
        let mut api_version = String::new();
        let writer = World::writer(kind, options, &now, &mut api_version);
        self.claim(kind, &json!({}), &mut object, &writer);
        self.admit_namespace(kind, at, &object)?;
        if kind.is("pods") {
            self.admit_pod(at, &object)?;
        }
        let stem = text(&object, "generateName").to_owned();
        if text(&object, "name").is_empty() && !stem.is_empty() {
            object["metadata"]["name"] = json!(format!("{stem}{}", clock::suffix()));
        }
        object["metadata"]["uid"] = json!(clock::uid());
        object["metadata"]["creationTimestamp"] = json!(now);
        strategy::prepare_create(kind, &mut object);
        let name = text(&object, "name").to_owned();
        let causes = validate::create(self, kind, &object);
        if !causes.is_empty() {
            return Err(Failure::invalid(kind, &name, causes));
        }
        let key = Key { storage: kind.storage.clone(), namespace: at.to_owned(), name: name.clone() };
        if let Some(old) = self.store.get(&key) {
            let mut failure = Failure::exists(kind, &name);
            if old["metadata"].get("deletionTimestamp").is_some() {
                failure.message = format!("object is being deleted: {}", failure.message);
            }
            return Err(failure);
        }
        if !version.is_empty() {
            return Err(Failure::internal("resourceVersion should not be set on objects to be created"));
        }
        let object = views::to_storage(kind, object);
        if options.dry_run {
            return Ok(Arc::new(object));
        }
        Ok(self.store.put(key, object))
    }

    fn claim(&self, kind: &Kind, old: &Value, new: &mut Value, writer: &Writer<'_>) {
        let of = type_of(kind);
        let skip = strategy::reset(kind, writer.subresource);
        let mut shown = new.clone();
        let mut before = old.clone();
        for field in skip {
            for object in [&mut shown, &mut before] {
                if let Some(map) = object.as_object_mut() {
                    map.remove(*field);
                }
            }
        }
        managed::update(&of, &before, &mut shown, writer);
        match shown["metadata"].get("managedFields") {
            Some(list) => new["metadata"]["managedFields"] = list.clone(),
            None => {
                if let Some(metadata) = new["metadata"].as_object_mut() {
                    metadata.remove("managedFields");
                }
            }
        }
    }

    fn admit_namespace(&self, kind: &Kind, namespace: &str, object: &Value) -> Result<(), Failure> {
        if !kind.namespaced {
            return Ok(());
        }
        let Some(found) = self.get("namespaces", "", namespace) else {
            return Err(self
                .kind("", "v1", "namespaces")
                .map_or_else(Failure::no_resource, |kind| Failure::not_found(&kind, namespace)));
        };
        if found["metadata"].get("deletionTimestamp").is_none() {
            return Ok(());
        }
        let name = text(object, "name");
        let message = format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
            kind.qualified()
        );
        let mut details = crate::status::named(name, &kind.group, &kind.plural);
        let why = format!("namespace {namespace} is being terminated");
        details["causes"] =
            json!([{ "reason": "NamespaceTerminating", "message": why, "field": "metadata.namespace" }]);
        Err(Failure::new(403, "Forbidden", message).details(details))
    }

    fn admit_pod(&mut self, namespace: &str, object: &Value) -> Result<(), Failure> {
        let account = object["spec"]["serviceAccountName"].as_str().unwrap_or("default");
        // Without the controllers nobody makes the default account of a namespace.
        if account == "default" && self.settings.controllers {
            // The real server waits a moment for it.
            namespaces::provide(self, namespace);
        }
        if account == "default" && !self.settings.controllers
            || self.get("serviceaccounts", namespace, account).is_some()
        {
            return Ok(());
        }
        let name = if text(object, "name").is_empty() { text(object, "generateName") } else { text(object, "name") };
        let message = format!(
            "pods \"{name}\" is forbidden: error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        );
        Err(Failure::new(403, "Forbidden", message).details(crate::status::named(name, "", "pods")))
    }

    /// The object as it is shown in the version of `kind`.
    pub(crate) fn shown(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Value, Failure> {
        let at = if kind.namespaced { namespace } else { "" };
        let found = self.get(&kind.storage, at, name).ok_or_else(|| Failure::not_found(kind, name))?;
        Ok(views::of_storage(kind, &found))
    }

    /// Stores a changed object. `new` is in the version of `kind` and decoded; `old` is what it was made from.
    pub(crate) fn update(
        &mut self,
        kind: &Kind,
        old: &Value,
        mut new: Value,
        options: &Options,
        applied: bool,
    ) -> Result<Arc<Value>, Failure> {
        let name = text(old, "name").to_owned();
        let namespace = text(old, "namespace").to_owned();
        let (wanted_uid, uid) = (text(&new, "uid"), text(old, "uid"));
        if !wanted_uid.is_empty() && wanted_uid != uid {
            let place = if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") };
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}/{place}, ResourceVersion: 0, AdditionalErrorMsg: \
                 Precondition failed: UID in precondition: {wanted_uid}, UID in object meta: {uid}",
                kind.plural
            );
            return Err(Failure::conflict(kind, &name, &why));
        }
        let wanted = text(&new, "resourceVersion");
        if wanted.is_empty() || wanted == "0" {
            if kind.custom.is_some() || kind.is("customresourcedefinitions.apiextensions.k8s.io") {
                let cause = invalid_value("metadata.resourceVersion", &json!(0), "must be specified for an update");
                return Err(Failure::invalid_kind(&kind.group, &kind.plural, &name, vec![cause]));
            }
        } else if wanted != text(old, "resourceVersion") {
            return Err(Failure::modified(kind, &name));
        }
        new["metadata"]["name"] = json!(name);
        if !namespace.is_empty() {
            new["metadata"]["namespace"] = json!(namespace);
        }
        let now = clock::time(clock::now());
        if !applied {
            let mut api_version = String::new();
            let writer = World::writer(kind, options, &now, &mut api_version);
            self.claim(kind, old, &mut new, &writer);
        }
        strategy::prepare_update(kind, &options.subresource, old, &mut new);
        if kind.custom.is_none() {
            schema::normalise(&type_of(kind), &mut new);
        }
        let causes = validate::update(self, kind, &options.subresource, old, &new);
        if !causes.is_empty() {
            return Err(Failure::invalid(kind, &name, causes));
        }
        let key = Key { storage: kind.storage.clone(), namespace, name };
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        let finalizers =
            |object: &Value| object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let over = new["metadata"].get("deletionTimestamp").is_some()
            && new["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) == 0
            && finalizers(old)
            && !finalizers(&new);
        let new = views::to_storage(kind, new);
        if options.dry_run {
            return Ok(Arc::new(new));
        }
        if over && !(kind.is("namespaces") && new["spec"]["finalizers"].is_array()) {
            self.store.remove(key);
            return Ok(Arc::new(new));
        }
        match self.store.get(&key) {
            Some(stored) if same(stored, &new) => Ok(stored.clone()),
            _ => Ok(self.store.put(key, new)),
        }
    }

    /// PUT: the body replaces the object.
    pub(crate) fn replace(
        &mut self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        body: Value,
        options: &mut Options,
    ) -> Result<Arc<Value>, Failure> {
        check_name(&body, name)?;
        let new = decode(kind, body, options)?;
        let old = self.shown(kind, namespace, name)?;
        self.update(kind, &old, new, options, false)
    }

    /// A patch that is a function of the object as it is shown.
    pub(crate) fn patch(
        &mut self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        options: &mut Options,
        change: impl FnOnce(&mut Value) -> Result<(), Failure>,
    ) -> Result<Arc<Value>, Failure> {
        let old = self.shown(kind, namespace, name)?;
        let mut new = old.clone();
        change(&mut new)?;
        check_name(&new, name)?;
        if kind.custom.is_some() && text(&new, "resourceVersion").is_empty() {
            new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        }
        let new = decode(kind, new.clone(), options).map_err(|failure| undecoded(&new, failure))?;
        self.update(kind, &old, new, options, false)
    }

    /// Server-side apply. The first return is whether the object was created.
    pub(crate) fn apply(
        &mut self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        config: &Value,
        options: &mut Options,
    ) -> Result<(bool, Arc<Value>), Failure> {
        if options.manager.is_empty() {
            let cause = required("fieldManager", "is required for apply patch");
            return Err(Failure::invalid_kind("meta.k8s.io", "PatchOptions", "", vec![cause]));
        }
        if !config["apiVersion"].is_string() || !config["kind"].is_string() {
            let message = format!("invalid object type: /, Kind={}", config["kind"].as_str().unwrap_or_default());
            return Err(Failure::bad_request(message));
        }
        if config["metadata"]["managedFields"].as_array().is_some_and(|list| !list.is_empty()) {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        check_name(config, name)?;
        let of = type_of(kind);
        let mut config = config.clone();
        let found = self.shown(kind, namespace, name);
        let uid = text(&config, "uid").to_owned();
        if found.is_err() && !uid.is_empty() {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(Failure::conflict(kind, name, &why));
        }
        if found.is_err() && !options.subresource.is_empty() {
            return Err(Failure::not_found(kind, name));
        }
        if kind.custom.is_none()
            && let Some(why) = schema::type_error(&of, &config, &kind.kind, "")
        {
            let message = format!("failed to create typed patch object: {why}");
            return Err(Failure::internal(message));
        }
        let old = match &found {
            Ok(old) => old.clone(),
            Err(_) => json!({ "kind": kind.kind, "apiVersion": kind.api_version(), "metadata": {} }),
        };
        if let Some(metadata) = config["metadata"].as_object_mut() {
            metadata.insert("name".to_owned(), json!(name));
            metadata.remove("managedFields");
        }
        let now = clock::time(clock::now());
        let mut api_version = String::new();
        let writer = World::writer(kind, options, &now, &mut api_version);
        let skip = strategy::reset(kind, &options.subresource);
        let merged = managed::apply(&of, &old, &config, &writer, options.force, skip)
            .map_err(|conflicts| conflict(&conflicts))?;
        let managed = merged["metadata"]["managedFields"].clone();
        let mut new = decode(kind, merged, options)?;
        if found.is_ok() {
            return Ok((false, self.update(kind, &old, new, options, true)?));
        }
        let quiet = Options { manager: options.manager.clone(), dry_run: true, ..Options::default() };
        // Checked as any create, then stored with the fields as they were applied.
        new["metadata"]["managedFields"] = Value::Null;
        let created = self.create(kind, namespace, new, &quiet)?;
        let mut object = (*created).clone();
        object["metadata"]["managedFields"] = managed;
        if options.dry_run {
            return Ok((true, Arc::new(object)));
        }
        let at = if kind.namespaced { namespace } else { "" };
        let key = Key { storage: kind.storage.clone(), namespace: at.to_owned(), name: name.to_owned() };
        Ok((true, self.store.put(key, object)))
    }
}

pub(crate) fn conflict(conflicts: &Conflicts) -> Failure {
    let paths: Vec<(&String, &String)> =
        conflicts.0.iter().flat_map(|(who, paths)| paths.iter().map(move |path| (who, path))).collect();
    let message = match paths.as_slice() {
        [(who, path)] => format!("Apply failed with 1 conflict: conflict with {who}: {path}"),
        all => {
            let mut lines = vec![format!("Apply failed with {} conflicts: ", all.len())];
            for (who, paths) in &conflicts.0 {
                lines.push(format!("conflicts with {who}:\n"));
                lines.extend(paths.iter().map(|path| format!("- {path}\n")));
            }
            lines.concat().trim_end().to_owned()
        }
    };
    let causes: Vec<Value> = paths
        .iter()
        .map(|(who, path)| json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {who}"), "field": path }))
        .collect();
    Failure::new(409, "Conflict", message).details(json!({ "causes": causes }))
}

fn check_name(object: &Value, name: &str) -> Result<(), Failure> {
    let given = text(object, "name");
    if given.is_empty() || given == name {
        return Ok(());
    }
    let message = format!("the name of the object ({given}) does not match the name on the URL ({name})");
    Err(Failure::bad_request(message))
}

/// A patch whose result does not decode is 422, not 400, and tells the whole result.
fn undecoded(object: &Value, failure: Failure) -> Failure {
    let text = failure.message.split_once("cannot be handled as a").and_then(|(_, rest)| rest.split_once(": "));
    match text {
        Some((_, why)) if !why.starts_with("strict") => {
            let message = format!("Invalid value: {}: {why}", Value::from(in_order(object)));
            Failure::invalid_kind("", "", "", vec![cause("FieldValueInvalid", "patch", message)])
        }
        _ => failure,
    }
}

/// The fields of metadata, and of an entry of managedFields, in the order of the Go types.
const ORDER: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
    "manager",
    "operation",
    "apiVersion",
    "time",
    "fieldsType",
    "fieldsV1",
    "subresource",
];

/// JSON as the server holds an object that it patches: maps by key, metadata as its type.
fn in_order(object: &Value) -> String {
    let write = |value: &Value, inner: &dyn Fn(&str, &Value) -> String| {
        let mut fields: Vec<(&String, &Value)> = value.as_object().into_iter().flatten().collect();
        fields.sort_by_key(|(name, _)| ORDER.iter().position(|one| one == name));
        let fields: Vec<String> = fields
            .into_iter()
            .map(|(name, one)| format!("{}:{}", Value::from(name.as_str()), inner(name, one)))
            .collect();
        format!("{{{}}}", fields.join(","))
    };
    let plain = |_: &str, value: &Value| value.to_string();
    let metadata = |name: &str, value: &Value| match (name, value.as_array()) {
        ("managedFields", Some(entries)) => {
            format!("[{}]", entries.iter().map(|entry| write(entry, &plain)).collect::<Vec<_>>().join(","))
        }
        _ => value.to_string(),
    };
    let fields = object.as_object().into_iter().flatten().map(|(name, value)| {
        let text = if name == "metadata" { write(value, &metadata) } else { value.to_string() };
        format!("{}:{text}", Value::from(name.as_str()))
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// `force` and `fieldManager` where they do not belong.
pub(crate) fn check_patch_options(force: bool) -> Result<(), Failure> {
    if force {
        let cause = forbidden_value("force", "may not be specified for non-apply patch");
        return Err(Failure::invalid_kind("meta.k8s.io", "PatchOptions", "", vec![cause]));
    }
    Ok(())
}
