//! Subresources that are not the object itself: scale, eviction, binding, token, log.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::auth::User;
use crate::clock;
use crate::crd;
use crate::delete::Deletion;
use crate::kinds::Kind;
use crate::managed::{self, Writer};
use crate::request::{Call, Target};
use crate::schema::{self, Type};
use crate::selector;
use crate::status::{Failure, invalid_value, success};
use crate::store::Key;
use crate::world::World;
use crate::write::Options;

/// Where the replicas of a kind are: specification, status, selector.
fn scale_paths(kind: &Kind) -> (String, String, Option<String>) {
    let Some(custom) = &kind.custom else {
        return (".spec.replicas".to_owned(), ".status.replicas".to_owned(), None);
    };
    let scale = &custom.version["subresources"]["scale"];
    let path = |name: &str| scale[name].as_str().unwrap_or_default().to_owned();
    (path("specReplicasPath"), path("statusReplicasPath"), Some(path("labelSelectorPath")))
}

/// The `Scale` of an object.
pub(crate) fn scale_of(kind: &Kind, object: &Value) -> Value {
    let (spec, status, labels) = scale_paths(kind);
    let selector = match labels {
        None => selector::text(&object["spec"]["selector"]),
        Some(path) => crd::at(object, &path).as_str().unwrap_or_default().to_owned(),
    };
    let mut metadata = json!({});
    for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(name) {
            metadata[name] = value.clone();
        }
    }
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": { "replicas": crd::at(object, &spec) },
        "status": { "replicas": crd::at(object, &status), "selector": selector },
    });
    schema::normalise(&Type::Named("Scale".to_owned()), &mut scale);
    scale
}

fn set(object: &mut Value, path: &str, value: Value) {
    let place = path.split('.').filter(|name| !name.is_empty()).fold(object, |value, name| &mut value[name]);
    *place = value;
}

