//! What is known of a source that ensue reads: connected since when, how much came, and what is wrong with which part.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ensue_event::Time;
use serde::Serialize;

/// Something that is wrong with a part of a source, such as one kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The part: `pods`; empty for the whole source.
    pub part: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// What is not permitted: `list`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// On what: `pods`, `deployments.apps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// In which namespace; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

impl Problem {
    /// What a failure means for a part.
    #[must_use]
    pub fn of(part: &str, failure: &ensue_event::ours::Failure) -> Problem {
        let text = |name: &str| failure.details.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let denied = failure.name == "Denied";
        Problem {
            part: part.to_owned(),
            message: failure.message.clone(),
            verb: text("verb").filter(|_| denied),
            resource: text("resource").filter(|_| denied).map(|resource| match text("group").as_deref() {
                None | Some("") => resource,
                Some(group) => format!("{resource}.{group}"),
            }),
            namespace: text("namespace"),
            since: None,
        }
    }
}

/// What is shown of a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Since when it is connected and has delivered what it had missed.
    pub connected_since: Option<Time>,
    /// Since when it is not, and why.
    pub disconnected_since: Option<Time>,
    /// Why it is not connected.
    pub reason: Option<String>,
    /// When an event came last.
    pub last_event: Option<Time>,
    /// New events since the start.
    pub events: u64,
    /// Events that were read twice and came before.
    pub repeated: u64,
    /// The last time in which something may be missing.
    pub gap: Option<(Time, Time)>,
    /// It waits for the node, which is behind.
    pub behind: bool,
    /// By part.
    pub problems: Vec<Problem>,
    /// By part, what else there is to say: how many objects are known.
    pub parts: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Inner {
    view: View,
    problems: BTreeMap<String, Problem>,
    waiting: u32,
}

/// What is known of a source; shared by the source and whoever looks.
#[derive(Debug, Default)]
pub struct Status {
    inner: Mutex<Inner>,
}

/// Held while a source waits for the node.
pub(super) struct Waits<'s>(&'s Status);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.waiting = inner.waiting.saturating_sub(1);
    }
}

impl Status {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    #[must_use]
    pub fn view(&self) -> View {
        let inner = self.lock();
        let problems = inner.problems.values().cloned().collect();
        View { problems, behind: inner.view.behind && inner.waiting > 0, ..inner.view.clone() }
    }

    /// The node is behind, or no longer: said by whoever takes the events.
    pub fn behind(&self, behind: bool) {
        self.lock().view.behind = behind;
    }

    /// Something is wrong with a part.
    pub fn problem(&self, mut problem: Problem, now: Time) {
        let mut inner = self.lock();
        let before = inner.problems.get(&problem.part).filter(|before| before.message == problem.message);
        problem.since = before.and_then(|before| before.since).or(Some(now));
        inner.problems.insert(problem.part.clone(), problem);
    }

    /// Nothing is wrong with a part any more.
    pub fn solved(&self, part: &str) {
        self.lock().problems.remove(part);
    }

    /// What there is to say of a part.
    pub fn part(&self, part: &str, says: String) {
        self.lock().view.parts.insert(part.to_owned(), says);
    }

    pub(super) fn waits(&self) -> Waits<'_> {
        self.lock().waiting += 1;
        Waits(self)
    }

    pub(super) fn delivered(&self, new: usize, repeated: usize, now: Time) {
        let mut inner = self.lock();
        inner.view.events += new as u64;
        inner.view.repeated += repeated as u64;
        if new > 0 {
            inner.view.last_event = Some(now);
        }
    }

    /// True if it was not disconnected before.
    pub(super) fn disconnected(&self, reason: &str, now: Time) -> bool {
        let mut inner = self.lock();
        inner.view.reason = Some(reason.to_owned());
        inner.view.connected_since = None;
        let first = inner.view.disconnected_since.is_none();
        inner.view.disconnected_since.get_or_insert(now);
        first
    }

    /// True if it was not connected before.
    pub(super) fn connected(&self, now: Time) -> bool {
        let mut inner = self.lock();
        (inner.view.reason, inner.view.disconnected_since) = (None, None);
        let first = inner.view.connected_since.is_none();
        inner.view.connected_since.get_or_insert(now);
        first
    }

    pub(super) fn gap(&self, from: Time, to: Time) {
        self.lock().view.gap = Some((from, to));
    }
}
