//! Deployments: a ReplicaSet for each template, revisions, rolling, conditions. The steps and the words of the conditions
//! are those of the real deployment controller.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Queue, events, replicasets, text};
use crate::clock;
use crate::store::Key;
use crate::world::World;
use crate::write::{self, Options};

pub(super) const STORAGE: &str = "deployments.apps";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAX: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn revision(set: &Value) -> i64 {
    set["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A number or a share of the replicas, rounded up or down.
fn share(value: &Value, of: i64, up: bool) -> i64 {
    match value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse::<i64>().ok()) {
        Some(percent) if up => (of * percent + 99) / 100,
        Some(percent) => of * percent / 100,
        None => number(value),
    }
}

/// Pods above and below the wanted number while rolling.
fn limits(deployment: &Value) -> (i64, i64) {
    let replicas = number(&deployment["spec"]["replicas"]);
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    if deployment["spec"]["strategy"]["type"] == "Recreate" {
        return (0, replicas);
    }
    let (surge, mut unavailable) =
        (share(&rolling["maxSurge"], replicas, true), share(&rolling["maxUnavailable"], replicas, false));
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    (surge, unavailable.min(replicas))
}

/// One look at a deployment with its sets, the newest revision last.
struct View {
    deployment: Arc<Value>,
    key: Key,
    sets: Vec<Arc<Value>>,
    new: Option<Arc<Value>>,
}

impl View {
    fn read(world: &World, key: &Key) -> Option<View> {
        let deployment = world.store.get(key)?.clone();
        let keys = world.store.owned_by(text(&deployment, "/metadata/uid"));
        let mut sets: Vec<Arc<Value>> = keys
            .iter()
            .filter(|key| &*key.storage == replicasets::STORAGE)
            .filter_map(|key| world.store.get(key).cloned())
            .collect();
        sets.sort_by_key(|set| (revision(set), text(set, "/metadata/creationTimestamp").to_owned()));
        let wanted = template(&deployment["spec"]["template"]);
        let new = sets.iter().find(|set| template(&set["spec"]["template"]) == wanted).cloned();
        Some(View { deployment, key: key.clone(), sets, new })
    }

    fn old(&self) -> Vec<Arc<Value>> {
        let new = self.new.as_ref().map(|set| set["metadata"]["uid"].clone());
        self.sets.iter().filter(|set| Some(&set["metadata"]["uid"]) != new.as_ref()).cloned().collect()
    }

    fn sum(sets: &[Arc<Value>], pointer: &str) -> i64 {
        sets.iter().map(|set| set.pointer(pointer).map_or(0, number)).sum()
    }
}

/// A template without the label that the controller adds.
fn template(value: &Value) -> Value {
    let mut copy = value.clone();
    if let Some(labels) = copy["metadata"]["labels"].as_object_mut() {
        labels.remove(HASH);
    }
    copy
}

pub(super) fn reconcile(world: &mut World, queue: &mut Queue, key: &Key) {
    let Some(view) = View::read(world, key) else { return };
    let deployment = view.deployment.clone();
    if deployment["metadata"].get("deletionTimestamp").is_some() {
        sync_status(world, queue, &view);
        return;
    }
    let paused = deployment["spec"]["paused"] == true;
    if note_pause(world, &view, paused) {
        return;
    }
    if paused {
        rescale(world, &view);
        if let Some(view) = View::read(world, key) {
            sync_status(world, queue, &view);
        }
        return;
    }
    let scaled = view.sets.iter().filter(|set| number(&set["spec"]["replicas"]) > 0).any(|set| {
        let desired = set["metadata"]["annotations"][DESIRED].as_str().and_then(|text| text.parse::<i64>().ok());
        desired.is_some_and(|desired| desired != number(&deployment["spec"]["replicas"]))
    });
    if scaled {
        rescale(world, &view);
        return;
    }
    if adopt(world, &view) {
        return;
    }
    let Some(view) = View::read(world, key) else { return };
    let moved =
        if deployment["spec"]["strategy"]["type"] == "Recreate" { recreate(world, &view) } else { roll(world, &view) };
    if let Some(view) = View::read(world, key) {
        sync_status(world, queue, &view);
        if !moved {
            clean(world, &view);
        }
    }
}

fn condition<'a>(deployment: &'a Value, kind: &str) -> Option<&'a Value> {
    deployment["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == kind)
}

