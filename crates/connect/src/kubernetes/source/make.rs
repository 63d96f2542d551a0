//! From two versions of an object to the events of the change.

use ensue_event::{Attr, Data, Event, Key};
use serde_json::{Map, Value, json};

use super::clean::{at, number, text};
use super::diff::diff;
use super::facts::facts;
use super::known::{Kept, Known};
use super::owners::{Owners, join};
use crate::kubernetes::object::CAUSE;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// It was there when its kind was watched for the first time.
    Existing,
    /// It is new.
    Added,
    /// It is another version.
    Modified,
    /// It is gone; where objects come and go by a selector, its id needs the version too.
    Deleted { selects: bool },
    /// Nothing: it is sent again, in the round of this name.
    Again { round: &'a str },
}

/// Who sends.
#[derive(Debug)]
pub(super) struct Sender {
    /// `/kubernetes/CONNECTION`.
    pub(super) source: String,
    pub(super) owners: Owners,
}

impl Sender {
    /// A sender through a connection of this full name.
    pub(super) fn new(connection: &str) -> Sender {
        let short = connection.strip_prefix("default/").unwrap_or(connection);
        Sender { source: format!("/kubernetes/{short}"), owners: Owners::default() }
    }

    /// The events of a change of an object, and what is kept of it afterwards; none of both where only its version differs.
    pub(super) fn events(
        &self,
        what: What<'_>,
        old: Option<&Known>,
        object: Value,
        time: Option<String>,
    ) -> (Vec<Event>, Option<Kept>) {
        let found = old.filter(|_| what == What::Modified).map(|old| diff(&old.object, &object));
        let mark = mark(&object);
        let before = old.map(|old| text(&old.object, &["metadata", "annotations", CAUSE]));
        let same = mark.as_ref().is_some_and(|mark| before == Some(mark.whole.as_str()));
        let generation = number(&object, &["metadata", "generation"]);
        let marked = match (&mark, old) {
            (None, _) => None,
            // A mark that was there before belongs to the generation that came with it.
            (Some(_), Some(old)) if same => old.marked,
            (Some(_), _) if what == What::Existing => None,
            // A controller copies marks from what it makes objects of; they name a generation of that.
            (Some(mark), _) => {
                let named =
                    mark.generation.filter(|_| !at(&object, &["metadata", "ownerReferences"]).is_some_and(is_made));
                Some(named.or(generation).unwrap_or(0))
            }
        };
        if found.as_ref().is_some_and(|found| found.changed.is_empty()) {
            return (Vec::new(), None);
        }
        // Kinds without generations have only the change itself. A mark that came back with an old template, as `kubectl
        // rollout undo` brings it, names a generation that is over.
        let counts = marked.is_some_and(|made| generation.map_or(!same, |is| is == made));
        let cause = mark.filter(|_| counts);
        let (kind, name) = (text(&object, &["kind"]).to_owned(), text(&object, &["metadata", "name"]).to_owned());
        let chain = self.owners.chain(&object);
        let mut common = Map::new();
        for field in ["namespace", "name", "uid", "resourceVersion", "labels"] {
            if let Some(value) = at(&object, &["metadata", field]) {
                common.insert(field.to_owned(), value.clone());
            }
        }
        join(&mut common, &kind, &name, &chain);
        let uid = text(&object, &["metadata", "uid"]).to_owned();
        let version = text(&object, &["metadata", "resourceVersion"]).to_owned();
        let stamp = |id: String, kind: String, data: String| {
            let mut event = Event::new(id, self.source.as_str(), kind);
            event.subject = Some(subject(&object));
            event.time = time.as_deref().map(Into::into);
            event.content_type = Some("application/json".into());
            if let Some(cause) = &cause {
                event.set_extension("causationid", Attr::Text(cause.effect.to_string().into()));
                if let Some(depth) = cause.depth {
                    event.set_extension("ensuedepth", Attr::Int(depth));
                }
            }
            event.data = Data::Json(data.into());
            event
        };
        let mut data = common.clone();
        let (verb, id) = match what {
            What::Existing | What::Added => ("added", format!("{uid}:{version}:added")),
            What::Modified => ("modified", format!("{uid}:{version}:modified")),
            What::Deleted { selects: false } => ("deleted", format!("{uid}:deleted")),
            What::Deleted { selects: true } => {
                let known = old.map_or(version.as_str(), |old| text(&old.object, &["metadata", "resourceVersion"]));
                ("deleted", format!("{uid}:{known}:deleted"))
            }
            What::Again { round } => ("modified", format!("{uid}:{version}:{round}")),
        };
        match what {
            What::Existing => drop(data.insert("existing".into(), true.into())),
            What::Again { .. } => drop(data.insert("resync".into(), true.into())),
            _ => {}
        }
        if let Some(found) = found {
            data.insert("changed".into(), found.changed.into());
            data.insert("previous".into(), found.previous.into());
        }
        let api_version = text(&object, &["apiVersion"]);
        data.insert("apiVersion".into(), api_version.into());
        data.insert("group".into(), api_version.split_once('/').map_or("", |(group, _)| group).into());
        data.insert("kind".into(), kind.as_str().into());
        data.insert(
            "annotations".into(),
            at(&object, &["metadata", "annotations"]).cloned().unwrap_or_else(|| json!({})),
        );
        let derived = match what {
            What::Added | What::Modified => facts(old.map(|old| &old.object), &object),
            _ => Vec::new(),
        };
        let kept = Kept::of(&object, marked);
        let data = with_object(data, &kept.json);
        let mut events = vec![stamp(id, format!("io.k8s.{}.{verb}", kind.to_lowercase()), data)];
        for fact in derived {
            let mut data = common.clone();
            data.extend(fact.data);
            events.push(stamp(
                format!("{uid}:{}", fact.id),
                format!("io.k8s.{}", fact.name),
                Value::Object(data).to_string(),
            ));
        }
        (events, Some(kept))
    }
}

