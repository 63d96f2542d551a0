//! One watch: a kind in a namespace or in all, listed and then followed, for as long as the source is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ensue_event::Event;
use ensue_event::ours::Failure;
use futures::FutureExt as _;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::clean::{at, changed_at, clean, number, text};
use super::happening;
use super::known::{Kept, Known, Shelf};
use super::live::{Live, Part};
use super::make::{Sender, What};
use super::spec::{Resource, Spec};
use crate::kubernetes::client::{Ask, Cluster, Incoming};
use crate::kubernetes::failure::{Subject, broke_off, refused};
use crate::kubernetes::kind::Kind;
use crate::pull::{Backoff, Ended, Feed, Rows, StoreError, chance};

/// Events that are appended together at most.
const BATCH: usize = 500;
/// Bytes of objects that are held until they are appended, at most.
const BATCH_BYTES: usize = 1 << 20;
/// Objects of one page of a list.
const PAGE: usize = 500;
/// The longest line of a watch: an object is at most a few MiB.
const LINE: usize = 32 << 20;
/// How long the server is asked to keep a watch, and by how much that differs from one to the next, in seconds: not all
/// watches are to end at once.
const KEEP: f64 = 240.0;
const SPREAD: f64 = 60.0;
/// Bookmarks come each minute: a stream without any line for so long is dead.
const SILENCE: Duration = Duration::from_secs(150);
/// The same where the server has sent no bookmark: it ends the watch itself.
const LONG_SILENCE: Duration = Duration::from_secs(330);
/// A streaming list begins at once, or the server does not know it.
const FIRST_LINE: Duration = Duration::from_secs(30);
/// How long what was read waits for more, so that changes of one moment share the flushes; in a list, where nobody waits
/// for a single object, longer.
const LINGER: Duration = Duration::from_millis(2);
const LIST_LINGER: Duration = Duration::from_millis(50);
/// A stream that says nothing for so long has said all that was missed.
const PAUSE: Duration = Duration::from_millis(300);
/// How long it takes until what is not permitted is asked for again, and what is not there: that is one small request.
const DENIED: Duration = Duration::from_secs(5);
const ABSENT: Duration = Duration::from_secs(1);

/// What all watches of a source share.
pub(super) struct Shared<'f> {
    pub(super) feed: &'f Feed,
    pub(super) spec: Spec,
    pub(super) sender: Sender,
    pub(super) live: Live,
}

/// Why a turn ended early.
enum Stop {
    Ended,
    Failed(Failure),
}

impl From<Ended> for Stop {
    fn from(_: Ended) -> Stop {
        Stop::Ended
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

impl From<StoreError> for Stop {
    fn from(why: StoreError) -> Stop {
        Stop::Failed(Failure::new("Store", why.to_string()).retryable())
    }
}

/// A line of a watch.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

/// One watch.
pub(super) struct Watch {
    /// Its name for people: `pods`, `pods in shop`.
    part: String,
    resource: Resource,
    namespace: Option<String>,
    /// Events of the cluster, and which of the two APIs is asked.
    happenings: Option<usize>,
    /// The server knows no streaming lists.
    paged: bool,
    /// What is known is too old to be followed.
    outdated: bool,
    /// That something may be missing because of that is told.
    told: bool,
    /// Who belongs to whom was taken from what is known.
    recalled: bool,
}

/// What is read and not yet durable.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    /// By uid; nothing: it is gone.
    objects: BTreeMap<String, Option<Kept>>,
    bytes: usize,
    version: Option<String>,
    /// When it becomes durable at the latest; nothing while nothing was read.
    due: Option<Instant>,
}

/// A list that is under way.
struct Listing {
    seen: BTreeSet<String>,
    /// This kind was never listed before.
    first: bool,
}

/// Both APIs in which Events of the cluster stand; the newer one first.
const HAPPENINGS: (&str, &str) = ("events.k8s.io/v1/Event", "v1/Event");

impl Watch {
    /// A watch of a kind.
    pub(super) fn new(resource: &Resource, namespace: Option<&str>) -> Watch {
        Watch {
            part: part(&resource.kind, namespace),
            resource: resource.clone(),
            namespace: namespace.map(str::to_owned),
            happenings: None,
            paged: false,
            outdated: false,
            told: false,
            recalled: false,
        }
    }

