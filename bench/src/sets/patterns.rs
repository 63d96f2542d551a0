//! Patterns over those events: a type, a selective field, and up to two more.

use serde_json::{Map, Value, json};

use super::words::{
    ACTIONS, ALERTS, BRANCHES, NAMESPACES, PEOPLE, PIPELINES, Pool, REASONS, REPOSITORIES, RESULTS, SEVERITIES, STAGE,
    TAGS, TEAM,
};
use crate::rng::Rng;

/// What the fields of a set ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Equality, of one value or of up to three.
    Exact,
    /// Two thirds equality; else prefixes, wildcards, ignored case, anything-but, exists.
    Mixed,
    /// The same, and suffixes, numbers, addresses, `$or`, anything-but of prefixes, suffixes and wildcards.
    Full,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Exact, Kind::Mixed, Kind::Full];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Exact => "exact",
            Kind::Mixed => "mixed",
            Kind::Full => "full",
        }
    }
}

/// A kind of event, as patterns ask it.
struct Asked {
    weight: u64,
    source: &'static str,
    kind: &'static str,
    selective: (&'static str, Pool),
    others: &'static [(&'static str, Pool)],
    numbers: &'static [&'static str],
    address: Option<(&'static str, &'static str)>,
}

const ASKED: &[Asked] = &[
    Asked {
        weight: 14,
        source: "//code.example",
        kind: "code.push",
        selective: ("repository.fullName", REPOSITORIES),
        others: &[("pusher.login", PEOPLE), ("commits.author.login", PEOPLE)],
        numbers: &["repository.openIssues"],
        address: None,
    },
    Asked {
        weight: 15,
        source: "//code.example",
        kind: "code.pull-request",
        selective: ("repository.fullName", REPOSITORIES),
        others: &[("action", ACTIONS), ("pullRequest.head.ref", BRANCHES), ("pullRequest.user.login", PEOPLE)],
        numbers: &["pullRequest.additions", "number"],
        address: None,
    },
    Asked {
        weight: 17,
        source: "//code.example",
        kind: "code.workflow-run",
        selective: ("repository.fullName", REPOSITORIES),
        others: &[("action", ACTIONS), ("run.conclusion", RESULTS), ("run.branch", BRANCHES), ("run.name", PIPELINES)],
        numbers: &["run.attempt"],
        address: None,
    },
    Asked {
        weight: 18,
        source: "//kubernetes/eu-1",
        kind: "k8s.event",
        selective: ("involvedObject.namespace", NAMESPACES),
        others: &[("reason", REASONS), ("labels.team", TEAM), ("labels.stage", STAGE), ("labels.app", TEAM)],
        numbers: &["count"],
        address: Some(("hostIP", "10.")),
    },
    Asked {
        weight: 16,
        source: "//alerts.example",
        kind: "alerts.group",
        selective: ("alerts.labels.alertname", ALERTS),
        others: &[
            ("alerts.labels.severity", SEVERITIES),
            ("alerts.labels.namespace", NAMESPACES),
            ("alerts.labels.team", TEAM),
        ],
        numbers: &["alerts.value"],
        address: None,
    },
    Asked {
        weight: 8,
        source: "//images.example",
        kind: "image.pushed",
        selective: ("repository", REPOSITORIES),
        others: &[("tag", TAGS), ("stage", STAGE), ("pushedBy", PEOPLE)],
        numbers: &["size"],
        address: None,
    },
    Asked {
        weight: 9,
        source: "//ci.example",
        kind: "ci.pipeline-finished",
        selective: ("repository", REPOSITORIES),
        others: &[("result", RESULTS), ("branch", BRANCHES), ("pipeline", PIPELINES)],
        numbers: &["seconds", "exitCode", "tests.failed"],
        address: Some(("runner.ip", "192.168.")),
    },
    Asked {
        weight: 3,
        source: "//audit.example",
        kind: "audit.entry",
        selective: ("object", REPOSITORIES),
        others: &[("verb", ACTIONS), ("actor", PEOPLE), ("namespace", NAMESPACES)],
        numbers: &[],
        address: Some(("from", "10.")),
    },
];

/// So many patterns, a text each.
pub(crate) fn patterns(kind: Kind, count: usize, seed: u64) -> Vec<String> {
    let mut rng = Rng::new(seed, 2 + kind as u64);
    (0..count).map(|_| one(&mut rng, kind).to_string()).collect()
}

fn one(rng: &mut Rng, kind: Kind) -> Value {
    let total = ASKED.iter().map(|asked| asked.weight).sum();
    let mut left = rng.range(0, total);
    let asked = ASKED.iter().find(|asked| {
        let here = left < asked.weight;
        left = left.saturating_sub(asked.weight);
        here
    });
    let Some(asked) = asked else { return json!({}) };
    let mut data = Map::new();
    put(&mut data, asked.selective.0, selective(rng, asked.selective.1, kind));
    for _ in 0..rng.range(0, 3) {
        if let Some((path, pool)) = pick(rng, asked.others) {
            put(&mut data, path, test(rng, *pool, kind));
        }
    }
    if kind == Kind::Full && rng.range(0, 10) < 6 {
        more(rng, asked, &mut data);
    }
    json!({"source": [asked.source], "type": [asked.kind], "data": data})
}