/// Data with the object in it, which is a text already: it is large, and needs neither a copy nor to be written twice.
fn with_object(data: Map<String, Value>, object: &str) -> String {
    let mut text = Value::Object(data).to_string();
    // Never empty: it names the kind.
    text.pop();
    text.push_str(",\"object\":");
    text.push_str(object);
    text.push('}');
    text
}

/// `NAMESPACE/NAME`, or the name alone.
pub(super) fn subject(object: &Value) -> Box<str> {
    let name = text(object, &["metadata", "name"]);
    match text(object, &["metadata", "namespace"]) {
        "" => name.into(),
        namespace => format!("{namespace}/{name}").into(),
    }
}

/// What a mark of ours says.
struct Mark {
    whole: String,
    effect: Key,
    depth: Option<i32>,
    /// Of the object that it was written on, where that counts them.
    generation: Option<i64>,
}

/// Whether a controller made what has these owners.
fn is_made(owners: &Value) -> bool {
    owners.as_array().into_iter().flatten().any(|owner| owner.get("controller") == Some(&Value::Bool(true)))
}

fn mark(object: &Value) -> Option<Mark> {
    let whole = text(object, &["metadata", "annotations", CAUSE]);
    let mut words = whole.split_whitespace();
    let effect = words.next()?.parse().ok()?;
    let (mut depth, mut generation) = (None, None);
    for word in words {
        match word.split_once('=') {
            Some(("depth", number)) => depth = depth.or(number.parse().ok().filter(|depth| *depth >= 0)),
            Some(("generation", number)) => generation = generation.or(number.parse().ok()),
            _ => {}
        }
    }
    Some(Mark { whole: whole.to_owned(), effect, depth, generation })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(generation: i64, version: &str, mark: Option<&str>) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "u",
            "generation": generation, "resourceVersion": version, "annotations": {CAUSE: mark}},
            "status": {"seen": version}})
    }

    #[test]
    fn a_mark_counts_for_the_change_and_the_generation_that_it_made() {
        let sender = Sender::new("default/prod");
        let one = format!("{} {} depth=3", Key([1; 16]), Key([2; 16]));
        let caused = |what, old: Option<&Known>, object| {
            let (events, kept) = sender.events(what, old, object, None);
            (
                events[0].extension_text("causationid").map(str::to_owned),
                events[0].depth(),
                kept.unwrap().known().unwrap(),
            )
        };
        let (cause, _, first) = caused(What::Existing, None, deployment(1, "1", None));
        assert_eq!(cause, None);
        let (cause, depth, second) = caused(What::Modified, Some(&first), deployment(2, "2", Some(&one)));
        assert_eq!((cause, depth), (Some(Key([1; 16]).to_string()), 3));
        // Its status changes.
        let (cause, _, third) = caused(What::Modified, Some(&second), deployment(2, "3", Some(&one)));
        assert!(cause.is_some());
        // Somebody else changes it: the mark stays, and says nothing any more.
        let (cause, _, fourth) = caused(What::Modified, Some(&third), deployment(3, "4", Some(&one)));
        assert_eq!(cause, None);
        let (cause, _, _) = caused(What::Modified, Some(&fourth), deployment(3, "5", Some(&one)));
        assert_eq!(cause, None);
        // One that was there before we looked.
        let (cause, _, known) = caused(What::Existing, None, deployment(2, "2", Some(&one)));
        assert_eq!(cause, None);
        let (cause, _, _) = caused(What::Modified, Some(&known), deployment(2, "3", Some(&one)));
        assert_eq!(cause, None);
        // One that names its generation counts for no other, as when it comes back with an old template.
        let named = format!("{one} generation=2");
        let (cause, _, known) = caused(What::Modified, Some(&first), deployment(2, "2", Some(&named)));
        assert!(cause.is_some());
        let (cause, _, _) = caused(What::Modified, Some(&known), deployment(2, "3", Some(&named)));
        assert!(cause.is_some());
        let (cause, _, back) = caused(What::Modified, Some(&first), deployment(4, "9", Some(&named)));
        assert_eq!(cause, None);
        let (cause, _, _) = caused(What::Modified, Some(&back), deployment(4, "10", Some(&named)));
        assert_eq!(cause, None);
        // What a controller made carries the mark of what it was made of.
        let mut set = deployment(1, "3", Some(&named));
        set["metadata"]["ownerReferences"] = json!([{"kind": "Deployment", "name": "web", "controller": true}]);
        let (cause, _, _) = caused(What::Added, None, set);
        assert!(cause.is_some());
    }

    #[test]
    fn ids_are_the_same_each_time() {
        let sender = Sender::new("ops/prod");
        let old = Known { object: deployment(1, "1", None), marked: None };
        let (events, _) = sender.events(What::Modified, Some(&old), deployment(1, "2", None), None);
        assert_eq!((&*events[0].id, &*events[0].source), ("u:2:modified", "/kubernetes/ops/prod"));
        assert_eq!(events[0].subject.as_deref(), Some("shop/web"));
        let data: Value = serde_json::from_slice(events[0].json().unwrap()).unwrap();
        assert_eq!((&data["object"], &data["kind"]), (&deployment(1, "2", None), &json!("Deployment")));
        let deleted = |selects, version| {
            sender.events(What::Deleted { selects }, Some(&old), deployment(1, version, None), None).0[0].id.clone()
        };
        // Seen by a watch it has a newer version than seen by a list.
        assert_eq!((&*deleted(false, "1"), &*deleted(false, "9")), ("u:deleted", "u:deleted"));
        assert_eq!((&*deleted(true, "1"), &*deleted(true, "9")), ("u:1:deleted", "u:1:deleted"));
    }
}
