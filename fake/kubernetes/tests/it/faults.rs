//! Each fault as a client meets it.

use std::time::Duration;

use fake_kubernetes::{Fault, Matcher, Server};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::kit::{Open, call, get, post, send};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn server() -> Server {
    let server = Server::start().await.unwrap();
    for name in ["a", "b"] {
        post(&server, MAPS, json!({ "metadata": { "name": name } })).await;
    }
    server
}

async fn open(server: &Server, query: &str) -> Open {
    let headers = [("authorization", "Bearer admin")];
    send(server, "GET", &format!("{MAPS}?watch=true&{query}"), Vec::new(), &headers).await.unwrap()
}

fn line(text: Option<String>) -> Value {
    serde_json::from_str(&text.unwrap()).unwrap()
}

#[tokio::test]
async fn answers_that_are_refused() {
    let server = server().await;
    for (fault, status) in [(Fault::TooManyRequests(2), 429), (Fault::Internal, 500), (Fault::Unavailable, 503)] {
        server.faults().next(1, Matcher::new("GET", MAPS), fault);
        let (found, body) = get(&server, MAPS).await;
        assert_eq!((found, &body["kind"]), (status, &json!("Status")), "{fault:?}");
    }
    server.faults().always(Matcher::new("PATCH", ""), Fault::Internal);
    for _ in 0..2 {
        assert_eq!(call(&server, "PATCH", &format!("{MAPS}/a"), json!({}), &[]).await.0, 500);
    }
    server.faults().clear();
    assert_eq!(get(&server, MAPS).await.0, 200);
}

#[tokio::test]
async fn answers_that_do_not_come_whole() {
    let server = server().await;
    server.faults().next(1, Matcher::new("GET", MAPS), Fault::Cut);
    let (_, half) = get(&server, MAPS).await;
    assert!(half.as_str().is_some_and(|text| text.starts_with('{') && !text.ends_with('}')), "{half}");
    server.faults().next(1, Matcher::new("GET", MAPS), Fault::Close);
    assert!(send(&server, "GET", MAPS, Vec::new(), &[]).await.is_err());
    let wait = Duration::from_millis(60);
    server.faults().next(1, Matcher::any(), Fault::Delay(wait));
    let began = Instant::now();
    assert_eq!(get(&server, MAPS).await.0, 200);
    assert!(began.elapsed() >= wait);
}

#[tokio::test]
async fn watches_that_end() {
    let server = server().await;
    let from = format!("resourceVersion={}", server.version());
    let mut watch = open(&server, &from).await;
    post(&server, MAPS, json!({ "metadata": { "name": "c" } })).await;
    assert_eq!(line(watch.line().await)["type"], "ADDED");
    server.faults().expire_watches("configmaps");
    let gone = line(watch.line().await);
    assert_eq!((&gone["type"], &gone["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(watch.line().await, None);
    let mut watch = open(&server, &from).await;
    assert_eq!(line(watch.line().await)["type"], "ADDED");
    server.faults().cut_watches("configmaps");
    let half = watch.text().await;
    assert!(half.starts_with("{\"type\"") && !half.ends_with('\n'), "{half}");
    server.faults().next(1, Matcher::watches("configmaps"), Fault::Expire);
    let mut watch = open(&server, &from).await;
    assert_eq!((watch.status, &line(watch.line().await)["object"]["reason"]), (200, &json!("Expired")));
}

#[tokio::test]
async fn history_that_is_forgotten() {
    let server = server().await;
    let (_, first) = get(&server, &format!("{MAPS}?limit=1")).await;
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    let from = format!("resourceVersion={}", server.version());
    server.faults().next(1, Matcher::new("GET", "configmaps"), Fault::Expire);
    let next = format!("{MAPS}?limit=1&continue={token}");
    let (status, gone) = get(&server, &next).await;
    assert_eq!((status, &gone["reason"]), (410, &json!("Expired")));
    assert_eq!(get(&server, &next).await.0, 200);
    post(&server, MAPS, json!({ "metadata": { "name": "c" } })).await;
    server.compact();
    let (status, gone) = get(&server, &next).await;
    assert_eq!(status, 410);
    let again = gone["metadata"]["continue"].as_str().unwrap().to_owned();
    let (status, rest) = get(&server, &format!("{MAPS}?continue={again}")).await;
    assert_eq!((status, rest["items"].as_array().unwrap().len()), (200, 3));
    let mut watch = open(&server, &from).await;
    assert_eq!(line(watch.line().await)["object"]["code"], 410);
}

#[tokio::test]
async fn a_node_is_lost_and_found() {
    let server = server().await;
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "p" },
        "spec": { "containers": [{ "name": "c", "image": "i:1" }] },
    });
    let path = "/api/v1/namespaces/default/pods";
    assert_eq!(post(&server, path, pod).await.0, 201);
    let ready = |one: &Value, wanted: &str| {
        let list = one["status"]["conditions"].as_array().cloned().unwrap_or_default();
        list.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == wanted)
    };
    let pod = format!("{path}/p");
    crate::workloads::until(&server, &pod, |one| ready(one, "True")).await;
    server.lose_node("node-1");
    let node = "/api/v1/nodes/node-1";
    crate::workloads::until(&server, node, |one| one["spec"]["taints"].as_array().is_some_and(|list| list.len() == 2))
        .await;
    crate::workloads::until(&server, &pod, |one| ready(one, "False")).await;
    server.find_node("node-1");
    crate::workloads::until(&server, node, |one| ready(one, "True") && one["spec"]["taints"].is_null()).await;
    crate::workloads::until(&server, &pod, |one| ready(one, "True")).await;
}