fn pick<'a, T>(rng: &mut Rng, list: &'a [T]) -> Option<&'a T> {
    list.get(rng.range(0, list.len() as u64) as usize)
}

fn put(into: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(into.insert(path.into(), value)),
        Some((first, rest)) => {
            let inner = into.entry(first).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

fn exact(rng: &mut Rng, pool: Pool) -> Value {
    let mut values = vec![pool.one(rng)];
    if rng.range(0, 10) < 3 {
        values.extend([pool.any(rng), pool.any(rng)]);
    }
    values.sort_unstable();
    values.dedup();
    json!(values)
}

/// The field that tells most: few events meet it.
fn selective(rng: &mut Rng, pool: Pool, kind: Kind) -> Value {
    let value = pool.one(rng);
    match (kind, rng.range(0, 100)) {
        (Kind::Exact, _) | (_, 0..80) => exact(rng, pool),
        (_, 80..90) => json!([{"prefix": part(&value, 0, 1)}]),
        (_, 90..96) => {
            json!([{"wildcard": format!("{}*{}", part(&value, 0, value.chars().count() / 2), last(&value, 3))}])
        }
        _ => json!([{"equals-ignore-case": value.to_uppercase()}]),
    }
}

/// One of the other fields.
fn test(rng: &mut Rng, pool: Pool, kind: Kind) -> Value {
    let value = pool.one(rng);
    match (kind, rng.range(0, 100)) {
        (Kind::Exact, _) | (_, 0..66) => exact(rng, pool),
        (_, 66..76) => json!([{"prefix": part(&value, 0, value.chars().count() / 3)}]),
        (_, 76..83) => json!([{"wildcard": format!("{}*", part(&value, 0, value.chars().count() / 2))}]),
        (_, 83..88) => json!([{"equals-ignore-case": value.to_uppercase()}]),
        (_, 88..95) => json!([{"anything-but": exact(rng, pool)}]),
        _ => json!([{"exists": !rng.once_in(5)}]),
    }
}

/// What only the full set has.
fn more(rng: &mut Rng, asked: &Asked, data: &mut Map<String, Value>) {
    let bound = rng.range(0, 200);
    match (rng.range(0, 100), asked.address) {
        (0..40, _) => {
            let terms = match rng.range(0, 4) {
                0 => json!([">", bound]),
                1 => json!(["<=", bound as f64 + 0.5]),
                2 => json!(["=", bound]),
                _ => json!([">=", bound, "<", bound + 40]),
            };
            if let Some(path) = pick(rng, asked.numbers) {
                put(data, path, json!([{"numeric": terms}]));
            }
        }
        (40..60, Some((path, start))) => {
            let (block, bits) = if start == "10." { ("0.0", 16) } else { ("0", 24) };
            put(data, path, json!([{"cidr": format!("{start}{}.{block}/{bits}", rng.range(0, 32))}]));
        }
        (60..85, _) => {
            if let Some((path, pool)) = pick(rng, asked.others) {
                let value = pool.one(rng);
                let test = match rng.range(0, 4) {
                    0 => json!({"suffix": last(&value, 3)}),
                    1 => json!({"anything-but": {"prefix": part(&value, 0, value.chars().count() - 3)}}),
                    2 => json!({"anything-but": {"suffix": last(&value, 2)}}),
                    _ => {
                        json!({"anything-but": {"wildcard": format!("*{}*", part(&value, 1, value.chars().count() - 3))}})
                    }
                };
                put(data, path, json!([test]));
            }
        }
        _ => {
            let (mut one, mut other) = (Map::new(), Map::new());
            if let [(first, pool), (second, more), ..] = asked.others {
                put(&mut one, first, test(rng, *pool, Kind::Mixed));
                put(&mut other, second, test(rng, *more, Kind::Mixed));
                // A field that stands in a branch does not stand beside it too.
                for path in [first, second] {
                    if !path.contains('.') {
                        data.remove(*path);
                    }
                }
                data.insert("$or".into(), json!([one, other]));
            }
        }
    }
}

/// A text without its first and last characters, at least one of them left.
fn part(text: &str, before: usize, after: usize) -> String {
    let count = text.chars().count();
    let taken: String = text.chars().skip(before).take(count.saturating_sub(before + after).max(1)).collect();
    if taken.is_empty() { text.into() } else { taken }
}

fn last(text: &str, count: usize) -> String {
    let skip = text.chars().count().saturating_sub(count);
    text.chars().skip(skip).collect()
}