/// Sets a condition at the end of the list; the same status and reason are left as they are unless `again`.
fn set_condition(status: &mut Value, kind: &str, value: &str, reason: &str, message: &str, again: bool) {
    let now = clock::time(clock::now());
    let mut list = status["conditions"].as_array().cloned().unwrap_or_default();
    let mut since = json!(now);
    if let Some(at) = list.iter().position(|one| one["type"] == kind) {
        let old = list[at].clone();
        if old["status"] == value && old["reason"] == reason && !again {
            return;
        }
        if old["status"] == value {
            since = old["lastTransitionTime"].clone();
        }
        list.remove(at);
    }
    list.push(json!({
        "type": kind,
        "status": value,
        "lastUpdateTime": now,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }));
    status["conditions"] = json!(list);
}

fn patch(world: &mut World, key: &Key, subresource: &str, change: impl FnOnce(&mut Value)) {
    let Some(kind) = world.storage_kind(&key.storage) else { return };
    let mut options = Options::of("kube-controller-manager", subresource);
    let _ = world.patch(&kind, &key.namespace, &key.name, &mut options, |object| {
        change(object);
        Ok(())
    });
}

fn set_key(set: &Value) -> Key {
    Key {
        storage: replicasets::STORAGE.into(),
        namespace: text(set, "/metadata/namespace").to_owned(),
        name: text(set, "/metadata/name").to_owned(),
    }
}

/// Progressing tells of pause and resume. Tells whether it was written.
fn note_pause(world: &mut World, view: &View, paused: bool) -> bool {
    let told = condition(&view.deployment, "Progressing").map(|one| text(one, "/reason").to_owned());
    let deadline = number(&view.deployment["spec"]["progressDeadlineSeconds"]);
    if deadline == 0 || deadline == i64::from(i32::MAX) || told.as_deref() == Some("NewReplicaSetTimedOut") {
        return false;
    }
    let (reason, message) = match (paused, told.as_deref()) {
        (true, Some("DeploymentPaused")) | (false, None) => return false,
        (true, _) => ("DeploymentPaused", "Deployment is paused"),
        (false, Some("DeploymentPaused")) => ("DeploymentResumed", "Deployment is resumed"),
        _ => return false,
    };
    patch(world, &view.key, "status", |deployment| {
        set_condition(&mut deployment["status"], "Progressing", "Unknown", reason, message, false);
    });
    true
}

/// Sees to it that the template has its set and that revisions are counted. Tells whether the deployment was written.
fn adopt(world: &mut World, view: &View) -> bool {
    let deployment = &view.deployment;
    let replicas = number(&deployment["spec"]["replicas"]);
    let (surge, _) = limits(deployment);
    let next = view.old().iter().map(|set| revision(set)).max().unwrap_or(0) + 1;
    let name = match &view.new {
        Some(set) => {
            let mine = revision(set);
            let wanted = mine.max(next);
            let marks = json!({ DESIRED: replicas.to_string(), MAX: (replicas + surge).to_string() });
            let same = mine == wanted
                && marks
                    .as_object()
                    .into_iter()
                    .flatten()
                    .all(|(name, value)| set["metadata"]["annotations"][name] == *value);
            if !same {
                patch(world, &set_key(set), "", |set| {
                    let notes = &mut set["metadata"]["annotations"];
                    if mine != wanted {
                        let history = notes[HISTORY].as_str().map(str::to_owned);
                        if mine > 0 {
                            notes[HISTORY] = json!(history.map_or(mine.to_string(), |list| format!("{list},{mine}")));
                        }
                        notes[REVISION] = json!(wanted.to_string());
                    }
                    for (name, value) in marks.as_object().into_iter().flatten() {
                        notes[name] = value.clone();
                    }
                });
            }
            let known = revision(deployment);
            if known == wanted && condition(deployment, "Progressing").is_some() {
                return false;
            }
            let found = text(set, "/metadata/name").to_owned();
            patch(world, &view.key, "status", |deployment| {
                deployment["metadata"]["annotations"][REVISION] = json!(wanted.to_string());
                if condition(deployment, "Progressing").is_none() {
                    let message = format!("Found new replica set \"{found}\"");
                    set_condition(
                        &mut deployment["status"],
                        "Progressing",
                        "True",
                        "FoundNewReplicaSet",
                        &message,
                        false,
                    );
                }
            });
            return true;
        }
        None => create_set(world, view, next, replicas, surge),
    };
    let Some(name) = name else { return false };
    patch(world, &view.key, "status", |deployment| {
        deployment["metadata"]["annotations"][REVISION] = json!(next.to_string());
        let message = format!("Created new replica set \"{name}\"");
        set_condition(&mut deployment["status"], "Progressing", "True", "NewReplicaSetCreated", &message, true);
    });
    true
}

