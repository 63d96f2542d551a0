//! `kubernetes/annotate` and `label`.

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use super::change::Patch;
use super::{Act, changed, ready};
use crate::action::wrong;
use crate::kubernetes::object::outputs;

/// Sets annotations; null removes one.
pub(super) async fn annotate(act: &Act<'_>) -> Result<Value, Failure> {
    set(act, "annotations").await
}

/// Sets labels; null removes one.
pub(super) async fn label(act: &Act<'_>) -> Result<Value, Failure> {
    set(act, "labels").await
}

async fn set(act: &Act<'_>, field: &str) -> Result<Value, Failure> {
    let target = act.target().await?;
    let written = act.call.with.get(field).and_then(Value::as_object).filter(|map| !map.is_empty());
    let written = written.ok_or_else(|| wrong(format!("{} needs `{field}`, a map of texts", act.call.action)))?;
    let texts = written.iter().map(|(name, value)| match value {
        Value::String(_) | Value::Null => Ok((name.clone(), value.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string().into())),
        _ => Err(wrong(format!("`{name}` in `{field}` must be a text"))),
    });
    let texts: Value = Value::Object(texts.collect::<Result<_, _>>()?);
    let patch = Patch::Merge(json!({ "metadata": { field: texts } }));
    let mut done = act.change(&target.path(), |_| Ok(Some(patch.clone()))).await?;
    if let Some(name) = act.call.text("wait") {
        done.object = ready::wait(act, &target, name).await?;
    }
    Ok(changed(done.changed, outputs(&done.object)))
}