    /// A watch of the events of the cluster.
    pub(super) fn happenings(namespace: Option<&str>) -> Watch {
        let watch = Watch::new(&Resource::of("Event", &[]), namespace);
        Watch { part: part("events", namespace), happenings: Some(0), ..watch }
    }

    /// Lists and follows until the node stops.
    pub(super) async fn run(mut self, shared: &Shared<'_>) -> Ended {
        let mut backoff = Backoff::default();
        self.paged = shared.spec.paged;
        if shared.live.set(shared.feed, &self.part, Part::Waits).await.is_err() {
            return Ended;
        }
        loop {
            let failure = match self.turn(shared, &mut backoff).await {
                Ok(()) => continue,
                Err(Stop::Ended) => return Ended,
                Err(Stop::Failed(failure)) => failure,
            };
            let barred = match failure.name.as_str() {
                "Denied" => Some(DENIED),
                "NotServed" => Some(ABSENT),
                _ => None,
            };
            if failure.name == "Gone" && !std::mem::replace(&mut self.outdated, true) {
                continue;
            }
            if barred.is_some()
                && let Some(way) = &mut self.happenings
            {
                *way = (*way + 1) % 2;
                if *way != 0 {
                    continue;
                }
            }
            if shared.live.failed(shared.feed, &self.part, &failure, backoff.tries()).await.is_err() {
                return Ended;
            }
            let asked = failure.retry_after.map(|span| span.to_std());
            sleep(backoff.next(asked.or(barred))).await;
        }
    }

    /// One list, if it is needed, and one stream, to its end.
    async fn turn(&mut self, shared: &Shared<'_>, backoff: &mut Backoff) -> Result<(), Stop> {
        let feed = shared.feed;
        let Some(connection) = &feed.connection else {
            return Err(crate::action::wrong(format!("the source `{}` names no connection", feed.name)).into());
        };
        let cluster = feed.world.cluster(connection, &feed.namespace).await?;
        let written = self
            .happenings
            .map_or(self.resource.kind.as_str(), |way| if way == 0 { HAPPENINGS.0 } else { HAPPENINGS.1 });
        let kind = cluster.kind(written).await?;
        let resource = if self.happenings.is_some() { "events".to_owned() } else { kind.resource() };
        let key = self.resource.key(&resource, self.namespace.as_deref());
        let shelf = Shelf::open(Arc::clone(&feed.store), key)?;
        let known = shelf.version()?;
        if !std::mem::replace(&mut self.recalled, true) && known.is_some() {
            recall(shared, &shelf)?;
        }
        let mut listing = None;
        if known.is_none() || self.outdated {
            if let (Some((_, at)), false) = (&known, self.told) {
                // What was between is not told: only how it differs now from what was known.
                feed.gap(*at).await?;
                self.told = true;
            }
            listing = Some(Listing { seen: BTreeSet::new(), first: known.is_none() });
        }
        let mut version = known.map(|(version, _)| version);
        if let (Some(list), true) = (&mut listing, self.paged) {
            version = Some(self.pages(shared, &cluster, &kind, &shelf, list).await?);
            listing = None;
        }
        let done = self.follow(shared, &cluster, &kind, &shelf, version, listing, backoff).await;
        match done {
            // A server that knows no streaming lists says so.
            Err(Stop::Failed(failure)) if !self.paged && streaming_refused(&failure) => {
                self.paged = true;
                Ok(())
            }
            done => done,
        }
    }

    fn ask(&self, kind: &Kind) -> Ask {
        let mut ask = Ask::get(kind.path(self.namespace.as_deref()));
        if let Some(labels) = &self.resource.labels {
            ask = ask.query("labelSelector", labels);
        }
        if let Some(fields) = &self.resource.fields {
            ask = ask.query("fieldSelector", fields);
        }
        ask
    }

