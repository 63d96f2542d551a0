//! From the settings of a connection to a client: where the cluster is, who asks, and for whom.

use std::path::{Path, PathBuf};

use ensue_event::ours::Failure;
use http::{HeaderMap, HeaderName, HeaderValue};
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::action::{denied, wrong};
use crate::secrets::{Resolved, Secrets};

/// Impersonation (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation>).
const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");

/// The settings of kube for a connection.
pub(super) async fn settings(name: &str, config: &Resolved, secrets: &Secrets) -> Result<kube::Config, Failure> {
    let unusable = |why: String| wrong(format!("the connection `{name}` cannot be used: {why}"));
    let options = KubeConfigOptions { context: config.text("context").map(str::to_owned), ..Default::default() };
    let written = config.text("kubeconfig").filter(|text| !text.is_empty());
    let in_cluster = || kube::Config::incluster().map_err(|why| why.to_string());
    let mut settings = if config.is_true("inCluster") {
        if written.is_some() || options.context.is_some() {
            return Err(unusable("`inCluster` and a kubeconfig exclude each other".to_owned()));
        }
        in_cluster().map_err(unusable)?
    } else {
        let kubeconfig = match written {
            Some(text) if text.contains('\n') => Kubeconfig::from_yaml(text).map_err(|_| {
                // The reader's own message could show a part of the secret.
                unusable("the secret of `kubeconfig` is no kubeconfig".to_owned())
            }),
            Some(path) => {
                let path = at_home(path);
                Kubeconfig::read_from(&path).map_err(|why| unusable(why.to_string()))
            }
            None => Kubeconfig::read().map_err(|why| unusable(why.to_string())),
        };
        match kubeconfig {
            Ok(kubeconfig) => {
                learn(&kubeconfig, secrets);
                let known: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
                kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|why| {
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    unusable(format!("{why}; its contexts: {known}"))
                })?
            }
            // Nothing was said and nothing is there: in a pod its service account is meant.
            Err(failure) if written.is_none() && options.context.is_none() => in_cluster().map_err(|_| failure)?,
            Err(failure) => return Err(failure),
        }
    };
    // One try a call: what is done again is the fold's to say, or the source's.
    settings.default_retry = false;
    if config.get("impersonate").is_some() {
        settings.auth_info.impersonate = None;
        settings.auth_info.impersonate_groups = None;
    }
    Ok(settings)
}

/// The tokens in a kubeconfig are secrets like any other.
fn learn(kubeconfig: &Kubeconfig, secrets: &Secrets) {
    for user in kubeconfig.auth_infos.iter().filter_map(|named| named.auth_info.as_ref()) {
        for secret in [&user.token, &user.password, &user.client_key_data].into_iter().flatten() {
            secrets.learn(secret.expose_secret());
        }
    }
}

/// A path with the home folder for a leading `~/`.
fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// The headers that say for whom a request is, of a rule or source of this namespace.
pub(super) fn identity(name: &str, config: &Resolved, namespace: &str) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    let Some(impersonate) = config.get("impersonate") else { return Ok(headers) };
    let by_namespace = impersonate.get("byNamespace").and_then(Value::as_object);
    let whom = by_namespace.and_then(|map| map.get(namespace)).unwrap_or(impersonate);
    let Some(user) = whom.get("user").and_then(Value::as_str) else {
        return Err(denied(format!(
            "the connection `{name}` asks for another user by namespace, and `{namespace}` is none of those in \
             `impersonate.byNamespace`; add it there"
        )));
    };
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| wrong(format!("`{text}` in `impersonate` of `{name}` is no name")))
    };
    headers.insert(USER, value(user)?);
    for group in whom.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        headers.append(GROUP, value(group)?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_namespace_that_is_not_named_gets_nothing() {
        let config = Resolved::new(
            json!({"impersonate": {"byNamespace": {"shop": {"user": "deployer", "groups": ["a", "b"]}}}}),
        );
        let shop = identity("prod", &config, "shop").unwrap();
        assert_eq!(shop.get(USER).unwrap(), "deployer");
        assert_eq!(shop.get_all(GROUP).iter().count(), 2);
        let failure = identity("prod", &config, "play").unwrap_err();
        assert_eq!(failure.name, "Denied");
        assert!(failure.message.contains("`play` is none of those"), "{}", failure.message);
        let config =
            Resolved::new(json!({"impersonate": {"user": "all", "byNamespace": {"shop": {"user": "deployer"}}}}));
        assert_eq!(identity("prod", &config, "play").unwrap().get(USER).unwrap(), "all");
        assert!(identity("prod", &Resolved::new(json!({})), "play").unwrap().is_empty());
    }
}