fn create_set(world: &mut World, view: &View, next: i64, replicas: i64, surge: i64) -> Option<String> {
    let deployment = &view.deployment;
    let kind = world.storage_kind(replicasets::STORAGE)?;
    let hash = clock::letters(clock::hash(&deployment["spec"]["template"].to_string()), 10);
    let name = format!("{}-{hash}", text(deployment, "/metadata/name"));
    let old = View::sum(&view.sets, "/spec/replicas");
    let first = if deployment["spec"]["strategy"]["type"] == "Recreate" && View::sum(&view.sets, "/status/replicas") > 0
    {
        0
    } else {
        (replicas + surge - old).clamp(0, replicas)
    };
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"][HASH] = json!(hash);
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = json!(hash);
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "labels": template["metadata"]["labels"],
            "annotations": {
                DESIRED: replicas.to_string(),
                MAX: (replicas + surge).to_string(),
                REVISION: next.to_string(),
            },
            "ownerReferences": [{
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": deployment["metadata"]["name"],
                "uid": deployment["metadata"]["uid"],
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "replicas": first,
            "minReadySeconds": deployment["spec"]["minReadySeconds"],
            "selector": selector,
            "template": template,
        },
    });
    let mut options = Options::of("kube-controller-manager", "");
    let set = write::decode(&kind, set, &mut options).ok()?;
    world.create(&kind, &view.key.namespace, set, &options).ok()?;
    if first > 0 {
        let message = format!("Scaled up replica set {name} from 0 to {first}");
        events::tell(world, "deployment-controller", deployment, "Normal", "ScalingReplicaSet", &message);
    }
    Some(name)
}

