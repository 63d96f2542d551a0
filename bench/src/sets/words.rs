//! Names that events and patterns share, and how often each is met.

use crate::rng::Rng;

const TEAMS: [&str; 16] = [
    "payments", "search", "identity", "platform", "mobile", "growth", "catalog", "orders", "billing", "data",
    "network", "storage", "edge", "support", "risk", "media",
];
const PARTS: [&str; 12] =
    ["api", "web", "worker", "cron", "gateway", "importer", "cache", "admin", "sync", "mailer", "proxy", "jobs"];
const STAGES: [&str; 4] = ["prod", "staging", "dev", "canary"];
const ORGS: [&str; 6] = ["shop", "fleet", "harbor", "lumen", "orbit", "quarry"];

/// A set of names: so many of them, each made from its number.
#[derive(Clone, Copy)]
pub(super) struct Pool {
    pub(super) size: u64,
    name: fn(u64) -> String,
}

fn nth<'a>(list: &[&'a str], at: u64) -> &'a str {
    list.get((at % list.len() as u64) as usize).copied().unwrap_or_default()
}

pub(super) const REPOSITORIES: Pool = Pool {
    size: 12_000,
    name: |at| format!("{}/{}-{}-{at:05}", nth(&ORGS, at), nth(&TEAMS, at / 6), nth(&PARTS, at / 96)),
};
pub(super) const NAMESPACES: Pool =
    Pool { size: 1_600, name: |at| format!("{}-{}-{}", nth(&TEAMS, at), nth(&STAGES, at / 16), at / 64) };
pub(super) const ALERTS: Pool = Pool {
    size: 900,
    name: |at| {
        let what = nth(&["Latency", "Errors", "Restarts", "DiskFull", "Backlog", "CertExpires", "Saturation"], at);
        format!("{}{what}{}", nth(&["High", "Burning", "Sudden"], at / 7), at / 21)
    },
};
pub(super) const PEOPLE: Pool =
    Pool { size: 3_000, name: |at| format!("{}{at:04}", nth(&["ana", "bo", "chen", "dmitri", "elif", "femi"], at)) };
pub(super) const BRANCHES: Pool = Pool {
    size: 1_200,
    name: |at| match at {
        0 => "main".into(),
        1 => "develop".into(),
        2..60 => format!("release/{}.{}", at / 10, at % 10),
        60..900 => format!("feature/OPS-{at}"),
        _ => format!("bot/update-{at}"),
    },
};
pub(super) const PIPELINES: Pool = Pool {
    size: 160,
    name: |at| format!("{}-{}", nth(&["build", "test", "deploy", "scan", "publish"], at), nth(&PARTS, at / 5)),
};
pub(super) const REASONS: Pool = Pool {
    size: 10,
    name: |at| {
        let reasons = [
            "BackOff",
            "Unhealthy",
            "Killing",
            "Pulled",
            "Created",
            "Started",
            "OOMKilled",
            "FailedMount",
            "Evicted",
            "FailedScheduling",
        ];
        nth(&reasons, at).into()
    },
};
pub(super) const RESULTS: Pool =
    Pool { size: 5, name: |at| nth(&["success", "failure", "cancelled", "skipped", "timed_out"], at).into() };
pub(super) const SEVERITIES: Pool =
    Pool { size: 4, name: |at| nth(&["info", "warning", "critical", "page"], at).into() };
pub(super) const TEAM: Pool = Pool { size: 16, name: |at| nth(&TEAMS, at).into() };
pub(super) const STAGE: Pool = Pool { size: 4, name: |at| nth(&STAGES, at).into() };
pub(super) const ACTIONS: Pool = Pool {
    size: 6,
    name: |at| nth(&["opened", "closed", "synchronize", "completed", "requested", "labeled"], at).into(),
};
pub(super) const TAGS: Pool =
    Pool { size: 400, name: |at| if at == 0 { "latest".into() } else { format!("v{}.{}", at / 20, at % 20) } };

impl Pool {
    /// A name; those with small numbers are met more often than others.
    pub(super) fn one(self, rng: &mut Rng) -> String {
        let mut at = rng.range(0, self.size);
        // Twice out of three the smallest of three: a skew, with a long tail.
        if rng.range(0, 3) > 0 {
            at = at.min(rng.range(0, self.size)).min(rng.range(0, self.size));
        }
        (self.name)(at)
    }

    /// A name, each as often as the others.
    pub(super) fn any(self, rng: &mut Rng) -> String {
        (self.name)(rng.range(0, self.size))
    }
}
