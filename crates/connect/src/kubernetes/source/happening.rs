//! Events of the cluster: `events.k8s.io/v1` and `v1` say the same in other words, and count in other ways.

use ensue_event::Event;
use serde_json::{Map, Value, json};

use super::clean::{at, number, text};
use super::make::Sender;
use super::owners::join;

/// What is kept of one: how often it was seen.
pub(super) fn kept(count: i64) -> Value {
    json!({ "count": count })
}

/// How often it happened so far. Controllers count in `count`, newer reporters in `series`; the scheduler's first has
/// neither.
pub(super) fn count(object: &Value) -> i64 {
    let ways: [&[&str]; 3] = [&["series", "count"], &["deprecatedCount"], &["count"]];
    ways.iter().filter_map(|path| number(object, path)).max().unwrap_or(1).max(1)
}

fn first_of<'v>(object: &'v Value, ways: &[&[&str]]) -> &'v str {
    ways.iter().map(|path| text(object, path)).find(|found| !found.is_empty()).unwrap_or_default()
}

/// The event of one that happened `count` times, `before` of which are told already.
pub(super) fn event(sender: &Sender, object: &Value, before: i64) -> Event {
    let count = count(object);
    let about = at(object, &["regarding"]).or_else(|| at(object, &["involvedObject"])).unwrap_or(&Value::Null);
    let (kind, name) = (text(about, &["kind"]), text(about, &["name"]));
    let last = first_of(
        object,
        &[
            &["series", "lastObservedTime"],
            &["deprecatedLastTimestamp"],
            &["lastTimestamp"],
            &["eventTime"],
            &["metadata", "creationTimestamp"],
        ],
    );
    let first = first_of(object, &[&["deprecatedFirstTimestamp"], &["firstTimestamp"], &["eventTime"]]);
    let reporter = first_of(
        object,
        &[
            &["reportingController"],
            &["reportingComponent"],
            &["deprecatedSource", "component"],
            &["source", "component"],
        ],
    );
    let mut data = Map::new();
    for (field, value) in [
        ("reason", text(object, &["reason"])),
        ("type", text(object, &["type"])),
        ("note", first_of(object, &[&["note"], &["message"]])),
        ("action", text(object, &["action"])),
        ("reporter", reporter),
        ("namespace", text(about, &["namespace"])),
        ("name", name),
        ("kind", kind),
        ("apiVersion", text(about, &["apiVersion"])),
        ("uid", text(about, &["uid"])),
        ("fieldPath", text(about, &["fieldPath"])),
        ("first", first),
        ("last", last),
    ] {
        if !value.is_empty() {
            data.insert(field.to_owned(), value.into());
        }
    }
    data.insert("count".into(), count.into());
    data.insert("delta".into(), (count - before).into());
    join(&mut data, kind, name, &sender.owners.chain_of(text(about, &["uid"])));
    let reason = text(object, &["reason"]);
    let reason = if reason.is_empty() { "Unknown" } else { reason };
    let id = format!("{}:{count}", text(object, &["metadata", "uid"]));
    let mut event = Event::new(id, sender.source.as_str(), format!("io.k8s.event.{reason}"));
    event.subject = Some(match text(about, &["namespace"]) {
        "" => name.into(),
        namespace => format!("{namespace}/{name}").into(),
    });
    event.time = (!last.is_empty()).then(|| last.into());
    event.content_type = Some("application/json".into());
    event.with_json(&Value::Object(data))
}