fn scale(world: &mut World, deployment: &Value, set: &Value, to: i64) -> bool {
    let from = number(&set["spec"]["replicas"]);
    let replicas = number(&deployment["spec"]["replicas"]);
    let (surge, _) = limits(deployment);
    patch(world, &set_key(set), "", |set| {
        set["spec"]["replicas"] = json!(to);
        set["metadata"]["annotations"][DESIRED] = json!(replicas.to_string());
        set["metadata"]["annotations"][MAX] = json!((replicas + surge).to_string());
    });
    if from != to {
        let way = if to > from { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {} from {from} to {to}", text(set, "/metadata/name"));
        events::tell(world, "deployment-controller", deployment, "Normal", "ScalingReplicaSet", &message);
    }
    from != to
}

/// Follows a changed number of replicas: the one active set takes it, several share it.
fn rescale(world: &mut World, view: &View) {
    let deployment = &view.deployment;
    let replicas = number(&deployment["spec"]["replicas"]);
    let (surge, _) = limits(deployment);
    let active: Vec<Arc<Value>> =
        view.sets.iter().filter(|set| number(&set["spec"]["replicas"]) > 0).cloned().collect();
    match active.as_slice() {
        [] => {
            if let Some(latest) = view.new.as_ref().or(view.sets.last()) {
                scale(world, deployment, latest, replicas);
            }
        }
        [one] => {
            scale(world, deployment, one, replicas);
        }
        several => {
            let now = View::sum(several, "/spec/replicas");
            let allowed = if replicas > 0 { replicas + surge } else { 0 };
            let mut left = allowed - now;
            for set in several.iter().rev() {
                let mine = number(&set["spec"]["replicas"]);
                let part = if now > 0 { (2 * mine * (allowed - now) + now).div_euclid(2 * now) } else { 0 };
                let part = if left >= 0 { part.clamp(0, left) } else { part.clamp(left, 0) };
                left -= part;
                scale(world, deployment, set, (mine + part).max(0));
            }
        }
    }
}

fn recreate(world: &mut World, view: &View) -> bool {
    let old = view.old();
    let mut moved = false;
    for set in old.iter().filter(|set| number(&set["spec"]["replicas"]) > 0) {
        moved |= scale(world, &view.deployment, set, 0);
    }
    let pods = old.iter().any(|set| !replicasets::pods_of(world, set).is_empty());
    if moved || pods {
        return moved;
    }
    let replicas = number(&view.deployment["spec"]["replicas"]);
    match &view.new {
        Some(new) if number(&new["spec"]["replicas"]) != replicas => scale(world, &view.deployment, new, replicas),
        _ => false,
    }
}

/// One step of a rolling update. Tells whether a set was scaled.
fn roll(world: &mut World, view: &View) -> bool {
    let Some(new) = &view.new else { return false };
    let deployment = &view.deployment;
    let replicas = number(&deployment["spec"]["replicas"]);
    let (surge, unavailable) = limits(deployment);
    let mine = number(&new["spec"]["replicas"]);
    let all = View::sum(&view.sets, "/spec/replicas");
    if mine > replicas {
        return scale(world, deployment, new, replicas);
    }
    let room = (replicas + surge - all).min(replicas - mine);
    if mine < replicas && room > 0 {
        return scale(world, deployment, new, mine + room);
    }
    let old = view.old();
    if View::sum(&old, "/spec/replicas") == 0 {
        return false;
    }
    let least = replicas - unavailable;
    let waiting = mine - number(&new["status"]["availableReplicas"]);
    let mut allowed = all - least - waiting;
    if allowed <= 0 {
        return false;
    }
    let mut moved = false;
    // Pods that do not serve go first.
    for set in &old {
        let (has, serves) = (number(&set["spec"]["replicas"]), number(&set["status"]["availableReplicas"]));
        let broken = (has - serves).min(allowed);
        if has > 0 && broken > 0 {
            moved |= scale(world, deployment, set, has - broken);
            allowed -= broken;
        }
    }
    let Some(view) = View::read(world, &view.key) else { return moved };
    let mut spare = (View::sum(&view.sets, "/status/availableReplicas") - least).min(allowed);
    for set in view.old() {
        let has = number(&set["spec"]["replicas"]);
        let part = has.min(spare);
        if part > 0 {
            moved |= scale(world, deployment, &set, has - part);
            spare -= part;
        }
    }
    moved
}

/// Writes what the sets amount to, with the conditions.
fn sync_status(world: &mut World, queue: &mut Queue, view: &View) {
    let deployment = &view.deployment;
    let replicas = number(&deployment["spec"]["replicas"]);
    let (_, unavailable) = limits(deployment);
    let sum = |field: &str| View::sum(&view.sets, &format!("/status/{field}"));
    let available = sum("availableReplicas");
    let updated = view.new.as_ref().map_or(0, |set| number(&set["status"]["replicas"]));
    let before = deployment["status"].clone();
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": sum("replicas"),
        "updatedReplicas": updated,
        "readyReplicas": sum("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": (View::sum(&view.sets, "/spec/replicas") - available).max(0),
        "terminatingReplicas": sum("terminatingReplicas"),
        "conditions": before["conditions"],
    });
    if before["collisionCount"].is_number() {
        status["collisionCount"] = before["collisionCount"].clone();
    }
    if available >= replicas - unavailable {
        let message = "Deployment has minimum availability.";
        set_condition(&mut status, "Available", "True", "MinimumReplicasAvailable", message, false);
    } else {
        let message = "Deployment does not have minimum availability.";
        set_condition(&mut status, "Available", "False", "MinimumReplicasUnavailable", message, false);
    }
    progress(queue, view, &before, &mut status, replicas);
    failures(view, &mut status);
    let unchanged = status.as_object().into_iter().flatten().all(|(name, value)| {
        before[name] == *value
            || before[name].is_null() && (value.is_null() || *value == 0 && name != "terminatingReplicas")
    });
    if !unchanged {
        patch(world, &view.key, "status", |deployment| deployment["status"] = status);
    }
}

