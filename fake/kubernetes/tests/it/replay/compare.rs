//! Whether an answer is the recorded one, but for what a server makes up: uids, ends of names, hashes, addresses, times and
//! resource versions. What was equal in the recording is equal here, and versions of one object keep their order.

use std::collections::BTreeMap;

use serde_json::Value;

/// What recorded values became. Each stands for one value, and each value for one of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maps {
    made_up: BTreeMap<String, String>,
    back: BTreeMap<String, String>,
    /// Versions by the uid of their object; of lists by an empty one.
    versions: BTreeMap<(String, u64), u64>,
    /// The newest meaning of each recorded version, for requests.
    pub(crate) last: BTreeMap<u64, String>,
    pub(crate) tokens: BTreeMap<String, String>,
}

/// A place where an answer differs.
#[derive(Clone, Debug)]
pub(crate) struct Difference(pub(crate) String);

const MADE_UP_LETTERS: &str = "bcdfghjklmnpqrstvwxz2456789";

/// Parts of a text: runs of letters and digits, and what is between them. A uid is one part.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let uid = rest.get(..36).filter(|part| is_uid(part));
        let time = rest.get(..20).filter(|part| is_time(part));
        let length = if let Some(uid) = uid {
            uid.len()
        } else if time.is_some() {
            20
        } else {
            let word = rest.find(|one: char| !one.is_alphanumeric()).unwrap_or(rest.len());
            if word > 0 { word } else { rest.chars().next().map_or(1, char::len_utf8) }
        };
        let (part, after) = rest.split_at(length);
        parts.push(part);
        rest = after;
    }
    parts
}

fn is_uid(text: &str) -> bool {
    text.len() == 36
        && text
            .char_indices()
            .all(|(at, one)| if [8, 13, 18, 23].contains(&at) { one == '-' } else { one.is_ascii_hexdigit() })
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.len() >= 20
        && bytes.iter().take(19).enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
        && text.ends_with('Z')
        && bytes.get(19..text.len() - 1).unwrap_or_default().iter().all(|byte| *byte == b'.' || byte.is_ascii_digit())
}

fn is_made_up(text: &str) -> bool {
    let safe = (5..=10).contains(&text.len()) && text.chars().all(|one| MADE_UP_LETTERS.contains(one));
    let hex = (14..=17).contains(&text.len()) || text.len() == 64;
    safe || hex && text.chars().all(|one| one.is_ascii_hexdigit()) || is_uid(text)
}

impl Maps {
    /// The value of a request here: what stands for a recorded text.
    pub(crate) fn here(&self, text: &str) -> String {
        if let Some(token) = self.tokens.get(text) {
            return token.clone();
        }
        parts(text).into_iter().map(|part| self.made_up.get(part).map_or(part, String::as_str)).collect()
    }

    /// The version that stands for a recorded one: itself if the recording never met it.
    pub(crate) fn version(&self, text: &str) -> String {
        let Ok(number) = text.parse::<u64>() else { return text.to_owned() };
        if let Some(exact) = self.last.get(&number) {
            return exact.clone();
        }
        match (self.last.range(..number).next_back(), self.last.range(number..).next()) {
            // Versions of another time, such as one far ahead, stand for themselves.
            (Some((_, below)), _) if number < 1_000_000 => below.clone(),
            _ => text.to_owned(),
        }
    }

    fn pair(&mut self, recorded: &str, found: &str) -> bool {
        match (self.made_up.get(recorded), self.back.get(found)) {
            (None, None) => {
                self.made_up.insert(recorded.to_owned(), found.to_owned());
                self.back.insert(found.to_owned(), recorded.to_owned());
                true
            }
            (known, _) => known.is_some_and(|known| known == found),
        }
    }

