//! What is said of each object, in its status: written when it is different, and what rules do at most every ten seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ensue_connect::kubernetes::client::MERGE_PATCH;
use ensue_connect::kubernetes::{Ask, Cluster};
use ensue_event::Time;
use ensue_lang::{Kind, Name, RuleMode, crd};
use serde_json::{Value, json};

use super::choose::Fault;
use super::document::Document;
use crate::node::Core;

/// How often the time of the last firing is written, at most.
const FIRED: Duration = Duration::from_secs(10);
/// How often a status is tried that somebody else wrote in between.
const TRIES: usize = 5;

/// What is to be said.
#[derive(Default)]
pub(super) struct Verdicts {
    /// By path: the generation, what is wrong with it, and whether an older version is in force instead.
    all: BTreeMap<String, (i64, Vec<Fault>, bool)>,
    /// When each was written last.
    written: BTreeMap<String, Instant>,
    /// What could not be written, told once.
    failed: BTreeMap<String, String>,
}

impl Verdicts {
    /// Takes what came of a configuration.
    pub(super) fn set(
        &mut self,
        judged: impl Iterator<Item = (String, i64)>,
        mut faults: BTreeMap<String, (Vec<Fault>, bool)>,
    ) {
        self.all = judged
            .map(|(path, generation)| {
                let (faults, old) = faults.remove(&path).unwrap_or_default();
                (path, (generation, faults, old))
            })
            .collect();
        self.written.retain(|path, _| self.all.contains_key(path));
        self.failed.retain(|path, _| self.all.contains_key(path));
    }
}

/// What a rule does: its mode, and when it fired last.
type Doing = BTreeMap<String, (String, Option<Time>)>;

/// Writes each status that is different. The objects are as they were seen last, and are kept up with what is written.
pub(super) async fn write(
    core: &Arc<Core>,
    cluster: &Cluster,
    objects: &mut BTreeMap<String, Value>,
    documents: &BTreeMap<String, Document>,
    verdicts: &mut Verdicts,
) {
    let doing = doing(core).await;
    for (path, document) in documents {
        let (Some((generation, faults, old)), Some(object)) = (verdicts.all.get(path), objects.get_mut(path)) else {
            continue;
        };
        if *generation != document.generation {
            continue;
        }
        let wanted = wanted(document, faults, *old, &object["status"], &doing, core.clock.now());
        let Some(urgent) = differs(&object["status"], &wanted) else { continue };
        if !urgent && verdicts.written.get(path).is_some_and(|at| at.elapsed() < FIRED) {
            continue;
        }
        verdicts.written.insert(path.clone(), Instant::now());
        match send(cluster, document, object, &wanted).await {
            Ok(()) => drop(verdicts.failed.remove(path)),
            Err(why) => {
                if verdicts.failed.get(path) != Some(&why) {
                    tracing::warn!(document = path, why, "its status cannot be written");
                    verdicts.failed.insert(path.clone(), why);
                }
            }
        }
    }
}

async fn doing(core: &Arc<Core>) -> Doing {
    let doing = core.read(|pump| {
        let (state, config) = (pump.engine().state(), pump.engine().config());
        let rules = config.rules.iter().map(|decider| {
            let name = decider.rule.name.to_string();
            let known = state.rules.get(&name).cloned().unwrap_or_default();
            let written = match decider.rule.mode {
                RuleMode::Live if state.meta.observe => "shadow",
                RuleMode::Live => "live",
                RuleMode::Shadow => "shadow",
                RuleMode::Paused => "paused",
            };
            (name, (known.mode.clone().unwrap_or_else(|| written.to_owned()), known.last))
        });
        rules.collect()
    });
    doing.await.unwrap_or_default()
}

