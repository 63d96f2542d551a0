//! `kubernetes/cordon`, `uncordon` and `drain`.

use std::time::Duration;

use ensue_event::ours::Failure;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout_at};

use super::change::{Changed, Patch};
use super::target::Target;
use super::{Act, changed};
use crate::action::wrong;
use crate::kubernetes::client::Ask;
use crate::kubernetes::failure::status;
use crate::kubernetes::object::{list, outputs, set, text};

/// Between two tries of an eviction that a budget refuses without saying how long, as kubectl waits.
const REFUSED: Duration = Duration::from_secs(5);
/// What is said of a pod whose eviction is not answered yet.
const ASKED: &str = "is asked to go";
/// Evictions under way at once.
const TOGETHER: usize = 16;

/// No new pods come to the node.
pub(super) async fn cordon(act: &Act<'_>) -> Result<Value, Failure> {
    let done = schedulable(act, &act.target().await?, false).await?;
    Ok(changed(done.changed, outputs(&done.object)))
}

/// They come again.
pub(super) async fn uncordon(act: &Act<'_>) -> Result<Value, Failure> {
    let done = schedulable(act, &act.target().await?, true).await?;
    Ok(changed(done.changed, outputs(&done.object)))
}

async fn schedulable(act: &Act<'_>, node: &Target, wanted: bool) -> Result<Changed, Failure> {
    if node.kind.kind != "Node" {
        return Err(wrong(format!("{} is for nodes, not for {}", act.call.action, node.title())));
    }
    let value = if wanted { Value::Null } else { Value::Bool(true) };
    let patch = Patch::Strategic(json!({ "spec": { "unschedulable": value } }));
    act.change(&node.path(), |before| {
        let is = before.pointer("/spec/unschedulable") != Some(&Value::Bool(true));
        Ok((is != wanted).then(|| patch.clone()))
    })
    .await
}

/// What keeps a pod where it is.
enum Stays {
    /// It is no matter: it belongs to the node, or is over.
    Silently,
    /// Somebody must say that it may go.
    Because(String),
}

/// Evicts all pods of a node and waits until they are gone. Budgets are honoured: what one refuses is asked for again.
/// The node stays cordoned whatever comes of it.
pub(super) async fn drain(act: &Act<'_>) -> Result<Value, Failure> {
    let node = act.target().await?;
    schedulable(act, &node, false).await?;
    let kind = act.cluster.kind("v1/Pod").await?;
    let fields = format!("spec.nodeName={}", node.name);
    let (pods, _) = act.all(&kind, None, act.call.text("labels"), Some(&fields), 10_000).await?;
    let (mut leave, mut stays, mut barred) = (Vec::new(), Vec::new(), Vec::new());
    for pod in &pods {
        let (name, namespace) = (text(pod, "/metadata/name"), text(pod, "/metadata/namespace"));
        match stays_where_it_is(act, pod) {
            None => leave.push(Pod {
                target: Target { kind: kind.clone(), namespace: Some(namespace.to_owned()), name: name.to_owned() },
                uid: text(pod, "/metadata/uid").to_owned(),
            }),
            Some(Stays::Silently) => stays.push(format!("{namespace}/{name}")),
            Some(Stays::Because(why)) => barred.push(format!("{namespace}/{name} {why}")),
        }
    }
    if !barred.is_empty() {
        let barred = barred.join("; ");
        return Err(wrong(format!("{} is cordoned and not drained: {barred}", node.title())));
    }
    let waiting = std::sync::Mutex::new(std::collections::BTreeMap::new());
    let mut evictions: Vec<BoxFuture<'_, Result<String, Failure>>> = Vec::new();
    for pod in &leave {
        evictions.push(Box::pin(evict(act, pod, &waiting)));
    }
    let evictions = futures::stream::iter(evictions).buffer_unordered(TOGETHER).collect::<Vec<_>>();
    let Ok(done) = timeout_at(act.until, evictions).await else {
        let left = waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let unanswered = left.values().any(|why| why == ASKED);
        let left: Vec<String> = left.iter().map(|(pod, why)| format!("{pod}: {why}")).collect();
        let (title, left) = (node.title(), left.join("; "));
        let failure = Failure::new("Timeout", format!("{title} is not drained within {}: {left}", act.call.timeout));
        // What a budget refuses for so long is refused to another try too.
        return Err(if unanswered { failure.retryable() } else { failure });
    };
    let evicted = done.into_iter().collect::<Result<Vec<String>, Failure>>()?;
    Ok(json!({ "evicted": evicted, "left": stays }))
}

/// As kubectl's filters have it.
fn stays_where_it_is(act: &Act<'_>, pod: &Value) -> Option<Stays> {
    let over = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    let owner =
        list(pod, "/metadata/ownerReferences").iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
    if pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some() {
        return Some(Stays::Silently);
    }
    if !over && owner.is_some_and(|owner| text(owner, "/kind") == "DaemonSet") {
        return Some(Stays::Silently);
    }
    if !over && owner.is_none() && !act.is("force") {
        return Some(Stays::Because("has no controller that makes it anew; `force: true` deletes it".to_owned()));
    }
    let local = list(pod, "/spec/volumes").iter().any(|volume| volume.get("emptyDir").is_some());
    if !over && local && !act.is("deleteEmptyDirData") {
        return Some(Stays::Because("keeps data in an emptyDir; `deleteEmptyDirData: true` gives them up".to_owned()));
    }
    None
}

struct Pod {
    target: Target,
    uid: String,
}

/// Which pods are waited for, and why.
type Waiting = std::sync::Mutex<std::collections::BTreeMap<String, String>>;

async fn evict(act: &Act<'_>, pod: &Pod, waiting: &Waiting) -> Result<String, Failure> {
    let title = pod.target.title();
    let says = |why: Option<String>| {
        let mut waiting = waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match why {
            Some(why) => {
                if waiting.get(&title) != Some(&why) {
                    act.call.log.line(&format!("{title}: {why}"));
                }
                waiting.insert(title.clone(), why);
            }
            None => drop(waiting.remove(&title)),
        }
    };
    let mut options = json!({ "preconditions": { "uid": pod.uid } });
    if let Some(grace) = act.duration("gracePeriod")? {
        set(&mut options, &["gracePeriodSeconds"], grace.as_secs().into());
    }
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": options,
        "metadata": { "name": pod.target.name, "namespace": pod.target.namespace },
    });
    let path = format!("{}/eviction", pod.target.path());
    says(Some(ASKED.to_owned()));
    loop {
        match act.cluster.send(Ask::create(&path, &eviction).repeatable(true)).await {
            Ok(_) => break,
            // Gone, or another one has its name.
            Err(failure) if matches!(failure.name.as_str(), "NotFound" | "Conflict") => break,
            Err(failure) if status(&failure) == Some(429) => {
                let causes = list(&failure.details, "/causes").iter().map(|cause| text(cause, "/message"));
                let causes: Vec<&str> = causes.filter(|text| !text.is_empty()).collect();
                says(Some(if causes.is_empty() { failure.message.clone() } else { causes.join("; ") }));
                sleep(failure.retry_after.map_or(REFUSED, |after| after.to_std())).await;
            }
            Err(failure) => return Err(failure),
        }
    }
    says(Some("is ending".to_owned()));
    act.gone(&pod.target, &pod.uid).await?;
    says(None);
    Ok(format!("{}/{}", pod.target.namespace.as_deref().unwrap_or_default(), pod.target.name))
}