impl World {
    /// Writes the replicas of a changed `Scale` to its object.
    pub(crate) fn rescale(
        &mut self,
        target: &Target,
        options: &mut Options,
        apply: bool,
        change: impl FnOnce(&mut Value) -> Result<(), Failure>,
    ) -> Result<Value, Failure> {
        let kind = &target.kind;
        let old = self.shown(kind, &target.namespace, &target.name)?;
        let mut scale = scale_of(kind, &old);
        change(&mut scale)?;
        let wanted = scale["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !wanted.is_empty() && scale["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"] {
            return Err(Failure::modified(kind, &target.name));
        }
        let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
        if replicas < 0 {
            let cause = invalid_value("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
            return Err(Failure::invalid_kind("autoscaling", "Scale", &target.name, vec![cause]));
        }
        let (path, ..) = scale_paths(kind);
        let mut new = old.clone();
        set(&mut new, &path, json!(replicas));
        let written = if apply {
            let mut config = json!({ "kind": kind.kind, "apiVersion": kind.api_version(), "metadata": {} });
            set(&mut config, &path, json!(replicas));
            let now = clock::time(clock::now());
            let api_version = kind.api_version();
            let writer =
                Writer { manager: &options.manager, api_version: &api_version, subresource: "scale", now: &now };
            let of = crate::world::type_of(kind);
            let mut applied = managed::apply(&of, &old, &config, &writer, options.force, &[])
                .map_err(|conflicts| crate::write::conflict(&conflicts))?;
            managed::disown(&of, &mut applied, &config, &writer);
            self.update(kind, &old, applied, options, true)?
        } else {
            self.update(kind, &old, new, options, false)?
        };
        Ok(scale_of(kind, &written))
    }

    /// POST eviction: a deletion, if no budget is against it.
    pub(crate) fn evict(&mut self, target: &Target, body: &Value, dry_run: bool) -> Result<Value, Failure> {
        let kind = &target.kind;
        let pod =
            self.get("pods", &target.namespace, &target.name).ok_or_else(|| Failure::not_found(kind, &target.name))?;
        let given = body["metadata"]["name"].as_str().unwrap_or_default();
        if !given.is_empty() && given != target.name {
            return Err(Failure::bad_request("name in URL does not match name in Eviction object"));
        }
        let mut deletion = Deletion::read(&body["deleteOptions"])?;
        deletion.dry_run |= dry_run;
        let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed" | "Pending"));
        if !over && pod["metadata"].get("deletionTimestamp").is_none() {
            self.disrupt(&target.namespace, &pod, deletion.dry_run)?;
        }
        if !deletion.dry_run {
            self.note_eviction(&target.namespace, &target.name);
            self.delete(kind, &target.namespace, &target.name, &deletion)?;
        }
        let mut answer = success(None);
        answer["code"] = json!(201);
        Ok(answer)
    }

    /// Takes one disruption from the budget of the pod, or says why it must not.
    fn disrupt(&mut self, namespace: &str, pod: &Value, dry_run: bool) -> Result<(), Failure> {
        const STORAGE: &str = "poddisruptionbudgets.policy";
        let labels = &pod["metadata"]["labels"];
        let found: Vec<Arc<Value>> = self
            .store
            .list(STORAGE, Some(namespace))
            .filter(|budget| selector::selects(&budget["spec"]["selector"], labels))
            .cloned()
            .collect();
        let [budget] = found.as_slice() else {
            return if found.is_empty() {
                Ok(())
            } else {
                Err(Failure::internal(
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
                ))
            };
        };
        let name = budget["metadata"]["name"].as_str().unwrap_or_default();
        let refused = |message: String| {
            let why = "Cannot evict pod as it would violate the pod's disruption budget.";
            let causes = json!([{ "reason": "DisruptionBudget", "message": message }]);
            Failure::new(429, "TooManyRequests", why).details(json!({ "causes": causes }))
        };
        let status = &budget["status"];
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        if number(&status["observedGeneration"]) < number(&budget["metadata"]["generation"]) {
            let mut failure = refused(format!("The disruption budget {name} is still being processed by the server."));
            failure.add_detail("retryAfterSeconds", json!(10));
            return Err(failure.retry(10));
        }
        if number(&status["disruptionsAllowed"]) < 1 {
            return Err(refused(format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                number(&status["desiredHealthy"]),
                number(&status["currentHealthy"])
            )));
        }
        if !dry_run {
            let pod = pod["metadata"]["name"].as_str().unwrap_or_default();
            let left = number(&status["disruptionsAllowed"]) - 1;
            let mut budget = (**budget).clone();
            budget["status"]["disruptionsAllowed"] = json!(left);
            budget["status"]["disruptedPods"][pod] = json!(clock::time(clock::now()));
            let key = Key { storage: STORAGE.into(), namespace: namespace.to_owned(), name: name.to_owned() };
            self.store.put(key, budget);
        }
        Ok(())
    }

    /// The pod says why it goes. The server writes this itself, so no manager owns it.
    fn note_eviction(&mut self, namespace: &str, name: &str) {
        let key = Key { storage: "pods".into(), namespace: namespace.to_owned(), name: name.to_owned() };
        let Some(pod) = self.store.get(&key) else { return };
        let mut pod = (**pod).clone();
        let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.retain(|one| one["type"] != "DisruptionTarget");
        conditions.push(json!({
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": null,
            "lastTransitionTime": clock::time(clock::now()),
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }));
        pod["status"]["conditions"] = json!(conditions);
        self.store.put(key, pod);
    }

    /// POST binding: what a scheduler does.
    pub(crate) fn bind(&mut self, namespace: &str, name: &str, body: &Value) -> Result<Value, Failure> {
        let kind = self.storage_kind("pods").ok_or_else(Failure::no_resource)?;
        let node = body["target"]["name"].as_str().unwrap_or_default().to_owned();
        let pod = self.get("pods", namespace, name).ok_or_else(|| Failure::not_found(&kind, name))?;
        if let Some(now) = pod["spec"]["nodeName"].as_str() {
            let why = format!("pod {name} is already assigned to node \"{now}\"");
            return Err(Failure::conflict(&kind, name, &why));
        }
        let mut object = (*pod).clone();
        object["spec"]["nodeName"] = json!(node);
        let mut conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.retain(|one| one["type"] != "PodScheduled");
        conditions.push(json!({
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": null,
            "lastTransitionTime": clock::time(clock::now()),
        }));
        object["status"]["conditions"] = json!(conditions);
        self.store.put(
            crate::store::Key { storage: "pods".into(), namespace: namespace.to_owned(), name: name.to_owned() },
            object,
        );
        let mut answer = success(None);
        answer["code"] = json!(201);
        Ok(answer)
    }