    /// All objects, page by page: the version that a watch goes on from.
    async fn pages(
        &mut self,
        shared: &Shared<'_>,
        cluster: &Cluster,
        kind: &Kind,
        shelf: &Shelf,
        list: &mut Listing,
    ) -> Result<String, Stop> {
        let (mut next, mut version) = (String::new(), None);
        loop {
            let mut ask = self.ask(kind).query("limit", PAGE);
            if !next.is_empty() {
                ask = ask.query("continue", &next);
            }
            let mut page = match cluster.send(ask).await {
                Ok(page) => page,
                // The list took too long; the server says how to go on with what there is now.
                Err(failure) if failure.name == "Gone" && !text(&failure.details, &["continue"]).is_empty() => {
                    next = text(&failure.details, &["continue"]).to_owned();
                    continue;
                }
                Err(failure) => return Err(failure.into()),
            };
            // Objects of later pages may be newer: what changed since the first one comes again, and is known then.
            version.get_or_insert_with(|| text(&page, &["metadata", "resourceVersion"]).to_owned());
            let mut batch = Batch::default();
            let (api_version, of) = (kind.api_version(), kind.kind.clone());
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                for mut object in items {
                    // Objects in a list do not say what they are.
                    if let Some(fields) = object.as_object_mut() {
                        fields.entry("apiVersion").or_insert_with(|| api_version.clone().into());
                        fields.entry("kind").or_insert_with(|| of.clone().into());
                    }
                    self.came(shared, shelf, &mut batch, object, Some(list))?;
                }
            }
            next = text(&page, &["metadata", "continue"]).to_owned();
            self.flush(shared, shelf, &mut batch).await?;
            if next.is_empty() {
                break;
            }
        }
        let version = version.unwrap_or_default();
        self.listed(shared, shelf, list, &version).await?;
        Ok(version)
    }

    /// A list is whole: what is known and was not in it is gone.
    async fn listed(&mut self, shared: &Shared<'_>, shelf: &Shelf, list: &Listing, version: &str) -> Result<(), Stop> {
        let mut from = String::new();
        loop {
            let page = shelf.after(&from)?;
            let Some((last, _)) = page.last() else { break };
            from.clone_from(last);
            let mut batch = Batch::default();
            for (uid, known) in page {
                if !list.seen.contains(&uid) {
                    self.went(shared, &mut batch, uid, Some(&known), known.object.clone(), None);
                }
            }
            self.flush(shared, shelf, &mut batch).await?;
        }
        let mut batch = Batch { version: Some(version.to_owned()), ..Batch::default() };
        (self.outdated, self.told) = (false, false);
        self.flush(shared, shelf, &mut batch).await
    }

