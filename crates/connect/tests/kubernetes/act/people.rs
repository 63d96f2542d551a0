//! For whom it is asked, and what is not permitted.

use serde_json::json;

use crate::cluster::with;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_permitted_is_named_by_verb_and_resource() {
    with("what_is_not_permitted", |kit| async move {
        kit.config_map("m", json!({}), json!({})).await;
        let mut connection = kit.connection.clone();
        connection.config["impersonate"] = json!({ "user": "ensue-test-nobody" });
        let with = json!({ "kind": "ConfigMap", "name": "m", "labels": { "a": "b" } });
        let failure = kit.effect(1, "label", with.clone()).through(connection.clone()).err().await;
        assert_eq!((failure.name.as_str(), failure.retryable), ("Denied", false));
        assert!(failure.message.contains("grant the verb `get` on `configmaps`"), "{}", failure.message);
        assert!(failure.message.contains("ensue-test-nobody"), "{}", failure.message);
        assert_eq!((&failure.details["verb"], &failure.details["resource"]), (&json!("get"), &json!("configmaps")));
        // It may read, and not write.
        let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", kit.namespace);
        let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "reads" },
            "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] }] });
        kit.create(&format!("{rbac}/roles"), role).await;
        let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "reads" },
            "subjects": [{ "kind": "User", "name": "ensue-test-nobody", "apiGroup": "rbac.authorization.k8s.io" }],
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reads" } });
        kit.create(&format!("{rbac}/rolebindings"), binding).await;
        let failure = loop {
            // A real server takes a moment to know of a role.
            let failure = kit.effect(1, "label", with.clone()).through(connection.clone()).err().await;
            if failure.details["verb"] != "get" {
                break failure;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        assert!(failure.message.contains("grant the verb `patch` on `configmaps`"), "{}", failure.message);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_namespace_asks_as_its_own_user() {
    with("each_namespace_asks_as", |kit| async move {
        let mut connection = kit.connection.clone();
        connection.config["impersonate"] = json!({ "byNamespace": { "shop": { "user": "ensue-test-shop" } } });
        let get = || kit.effect(1, "get", json!({ "kind": "ConfigMap", "name": "m" })).through(connection.clone());
        let mut shop = get();
        shop.call.namespace = "shop".to_owned();
        assert!(shop.err().await.message.contains("User \"ensue-test-shop\" cannot get"));
        let other = get().err().await;
        assert_eq!(other.name, "Denied");
        assert!(other.message.contains("default"), "{}", other.message);
    })
    .await;
}
