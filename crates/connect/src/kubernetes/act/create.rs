//! `kubernetes/create`: an object of any kind, whose name is made of the effect's key where it has only a prefix.

use ensue_event::ours::Failure;
use serde_json::Value;

use super::{Act, MANAGER, changed, ready};
use crate::action::wrong;
use crate::kubernetes::client::Ask;
use crate::kubernetes::object::{CAUSE, is_by, outputs, set, text};

/// Creates it, and waits for it where that is asked.
pub(super) async fn create(act: &Act<'_>) -> Result<Value, Failure> {
    let mut manifest = act.call.field("manifest").cloned().unwrap_or_default();
    let prefix = text(&manifest, "/metadata/generateName").to_owned();
    if text(&manifest, "/metadata/name").is_empty() && !prefix.is_empty() {
        set(&mut manifest, &["metadata", "name"], format!("{prefix}{}", act.suffix()).into());
        set(&mut manifest, &["metadata", "generateName"], Value::Null);
    }
    let target = act.of_manifest(&manifest).await?;
    let mut object = act.create(&target.kind.path(target.namespace.as_deref()), &target.path(), manifest).await?;
    act.call.log.line(&format!("{} created", target.title()));
    if let Some(name) = act.call.text("wait") {
        object = ready::wait(act, &target, name).await?;
    }
    Ok(changed(true, outputs(&object)))
}

impl Act<'_> {
    /// What makes a name the effect's own.
    pub(super) fn suffix(&self) -> String {
        self.call
            .effect
            .to_string()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(10)
            .collect::<String>()
            .to_lowercase()
    }

    /// Creates an object, unless this effect has done it already.
    pub(super) async fn create(&self, path: &str, object: &str, mut manifest: Value) -> Result<Value, Failure> {
        // What is new begins with its first generation, where its kind counts them.
        set(&mut manifest, &["metadata", "annotations", CAUSE], self.call.mark_of("generation=1").into());
        let ask = Ask::create(path, &manifest).query("fieldManager", MANAGER).repeatable(true);
        match self.cluster.send(ask).await {
            Err(failure) if failure.name == "AlreadyExists" => {
                let known = self.cluster.send(Ask::get(object)).await?;
                if is_by(&known, self.call) { Ok(known) } else { Err(failure) }
            }
            Err(failure) if failure.name == "NotFound" && text(&manifest, "/metadata/namespace").is_empty() => {
                Err(wrong(failure.message))
            }
            other => other,
        }
    }
}