    /// Reads a stream to its end: from a version on, or with all objects before.
    #[allow(clippy::too_many_arguments)] // one call, of what one turn needs
    async fn follow(
        &mut self,
        shared: &Shared<'_>,
        cluster: &Cluster,
        kind: &Kind,
        shelf: &Shelf,
        version: Option<String>,
        mut listing: Option<Listing>,
        backoff: &mut Backoff,
    ) -> Result<(), Stop> {
        let keep = KEEP + SPREAD * chance();
        let mut ask = self.ask(kind).query("watch", true).query("allowWatchBookmarks", true);
        ask = ask.query("timeoutSeconds", format!("{keep:.0}"));
        ask = match (&listing, version) {
            (None, Some(version)) => ask.query("resourceVersion", version),
            _ => ask.query("sendInitialEvents", true).query("resourceVersionMatch", "NotOlderThan"),
        };
        let subject = ask.subject();
        let mut incoming = cluster.open(ask).await?;
        // What was missed comes at once, and so does the word that it is too much: before a pause nothing is caught up.
        let mut catching_up = listing.is_none();
        let mut lines = Lines::default();
        let mut batch = Batch::default();
        let mut silence = if listing.is_some() { FIRST_LINE } else { LONG_SILENCE };
        let mut resync =
            shared.spec.resync.filter(|_| self.happenings.is_none()).map(|every| (every, next_round(every)));
        loop {
            let chunk = match batch.more(&mut incoming).await {
                Some(chunk) => chunk?,
                None => {
                    // Nothing more came in time: what is read becomes durable.
                    self.flush(shared, shelf, &mut batch).await?;
                    let patience = if catching_up { PAUSE } else { silence };
                    match self.wait(&mut incoming, patience, resync.map(|(_, at)| at)).await {
                        Waited::Silent if catching_up => {
                            catching_up = false;
                            self.is_live(shared, backoff).await?;
                            continue;
                        }
                        Waited::Chunk(chunk) => chunk?,
                        Waited::Round => {
                            if let Some((every, at)) = &mut resync {
                                self.again(shared, shelf, *every).await?;
                                *at = next_round(*every);
                            }
                            continue;
                        }
                        Waited::Silent if listing.is_some() && lines.none() => {
                            self.paged = true;
                            return Ok(());
                        }
                        Waited::Silent => return Err(broke_off(&subject, "nothing came for too long", true).into()),
                    }
                }
            };
            let Some(chunk) = chunk else { break };
            lines.add(&chunk);
            let linger = if listing.is_some() { LIST_LINGER } else { LINGER };
            batch.due.get_or_insert_with(|| Instant::now() + linger);
            if lines.rest() > LINE {
                return Err(broke_off(&subject, "a line is longer than 32 MiB", true).into());
            }
            while let Some(line) = lines.next() {
                let line: Line = match serde_json::from_slice(&line) {
                    Ok(line) => line,
                    Err(why) => return Err(broke_off(&subject, &format!("a line is no JSON: {why}"), true).into()),
                };
                if line.kind != "ERROR" {
                    backoff.reset();
                }
                match line.kind.as_str() {
                    "ADDED" | "MODIFIED" => self.came(shared, shelf, &mut batch, line.object, listing.as_mut())?,
                    "DELETED" => self.deleted(shared, shelf, &mut batch, line.object, listing.as_mut())?,
                    "BOOKMARK" => {
                        silence = SILENCE;
                        let version = text(&line.object, &["metadata", "resourceVersion"]).to_owned();
                        let end = text(&line.object, &["metadata", "annotations", "k8s.io/initial-events-end"]);
                        // Without a list under way it ends nothing, and is a bookmark like any other.
                        if let (Some(list), "true") = (&listing, end) {
                            self.flush(shared, shelf, &mut batch).await?;
                            self.listed(shared, shelf, list, &version).await?;
                            listing = None;
                            self.is_live(shared, backoff).await?;
                        } else if listing.is_none() {
                            batch.version = Some(version);
                        }
                    }
                    "ERROR" => {
                        self.flush(shared, shelf, &mut batch).await?;
                        return Err(error_line(&subject, &line.object).into());
                    }
                    other => tracing_unknown(shared, &self.part, other),
                }
                if batch.events.len() >= BATCH || batch.bytes >= BATCH_BYTES {
                    self.flush(shared, shelf, &mut batch).await?;
                }
            }
        }
        self.flush(shared, shelf, &mut batch).await?;
        if listing.is_some() {
            return Err(broke_off(&subject, "the list ended before it was whole", true).into());
        }
        // Half a line at the end is one that comes again: its version is not noted.
        Ok(())
    }

