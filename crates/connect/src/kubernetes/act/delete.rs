//! `kubernetes/delete`: what is not there counts as deleted, unless `missingOk: false`.

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use super::Act;
use super::follow::Look;
use crate::kubernetes::client::Ask;
use crate::kubernetes::object::{list, set, text};

/// Deletes the object that is there now: one that takes its name meanwhile stays.
pub(super) async fn delete(act: &Act<'_>) -> Result<Value, Failure> {
    let target = act.target().await?;
    let path = target.path();
    let missing = |failure: Failure| {
        if failure.name != "NotFound" || !act.unless("missingOk") {
            return Err(failure);
        }
        Ok(json!({ "deleted": false }))
    };
    let object = match act.cluster.send(Ask::get(&path)).await {
        Ok(object) => object,
        Err(failure) => return missing(failure),
    };
    let uid = text(&object, "/metadata/uid").to_owned();
    if object.pointer("/metadata/deletionTimestamp").is_none() {
        let mut options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": uid },
            "propagationPolicy": act.call.text("propagation").unwrap_or("Background"),
        });
        if let Some(grace) = act.duration("gracePeriod")? {
            set(&mut options, &["gracePeriodSeconds"], grace.as_secs().into());
        }
        match act.cluster.send(Ask::delete(&path, &options)).await {
            Ok(_) => {}
            // Another of this name: the one that was meant is gone.
            Err(failure) if failure.name == "Conflict" => {}
            Err(failure) => return missing(failure),
        }
    } else {
        act.call.log.line(&format!("{} is being deleted already", target.title()));
    }
    if act.is("wait") {
        act.gone(&target, &uid).await?;
    }
    Ok(json!({ "deleted": true, "uid": uid }))
}

impl Act<'_> {
    /// Waits until the object with this uid is gone.
    pub(super) async fn gone(&self, target: &super::target::Target, uid: &str) -> Result<(), Failure> {
        self.follow(target, |object| match object {
            Some(object) if text(object, "/metadata/uid") == uid => {
                let held: Vec<&str> = list(object, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
                let held = if held.is_empty() { String::new() } else { format!("; held by {}", held.join(", ")) };
                Ok(Look::Waits(format!("{} is still there{held}", target.title())))
            }
            _ => Ok(Look::Done(())),
        })
        .await
    }
}