    /// POST token of a service account: a token that this server knows from now on.
    pub(crate) fn issue_token(&mut self, target: &Target, body: &Value, manager: &str) -> Result<Value, Failure> {
        let account = self
            .get("serviceaccounts", &target.namespace, &target.name)
            .ok_or_else(|| Failure::not_found(&target.kind, &target.name))?;
        let token = format!("{}.{}", self.secret, clock::uid());
        let uid = account["metadata"]["uid"].as_str().unwrap_or_default();
        let user = User::service_account(&target.namespace, &target.name, uid);
        self.tokens.insert(token.clone(), user);
        let seconds = body["spec"]["expirationSeconds"].as_u64().unwrap_or(3600);
        let now = clock::now();
        let time = clock::time(now);
        let mut answer = json!({ "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": body["spec"], "metadata": {} });
        let writer = Writer { manager, api_version: "authentication.k8s.io/v1", subresource: "token", now: &time };
        managed::update(&Type::Any, &json!({ "metadata": {}, "spec": {} }), &mut answer, &writer);
        answer["metadata"]["name"] = json!(target.name);
        answer["metadata"]["namespace"] = json!(target.namespace);
        answer["metadata"]["uid"] = json!(uid);
        answer["metadata"]["creationTimestamp"] = json!(time);
        answer["spec"]["expirationSeconds"] = json!(seconds);
        answer["spec"]["boundObjectRef"] = body["spec"]["boundObjectRef"].clone();
        if answer["spec"]["audiences"].is_null() {
            answer["spec"]["audiences"] = json!(["https://kubernetes.default.svc"]);
        }
        let end = clock::time(now + Duration::from_secs(seconds));
        answer["status"] = json!({ "token": token, "expirationTimestamp": end });
        Ok(answer)
    }

    /// GET log: what the test put there, else the error of a node that cannot be reached.
    pub(crate) fn log(&self, target: &Target, call: &Call) -> Result<String, Failure> {
        let pod = self
            .get("pods", &target.namespace, &target.name)
            .ok_or_else(|| Failure::not_found(&target.kind, &target.name))?;
        let containers: Vec<&str> = ["containers", "initContainers", "ephemeralContainers"]
            .iter()
            .flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten())
            .filter_map(|one| one["name"].as_str())
            .collect();
        let asked = call.query("container");
        let name = &target.name;
        let container = match (asked, containers.as_slice()) {
            ("", [only, ..]) if pod["spec"]["containers"].as_array().is_some_and(|list| list.len() == 1) => *only,
            ("", all) => {
                let message =
                    format!("a container name must be specified for pod {name}, choose one of: [{}]", all.join(" "));
                return Err(Failure::bad_request(message));
            }
            (one, all) if all.contains(&one) => one,
            (one, _) => return Err(Failure::bad_request(format!("container {one} is not valid for pod {name}"))),
        };
        let key = (target.namespace.clone(), name.clone(), container.to_owned());
        if let Some(text) = self.logs.get(&key) {
            let lines: Vec<&str> = text.lines().collect();
            let tail = call.query("tailLines").parse().unwrap_or(lines.len()).min(lines.len());
            let kept = lines.get(lines.len() - tail..).unwrap_or_default();
            return Ok(kept.iter().map(|line| format!("{line}\n")).collect());
        }
        let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        if node.is_empty() {
            return Ok(String::new());
        }
        let mut query: Vec<String> = call
            .query
            .iter()
            .filter(|(key, value)| key != "container" && !value.is_empty())
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        query.sort();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        Err(Failure::internal(format!(
            "Get \"https://{node}:10250/containerLogs/{}/{name}/{container}{query}\": dial tcp: lookup {node} on 10.96.0.10:53: no such host",
            target.namespace
        )))
    }
}