fn progress(queue: &mut Queue, view: &View, before: &Value, status: &mut Value, replicas: i64) {
    let deployment = &view.deployment;
    let deadline = deployment["spec"]["progressDeadlineSeconds"].as_u64().unwrap_or(u64::MAX);
    let current = condition(deployment, "Progressing").cloned();
    let reason = current.as_ref().map(|one| text(one, "/reason").to_owned()).unwrap_or_default();
    let of = |status: &Value, field: &str| number(&status[field]);
    let finished = of(status, "replicas") == of(status, "updatedReplicas") && reason == "NewReplicaSetAvailable";
    if finished || deployment["spec"]["paused"] == true || deadline > u64::from(u32::MAX) {
        return;
    }
    let name = view
        .new
        .as_ref()
        .map_or_else(|| text(deployment, "/metadata/name").to_owned(), |set| text(set, "/metadata/name").to_owned());
    let what = if view.new.is_some() { "ReplicaSet" } else { "Deployment" };
    let complete = of(status, "updatedReplicas") == replicas
        && of(status, "replicas") == replicas
        && of(status, "availableReplicas") == replicas;
    let old = |status: &Value| of(status, "replicas") - of(status, "updatedReplicas");
    let moves = of(status, "updatedReplicas") > of(before, "updatedReplicas")
        || old(status) < old(before)
        || of(status, "readyReplicas") > of(before, "readyReplicas")
        || of(status, "availableReplicas") > of(before, "availableReplicas");
    if complete {
        let message = format!("{what} \"{name}\" has successfully progressed.");
        set_condition(status, "Progressing", "True", "NewReplicaSetAvailable", &message, false);
    } else if moves {
        let message = format!("{what} \"{name}\" is progressing.");
        set_condition(status, "Progressing", "True", "ReplicaSetUpdated", &message, true);
    } else if let Some(current) = current.filter(|_| reason != "ProgressDeadlineExceeded") {
        let from = current["lastUpdateTime"].as_str().and_then(clock::parse).unwrap_or_default();
        let over = Duration::from_secs(from + deadline);
        let now = clock::now();
        if now > over {
            let message = format!("{what} \"{name}\" has timed out progressing.");
            set_condition(status, "Progressing", "False", "ProgressDeadlineExceeded", &message, false);
        } else {
            queue.after(over - now + Duration::from_millis(20), &view.key);
        }
    }
}

fn failures(view: &View, status: &mut Value) {
    let failed = view.new.iter().chain(view.sets.iter()).find_map(|set| {
        set["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == "ReplicaFailure").cloned()
    });
    match failed {
        Some(one) => {
            let (value, reason, message) = (text(&one, "/status"), text(&one, "/reason"), text(&one, "/message"));
            set_condition(status, "ReplicaFailure", value, reason, message, false);
        }
        None => {
            if let Some(list) = status["conditions"].as_array_mut() {
                list.retain(|one| one["type"] != "ReplicaFailure");
            }
        }
    }
}

/// Removes the oldest sets beyond the history that is kept.
fn clean(world: &mut World, view: &View) {
    let keep = usize::try_from(number(&view.deployment["spec"]["revisionHistoryLimit"])).unwrap_or(usize::MAX);
    let empty = |set: &&Arc<Value>| number(&set["spec"]["replicas"]) == 0 && number(&set["status"]["replicas"]) == 0;
    let old = view.old();
    let surplus = old.len().saturating_sub(keep);
    for set in old.iter().filter(empty).take(surplus) {
        world.store.remove(set_key(set));
    }
}
