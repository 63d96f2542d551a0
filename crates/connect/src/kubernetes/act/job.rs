//! `kubernetes/run-job`: a Job from its making to its result.
//!
//! Its name comes from the effect's key, so that a repeated call finds it and goes on waiting. It is left for a while
//! when it is over (`keep`): within that time a repeated call gives the same answer instead of running it again; then the
//! cluster removes it. A call that is given up deletes it.

use ensue_event::ours::Failure;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::follow::Look;
use super::target::Target;
use super::{Act, MANAGER};
use crate::action::wrong;
use crate::kubernetes::client::{Ask, Cluster, MERGE_PATCH};
use crate::kubernetes::object::{CAUSE, annotation, condition, is_by, list, number, set, text};

/// On a job that failed: the number of the try that said so. A later one is meant to run it again.
const ANSWERED: &str = "ensue.dev/answered";
/// How long a job that is over is kept unless `keep` says otherwise: as long as a repeated call may come (`retryHorizon`).
const KEEP: std::time::Duration = std::time::Duration::from_secs(3600);
/// How much of the log is an output; the rest stands in the log of the call.
const TAIL: usize = 64 << 10;
/// How long the deletion of a job that nobody waits for may take.
const GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// Runs it.
pub(super) async fn run(act: &Act<'_>) -> Result<Value, Failure> {
    let manifest = manifest(act).await?;
    let target = act.of_manifest(&manifest).await?;
    let guard = Guard(Some((act.cluster.clone(), target.path(), act.call.effect.to_string())));
    let made = created(act, &target, manifest).await;
    if made.as_ref().is_err_and(|failure| failure.name == "AlreadyExists" || failure.retryable) {
        guard.leave();
        return made;
    }
    made?;
    act.call.log.line(&format!("{} runs", target.title()));
    let title = target.title();
    let done = act.follow(&target, |job| {
        let Some(job) = job else { return Err(wrong(format!("{title} was deleted while it ran"))) };
        let is = |kind: &str| condition(job, kind).filter(|one| text(one, "/status") == "True");
        if let Some(failed) = is("Failed") {
            return Ok(Look::Done((
                job.clone(),
                Some(format!("{}: {}", text(failed, "/reason"), text(failed, "/message"))),
            )));
        }
        if is("Complete").is_some() {
            return Ok(Look::Done((job.clone(), None)));
        }
        let count = |name: &str| number(job, &format!("/status/{name}")).unwrap_or(0);
        Ok(Look::Waits(format!(
            "{title}: {} active, {} succeeded, {} failed",
            count("active"),
            count("succeeded"),
            count("failed")
        )))
    });
    let done = done.await;
    // Another try goes on waiting for it.
    if done.as_ref().map_or_else(|failure| failure.retryable, |_| true) {
        guard.leave();
    }
    let (job, failed) = done?;
    let result = result(act, &target, &job).await?;
    let Some(why) = failed else { return Ok(result) };
    // From now on another try is one that is wanted.
    let answered = json!({ "metadata": { "annotations": { ANSWERED: act.call.attempt.to_string() } } });
    act.cluster.send(Ask::patch(target.path(), MERGE_PATCH, &answered).query("fieldManager", MANAGER)).await?;
    let code =
        result.get("exitCode").and_then(Value::as_i64).map(|code| format!(", exit code {code}")).unwrap_or_default();
    let mut failure = wrong(format!("{title} failed{code}: {why}"));
    failure.details = result;
    Err(failure)
}

/// The job that is there already, or a new one.
async fn created(act: &Act<'_>, target: &Target, manifest: Value) -> Result<Value, Failure> {
    let path = target.path();
    match act.cluster.send(Ask::get(&path)).await {
        Ok(job) if !is_by(&job, act.call) => {
            return Err(Failure::new(
                "AlreadyExists",
                format!("{} is there already and not of this effect", target.title()),
            ));
        }
        Ok(job) => {
            let answered: Option<u32> = annotation(&job, ANSWERED).parse().ok();
            let going = job.pointer("/metadata/deletionTimestamp").is_some();
            if !going && answered.is_none_or(|attempt| attempt >= act.call.attempt) {
                act.call.log.line(&format!("{} is there already", target.title()));
                return Ok(job);
            }
            let uid = text(&job, "/metadata/uid").to_owned();
            if !going {
                delete(&act.cluster, &path, &uid).await?;
            }
            act.gone(target, &uid).await?;
        }
        Err(failure) if failure.name == "NotFound" => {}
        Err(failure) => return Err(failure),
    }
    act.create(&target.kind.path(target.namespace.as_deref()), &path, manifest).await
}

