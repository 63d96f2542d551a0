//! Events as CloudEvents in JSON, the data last, as producers write them.

use serde_json::{Value, json};

use super::words::{
    ACTIONS, ALERTS, BRANCHES, NAMESPACES, PEOPLE, PIPELINES, Pool, REASONS, REPOSITORIES, RESULTS, SEVERITIES, STAGE,
    TAGS, TEAM,
};
use crate::rng::Rng;

/// So many events, a text each.
pub(crate) fn events(count: usize, seed: u64) -> Vec<String> {
    let mut rng = Rng::new(seed, 1);
    (0..count).map(|_| one(&mut rng)).collect()
}

fn one(rng: &mut Rng) -> String {
    let (source, kind, data) = match rng.range(0, 100) {
        0..12 => ("//code.example", "code.push", push(rng)),
        12..26 => ("//code.example", "code.pull-request", pull(rng)),
        26..42 => ("//code.example", "code.workflow-run", workflow(rng)),
        42..64 => ("//kubernetes/eu-1", "k8s.event", pod(rng)),
        64..80 => ("//alerts.example", "alerts.group", alerts(rng)),
        80..88 => ("//images.example", "image.pushed", image(rng)),
        88..96 => ("//ci.example", "ci.pipeline-finished", pipeline(rng)),
        _ => ("//audit.example", "audit.entry", audit(rng)),
    };
    let (id, second) = (hex(rng, 2), rng.range(0, 60));
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"{source}","type":"{kind}","time":"2026-03-04T05:06:{second:02}Z","datacontenttype":"application/json","data":{data}}}"#
    )
}

fn hex(rng: &mut Rng, words: usize) -> String {
    (0..words).map(|_| format!("{:016x}", rng.next())).collect()
}

fn names(pool: Pool, rng: &mut Rng, count: u64) -> Vec<String> {
    (0..count).map(|_| pool.any(rng)).collect()
}

/// A person with all the addresses that such bodies carry along.
fn person(rng: &mut Rng) -> Value {
    let name = PEOPLE.one(rng);
    let base = format!("https://code.example/api/people/{name}");
    json!({
        "login": name, "id": rng.range(1, 9_000_000), "nodeId": hex(rng, 1), "url": base, "type": "User",
        "avatarUrl": format!("https://images.code.example/u/{}?v=4", rng.range(1, 9_000_000)),
        "followersUrl": format!("{base}/followers"), "reposUrl": format!("{base}/repositories"),
        "eventsUrl": format!("{base}/events{{/privacy}}"), "siteAdmin": false,
    })
}

fn repository(rng: &mut Rng) -> Value {
    let full = REPOSITORIES.one(rng);
    let base = format!("https://code.example/api/repositories/{full}");
    let mut out = json!({
        "id": rng.range(1, 900_000_000), "fullName": full, "name": full.rsplit('/').next(), "private": true,
        "owner": person(rng), "description": "What it says \"on the tin\", and a bit more \u{2013} see the docs",
        "defaultBranch": "main", "language": "Rust", "size": rng.range(1, 90_000), "stars": rng.range(0, 900),
        "openIssues": rng.range(0, 90), "topics": names(TEAM, rng, 3), "visibility": "internal",
        "license": {"key": "apache-2.0", "name": "Apache License 2.0", "spdx": "Apache-2.0"},
        "createdAt": "2024-01-02T03:04:05Z", "pushedAt": "2026-03-04T05:06:07Z",
    });
    let links = [
        "forks",
        "keys",
        "collaborators",
        "teams",
        "hooks",
        "issues",
        "events",
        "assignees",
        "branches",
        "tags",
        "blobs",
        "refs",
        "trees",
        "statuses",
        "languages",
        "contributors",
        "subscribers",
        "commits",
        "comments",
        "contents",
        "compare",
        "merges",
        "archive",
        "downloads",
        "pulls",
        "milestones",
        "labels",
        "releases",
        "deployments",
    ];
    if let Some(object) = out.as_object_mut() {
        object.extend(links.map(|link| (format!("{link}Url"), Value::from(format!("{base}/{link}{{/which}}")))));
    }
    out
}

fn commit(rng: &mut Rng) -> Value {
    let (id, author) = (hex(rng, 2), PEOPLE.one(rng));
    json!({
        "id": id, "message": "Retry with jitter\n\nThe queue filled up when all came back at once.", "distinct": true,
        "url": format!("https://code.example/commit/{id}"), "timestamp": "2026-03-04T05:06:07+01:00",
        "author": {"name": author, "email": format!("{author}@example.com"), "login": author},
        "added": [], "removed": [], "modified": [format!("src/part{}.rs", rng.range(0, 99)), "CHANGES.md"],
    })
}

fn push(rng: &mut Rng) -> Value {
    let commits: Vec<Value> = (0..rng.range(1, 6)).map(|_| commit(rng)).collect();
    json!({
        "ref": format!("refs/heads/{}", BRANCHES.one(rng)), "before": hex(rng, 2), "after": hex(rng, 2),
        "repository": repository(rng), "pusher": person(rng), "forced": rng.once_in(20), "commits": commits,
        "organization": person(rng), "sender": person(rng),
    })
}

