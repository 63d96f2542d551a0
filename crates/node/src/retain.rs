//! Retention: whole segments past what is to be kept go, once a verified snapshot of the state lies past them; and then
//! the large data that only they named.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ensue_event::ours::{LogTrimmed, Ours, StateSnapshot};
use ensue_event::{Data, Digest, Origin, Position, Time};
use ensue_log::{Blobs, Entry, Error as LogError, Extent, Reader, Unreadable};
use ensue_pump::{Pump, pump};
use ensue_state::{Sqlite, State as _};

use crate::drive::Drive;
use crate::node::Core;
use crate::options::Retention;
use crate::snapshot;

/// How often segments are looked at.
const EVERY: Duration = Duration::from_secs(60);
/// Records that may wait for the fold when a snapshot is taken beside it.
const QUIET: u64 = 10_000;
/// Records that are read to find out which blobs are named; in a longer log none goes.
const READ: u64 = 10_000_000;
/// So many records are read between two pauses.
const PAUSE_EVERY: usize = 4_096;
/// How long a pause is: about as long as the reading, so that the disk serves others too.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks every minute.
pub(crate) async fn run(core: Arc<Core>) {
    let mut stop = core.stop.subscribe();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        // On a full disk trimming is what helps; else a fold that is behind has better things to do.
        let full = core.queue.reserve.load(std::sync::atomic::Ordering::Relaxed) > 0;
        // A rule on its way through the past is to come by all of it.
        let backfill = core.read(|pump| pump.engine().backfill().is_some()).await.unwrap_or(false);
        if (core.feed.lag().0 > QUIET || backfill) && !full {
            continue;
        }
        if let Err(why) = now(&core).await {
            tracing::warn!(why, "the log is not trimmed");
        }
    }
}

/// Trims what is past retention now. The first record that is left, where something went.
pub(crate) async fn now(core: &Arc<Core>) -> Result<Option<Position>, String> {
    let until = past(&core.reader.extents(), &core.options.retention, core.clock.now());
    if until <= core.reader.first() {
        return Ok(None);
    }
    let data = core.options.data.clone();
    let taken = tokio::task::spawn_blocking(move || match snapshot::take(&data) {
        // The one before is not as near, and as good.
        Err(why) if snapshot::is_full(&why) => {
            let newest = snapshot::list(&data)?.into_iter().next();
            newest.map(|(position, _)| Some((position, None))).ok_or(why)
        }
        taken => taken.map(|taken| taken.map(|(position, digest)| (position, Some(digest)))),
    });
    let taken = taken.await.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
    let Some((position, digest)) = taken else { return Ok(None) };
    if let Some(digest) = digest {
        tell(core, StateSnapshot { position, digest }.into()).await?;
    }
    // The record that the snapshot ends with stays: by its chain a start sees that both are of one history.
    let trimmed = core.trim(until.min(position)).await.map_err(|why| why.to_string())?;
    if trimmed.records == 0 {
        return Ok(None);
    }
    tracing::info!(first = %trimmed.first, records = trimmed.records, bytes = trimmed.bytes, "the log is trimmed");
    tell(core, LogTrimmed { first: trimmed.first, bytes: trimmed.bytes }.into()).await?;
    // The age of a file is by the wall clock; one that jumped ahead must not make a young blob old.
    let now = core.clock.now().min(crate::clock::wall());
    let (logs, data) = (Arc::clone(&core.logs), core.options.data.clone());
    let collected = core.log(move |reader, blobs| {
        let state = snapshot::list(&data).map_err(|why| why.to_string())?.into_iter().next();
        let state = state.map(|(_, path)| path);
        collect(reader, blobs, logs.outputs(), state.as_deref(), now)
    });
    match collected.await {
        Some(Ok(removed)) if removed > 0 => tracing::info!(removed, "blobs that nothing names any more are removed"),
        Some(Err(why)) => tracing::warn!(%why, "blobs that nothing names are not removed"),
        _ => {}
    }
    Ok(Some(trimmed.first))
}

