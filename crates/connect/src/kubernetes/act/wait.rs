//! `kubernetes/wait-for`: until an object is as it must be.

use ensue_event::ours::Failure;
use ensue_expr::{Budget, Names, Program, Value as Cel};
use serde_json::{Value, json};

use super::follow::Look;
use super::{Act, ready};
use crate::action::wrong;
use crate::kubernetes::client::Ask;
use crate::kubernetes::object::{cleaned, condition, outputs, text};

/// Waits for a condition, an expression, a ready-made sign, or for the object to go.
pub(super) async fn wait_for(act: &Act<'_>) -> Result<Value, Failure> {
    let target = act.target().await?;
    let title = target.title();
    if act.is("deleted") {
        let uid = match act.cluster.send(Ask::get(target.path())).await {
            Ok(object) => text(&object, "/metadata/uid").to_owned(),
            Err(failure) if failure.name == "NotFound" => return Ok(json!({ "object": null })),
            Err(failure) => return Err(failure),
        };
        act.gone(&target, &uid).await?;
        return Ok(json!({ "object": null }));
    }
    if let Some(name) = act.call.text("wait") {
        return Ok(Value::Object(outputs(&ready::wait(act, &target, name).await?)));
    }
    if let Some(written) = act.call.text("condition") {
        let (kind, wanted) = written.split_once('=').unwrap_or((written, "True"));
        let object = act.follow(&target, |object| {
            let found = object.and_then(|object| condition(object, kind));
            Ok(match (object, found) {
                (Some(object), Some(found)) if text(found, "/status") == wanted => Look::Done(object.clone()),
                (Some(_), Some(found)) => Look::Waits(format!(
                    "{title}: {kind} is {}: {} {}",
                    text(found, "/status"),
                    text(found, "/reason"),
                    text(found, "/message")
                )),
                (Some(_), None) => Look::Waits(format!("{title} has no condition {kind} yet")),
                (None, _) => Look::Waits(format!("{title} is not there yet")),
            })
        });
        return Ok(Value::Object(outputs(&object.await?)));
    }
    let written = act.call.text("if");
    let written =
        written.ok_or_else(|| wrong("kubernetes/wait-for needs `condition`, `if`, `wait` or `deleted: true`"))?;
    let expression = |why: String| Failure::new("Expression", format!("`if: {written}` of {}: {why}", act.call.action));
    let program = Program::compile(written).map_err(|why| expression(why.to_string()))?;
    let object = act.follow(&target, |object| {
        let Some(object) = object else { return Ok(Look::Waits(format!("{title} is not there yet"))) };
        // What is in Secrets is not for expressions either.
        let shown = cleaned(object.clone()).to_string();
        let value = Cel::from_json(shown.as_bytes()).map_err(|why| expression(why.to_string()))?;
        match program.test(&Names::new().with("object", value), &mut Budget::new()) {
            Ok(true) => Ok(Look::Done(object.clone())),
            Ok(false) => Ok(Look::Waits(format!("{title}: {written} does not hold yet"))),
            // A status that is not there yet.
            Err(why) => Ok(Look::Waits(format!("{title}: {written} cannot be told yet: {why}"))),
        }
    });
    Ok(Value::Object(outputs(&object.await?)))
}