fn pull(rng: &mut Rng) -> Value {
    let (author, head) = (person(rng), BRANCHES.one(rng));
    json!({
        "action": ACTIONS.one(rng), "number": rng.range(1, 9_000),
        "pullRequest": {
            "title": "Retry with jitter", "state": "open", "draft": rng.once_in(6), "user": author,
            "body": "The queue filled up when all came back at once.\n\n- [x] tests\n- [ ] docs\n".repeat(8),
            "head": {"ref": head, "sha": hex(rng, 2), "repo": repository(rng)},
            "base": {
                "ref": if rng.once_in(4) { "develop" } else { "main" }, "sha": hex(rng, 2), "repo": repository(rng),
            },
            "labels": names(TEAM, rng, 2), "additions": rng.range(0, 4_000), "deletions": rng.range(0, 900),
            "changedFiles": rng.range(1, 90), "mergeable": null, "reviewers": [person(rng), person(rng)],
        },
        "repository": repository(rng), "sender": person(rng),
    })
}

fn workflow(rng: &mut Rng) -> Value {
    json!({
        "action": ACTIONS.one(rng),
        "run": {
            "id": rng.range(1, 9_000_000_000), "name": PIPELINES.one(rng), "branch": BRANCHES.one(rng),
            "conclusion": RESULTS.one(rng), "attempt": rng.range(1, 4), "event": "push", "head": commit(rng),
            "url": format!("https://code.example/runs/{}", rng.range(1, 9_000_000)), "actor": person(rng),
            "headRepository": repository(rng),
        },
        "repository": repository(rng), "sender": person(rng),
    })
}

fn pod(rng: &mut Rng) -> Value {
    let (namespace, app, reason) = (NAMESPACES.one(rng), TEAM.any(rng), REASONS.one(rng));
    let pod = format!("{app}-{:010x}-{:05x}", rng.next() >> 24, rng.next() >> 44);
    json!({
        "metadata": {"name": format!("{pod}.{:x}", rng.next()), "namespace": namespace, "uid": hex(rng, 2)},
        "involvedObject": {
            "kind": if rng.once_in(5) { "Deployment" } else { "Pod" }, "namespace": namespace, "name": pod,
            "uid": hex(rng, 2), "fieldPath": format!("spec.containers{{{app}}}"),
        },
        "reason": reason, "message": format!("{reason}: container {app} of pod {pod} in {namespace}"),
        "type": if rng.once_in(3) { "Normal" } else { "Warning" }, "count": rng.range(1, 200),
        "source": {"component": "kubelet", "host": format!("node-{}", rng.range(0, 400))},
        "hostIP": format!("10.{}.{}.{}", rng.range(0, 32), rng.range(0, 256), rng.range(1, 255)),
        "firstTimestamp": "2026-03-04T05:00:00Z", "lastTimestamp": "2026-03-04T05:06:07Z",
        "labels": {"app": app, "team": TEAM.any(rng), "stage": STAGE.any(rng)},
    })
}

fn alerts(rng: &mut Rng) -> Value {
    let (name, namespace, severity) = (ALERTS.one(rng), NAMESPACES.one(rng), SEVERITIES.one(rng));
    let status = if rng.once_in(3) { "resolved" } else { "firing" };
    let mut alert = || {
        json!({
            "status": status,
            "labels": {
                "alertname": name, "severity": severity, "namespace": namespace, "team": TEAM.any(rng),
                "cluster": format!("eu-{}", rng.range(1, 12)), "pod": format!("pod-{:x}", rng.next()),
            },
            "annotations": {"summary": format!("{name} in {namespace}"), "runbook": format!("https://runbooks.example/{name}")},
            "startsAt": "2026-03-04T05:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": hex(rng, 1),
            "value": rng.range(0, 10_000) as f64 / 100.0,
        })
    };
    let count = 1 + alert().get("value").and_then(Value::as_f64).unwrap_or(0.0) as usize % 6;
    let list: Vec<Value> = (0..count).map(|_| alert()).collect();
    json!({
        "version": "4", "status": status, "receiver": "ensue", "groupLabels": {"alertname": name},
        "commonLabels": {"alertname": name, "severity": severity}, "truncated": 0, "alerts": list,
    })
}

fn image(rng: &mut Rng) -> Value {
    json!({
        "repository": REPOSITORIES.one(rng), "tag": TAGS.one(rng), "digest": format!("sha256:{}", hex(rng, 4)),
        "size": rng.range(1_000, 900_000_000), "pushedBy": PEOPLE.one(rng), "stage": STAGE.any(rng),
        "platforms": [{"os": "linux", "arch": "amd64"}, {"os": "linux", "arch": "arm64"}],
    })
}

fn pipeline(rng: &mut Rng) -> Value {
    json!({
        "pipeline": PIPELINES.one(rng), "repository": REPOSITORIES.one(rng), "branch": BRANCHES.one(rng),
        "result": RESULTS.one(rng), "seconds": rng.range(1, 400_000) as f64 / 100.0, "attempt": rng.range(1, 5),
        "exitCode": if rng.once_in(4) { rng.range(1, 140) } else { 0 },
        "runner": {
            "labels": ["linux", if rng.once_in(3) { "arm64" } else { "x64" }, "large"],
            "ip": format!("192.168.{}.{}", rng.range(0, 256), rng.range(1, 255)),
        },
        "tests": {"passed": rng.range(0, 4_000), "failed": rng.range(0, 30)}, "startedBy": PEOPLE.one(rng),
    })
}

fn audit(rng: &mut Rng) -> Value {
    json!({
        "actor": PEOPLE.one(rng), "verb": ACTIONS.any(rng), "object": REPOSITORIES.one(rng),
        "from": format!("10.{}.{}.{}", rng.range(0, 32), rng.range(0, 256), rng.range(1, 255)),
        "agent": "Mozilla/5.0 (X11; Linux x86_64) something/1.2", "allowed": !rng.once_in(9), "namespace": NAMESPACES.one(rng),
    })
}