/// Removes the blobs that nothing names any more and that are an hour old, so that none of them is on its way into the
/// log. Bodies of events are named by their records alone: the state holds by value what it needs. Logs and artifacts are
/// named wherever their digest is written: in a record, or in the state as the newest snapshot has it, which lies past
/// every record that is gone.
fn collect(
    reader: &Reader<Drive>,
    blobs: &Blobs<Drive>,
    outputs: &Blobs<Drive>,
    state: Option<&Path>,
    now: Time,
) -> Result<usize, String> {
    let text = |why: LogError| why.to_string();
    let (first, end) = (reader.first(), reader.end());
    let left: HashSet<Digest> = outputs.list().map_err(text)?.into_iter().collect();
    if end.0 - first.0 > READ || blobs.list().map_err(text)?.is_empty() && left.is_empty() {
        return Ok(0);
    }
    let mut named: HashSet<Digest> = HashSet::new();
    let mut written: HashSet<Digest> = HashSet::new();
    if let Some(state) = state.filter(|_| !left.is_empty()) {
        let state = Sqlite::reader(state, Pump::<Sqlite>::tables()).map_err(|why| why.to_string())?;
        for table in Pump::<Sqlite>::tables() {
            let mut each = |_: &[u8], value: &[u8]| {
                written.extend(digests(value).filter(|digest| left.contains(digest)));
                Ok(())
            };
            state.load(table, &mut each).map_err(|why| why.to_string())?;
        }
    }
    for (nth, entry) in reader.cat(first, end).enumerate() {
        match entry.map_err(text)? {
            Entry::Record(mut record) => {
                if let Data::Blob { blob, .. } = &record.event.data {
                    named.insert(blob.digest);
                    if !left.is_empty() && !matches!(record.origin, Origin::Source(_)) {
                        // What cannot be read may name anything.
                        blobs.resolve(&mut record).map_err(text)?;
                    }
                }
                if !left.is_empty() {
                    let data = record.event.json().map_or(&[][..], |data| data);
                    written.extend(digests(data).filter(|digest| left.contains(digest)));
                }
            }
            // Nobody can say what it named.
            Entry::Unreadable { why: Unreadable::Damaged { .. }, .. } => return Ok(0),
            Entry::Unreadable { why: Unreadable::Purged, .. } => {}
        }
        if nth % PAUSE_EVERY == PAUSE_EVERY - 1 {
            std::thread::sleep(PAUSE);
        }
    }
    let bodies = blobs.collect(now, |digest| named.contains(digest)).map_err(text)?;
    Ok(bodies + outputs.collect(now, |digest| written.contains(digest)).map_err(text)?)
}

/// Every digest that is written in a text: 64 hexadecimal digits, no more and no fewer.
fn digests(text: &[u8]) -> impl Iterator<Item = Digest> + '_ {
    let words = text.split(|byte| !byte.is_ascii_hexdigit()).filter(|word| word.len() == 64);
    words.filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
}

async fn tell(core: &Arc<Core>, ours: Ours) -> Result<(), String> {
    let out = pump::node(uuid::Uuid::now_v7().to_string(), &ours);
    core.tell(out).await.map(drop).map_err(|why| why.to_string())
}

/// The first record to be kept. The file that is written to always stays.
fn past(extents: &[Extent], retention: &Retention, now: Time) -> Position {
    let mut bytes: u64 = extents.iter().map(|extent| extent.bytes).sum();
    let oldest = retention.age.map(|age| now - age);
    let mut until = extents.first().map_or(Position(0), |extent| extent.first);
    for (extent, next) in extents.iter().zip(extents.iter().skip(1)) {
        let old = oldest.is_some_and(|oldest| extent.last_at.is_none_or(|at| at < oldest));
        let much = retention.bytes.is_some_and(|most| bytes > most);
        if !old && !much {
            break;
        }
        bytes -= extent.bytes;
        until = next.first;
    }
    until
}

#[cfg(test)]
mod tests {
    use ensue_event::Span;

    use super::*;

    #[test]
    fn whole_files_that_are_old_or_too_much_go() {
        let extent = |nth: u64| Extent {
            first: Position(nth * 10),
            end: Position(nth * 10 + 10),
            bytes: 100,
            last_at: Some(Time::from_secs(1_000 + i64::try_from(nth).unwrap() * 60)),
        };
        let extents: Vec<Extent> = (1..=4).map(extent).collect();
        let now = Time::from_secs(1_000 + 4 * 60);
        for (age, bytes, first) in [
            (None, None, 10),
            (Some(Span::secs(120)), None, 20),
            (Some(Span::secs(1)), None, 40),
            (None, Some(400), 10),
            (None, Some(399), 20),
            (None, Some(0), 40),
            (Some(Span::secs(61)), Some(350), 30),
        ] {
            assert_eq!(past(&extents, &Retention { age, bytes }, now), Position(first), "{age:?} {bytes:?}");
        }
        assert_eq!(past(&[], &Retention::default(), now), Position(0));
    }
}