    async fn wait(&self, incoming: &mut Incoming, silence: Duration, round: Option<Instant>) -> Waited {
        let next = timeout(silence, incoming.chunk());
        tokio::select! {
            came = next => came.map_or(Waited::Silent, Waited::Chunk),
            () = async {
                match round {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => Waited::Round,
        }
    }

    async fn is_live(&self, shared: &Shared<'_>, backoff: &mut Backoff) -> Result<(), Stop> {
        backoff.reset();
        shared.feed.status.solved(&self.part);
        shared.feed.status.solved("");
        Ok(shared.live.set(shared.feed, &self.part, Part::Live).await?)
    }

    fn known(&self, shelf: &Shelf, batch: &Batch, uid: &str) -> Result<Option<Known>, Stop> {
        match batch.objects.get(uid) {
            Some(kept) => Ok(kept.as_ref().and_then(Kept::known)),
            None => Ok(shelf.get(uid)?),
        }
    }

    /// An object came, in a list or as a change.
    fn came(
        &self,
        shared: &Shared<'_>,
        shelf: &Shelf,
        batch: &mut Batch,
        mut object: Value,
        listing: Option<&mut Listing>,
    ) -> Result<(), Stop> {
        let uid = text(&object, &["metadata", "uid"]).to_owned();
        let version = text(&object, &["metadata", "resourceVersion"]).to_owned();
        if uid.is_empty() {
            return Ok(());
        }
        let old = self.known(shelf, batch, &uid)?;
        let first = listing.as_ref().is_some_and(|list| list.first);
        match listing {
            Some(list) => drop(list.seen.insert(uid.clone())),
            None => batch.version = Some(version.clone()),
        }
        if self.happenings.is_some() {
            let count = happening::count(&object);
            let before = old.and_then(|old| number(&old.object, &["count"])).unwrap_or(0);
            if count > before {
                if !first {
                    batch.events.push(happening::event(&shared.sender, &object, before));
                }
                batch.objects.insert(uid, Some(Kept::of(&happening::kept(count), None)));
            }
            return Ok(());
        }
        let time = changed_at(&object);
        clean(&mut object, shared.spec.keep);
        shared.sender.owners.note(&object);
        let what = match &old {
            None if first => What::Existing,
            None => What::Added,
            Some(old) if text(&old.object, &["metadata", "resourceVersion"]) == version => return Ok(()),
            Some(_) => What::Modified,
        };
        let (events, kept) = shared.sender.events(what, old.as_ref(), object, time);
        batch.take(events, uid, kept);
        Ok(())
    }

    /// An object was deleted, or left the selection.
    fn deleted(
        &self,
        shared: &Shared<'_>,
        shelf: &Shelf,
        batch: &mut Batch,
        mut object: Value,
        listing: Option<&mut Listing>,
    ) -> Result<(), Stop> {
        let uid = text(&object, &["metadata", "uid"]).to_owned();
        match listing {
            Some(list) => drop(list.seen.remove(&uid)),
            None => batch.version = Some(text(&object, &["metadata", "resourceVersion"]).to_owned()),
        }
        let old = self.known(shelf, batch, &uid)?;
        let time = changed_at(&object);
        clean(&mut object, shared.spec.keep);
        self.went(shared, batch, uid, old.as_ref(), object, time);
        Ok(())
    }

    fn went(
        &self,
        shared: &Shared<'_>,
        batch: &mut Batch,
        uid: String,
        old: Option<&Known>,
        object: Value,
        time: Option<String>,
    ) {
        if self.happenings.is_some() {
            // The cluster forgets its events after an hour; nothing happened.
            batch.objects.insert(uid, None);
            return;
        }
        let what = What::Deleted { selects: self.resource.selects() };
        let (events, _) = shared.sender.events(what, old, object, time);
        shared.sender.owners.forget(&uid);
        batch.take(events, uid, None);
    }

    /// Sends all known objects again.
    async fn again(&mut self, shared: &Shared<'_>, shelf: &Shelf, every: Duration) -> Result<(), Stop> {
        let seconds = shared.feed.intake.now().micros() / 1_000_000;
        let round = format!("resync-{}", seconds / i64::try_from(every.as_secs()).unwrap_or(i64::MAX).max(1));
        let mut from = String::new();
        loop {
            let page = shelf.after(&from)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            from.clone_from(last);
            let mut batch = Batch::default();
            for (_, known) in page {
                let what = What::Again { round: &round };
                batch.events.extend(shared.sender.events(what, Some(&known), known.object.clone(), None).0);
            }
            self.flush(shared, shelf, &mut batch).await?;
        }
    }

    /// Makes what was read durable: first the events, then what is known.
    async fn flush(&self, shared: &Shared<'_>, shelf: &Shelf, batch: &mut Batch) -> Result<(), Stop> {
        let Batch { events, objects, version, .. } = std::mem::take(batch);
        shared.feed.append(events).await?;
        let mut rows = Rows::new();
        for (uid, kept) in &objects {
            match kept {
                Some(kept) => shelf.put(uid, kept, &mut rows),
                None => shelf.remove(uid, &mut rows),
            }
        }
        if let Some(version) = version.filter(|version| !version.is_empty()) {
            shelf.set_version(&version, shared.feed.intake.now(), &mut rows);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(&shared.feed.store);
        let written = tokio::task::spawn_blocking(move || store.commit(rows)).await;
        match written {
            Ok(written) => Ok(written?),
            Err(_) => Err(Stop::Ended),
        }
    }
}

impl Batch {
    /// What comes before the batch is due; nothing if that is now.
    async fn more(&self, incoming: &mut Incoming) -> Option<Result<Option<bytes::Bytes>, Failure>> {
        match self.due {
            Some(due) => timeout_at(due, incoming.chunk()).await.ok(),
            None => incoming.chunk().now_or_never(),
        }
    }

    fn take(&mut self, events: Vec<Event>, uid: String, kept: Option<Kept>) {
        if events.is_empty() {
            return;
        }
        self.bytes += events.iter().map(|event| event.json().map_or(0, |json| json.len())).sum::<usize>();
        self.events.extend(events);
        self.objects.insert(uid, kept);
    }
}

enum Waited {
    Chunk(Result<Option<bytes::Bytes>, Failure>),
    Round,
    Silent,
}

fn next_round(every: Duration) -> Instant {
    Instant::now() + every
}

fn part(kind: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("{kind} in {namespace}"),
        None => kind.to_owned(),
    }
}

/// Who belongs to whom, from what is known: after a start nothing need change before it is asked for.
fn recall(shared: &Shared<'_>, shelf: &Shelf) -> Result<(), StoreError> {
    let mut from = String::new();
    loop {
        let page = shelf.after(&from)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from.clone_from(last);
        page.iter().for_each(|(_, known)| shared.sender.owners.note(&known.object));
    }
}

/// Whether a refusal is about streaming lists, and not about what is asked for.
fn streaming_refused(failure: &Failure) -> bool {
    failure.message.contains("sendInitialEvents") || failure.message.contains("resourceVersionMatch")
}

pub(in crate::kubernetes) fn error_line(subject: &Subject, status: &Value) -> Failure {
    let code = at(status, &["code"]).and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let code = code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    refused(subject, code, &HeaderMap::new(), status.to_string().as_bytes())
}

/// A type of line that is not known yet changes nothing that is.
fn tracing_unknown(shared: &Shared<'_>, part: &str, kind: &str) {
    shared.feed.status.part(
        part,
        format!("live; the server sends `{}`, which is not known", kind.chars().take(40).collect::<String>()),
    );
}

/// Lines from pieces of a stream.
#[derive(Default)]
pub(in crate::kubernetes) struct Lines {
    bytes: Vec<u8>,
    /// Up to here they are taken.
    taken: usize,
    /// Up to here there is no end of a line.
    searched: usize,
    any: bool,
}

impl Lines {
    pub(in crate::kubernetes) fn add(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether not one line came.
    fn none(&self) -> bool {
        !self.any
    }

    /// How many bytes of an unfinished line there are.
    fn rest(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub(in crate::kubernetes) fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let rest = self.bytes.get(self.searched..)?;
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.searched = self.bytes.len();
                return None;
            };
            let line = self.bytes.get(self.taken..self.searched + end)?.to_vec();
            self.taken = self.searched + end + 1;
            self.searched = self.taken;
            if !line.trim_ascii().is_empty() {
                self.any = true;
                return Some(line);
            }
        }
    }
}

/// What a watch needs to be permitted.
pub(super) fn needs(kind: &Kind) -> [Subject; 2] {
    let path = kind.path(None);
    [Subject::of(&Method::GET, &path, false), Subject::of(&Method::GET, &path, true)]
}