/// The status that an object is to have.
fn wanted(document: &Document, faults: &[Fault], old: bool, status: &Value, doing: &Doing, now: Time) -> Value {
    let accepted = faults.is_empty();
    let first = faults.first().map(|fault| match fault.field.as_str() {
        "" => fault.message.clone(),
        field => format!("{field}: {}", fault.message),
    });
    let rest = if old { "the last good version stays in force" } else { "it is not in force" };
    let (word, reason, message) = match first {
        None => ("True", "InForce", "it is in force".to_owned()),
        Some(first) => {
            let held = faults.iter().all(|fault| fault.code == "held");
            ("False", if held { "Held" } else { "Invalid" }, format!("{first}; {rest}"))
        }
    };
    let before = status["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Accepted");
    let since = before.filter(|one| one["status"] == word).and_then(|one| one["lastTransitionTime"].as_str());
    let since = since.map_or_else(|| seconds(now), str::to_owned);
    let errors: Vec<Value> = faults
        .iter()
        .take(crd::MOST_ERRORS)
        .map(|fault| {
            let texts = [
                ("message", Some(fault.message.as_str())),
                ("code", Some(fault.code)),
                ("path", Some(fault.field.as_str()).filter(|field| !field.is_empty())),
                ("help", fault.help.as_deref()),
            ];
            let texts = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
            Value::Object(texts.collect())
        })
        .collect();
    let rule = Some(document).filter(|document| document.kind == Kind::Rule);
    let rule = rule.and_then(|rule| doing.get(&Name::new(&rule.namespace, &rule.name).to_string()));
    let mut out = json!({
        "accepted": accepted,
        "observedGeneration": document.generation,
        "errors": errors,
        "conditions": [{
            "type": "Accepted", "status": word, "reason": reason, "message": message,
            "lastTransitionTime": since, "observedGeneration": document.generation,
        }],
    });
    if let (Some((mode, last)), Some(out)) = (rule, out.as_object_mut()) {
        out.insert("mode".into(), json!(mode));
        out.extend(last.map(|last| ("lastFired".into(), json!(seconds(last)))));
    }
    out
}

/// Kubernetes' times have seconds.
fn seconds(time: Time) -> String {
    Time::from_secs(time.micros().div_euclid(1_000_000)).to_string()
}

/// Whether a status must be written: nothing if not; else whether more than the last firing is different.
fn differs(has: &Value, wanted: &Value) -> Option<bool> {
    let other = |name: &str| has.get(name) != wanted.get(name);
    let fields: Vec<&String> =
        wanted.as_object().into_iter().flatten().map(|(name, _)| name).filter(|name| other(name)).collect();
    if fields.is_empty() { None } else { Some(fields.iter().any(|name| *name != "lastFired")) }
}

/// Writes a status over the object as it was seen; where it was written by others since, over what it is now.
async fn send(cluster: &Cluster, document: &Document, object: &mut Value, wanted: &Value) -> Result<(), String> {
    let (group, version) = crd::group_version();
    let kind = cluster.kind(&format!("{group}/{version}/{}", document.kind)).await.map_err(|why| why.message)?;
    let path = kind.object(Some(&document.namespace), &document.name);
    for _ in 0..TRIES {
        let patch =
            json!({ "metadata": { "resourceVersion": object.pointer("/metadata/resourceVersion") }, "status": wanted });
        match cluster.send(Ask::patch(format!("{path}/status"), MERGE_PATCH, &patch)).await {
            Ok(written) => {
                *object = written;
                return Ok(());
            }
            Err(failure) if failure.name == "NotFound" => return Ok(()),
            Err(failure) if failure.name == "Conflict" => {
                let now = cluster.send(Ask::get(path.clone())).await.map_err(|why| why.message)?;
                // A newer one is judged first.
                if now.pointer("/metadata/generation").and_then(Value::as_i64) != Some(document.generation) {
                    return Ok(());
                }
                *object = now;
            }
            Err(failure) => return Err(failure.message),
        }
    }
    Err("others write it all the time; it is tried again".to_owned())
}
