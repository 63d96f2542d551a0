//! The tests of Kubernetes against a real cluster: the same ones that run against the fake.

use crate::{Result, shell};

/// Runs them against the cluster that KUBECONFIG names, each in a namespace of its own, which is deleted after it.
pub(crate) fn test(arguments: &[String]) -> Result {
    let named = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty());
    if named.is_none() {
        return Err("KUBECONFIG must name the kubeconfig of a cluster in which namespaces, roles and definitions may be made: the default one is not taken, it could be the wrong one".into());
    }
    let mut cargo = shell::cargo();
    cargo.args(["test", "--package", "ensue-connect", "--test", "kubernetes", "--"]).args(arguments);
    // What is skipped prints a line, which is of interest here.
    cargo.arg("--show-output").env("ENSUE_TEST_CLUSTER", "1");
    shell::run(&mut cargo)
}
