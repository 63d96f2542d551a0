//! A source under the roles that are printed for it.

use ensue_connect::kubernetes::roles::{list, of};
use ensue_connect::{Connection, pull};
use ensue_lang::{SourceFile, load};
use serde_json::{Value, json};

use crate::cluster::with;
use crate::reader::read_through;
use crate::source::begin;

#[tokio::test(flavor = "multi_thread")]
async fn a_source_sees_with_its_roles_and_says_what_it_lacks_without_one_of_their_rules() {
    with("a_source_sees_with_its_roles", |kit| async move {
        let user = format!("{}-reader", kit.namespace);
        let impersonate = json!({ "byNamespace": { "default": { "user": user } } });
        let spec = json!({ "connection": "prod", "resources": ["configmaps", "pods"], "namespaces": [kit.namespace] });
        let document = |kind: &str, name: &str, spec: Value| {
            json!({ "apiVersion": "ensue.dev/v1", "kind": kind, "metadata": { "name": name }, "spec": spec })
                .to_string()
        };
        let text = [
            document("Connection", "prod", json!({ "kubernetes": { "impersonate": impersonate } })),
            document("Source", "cluster", json!({ "kubernetes": spec })),
        ];
        let loaded = load(&[SourceFile { path: "a.yaml".to_owned(), text: text.join("\n---\n") }]);
        let asked: Vec<_> = of(&loaded.config, "default").into_iter().filter(|one| one.user.is_some()).collect();
        let whole = list(&asked, "ensue", None);
        let items = whole["items"].as_array().unwrap();
        assert_eq!(items.len(), 2, "{whole:#}");
        let path = |object: &Value| {
            let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
            let name = object["metadata"]["name"].as_str().unwrap();
            format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{plural}/{name}", kit.namespace)
        };
        kit.apply(&path(&items[1]), items[1].clone()).await.unwrap();
        let mut config = kit.connection.config.clone();
        config["impersonate"] = impersonate;
        let other = Connection { config, ..kit.connection.clone() };
        let rules = items[0]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), 3, "configmaps, pods and Events: {rules:?}");
        for nth in 0..rules.len() {
            let mut less = items[0].clone();
            let gone = less["rules"].as_array_mut().unwrap().remove(nth);
            kit.apply(&path(&less), less).await.unwrap();
            let (log, store) = begin();
            let reading = read_through(&kit.world, other.clone(), &store, &log, spec.clone());
            let resource = gone["resources"][0].as_str().unwrap();
            let lacks = || {
                let problems = reading.feed.status.view().problems;
                problems.iter().any(|problem| {
                    let verb = problem.verb.as_deref().unwrap_or_default();
                    let told = problem.message.contains(&format!("cannot {verb} resource \"{resource}\""));
                    told && problem.resource.as_deref().is_some_and(|named| named.starts_with(resource))
                })
            };
            log.until(&format!("it lacks {gone}"), |_| lacks()).await;
            reading.kill().await;
        }
        kit.apply(&path(&items[0]), items[0].clone()).await.unwrap();
        let (log, store) = begin();
        let reading = read_through(&kit.world, other, &store, &log, spec);
        log.caught_up(1).await;
        kit.config_map("x", json!({}), json!({})).await;
        log.has("configmap.added x").await;
        assert_eq!(reading.feed.status.view().problems, []);
        assert_eq!(pull("kubernetes").unwrap().check(&reading.feed).await, []);
    })
    .await;
}
