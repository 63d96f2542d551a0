//! `ensue rbac`: what a configuration needs of its clusters.

use insta::assert_snapshot;
use serde_json::Value;

use crate::bench::{example, run};

#[test]
fn the_roles_of_an_example_each_rule_with_what_needs_it() {
    let (code, said, _) = run(&["rbac", &example("self-healing"), "--service-account", "ensue/ensue"]);
    assert_eq!(code, 0);
    assert_snapshot!(said, @r#"
    # What is asked of the cluster of the connection shop/prod.
    apiVersion: rbac.authorization.k8s.io/v1
    kind: Role
    metadata:
      name: ensue
      namespace: shop
    rules:
      # source shop/cluster watches v1/Pod
      - apiGroups: [""]
        resources: [pods]
        verbs: [list, watch]
      # rule shop/rollback-after-crashloop, step healthy: kubernetes/rollout-wait
      # rule shop/rollback-after-crashloop, step undo: kubernetes/rollout-undo
      # source shop/cluster watches apps/v1/Deployment
      - apiGroups: [apps]
        resources: [deployments]
        verbs: [get, list, watch, patch]
      # rule shop/rollback-after-crashloop, step undo: kubernetes/rollout-undo
      # source shop/cluster watches apps/v1/ReplicaSet
      - apiGroups: [apps]
        resources: [replicasets]
        verbs: [list, watch]
      # source shop/cluster watches Events
      - apiGroups: [events.k8s.io]
        resources: [events]
        verbs: [list, watch]
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: RoleBinding
    metadata:
      name: ensue
      namespace: shop
    roleRef:
      apiGroup: rbac.authorization.k8s.io
      kind: Role
      name: ensue
    subjects:
      - kind: ServiceAccount
        name: ensue
        namespace: ensue
    "#);
    let (code, values, _) = run(&["rbac", &example("self-healing"), "--values"]);
    assert_eq!(code, 0);
    // The same rules, where the chart takes them.
    let lines = |text: &str| -> Vec<String> {
        let rules =
            text.lines().map(str::trim).skip_while(|line| !line.starts_with("# rule") && !line.starts_with("# source"));
        rules.take_while(|line| *line != "---").map(str::to_owned).collect()
    };
    assert_eq!(lines(&values), lines(&said));
    assert!(values.starts_with("rbac:\n  namespaceRules:\n    shop:\n      # "), "{values}");
    let (_, json, _) = run(&["rbac", &example("self-healing"), "--service-account", "ensue/ensue", "-o", "json"]);
    let list: Value = serde_json::from_str(&json).unwrap();
    let kinds: Vec<&str> = list["items"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Role", "RoleBinding"]);
}

#[test]
fn what_cannot_be_answered_says_why() {
    let preview = example("preview");
    for (arguments, code, told) in [
        (
            vec!["rbac", preview.as_str(), "--connection", "nowhere"],
            2,
            "--connection nowhere: there is no such connection in",
        ),
        (vec!["rbac", &preview, "--service-account", "ensue"], 2, "--service-account ensue: write NAMESPACE/NAME"),
        (vec!["rbac", "/nowhere"], 1, "there is no such file or folder"),
    ] {
        let (ended, _, said) = run(&arguments);
        assert!(ended == code && said.contains(told), "{arguments:?}: {ended} {said}");
    }
    assert_eq!(run(&["rbac", &example("gitops")]).1, "# Nothing is asked of a cluster.\n");
}
