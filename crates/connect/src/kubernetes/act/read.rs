//! `kubernetes/get`, `list` and `logs`: what is read. What is in Secrets does not become an output.

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use super::Act;
use crate::action::wrong;
use crate::kubernetes::client::Ask;
use crate::kubernetes::kind::Kind;
use crate::kubernetes::object::{cleaned, list as items, outputs, set, text};

/// Objects of a page, and all that are listed unless `limit` says otherwise.
const PAGE: i64 = 500;
/// How much of a log is read.
const LOG: i64 = 1 << 20;
/// Pods whose logs one call reads.
const PODS: i64 = 20;

/// Reads one object.
pub(super) async fn get(act: &Act<'_>) -> Result<Value, Failure> {
    let target = act.target().await?;
    match act.cluster.send(Ask::get(target.path())).await {
        Ok(object) => {
            let mut outputs = outputs(&object);
            outputs.insert("found".to_owned(), true.into());
            Ok(Value::Object(outputs))
        }
        Err(failure) if failure.name == "NotFound" && act.is("missingOk") => {
            Ok(json!({ "found": false, "object": null }))
        }
        Err(failure) => Err(failure),
    }
}

/// Lists objects of a kind.
pub(super) async fn list(act: &Act<'_>) -> Result<Value, Failure> {
    let kind = act.cluster.kind(act.call.required("kind")?).await?;
    let limit = act.number("limit")?.unwrap_or(PAGE);
    let namespace = if act.is("allNamespaces") { None } else { Some(act.namespace()) };
    let (all, more) = act.all(&kind, namespace, act.call.text("labels"), act.call.text("fields"), limit).await?;
    let objects: Vec<Value> = all.into_iter().map(cleaned).collect();
    Ok(json!({ "count": objects.len(), "more": more, "items": objects }))
}

impl Act<'_> {
    /// The objects of a kind, page by page, at most so many; and whether there are more.
    pub(super) async fn all(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        labels: Option<&str>,
        fields: Option<&str>,
        limit: i64,
    ) -> Result<(Vec<Value>, bool), Failure> {
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let left = limit.saturating_sub(i64::try_from(all.len()).unwrap_or(i64::MAX));
            let mut ask = Ask::get(kind.path(namespace)).query("limit", left.min(PAGE));
            for (name, value) in
                [("labelSelector", labels), ("fieldSelector", fields), ("continue", Some(next.as_str()))]
            {
                if let Some(value) = value.filter(|value| !value.is_empty()) {
                    ask = ask.query(name, value);
                }
            }
            let page = self.cluster.send(ask).await?;
            for item in items(&page, "/items") {
                // The items of a list do not say what they are.
                let mut item = item.clone();
                set(&mut item, &["apiVersion"], kind.api_version().into());
                set(&mut item, &["kind"], kind.kind.clone().into());
                all.push(item);
            }
            text(&page, "/metadata/continue").clone_into(&mut next);
            if next.is_empty() || i64::try_from(all.len()).unwrap_or(i64::MAX) >= limit {
                return Ok((all, !next.is_empty()));
            }
        }
    }

    /// The log of a container, as far as it goes now.
    pub(super) async fn log_of(&self, namespace: &str, pod: &str) -> Result<String, Failure> {
        let kind = self.cluster.kind("v1/Pod").await?;
        let ask = Ask::get(format!("{}/log", kind.object(Some(namespace), pod))).accept("*/*").query("limitBytes", LOG);
        let ask = match self.call.text("container") {
            Some(container) => ask.query("container", container),
            None => ask,
        };
        let ask = match self.number("tail")? {
            Some(tail) => ask.query("tailLines", tail),
            None => ask,
        };
        let ask = match self.duration("since")? {
            Some(since) => ask.query("sinceSeconds", since.as_secs().max(1)),
            None => ask,
        };
        let ask = if self.is("previous") { ask.query("previous", true) } else { ask };
        let bytes = self.cluster.send_bytes(ask).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Reads the log of a pod, or of all pods with these labels, each line with its pod's name before it.
pub(super) async fn logs(act: &Act<'_>) -> Result<Value, Failure> {
    let namespace = act.namespace();
    if let Some(pod) = act.call.text("pod") {
        let log = act.log_of(namespace, pod).await?;
        return Ok(json!({ "text": log, "pods": [pod] }));
    }
    let labels = act.call.text("labels").filter(|labels| !labels.is_empty());
    let labels = labels.ok_or_else(|| wrong("kubernetes/logs needs `pod`, or `labels` that select pods"))?;
    let kind = act.cluster.kind("v1/Pod").await?;
    let (pods, _) = act.all(&kind, Some(namespace), Some(labels), None, PODS).await?;
    let (mut lines, mut names) = (String::new(), Vec::new());
    for pod in &pods {
        let name = text(pod, "/metadata/name");
        for line in act.log_of(namespace, name).await?.lines() {
            lines.push_str(&format!("{name}: {line}\n"));
        }
        names.push(name);
    }
    Ok(json!({ "text": lines, "pods": names }))
}
