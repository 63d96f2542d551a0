//! Resources of kinds without a cluster: what every cluster serves is known, and of others the plural is a guess.

use crate::kubernetes::kind::Written;

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// Empty for the core.
    pub(super) group: String,
    /// `deployments`.
    pub(super) plural: String,
    /// Whether its objects are in namespaces.
    pub(super) namespaced: bool,
    /// It is a kind that some clusters serve: this is how such kinds are mostly called.
    pub(super) guessed: bool,
    /// Replicas stand in `spec.replicas`, which `kubernetes/scale` patches.
    pub(super) plain_scale: bool,
}

/// Group, kind, plural, short names and, marked with `*`, whether its objects are in no namespace.
const KINDS: &[(&str, &str, &str, &str)] = &[
    ("", "ConfigMap", "configmaps", "cm"),
    ("", "Endpoints", "endpoints", "ep"),
    ("", "Event", "events", "ev"),
    ("", "LimitRange", "limitranges", "limits"),
    ("", "Namespace", "namespaces", "ns*"),
    ("", "Node", "nodes", "no*"),
    ("", "PersistentVolume", "persistentvolumes", "pv*"),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc"),
    ("", "Pod", "pods", "po"),
    ("", "PodTemplate", "podtemplates", ""),
    ("", "ReplicationController", "replicationcontrollers", "rc"),
    ("", "ResourceQuota", "resourcequotas", "quota"),
    ("", "Secret", "secrets", ""),
    ("", "Service", "services", "svc"),
    ("", "ServiceAccount", "serviceaccounts", "sa"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "*"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", "*"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", "*"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "*"),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", "crd crds*"),
    ("apiregistration.k8s.io", "APIService", "apiservices", "*"),
    ("apps", "ControllerRevision", "controllerrevisions", ""),
    ("apps", "DaemonSet", "daemonsets", "ds"),
    ("apps", "Deployment", "deployments", "deploy"),
    ("apps", "ReplicaSet", "replicasets", "rs"),
    ("apps", "StatefulSet", "statefulsets", "sts"),
    ("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa"),
    ("batch", "CronJob", "cronjobs", "cj"),
    ("batch", "Job", "jobs", ""),
    ("certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequests", "csr*"),
    ("coordination.k8s.io", "Lease", "leases", ""),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices", ""),
    ("events.k8s.io", "Event", "events", "ev"),
    ("networking.k8s.io", "Ingress", "ingresses", "ing"),
    ("networking.k8s.io", "IngressClass", "ingressclasses", "*"),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies", "netpol"),
    ("node.k8s.io", "RuntimeClass", "runtimeclasses", "*"),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets", "pdb"),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", "*"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", "*"),
    ("rbac.authorization.k8s.io", "Role", "roles", ""),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", ""),
    ("scheduling.k8s.io", "PriorityClass", "priorityclasses", "pc*"),
    ("storage.k8s.io", "CSIDriver", "csidrivers", "*"),
    ("storage.k8s.io", "CSINode", "csinodes", "*"),
    ("storage.k8s.io", "StorageClass", "storageclasses", "sc*"),
    ("storage.k8s.io", "VolumeAttachment", "volumeattachments", "*"),
];

/// Kinds whose replicas are patched; those of others are set by their subresource `scale`.
const PLAIN: [&str; 4] = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"];

/// The resource of a kind, as people write it; nothing where it is none.
pub(super) fn resource(written: &str) -> Option<Resource> {
    let written: Written = written.parse().ok()?;
    let name = written.name.to_ascii_lowercase();
    let known = KINDS.iter().find(|(group, kind, plural, short)| {
        let short = short.trim_end_matches('*').split(' ');
        let called = kind.to_ascii_lowercase() == name || *plural == name || short.clone().any(|one| one == name);
        called && written.group.as_ref().is_none_or(|wanted| wanted == group)
    });
    if let Some((group, kind, plural, short)) = known {
        return Some(Resource {
            group: (*group).to_owned(),
            plural: (*plural).to_owned(),
            namespaced: !short.ends_with('*'),
            guessed: false,
            plain_scale: PLAIN.contains(kind),
        });
    }
    let group = written.group.unwrap_or_default();
    Some(Resource { group, plural: plural(&name), namespaced: true, guessed: true, plain_scale: false })
}

/// As most kinds have it. A name that is a plural already stays.
fn plural(name: &str) -> String {
    let vowel = |text: &str| text.ends_with(['a', 'e', 'i', 'o', 'u']);
    match name.strip_suffix('y') {
        Some(stem) if !vowel(stem) => format!("{stem}ies"),
        _ if name.ends_with("ss") || ["x", "z", "ch", "sh"].iter().any(|end| name.ends_with(end)) => {
            format!("{name}es")
        }
        _ if name.ends_with('s') => name.to_owned(),
        _ => format!("{name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_however_they_are_written_and_others_are_guessed() {
        for (written, group, plural, namespaced, guessed) in [
            ("deploy", "apps", "deployments", true, false),
            ("apps/v1/Deployment", "apps", "deployments", true, false),
            ("v1/Pod", "", "pods", true, false),
            ("nodes", "", "nodes", false, false),
            ("events.k8s.io/v1/Event", "events.k8s.io", "events", true, false),
            ("Event", "", "events", true, false),
            ("crds", "apiextensions.k8s.io", "customresourcedefinitions", false, false),
            ("networkpolicies.networking.k8s.io", "networking.k8s.io", "networkpolicies", true, false),
            ("argoproj.io/v1alpha1/Rollout", "argoproj.io", "rollouts", true, true),
            ("widgets.ops.example.com", "ops.example.com", "widgets", true, true),
            ("example.com/v1/Proxy", "example.com", "proxies", true, true),
            ("example.com/v1/Gateway", "example.com", "gateways", true, true),
            ("example.com/v1/Class", "example.com", "classes", true, true),
        ] {
            let found = resource(written).unwrap();
            assert_eq!(
                (found.group.as_str(), found.plural.as_str(), found.namespaced, found.guessed),
                (group, plural, namespaced, guessed),
                "{written}"
            );
        }
        assert_eq!(resource("a b/c?d"), None);
    }

    #[test]
    fn what_is_known_of_kinds_is_what_a_server_says() {
        let served = include_str!("../../../../../fake/kubernetes/src/resources.tsv");
        let rows: Vec<Vec<&str>> = served.lines().map(|line| line.split('\t').collect()).collect();
        for (group, kind, plural, short) in KINDS {
            let group = if group.is_empty() { "-" } else { group };
            let row = rows.iter().find(|row| row[0] == group && row.get(2) == Some(plural));
            let row = row.unwrap_or_else(|| panic!("{group} {plural} is not served"));
            let names = short.trim_end_matches('*').replace(' ', ",");
            let names = if names.is_empty() { "-".to_owned() } else { names };
            let scope = if short.ends_with('*') { "C" } else { "N" };
            assert_eq!((row[3], row[4], row[6]), (*kind, scope, names.as_str()), "{plural}");
        }
    }
}
