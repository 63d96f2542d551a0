//! Which object a call is about.

use std::sync::Arc;
use std::time::Duration;

use ensue_event::ours::Failure;
use ensue_expr::duration;
use ensue_lang::catalog;
use serde_json::Value;

use super::Act;
use crate::action::wrong;
use crate::kubernetes::kind::Kind;

/// An object that a call names.
pub(super) struct Target {
    pub(super) kind: Arc<Kind>,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl Target {
    /// Its path.
    pub(super) fn path(&self) -> String {
        self.kind.object(self.namespace.as_deref(), &self.name)
    }

    /// For messages: `Deployment shop/web`.
    pub(super) fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind.kind, self.name),
            None => format!("{} {}", self.kind.kind, self.name),
        }
    }
}

impl Act<'_> {
    /// The namespace of the call; where it says none, that of the kubeconfig.
    pub(super) fn namespace(&self) -> &str {
        self.call.text("namespace").filter(|text| !text.is_empty()).unwrap_or(self.cluster.default_namespace())
    }

    /// The object of this kind and name, in the namespace of the call where its kind has namespaces.
    pub(super) async fn object(&self, kind: &str, name: &str, namespace: Option<&str>) -> Result<Target, Failure> {
        let kind = self.cluster.kind(kind).await?;
        let namespace = namespace.filter(|text| !text.is_empty()).unwrap_or(self.namespace());
        let namespace = kind.namespaced.then(|| namespace.to_owned());
        Ok(Target { kind, namespace, name: name.to_owned() })
    }

    /// The object that the call names.
    pub(super) async fn target(&self) -> Result<Target, Failure> {
        let named = catalog::objects(&self.call.with);
        let (kind, name) = match named.first().map(|one| (one.kind.as_str(), one.name)) {
            Some((kind, Some(name))) => (kind, name),
            _ => (self.call.required("kind")?, self.call.required("name")?),
        };
        if name.is_empty() {
            return Err(wrong(format!("{} needs the name of an object; it is empty", self.call.action)));
        }
        self.object(kind, name, None).await
    }

    /// The workload that the call names: of a kind that rolls out.
    pub(super) async fn workload(&self) -> Result<Target, Failure> {
        let target = self.target().await?;
        if target.kind.group == "apps"
            && matches!(target.kind.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
        {
            return Ok(target);
        }
        Err(wrong(format!(
            "{} is for Deployments, StatefulSets and DaemonSets, not for {}",
            self.call.action,
            target.title()
        )))
    }

    /// The same, where only deployments can do it.
    pub(super) async fn deployment(&self) -> Result<Target, Failure> {
        let target = self.workload().await?;
        if target.kind.kind == "Deployment" {
            return Ok(target);
        }
        Err(wrong(format!("{} is for Deployments, not for {}", self.call.action, target.title())))
    }

    /// A whole number in `with`, also where it is written as a text.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Failure> {
        let read = |value: &Value| value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
        let Some(value) = self.call.field(name) else { return Ok(None) };
        let number =
            read(value).ok_or_else(|| wrong(format!("`{name}` of {} is no whole number", self.call.action)))?;
        Ok(Some(number))
    }

    /// A length of time in `with`.
    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, Failure> {
        let Some(text) = self.call.text(name) else { return Ok(None) };
        let micros = duration::parse(text).ok().and_then(|micros| u64::try_from(micros).ok());
        let micros = micros.ok_or_else(|| wrong(format!("`{name}: {text}` is not a duration such as 30s or 5m")))?;
        Ok(Some(Duration::from_micros(micros)))
    }

    /// Whether a field of `with` is true.
    pub(super) fn is(&self, name: &str) -> bool {
        self.call.field(name) == Some(&Value::Bool(true))
    }

    /// The same of one that is true unless it says otherwise.
    pub(super) fn unless(&self, name: &str) -> bool {
        self.call.field(name) != Some(&Value::Bool(false))
    }
}