    /// Whether two texts are the same but for what is made up.
    pub(crate) fn same_text(&mut self, recorded: &str, found: &str) -> bool {
        let cut = recorded.starts_with('<') && recorded.ends_with('>') && recorded != "<nil>";
        if recorded == found || cut || recorded == "kubernetes.default.svc" {
            return true;
        }
        if is_time(recorded) && is_time(found) {
            return recorded.len() == found.len();
        }
        let is_age = |text: &str| {
            text.len() > 1
                && text.ends_with(['s', 'm', 'h'])
                && text.chars().all(|one| one.is_ascii_digit() || "smh".contains(one))
        };
        if is_age(recorded) && is_age(found) {
            return true;
        }
        let (left, right) = (parts(recorded), parts(found));
        let version = recorded.to_lowercase().contains("version") || recorded.contains("10.244.");
        left.len() == right.len()
            && left.iter().zip(&right).all(|(recorded, found)| {
                let digits = |text: &str| text.chars().all(|one| one.is_ascii_digit());
                *recorded == *found
                    || version && digits(recorded) && digits(found)
                    || is_time(recorded) && is_time(found)
                    || is_made_up(recorded) && is_made_up(found) && self.pair(recorded, found)
            })
    }

    fn same_version(&mut self, uid: &str, recorded: &str, found: &str) -> bool {
        let (Ok(left), Ok(right)) = (recorded.parse::<u64>(), found.parse::<u64>()) else { return recorded == found };
        self.last.insert(left, found.to_owned());
        let key = (uid.to_owned(), left);
        if let Some(known) = self.versions.get(&key) {
            return uid.is_empty() || *known == right;
        }
        let below = self.versions.range((uid.to_owned(), 0)..key.clone()).next_back().map(|(_, version)| *version);
        let above = self.versions.range(key.clone()..(uid.to_owned(), u64::MAX)).next().map(|(_, version)| *version);
        self.versions.insert(key, right);
        let loose = u64::from(uid.is_empty());
        below.is_none_or(|below| below < right + loose) && above.is_none_or(|above| right < above + loose)
    }
}

/// Entries of managedFields in an order of their own; the stand-in kubelet of the recordings wrote as `ensue-recorder`.
fn sorted(list: &Value) -> Vec<Value> {
    let mut list = list.as_array().cloned().unwrap_or_default();
    for one in &mut list {
        if one["manager"] == "kubelet" {
            one["manager"] = "ensue-recorder".into();
        }
    }
    list.sort_by_key(|one| {
        format!("{}/{}/{}/{}", one["manager"], one["operation"], one["subresource"], one["apiVersion"])
    });
    list
}

