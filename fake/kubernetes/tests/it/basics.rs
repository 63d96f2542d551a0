//! What every client does first.

use fake_kubernetes::{Fault, Matcher, Server};
use serde_json::{Value, json};

use crate::kit::{call, get, post, send};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "k": value } })
}

#[tokio::test]
async fn objects_are_created_read_changed_and_deleted() {
    let server = Server::start().await.unwrap();
    let (status, made) = post(&server, MAPS, map("a", "1")).await;
    assert_eq!((status, &made["data"]["k"]), (201, &json!("1")));
    assert_eq!(post(&server, MAPS, map("a", "1")).await.0, 409);
    let merge = [("content-type", "application/merge-patch+json")];
    let path = format!("{MAPS}/a");
    let (status, patched) = call(&server, "PATCH", &path, json!({ "data": { "k": "2" } }), &merge).await;
    assert_eq!((status, &patched["data"]["k"]), (200, &json!("2")));
    let mut stale = made.clone();
    stale["data"]["k"] = json!("3");
    let (status, refused) = call(&server, "PUT", &path, stale, &[]).await;
    assert_eq!((status, &refused["reason"]), (409, &json!("Conflict")));
    let (status, gone) = call(&server, "DELETE", &path, Value::Null, &[]).await;
    assert_eq!((status, &gone["details"]["uid"]), (200, &made["metadata"]["uid"]));
    assert_eq!(get(&server, &path).await.0, 404);
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_watch_tells_changes_and_ends_on_request() {
    let server = Server::start().await.unwrap();
    let (_, list) = get(&server, MAPS).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let path = format!("{MAPS}?watch=true&resourceVersion={version}&fieldSelector=metadata.name%3Da");
    let mut watch = send(&server, "GET", &path, Vec::new(), &[("authorization", "Bearer admin")]).await.unwrap();
    post(&server, MAPS, map("a", "1")).await;
    post(&server, MAPS, map("other", "1")).await;
    call(&server, "DELETE", &format!("{MAPS}/a"), Value::Null, &[]).await;
    for expected in ["ADDED", "DELETED"] {
        let line: Value = serde_json::from_str(&watch.line().await.unwrap()).unwrap();
        assert_eq!(line["type"], expected);
    }
    server.faults().drop_watches("configmaps");
    assert_eq!(watch.line().await, None);
}

#[tokio::test]
async fn tokens_decide_who_asks() {
    let server = Server::start().await.unwrap();
    for (token, status) in [("Bearer dev", 403), ("Bearer unknown", 401), ("", 403), ("Bearer admin", 200)] {
        let (found, body) = call(&server, "GET", MAPS, Value::Null, &[("authorization", token)]).await;
        assert_eq!(found, status, "{token}: {body}");
    }
}

#[tokio::test]
async fn faults_come_as_often_as_asked() {
    let server = Server::start().await.unwrap();
    server.faults().next(1, Matcher::new("GET", "configmaps"), Fault::TooManyRequests(3));
    assert_eq!(get(&server, MAPS).await.0, 429);
    assert_eq!(get(&server, MAPS).await.0, 200);
    server.faults().down();
    while send(&server, "GET", "/version", Vec::new(), &[]).await.is_ok() {
        tokio::task::yield_now().await;
    }
    server.faults().up();
    while send(&server, "GET", "/version", Vec::new(), &[]).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&server, "/version").await.1["minor"], "36");
}

#[tokio::test]
async fn a_definition_makes_a_resource() {
    let server = Server::start().await.unwrap();
    server.crd_delay(std::time::Duration::from_millis(300));
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "size": { "type": "integer", "default": 1, "maximum": 5 } } } } });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "things.test.dev" },
        "spec": {
            "group": "test.dev",
            "scope": "Namespaced",
            "names": { "plural": "things", "kind": "Thing" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
        },
    });
    let things = "/apis/test.dev/v1/namespaces/default/things";
    assert_eq!(get(&server, things).await.0, 404);
    assert_eq!(post(&server, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await.0, 201);
    let mut seen = Vec::new();
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while seen.last() != Some(&200) && tokio::time::Instant::now() < end {
        let status = get(&server, things).await.0;
        if seen.last() != Some(&status) {
            seen.push(status);
        }
    }
    assert_eq!(seen, [404, 429, 200]);
    let thing = json!({ "apiVersion": "test.dev/v1", "kind": "Thing", "metadata": { "name": "t" }, "spec": {} });
    assert_eq!(post(&server, things, thing).await.1["spec"]["size"], 1);
    let big =
        json!({ "apiVersion": "test.dev/v1", "kind": "Thing", "metadata": { "name": "u" }, "spec": { "size": 9 } });
    let (status, refused) = post(&server, things, big).await;
    assert_eq!(status, 422, "{refused}");
}
