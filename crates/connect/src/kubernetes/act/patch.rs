//! `kubernetes/patch`: a patch of any object, in one of three languages.

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use super::change::Patch;
use super::{Act, changed, ready};
use crate::action::wrong;
use crate::kubernetes::object::{outputs, text};

/// Patches it.
pub(super) async fn patch(act: &Act<'_>) -> Result<Value, Failure> {
    let target = act.target().await?;
    let written = act.call.field("patch").ok_or_else(|| wrong("kubernetes/patch needs `patch`"))?;
    let patch = match (act.call.text("type").unwrap_or("merge"), written) {
        ("merge", Value::Object(_)) => Patch::Merge(written.clone()),
        ("strategic", Value::Object(_)) => Patch::Strategic(written.clone()),
        ("json", Value::Array(operations)) => Patch::Json(operations.clone()),
        ("json", _) => return Err(wrong("`patch` with `type: json` is a list of operations: { op, path, value }")),
        _ => return Err(wrong("`patch` is a map of what is to change; a list of operations needs `type: json`")),
    };
    let path = target.path();
    let part = act.call.text("subresource").filter(|part| !part.is_empty());
    if part.is_some() && matches!(patch, Patch::Json(_)) {
        // Custom kinds keep no mark there, and operations may do something else the second time.
        return Err(wrong(
            "a subresource is not patched by a list of operations: that could be done twice; write a map",
        ));
    }
    let part = match part {
        Some(part) if part.bytes().all(|byte| byte.is_ascii_lowercase()) => format!("{path}/{part}"),
        Some(part) => return Err(wrong(format!("`{part}` is no subresource; write `status` or `scale`"))),
        None => path.clone(),
    };
    let wanted = act.call.text("resourceVersion");
    let make = |before: &Value| match wanted {
        Some(wanted) if wanted != text(before, "/metadata/resourceVersion") => {
            let is = text(before, "/metadata/resourceVersion");
            let mut failure =
                Failure::new("Conflict", format!("{} is at version {is}, not at {wanted}", target.title()));
            failure.details = json!({ "resourceVersion": is });
            Err(failure)
        }
        _ => Ok(Some(patch.clone())),
    };
    let mut done = act.change_at(&path, &part, make).await?;
    if let Some(name) = act.call.text("wait") {
        done.object = ready::wait(act, &target, name).await?;
    }
    Ok(changed(done.changed, outputs(&done.object)))
}
