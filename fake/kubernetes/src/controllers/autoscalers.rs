//! HorizontalPodAutoscalers in a cluster without metrics: the minimum is kept, the rest says why it cannot be computed.

use serde_json::{Value, json};

use super::{Queue, events, text};
use crate::clock;
use crate::store::Key;
use crate::world::World;
use crate::write::Options;

pub(super) const STORAGE: &str = "horizontalpodautoscalers.autoscaling";

const COMPONENT: &str = "horizontal-pod-autoscaler";

fn set(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str) {
    let since = conditions.iter().find(|one| one["type"] == kind && one["status"] == status);
    let since = since.map_or_else(|| json!(clock::time(clock::now())), |one| one["lastTransitionTime"].clone());
    let one =
        json!({ "type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message });
    match conditions.iter_mut().find(|one| one["type"] == kind) {
        Some(old) => *old = one,
        None => conditions.push(one),
    }
}

pub(super) fn reconcile(world: &mut World, queue: &mut Queue, key: &Key) {
    let Some(scaler) = world.store.get(key).cloned() else { return };
    let period = world.settings.autoscale;
    let now = clock::now();
    let (_, last) = world.pods.entry(key.clone()).or_insert_with(|| (String::new(), now)).clone();
    if now < last + period {
        queue.after(last + period - now, key);
        return;
    }
    world.pods.insert(key.clone(), (String::new(), now));
    queue.after(period, key);
    sync(world, key, &scaler);
}

fn sync(world: &mut World, key: &Key, scaler: &Value) {
    let reference = &scaler["spec"]["scaleTargetRef"];
    let Some(kind) = world.kind_of(text(reference, "/apiVersion"), text(reference, "/kind")) else { return };
    let name = text(reference, "/name").to_owned();
    let Some(target) = world.get(&kind.storage, &key.namespace, &name) else { return };
    let current = target["spec"]["replicas"].as_i64().unwrap_or(0);
    let least = scaler["spec"]["minReplicas"].as_i64().unwrap_or(1);
    let mut status = scaler["status"].clone();
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    status["currentReplicas"] = json!(current);
    if current < least {
        let mut options = Options::of("kube-controller-manager", "scale");
        let _ = world.patch(&kind, &key.namespace, &name, &mut options, |target| {
            target["spec"]["replicas"] = json!(least);
            Ok(())
        });
        let message = format!("New size: {least}; reason: Current number of replicas below Spec.MinReplicas");
        events::tell(world, COMPONENT, scaler, "Normal", "SuccessfulRescale", &message);
        let message = format!("the HPA controller was able to update the target scale to {least}");
        set(&mut conditions, "AbleToScale", "True", "SucceededRescale", &message);
        status["desiredReplicas"] = json!(least);
        status["lastScaleTime"] = json!(clock::time(clock::now()));
    } else if scaler["spec"]["metrics"].is_array() {
        const WHY: &str = "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from \
                           resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)";
        events::tell(world, COMPONENT, scaler, "Warning", "FailedGetResourceMetric", WHY);
        let message = format!(
            "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {WHY}"
        );
        events::tell(world, COMPONENT, scaler, "Warning", "FailedComputeMetricsReplicas", &message);
        let able = "the HPA controller was able to get the target's current scale";
        set(&mut conditions, "AbleToScale", "True", "SucceededGetScale", able);
        let message = format!("the HPA was unable to compute the replica count: {WHY}");
        set(&mut conditions, "ScalingActive", "False", "FailedGetResourceMetric", &message);
        status["currentMetrics"] = json!([{ "type": "" }]);
        if let Some(map) = status.as_object_mut() {
            map.remove("observedGeneration");
        }
    }
    status["conditions"] = json!(conditions);
    let Some(kind) = world.kind("autoscaling", "v2", "horizontalpodautoscalers") else { return };
    let mut options = Options::of("kube-controller-manager", "status");
    let _ = world.patch(&kind, &key.namespace, &key.name, &mut options, |scaler| {
        scaler["status"] = status;
        Ok(())
    });
}