/// What is to be run: a whole Job, that of a CronJob, or a container.
async fn manifest(act: &Act<'_>) -> Result<Value, Failure> {
    let namespace = act.namespace();
    let mut job = match (act.call.field("manifest"), act.call.text("cronJob"), act.call.text("image")) {
        (Some(manifest), None, None) => manifest.clone(),
        (None, Some(name), None) => {
            let cron = act.object("batch/v1/CronJob", name, None).await?;
            let cron = act.cluster.send(Ask::get(cron.path())).await?;
            let template = cron.pointer("/spec/jobTemplate").cloned().unwrap_or_default();
            let mut job = json!({ "metadata": template.get("metadata"), "spec": template.get("spec") });
            // As kubectl marks it; the controller then shows it among the CronJob's own.
            set(&mut job, &["metadata", "annotations", "cronjob.kubernetes.io/instantiate"], "manual".into());
            job
        }
        (None, None, Some(image)) => {
            let mut container = json!({ "name": "main", "image": image });
            for name in ["command", "args"] {
                if let Some(value) = act.call.field(name) {
                    set(&mut container, &[name], value.clone());
                }
            }
            let env = act.call.field("env").and_then(Value::as_object);
            let env = env.into_iter().flatten().map(|(name, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                json!({ "name": name, "value": value })
            });
            set(&mut container, &["env"], env.collect());
            let mut pod = json!({ "restartPolicy": "Never", "containers": [container] });
            if let Some(account) = act.call.text("serviceAccount") {
                set(&mut pod, &["serviceAccountName"], account.into());
            }
            json!({ "spec": { "backoffLimit": 0, "template": { "spec": pod } } })
        }
        _ => return Err(wrong("kubernetes/run-job needs one of `image`, `manifest` and `cronJob`")),
    };
    let prefix = act.call.text("name").filter(|name| !name.is_empty());
    let prefix = prefix.or_else(|| job.pointer("/metadata/name").and_then(Value::as_str)).unwrap_or("ensue");
    // A name of a pod is that of its job with six characters more, and at most 63 long.
    let prefix: String = prefix.chars().take(45).collect();
    let name = format!("{prefix}-{}", act.suffix());
    set(&mut job, &["apiVersion"], "batch/v1".into());
    set(&mut job, &["kind"], "Job".into());
    set(&mut job, &["metadata", "name"], name.into());
    if text(&job, "/metadata/namespace").is_empty() {
        set(&mut job, &["metadata", "namespace"], namespace.into());
    }
    let keep = act.duration("keep")?.unwrap_or(KEEP);
    set(&mut job, &["spec", "ttlSecondsAfterFinished"], keep.as_secs().into());
    Ok(job)
}

/// What the newest pod of the job left.
async fn result(act: &Act<'_>, target: &Target, job: &Value) -> Result<Value, Failure> {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let kind = act.cluster.kind("v1/Pod").await?;
    let labels = format!("batch.kubernetes.io/job-name={}", target.name);
    let (mut pods, _) = act.all(&kind, Some(namespace), Some(&labels), None, 500).await?;
    pods.sort_by_key(|pod| text(pod, "/metadata/creationTimestamp").to_owned());
    let mut result =
        json!({ "job": target.name, "namespace": namespace, "succeeded": condition(job, "Complete").is_some() });
    let Some(pod) = pods.last() else { return Ok(result) };
    let name = text(pod, "/metadata/name");
    let code = list(pod, "/status/containerStatuses").iter().find_map(|one| number(one, "/state/terminated/exitCode"));
    set(&mut result, &["pod"], name.into());
    set(&mut result, &["exitCode"], code.into());
    match act.log_of(namespace, name).await {
        Ok(log) => {
            act.call.log.line(&format!("the log of {name}:"));
            act.call.log.stream().write(log.as_bytes());
            let tail = log.char_indices().map(|(at, _)| at).find(|at| log.len() - at <= TAIL).unwrap_or(0);
            set(&mut result, &["log"], log.get(tail..).into());
        }
        // The result counts, with or without its log.
        Err(failure) => act.call.log.line(&format!("the log of {name} cannot be read: {}", failure.message)),
    }
    Ok(result)
}

async fn delete(cluster: &Cluster, path: &str, uid: &str) -> Result<(), Failure> {
    let options = json!({
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": { "uid": uid },
    });
    match cluster.send(Ask::delete(path, &options)).await {
        Err(failure) if matches!(failure.name.as_str(), "NotFound" | "Conflict") => Ok(()),
        other => other.map(drop),
    }
}

/// A job that is deleted when nobody waits for it any more.
///
/// It is there before the job is: the request that makes it may be given up while it is under way.
struct Guard(Option<(Cluster, String, String)>);

impl Guard {
    fn leave(mut self) {
        self.0 = None;
    }
}

/// Deletes the job of an effect, if there is one.
async fn remove(cluster: &Cluster, path: &str, effect: &str) -> Result<(), Failure> {
    let job = cluster.send(Ask::get(path)).await?;
    if annotation(&job, CAUSE).split(' ').next() == Some(effect) {
        delete(cluster, path, text(&job, "/metadata/uid")).await?;
    }
    Ok(())
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some((cluster, path, effect)) = self.0.take() else { return };
        // The log of the call stays open as long: what is said is said there.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { timeout(GRACE, remove(&cluster, &path, &effect)).await });
        }
    }
}
