//! Sources of type `schedule`: their events, on time, and those that were missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ensue_connect::Schedule;
use ensue_event::ours::SourceCaughtUp;
use ensue_event::{Digest, Event, Time};
use ensue_lang::Name;
use ensue_pump::pump;

use crate::ingest::{Compared, Events};
use crate::node::Core;

/// The longest sleep: a changed configuration or clock is noticed after it.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// A schedule and how far it is.
struct Kept {
    digest: Digest,
    schedule: Schedule,
    /// The last occurrence that is dealt with.
    last: Time,
}

/// Sends the events of all schedules until the node stops.
pub(crate) async fn run(core: Arc<Core>) {
    let mut kept: BTreeMap<Name, Kept> = BTreeMap::new();
    let mut stop = core.stop.subscribe();
    loop {
        refresh(&core, &mut kept).await;
        let now = core.clock.now();
        for (name, kept) in &mut kept {
            // The clock may have passed several at once: those in between follow the policy too.
            for occurrence in due(kept, now) {
                if !send(&core, name, &kept.schedule, occurrence).await {
                    break;
                }
                kept.last = occurrence;
            }
        }
        caught_up(&core, &kept, now).await;
        let next = kept.values().filter_map(|kept| kept.schedule.next(kept.last)).min();
        let sleep = next.map_or(LOOK_AROUND, |next| next.since(core.clock.now()).to_std());
        tokio::select! {
            // A millisecond at least: an event that is refused is tried again, but not without a pause.
            () = tokio::time::sleep(sleep.clamp(Duration::from_millis(1), LOOK_AROUND)) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Says of schedules that all they had missed is sent, if that is waited for: deadlines that fell into the time in which
/// the node was stopped are decided then.
async fn caught_up(core: &Arc<Core>, kept: &BTreeMap<Name, Kept>, now: Time) {
    let waiting = core.read(|pump| pump.engine().gap().map(|gap| gap.waiting.clone())).await.flatten();
    for source in waiting.unwrap_or_default().into_keys() {
        if kept.iter().any(|(name, kept)| name.to_string() == source && due(kept, now).is_empty()) {
            let told = SourceCaughtUp { source };
            let out = pump::node(uuid::Uuid::now_v7().to_string(), &told.into());
            if let Err(why) = core.tell(out).await {
                tracing::warn!(%why, "that a schedule has caught up could not be recorded");
            }
        }
    }
}

/// Occurrences to send now, the oldest first.
fn due(kept: &Kept, now: Time) -> Vec<Time> {
    match kept.schedule.next(kept.last) {
        Some(next) if next <= now => {
            let more = kept.schedule.missed(kept.last, now, kept.schedule.policy());
            // One that is due right now is not a missed one, whatever the policy.
            if more.is_empty() { vec![next] } else { more }
        }
        _ => Vec::new(),
    }
}

/// Takes over what the configuration says now.
async fn refresh(core: &Arc<Core>, kept: &mut BTreeMap<Name, Kept>) {
    let config = core.config();
    let schedules = || config.config.sources.iter().filter(|(_, source)| source.type_name == "schedule");
    kept.retain(|name, kept| schedules().any(|(known, source)| known == name && source.digest == kept.digest));
    for (name, source) in schedules() {
        if kept.contains_key(name) {
            continue;
        }
        let schedule = match Schedule::parse(&source.config) {
            Ok(schedule) => schedule,
            Err(why) => {
                // Checked before it was applied; a later version of the reader may still be stricter.
                tracing::error!(source = %name, %why, "the schedule cannot be followed");
                continue;
            }
        };
        let full = name.to_string();
        let known = core.read(move |pump| pump.engine().state().sources.get(&full).cloned()).await.flatten();
        // A schedule that is new begins now: nothing was missed.
        let now = core.clock.now();
        let last = known.map_or(now, |known| known.occurred.unwrap_or(known.last));
        let last = match schedule.policy() {
            ensue_connect::schedule::Missed::Skip => last.max(now),
            _ => last,
        };
        kept.insert(name.clone(), Kept { digest: source.digest, schedule, last });
    }
}

/// Makes one event durable; false if it must be tried again.
async fn send(core: &Arc<Core>, name: &Name, schedule: &Schedule, occurrence: Time) -> bool {
    let mut event: Event = schedule.event(&name.name, occurrence);
    // Two namespaces may have schedules of the same name.
    event.source = format!("/ensue/schedule/{name}").into();
    let events = Events { events: vec![event], dedupe: true, compared: Compared::Events, second: None };
    match core.ingest(&name.to_string(), events, Instant::now()).await {
        Ok(_) => true,
        Err(why) => {
            tracing::warn!(source = %name, %occurrence, %why, "the event of a schedule waits");
            false
        }
    }
}
