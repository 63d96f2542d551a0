//! One change of one object: read, tried, and written with a mark, unless this effect has done it before.

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use super::{Act, MANAGER};
use crate::kubernetes::client::{APPLY_PATCH, Ask, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH};
use crate::kubernetes::object::{CAUSE, annotation, is_by, list, number, set, text};

/// How often an object is read again because somebody else wrote it in between; controllers do so often.
const ROUNDS: usize = 8;

/// How an object is changed.
#[derive(Clone, Debug)]
pub(super) enum Patch {
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' own: lists are merged by key.
    Strategic(Value),
    /// RFC 6902.
    Json(Vec<Value>),
}

/// An object after a change.
pub(super) struct Changed {
    pub(super) object: Value,
    /// Whether this effect changed it, now or before.
    pub(super) changed: bool,
}

impl Patch {
    fn ask(&self, path: &str) -> Ask {
        let ask = match self {
            Patch::Merge(patch) => Ask::patch(path, MERGE_PATCH, patch),
            Patch::Strategic(patch) => Ask::patch(path, STRATEGIC_MERGE_PATCH, patch),
            Patch::Json(patch) => Ask::patch(path, JSON_PATCH, &json!(patch)),
        };
        ask.query("fieldManager", MANAGER)
    }

    /// The same with a mark, and for this version of the object only. `after` is what it makes of it.
    fn marked(self, version: &str, after: &Value, mark: String) -> Patch {
        let fill = |mut patch: Value| {
            set(&mut patch, &["metadata", "resourceVersion"], version.into());
            set(&mut patch, &["metadata", "annotations", CAUSE], mark.clone().into());
            patch
        };
        match self {
            Patch::Merge(patch) => Patch::Merge(fill(patch)),
            Patch::Strategic(patch) => Patch::Strategic(fill(patch)),
            Patch::Json(mut operations) => {
                operations.insert(0, json!({ "op": "test", "path": "/metadata/resourceVersion", "value": version }));
                operations.push(match after.pointer("/metadata/annotations") {
                    Some(_) => json!({ "op": "add", "path": "/metadata/annotations/ensue.dev~1cause", "value": mark }),
                    None => json!({ "op": "add", "path": "/metadata/annotations", "value": { CAUSE: mark } }),
                });
                Patch::Json(operations)
            }
        }
    }
}

/// Whether two states of an object differ in nothing but when and how often they were written.
fn same(before: &Value, after: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        set(&mut object, &["metadata", "resourceVersion"], Value::Null);
        if let Some(managers) = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
            managers.iter_mut().for_each(|one| set(one, &["time"], Value::Null));
        }
        object
    };
    bare(before) == bare(after)
}

/// Whether somebody else wrote the object since it was read. A JSON patch says so as a test that fails (422); it was
/// accepted a moment ago.
fn outrun(failure: &Failure, patch: Option<&Patch>) -> bool {
    failure.name == "Conflict" || (failure.name == "Invalid" && matches!(patch, Some(Patch::Json(_))))
}