/// Compares, adding what differs to `into`.
pub(crate) fn compare(maps: &mut Maps, recorded: &Value, found: &Value, path: &str, into: &mut Vec<Difference>) {
    let uid = recorded["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    compare_at(maps, recorded, found, path, &uid, into);
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 160 { format!("{}…", text.chars().take(160).collect::<String>()) } else { text }
}

fn compare_at(maps: &mut Maps, recorded: &Value, found: &Value, path: &str, uid: &str, into: &mut Vec<Difference>) {
    let mut tell = |what: String| into.push(Difference(format!("{path}: {what}")));
    match (recorded, found) {
        (Value::Object(left), Value::Object(right)) => {
            let uid = recorded["metadata"]["uid"].as_str().or(recorded["uid"].as_str()).unwrap_or(uid).to_owned();
            let mut open: Vec<&String> = right.keys().filter(|key| !left.contains_key(*key)).collect();
            for (key, value) in left {
                let here = format!("{path}/{key}");
                let other = match right.get(key) {
                    Some(other) => other,
                    None => {
                        let at = open.iter().position(|other| maps.same_text(key, other));
                        match at {
                            Some(at) => &right[open.remove(at)],
                            None => {
                                into.push(Difference(format!("{here}: missing, recorded {}", short(value))));
                                continue;
                            }
                        }
                    }
                };
                match (key.as_str(), value.as_str(), other.as_str()) {
                    // Of the object of an event: whoever wrote the event says it.
                    ("resourceVersion", Some(_), Some(_))
                        if path.ends_with("/involvedObject") || path.ends_with("/regarding") => {}
                    ("resourceVersion", Some(left), Some(right)) => {
                        if !maps.same_version(&uid, left, right) {
                            into.push(Difference(format!(
                                "{here}: recorded {left}, found {right}: order or equality lost"
                            )));
                        }
                    }
                    ("continue", Some(left), Some(right)) if left.is_empty() == right.is_empty() => {
                        maps.tokens.insert(left.to_owned(), right.to_owned());
                    }
                    ("managedFields", ..) => {
                        compare_at(maps, &sorted(value).into(), &sorted(other).into(), &here, &uid, into);
                    }
                    ("items" | "rows", ..) => compare_items(maps, value, other, &here, into),
                    ("causes" | "message", ..) => compare_causes(maps, value, other, &here, into),
                    _ => compare_at(maps, value, other, &here, &uid, into),
                }
            }
            for key in open {
                into.push(Difference(format!("{path}/{key}: not recorded, found {}", short(&right[key]))));
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                tell(format!("recorded {} items, found {}: {}", left.len(), right.len(), short(found)));
                return;
            }
            let set = left.iter().all(|one| one.as_str().is_some_and(is_uid));
            if set {
                // Uids of pods, in the order of a set.
                let known = |maps: &Maps| {
                    left.iter().all(|one| {
                        let here = one.as_str().and_then(|one| maps.made_up.get(one));
                        here.is_none_or(|here| right.iter().any(|other| other == here))
                    })
                };
                if known(maps) {
                    return;
                }
            }
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                compare_at(maps, left, right, &format!("{path}/{at}"), uid, into);
            }
        }
        (Value::String(left), Value::String(right)) => {
            if !maps.same_text(left, right) {
                tell(format!("recorded {}, found {}", short(recorded), short(found)));
            }
        }
        _ if recorded == found => {}
        _ => tell(format!("recorded {}, found {}", short(recorded), short(found))),
    }
}

/// Causes of a custom object come in the order of a Go map, which is another each time; so does the list in the message.
fn compare_causes(maps: &mut Maps, recorded: &Value, found: &Value, path: &str, into: &mut Vec<Difference>) {
    let (mut trial, mut differences) = (maps.clone(), Vec::new());
    compare_at(&mut trial, recorded, found, path, "", &mut differences);
    let in_order = |value: &Value| match value {
        Value::Array(causes) => {
            let mut causes = causes.clone();
            causes.sort_by_key(Value::to_string);
            Value::from(causes)
        }
        Value::String(text) => match text.split_once(" is invalid: [") {
            Some((start, list)) => {
                let mut parts: Vec<&str> = list.trim_end_matches(']').split(", ").collect();
                parts.sort_unstable();
                Value::from(format!("{start} is invalid: {}", parts.join(", ")))
            }
            None => value.clone(),
        },
        other => other.clone(),
    };
    if !differences.is_empty() {
        let mut again = Vec::new();
        let mut other = maps.clone();
        compare_at(&mut other, &in_order(recorded), &in_order(found), path, "", &mut again);
        if again.is_empty() {
            (trial, differences) = (other, again);
        }
    }
    *maps = trial;
    into.extend(differences);
}

/// Lists are in the order of names, and names are made up: each item is compared with the one that is like it.
fn compare_items(maps: &mut Maps, recorded: &Value, found: &Value, path: &str, into: &mut Vec<Difference>) {
    let (Some(left), Some(right)) = (recorded.as_array(), found.as_array()) else {
        compare_at(maps, recorded, found, path, "", into);
        return;
    };
    if left.len() != right.len() {
        let names = |list: &[Value]| {
            let names =
                list.iter().map(|one| one["metadata"]["name"].as_str().or(one["object"]["metadata"]["name"].as_str()));
            names.map(|name| name.unwrap_or("?").to_owned()).collect::<Vec<_>>().join(" ")
        };
        into.push(Difference(format!("{path}: recorded [{}], found [{}]", names(left), names(right))));
        return;
    }
    let mut open: Vec<&Value> = right.iter().collect();
    let mut unlike = Vec::new();
    for (at, one) in left.iter().enumerate() {
        let like = open.iter().position(|other| {
            let (mut trial, mut differences) = (maps.clone(), Vec::new());
            compare(&mut trial, one, other, path, &mut differences);
            if differences.is_empty() {
                *maps = trial;
            }
            differences.is_empty()
        });
        match like {
            Some(like) => {
                open.remove(like);
            }
            None => unlike.push((at, one)),
        }
    }
    for ((at, one), other) in unlike.into_iter().zip(open) {
        compare(maps, one, other, &format!("{path}/{at}"), into);
    }
}

