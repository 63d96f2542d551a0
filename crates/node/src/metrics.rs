//! What the node counts and measures, in the form that Prometheus reads.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// From 100 µs to 100 s: an fsync of a good disk, and a chain that waited for people.
const BUCKETS: [f64; 19] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0,
    100.0,
];

/// A part of the way of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// Received to durable.
    Durable,
    /// Durable to decided: folded.
    Decided,
    /// Decided to acted: its effect was dispatched.
    Acted,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Stage::Durable => "durable",
            Stage::Decided => "decided",
            Stage::Acted => "acted",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfStage {
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfRule {
    rule: String,
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfSource {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfAction {
    action: String,
    result: &'static str,
}

type Timed<L> = Family<L, Histogram, fn() -> Histogram>;

/// All of them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Events accepted, by source.
    accepted: Family<OfSource, Counter>,
    /// Requests refused, by reason.
    refused: Family<Reason, Counter>,
    pub(crate) duplicates: Counter,
    pub(crate) conflicts: Counter,
    pub(crate) quarantined: Counter,
    stages: Timed<OfStage>,
    rules: Timed<OfRule>,
    actions: Family<OfAction, Counter>,
    pub(crate) appends: Histogram,
    pub(crate) checkpoints: Histogram,
    pub(crate) gauges: Gauges,
}

/// What is set when the page is asked for.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) log_end: Gauge,
    pub(crate) folded: Gauge,
    pub(crate) lag: Gauge,
    pub(crate) outbox: Gauge,
    pub(crate) in_flight: Gauge,
    pub(crate) waiting: Gauge,
    pub(crate) runs: Gauge,
    pub(crate) stuck: Gauge,
    pub(crate) parked: Gauge,
    pub(crate) frozen: Gauge,
    pub(crate) reserve: Gauge<f64, std::sync::atomic::AtomicU64>,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("ensue");
        let metrics = Metrics {
            accepted: Family::default(),
            refused: Family::default(),
            duplicates: Counter::default(),
            conflicts: Counter::default(),
            quarantined: Counter::default(),
            stages: Family::new_with_constructor(histogram),
            rules: Family::new_with_constructor(histogram),
            actions: Family::default(),
            appends: histogram(),
            checkpoints: histogram(),
            gauges: Gauges::default(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register("events_accepted", "Events made durable, by source", m.accepted.clone());
        registry.register("requests_refused", "Requests refused, by reason", m.refused.clone());
        registry.register("duplicates", "Events that had come before", m.duplicates.clone());
        registry.register("conflicts", "Events with the id of another one and another body", m.conflicts.clone());
        registry.register(
            "records_quarantined",
            "Records set aside because they could not be folded",
            m.quarantined.clone(),
        );
        registry.register("stage_seconds", "How long each stage took: durable is received to durable, decided is durable to decided, acted is decided to acted", m.stages.clone());
        registry.register("rule_stage_seconds", "The same stages, by rule", m.rules.clone());
        registry.register("actions", "Actions that were answered, by result", m.actions.clone());
        registry.register("log_append_seconds", "How long an append took, its fsync with it", m.appends.clone());
        registry.register("checkpoint_seconds", "How long a checkpoint of the state took", m.checkpoints.clone());
        let g = &m.gauges;
        registry.register("log_end", "The position that the next record gets", g.log_end.clone());
        registry.register("folded", "The position of the next record to fold", g.folded.clone());
        registry.register("fold_lag", "Durable records that are not folded", g.lag.clone());
        registry.register("outbox", "Effects without an answer", g.outbox.clone());
        registry.register("actions_in_flight", "Effects that were dispatched and have no answer", g.in_flight.clone());
        registry.register("actions_waiting", "Effects that wait for a limit of their connection", g.waiting.clone());
        registry.register("runs_kept", "Runs in state", g.runs.clone());
        registry.register("runs_stuck", "Runs that wait for nothing: must be 0", g.stuck.clone());
        registry.register("firings_parked", "Firings that wait for a person", g.parked.clone());
        registry.register("freezes", "Freezes in force", g.frozen.clone());
        registry.register(
            "reserve_used",
            "How much of the space reserved for a full disk is used, from 0 to 1",
            g.reserve.clone(),
        );
        Metrics { registry, ..metrics }
    }

    pub(crate) fn accepted(&self, source: &str) {
        // Most of the time the label is known: no new text for it.
        self.accepted.get_or_create(&OfSource { source: source.to_owned() }).inc();
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn stage(&self, stage: Stage, took: Duration) {
        self.stages.get_or_create(&OfStage { stage: stage.as_str() }).observe(took.as_secs_f64());
    }

    pub(crate) fn rule(&self, rule: &str, stage: Stage, took: Duration) {
        self.rules.get_or_create(&OfRule { rule: rule.to_owned(), stage: stage.as_str() }).observe(took.as_secs_f64());
    }

    pub(crate) fn action(&self, action: &str, ok: bool) {
        let result = if ok { "ok" } else { "failed" };
        self.actions.get_or_create(&OfAction { action: action.to_owned(), result }).inc();
    }

    /// The page that Prometheus reads (OpenMetrics text).
    pub(crate) fn page(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}