impl Act<'_> {
    /// The mark of this effect for what a write makes of an object, of which `after` is the trial without a mark.
    fn mark(&self, before: Option<&Value>, after: &Value) -> String {
        let of = |object: &Value| number(object, "/metadata/generation");
        // A deployment counts its annotations too, so that the mark alone makes a generation.
        let alone = text(after, "/kind") == "Deployment" && before.is_some_and(|before| of(before) == of(after));
        let made = of(after).map(|number| format!("generation={}", number + i64::from(alone)));
        self.call.mark_of(&made.unwrap_or_default())
    }

    /// Changes the object at a path. `make` says how, of the object as it is, and again when somebody else wrote it in
    /// between; nothing if nothing is to be done.
    pub(super) async fn change(
        &self,
        path: &str,
        make: impl FnMut(&Value) -> Result<Option<Patch>, Failure>,
    ) -> Result<Changed, Failure> {
        self.change_at(path, path, make).await
    }

    /// The same, where what is written is a subresource.
    pub(super) async fn change_at(
        &self,
        path: &str,
        part: &str,
        mut make: impl FnMut(&Value) -> Result<Option<Patch>, Failure>,
    ) -> Result<Changed, Failure> {
        let mut round = 0;
        loop {
            let before = self.cluster.send(Ask::get(path)).await?;
            if is_by(&before, self.call) {
                self.call.log.line("this effect has changed it already");
                return Ok(Changed { object: before, changed: true });
            }
            let Some(patch) = make(&before)? else { return Ok(Changed { object: before, changed: false }) };
            let after = self.cluster.send(patch.ask(part).query("dryRun", "All")).await?;
            if same(&before, &after) {
                self.call.log.line("there is nothing to change");
                return Ok(Changed { object: before, changed: false });
            }
            let version = text(&before, "/metadata/resourceVersion");
            let patch = patch.marked(version, &after, self.mark(Some(&before).filter(|_| part == path), &after));
            match self.cluster.send(patch.ask(part)).await {
                Ok(object) => return Ok(Changed { object, changed: true }),
                Err(failure) if round < ROUNDS && outrun(&failure, Some(&patch)) => round += 1,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Server-side apply of an object. Whose fields are in the way is found out by trying; what is written then is for
    /// the version that was tried.
    pub(super) async fn apply(&self, path: &str, manifest: &Value, force: bool) -> Result<Changed, Failure> {
        let mut round = 0;
        loop {
            let before = match self.cluster.send(Ask::get(path)).await {
                Ok(object) => Some(object),
                Err(failure) if failure.name == "NotFound" => None,
                Err(failure) => return Err(failure),
            };
            if let Some(before) = before.as_ref().filter(|before| is_by(before, self.call)) {
                self.call.log.line("this effect has applied it already");
                return Ok(Changed { object: before.clone(), changed: true });
            }
            let mut config = manifest.clone();
            // A mark that stands there stays while it is tried: without it the object would seem to change.
            let mark = before.as_ref().map(|before| annotation(before, CAUSE)).filter(|mark| !mark.is_empty());
            if let Some(mark) = mark {
                set(&mut config, &["metadata", "annotations", CAUSE], mark.into());
            }
            let ask = |config: &Value, force: bool| {
                let ask = Ask::patch(path, APPLY_PATCH, config).query("fieldManager", MANAGER);
                if force { ask.query("force", true) } else { ask }
            };
            let after = self.cluster.send(ask(&config, force).query("dryRun", "All")).await?;
            if let Some(before) = before.as_ref().filter(|before| same(before, &after)) {
                return Ok(Changed { object: before.clone(), changed: false });
            }
            set(&mut config, &["metadata", "annotations", CAUSE], self.mark(before.as_ref(), &after).into());
            if let Some(before) = &before {
                set(&mut config, &["metadata", "resourceVersion"], text(before, "/metadata/resourceVersion").into());
            }
            // In this version nothing but the mark can be another's: a patch of ours has it.
            match self.cluster.send(ask(&config, force || before.is_some())).await {
                Ok(object) => return Ok(Changed { object, changed: true }),
                Err(failure) if round < ROUNDS && outrun(&failure, None) && !owned(&failure) => round += 1,
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Whether fields belong to somebody else, which reading again does not change.
fn owned(failure: &Failure) -> bool {
    list(&failure.details, "/causes").iter().any(|cause| text(cause, "/reason") == "FieldManagerConflict")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_put_where_the_patch_can_carry_it() {
        let after = json!({ "metadata": { "annotations": {} } });
        let Patch::Merge(merge) = Patch::Merge(json!({ "spec": 1 })).marked("7", &after, "m".to_owned()) else {
            panic!()
        };
        assert_eq!(merge, json!({ "spec": 1, "metadata": { "resourceVersion": "7", "annotations": { CAUSE: "m" } } }));
        let Patch::Json(list) =
            Patch::Json(vec![json!({ "op": "remove", "path": "/spec" })]).marked("7", &json!({}), "m".to_owned())
        else {
            panic!()
        };
        assert_eq!(
            list,
            [
                json!({ "op": "test", "path": "/metadata/resourceVersion", "value": "7" }),
                json!({ "op": "remove", "path": "/spec" }),
                json!({ "op": "add", "path": "/metadata/annotations", "value": { CAUSE: "m" } }),
            ]
        );
    }

    #[test]
    fn when_and_how_often_something_was_written_is_no_difference() {
        let one = json!({ "metadata": { "resourceVersion": "1", "managedFields": [{ "manager": "a", "time": "x" }] } });
        let other =
            json!({ "metadata": { "resourceVersion": "2", "managedFields": [{ "manager": "a", "time": "y" }] } });
        assert!(same(&one, &other));
        assert!(!same(&one, &json!({ "metadata": { "resourceVersion": "1", "managedFields": [] } })));
    }
}
