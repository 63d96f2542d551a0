//! `kubernetes/apply`: server-side apply of one object or several.

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use super::target::Target;
use super::{Act, changed, ready};
use crate::action::wrong;
use crate::kubernetes::object::{outputs, text};

/// Applies the manifests in their order: what others need, such as their namespace, stands first.
pub(super) async fn apply(act: &Act<'_>) -> Result<Value, Failure> {
    let manifests: Vec<&Value> = match (act.call.field("manifest"), act.call.field("manifests")) {
        (Some(one), None) => vec![one],
        (None, Some(Value::Array(all))) if !all.is_empty() => all.iter().collect(),
        _ => return Err(wrong("kubernetes/apply needs `manifest`, an object, or `manifests`, a list of objects")),
    };
    let (mut any, mut objects) = (false, Vec::new());
    for manifest in manifests {
        let target = act.of_manifest(manifest).await?;
        let mut done = act.apply(&target.path(), manifest, act.is("force")).await?;
        act.call.log.line(&format!("{} {}", target.title(), if done.changed { "applied" } else { "unchanged" }));
        if let Some(name) = act.call.text("wait") {
            done.object = ready::wait(act, &target, name).await?;
        }
        any |= done.changed;
        objects.push(done.object);
    }
    match objects.as_slice() {
        [one] => Ok(changed(any, outputs(one))),
        all => {
            let all: Vec<Value> = all.iter().map(|one| Value::Object(outputs(one))).collect();
            Ok(json!({ "changed": any, "objects": all }))
        }
    }
}

impl Act<'_> {
    /// The object that a manifest describes.
    pub(super) async fn of_manifest(&self, manifest: &Value) -> Result<Target, Failure> {
        let part = |pointer: &str| match text(manifest, pointer) {
            "" => Err(wrong(format!("a manifest of {} has no `{}`", self.call.action, pointer[1..].replace('/', ".")))),
            text => Ok(text),
        };
        let kind = format!("{}/{}", part("/apiVersion")?, part("/kind")?);
        self.object(&kind, part("/metadata/name")?, Some(text(manifest, "/metadata/namespace"))).await
    }
}