/// Compares the lines of a watch: the initial part, then the sequence of each object; bookmarks by their form.
pub(crate) fn compare_lines(maps: &mut Maps, recorded: &[Value], found: &[Value], into: &mut Vec<Difference>) {
    let bookmark = |line: &&Value| line["type"] == "BOOKMARK";
    let initial = |line: &&Value| line["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true";
    let place = |lines: &[Value]| lines.iter().position(|line| initial(&line));
    if place(recorded).is_some() != place(found).is_some() {
        into.push(Difference(format!("initial-events-end: recorded {:?}, found {:?}", place(recorded), place(found))));
    }
    if let (Some(left), Some(right)) = (recorded.iter().find(bookmark), found.iter().find(bookmark)) {
        compare(maps, &left["object"], &right["object"], "bookmark", into);
    } else if recorded.iter().any(|line| bookmark(&line)) && !found.iter().any(|line| bookmark(&line)) {
        into.push(Difference("no bookmark".to_owned()));
    }
    let cut = !recorded.iter().any(|line| line["object"]["metadata"].get("managedFields").is_some());
    let (mut left, mut right) = (sequences(recorded), sequences(found));
    if cut {
        for line in right.iter_mut().flat_map(|(_, lines)| lines) {
            if let Some(metadata) = line["object"]["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
        }
    }
    for (name, lines) in std::mem::take(&mut left) {
        let mut best: Option<(usize, Vec<Difference>, Maps)> = None;
        for (at, (other, found)) in right.iter().enumerate() {
            let mut trial = maps.clone();
            if !trial.same_text(&name, other) {
                continue;
            }
            let mut differences = Vec::new();
            let types =
                |lines: &[Value]| lines.iter().filter_map(|line| line["type"].as_str()).collect::<Vec<_>>().join(" ");
            if types(&lines) == types(found) {
                for (at, (left, right)) in lines.iter().zip(found).enumerate() {
                    compare(&mut trial, &left["object"], &right["object"], &format!("{name}[{at}]"), &mut differences);
                }
            } else {
                differences.push(Difference(format!("{name}: recorded {}, found {}", types(&lines), types(found))));
            }
            if best.as_ref().is_none_or(|(_, before, _)| differences.len() < before.len()) {
                best = Some((at, differences, trial));
            }
        }
        match best {
            Some((at, differences, trial)) => {
                right.remove(at);
                *maps = trial;
                into.extend(differences);
            }
            None => into.push(Difference(format!("{name}: no such object in the stream"))),
        }
    }
    for (name, _) in right {
        into.push(Difference(format!("{name}: not recorded")));
    }
}

fn sequences(lines: &[Value]) -> Vec<(String, Vec<Value>)> {
    let mut all: Vec<(String, String, Vec<Value>)> = Vec::new();
    for line in lines.iter().filter(|line| line["type"] != "BOOKMARK") {
        let object =
            if line["object"]["kind"] == "Table" { &line["object"]["rows"][0]["object"] } else { &line["object"] };
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        match all.iter_mut().find(|(_, uid, _)| *uid == text("uid")) {
            Some((_, _, lines)) => lines.push(line.clone()),
            None => all.push((text("name"), text("uid"), vec![line.clone()])),
        }
    }
    all.into_iter().map(|(name, _, lines)| (name, lines)).collect()
}
