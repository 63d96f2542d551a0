//! Watches: from a version on, with synthetic additions, bookmarks and selectors.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::faults::WatchFault;
use crate::kinds::Kind;
use crate::list;
use crate::request::{Call, Target};
use crate::selector::Selector;
use crate::server::Shared;
use crate::status::Failure;
use crate::store::Change;
use crate::views::{self, View};
use crate::world::World;

/// A watch that was accepted.
pub(crate) struct Watch {
    kind: Arc<Kind>,
    namespace: String,
    selector: Selector,
    view: View,
    /// Changes after this version are sent.
    from: u64,
    /// What is sent first.
    initial: Vec<Arc<Value>>,
    /// Whether a bookmark closes the initial part, and the version it carries.
    initial_end: Option<u64>,
    bookmarks: bool,
    timeout: Duration,
    /// The watch starts too early to be served.
    gone: Option<u64>,
    described: bool,
}

/// How long a watch without `timeoutSeconds` lives; the real server takes 30 to 60 minutes.
const DEFAULT_TIMEOUT: u64 = 1800;

impl Watch {
    pub(crate) fn open(world: &World, target: &Target, call: &Call, view: View) -> Result<Watch, Failure> {
        let kind = target.kind.clone();
        let mut fields = call.query("fieldSelector").to_owned();
        if !target.name.is_empty() {
            fields = format!("metadata.name={}", target.name);
        }
        let selector = Selector::parse(&kind, call.query("labelSelector"), &fields)?;
        list::check_options(call, true)?;
        let wanted = list::version(call.query("resourceVersion")).map_err(Failure::internal)?;
        let current = world.store.version();
        let bookmarks = call.flag("allowWatchBookmarks");
        let asked = call.query("sendInitialEvents");
        let initial = match asked {
            "" => wanted.unwrap_or(0) == 0,
            _ => call.flag("sendInitialEvents"),
        };
        if asked == "true"
            && let Some(wanted) = wanted.filter(|wanted| *wanted > current)
        {
            return Err(list::too_large(wanted, current));
        }
        let from = match wanted {
            Some(wanted) if !initial && wanted > 0 => wanted,
            _ => current,
        };
        let namespace = Some(target.namespace.as_str()).filter(|one| !one.is_empty());
        let objects = world.store.list(&kind.storage, namespace).filter(|object| selector.matches(&kind, object));
        let seconds = call.query("timeoutSeconds").parse().unwrap_or(DEFAULT_TIMEOUT);
        Ok(Watch {
            initial: if initial { objects.cloned().collect() } else { Vec::new() },
            initial_end: (initial && bookmarks).then_some(current),
            gone: (from < world.store.oldest()).then(|| world.store.oldest()),
            namespace: target.namespace.clone(),
            timeout: Duration::from_secs(seconds),
            kind,
            selector,
            view,
            from,
            bookmarks,
            described: false,
        })
    }

    fn line(&mut self, what: &str, object: &Value) -> Bytes {
        let described = std::mem::replace(&mut self.described, true);
        let shown = views::one_text(&self.kind, self.view, object, !described);
        format!("{{\"type\":\"{what}\",\"object\":{shown}}}\n").into()
    }

    /// What a change is to this watch.
    fn event(&mut self, change: &Change) -> Option<Bytes> {
        let here = change.key.storage == self.kind.storage
            && (self.namespace.is_empty() || self.namespace == change.key.namespace);
        if !here {
            return None;
        }
        let before = change.old.as_ref().is_some_and(|old| self.selector.matches(&self.kind, old));
        let after = !change.deleted && self.selector.matches(&self.kind, &change.new);
        match (before, after) {
            (false, true) => Some(self.line("ADDED", &change.new)),
            (true, true) => Some(self.line("MODIFIED", &change.new)),
            (true, false) => {
                // What leaves is told as it was when it was last seen, with the version of the change.
                let mut last = change.old.as_deref().cloned().unwrap_or_default();
                last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                Some(self.line("DELETED", &last))
            }
            (false, false) => None,
        }
    }

    fn bookmark(&self, version: u64, initial: bool) -> Bytes {
        text("BOOKMARK", &views::bookmark(&self.kind, self.view, version, initial))
    }

    /// Sends lines until the time is over, the client is gone or a fault ends it.
    pub(crate) async fn run(
        mut self,
        shared: Arc<Shared>,
        path: String,
        out: mpsc::Sender<Result<Bytes, std::io::Error>>,
    ) {
        let mut faults = shared.faults.watch_signal();
        let opened = *faults.borrow_and_update();
        let end = Instant::now() + self.timeout;
        if let Some(oldest) = self.gone {
            let message = format!("too old resource version: {} ({oldest})", self.from);
            let _ = out.send(Ok(text("ERROR", &Failure::new(410, "Expired", message).body()))).await;
            return;
        }
        for object in std::mem::take(&mut self.initial) {
            let line = self.line("ADDED", &object);
            if out.send(Ok(line)).await.is_err() {
                return;
            }
        }
        if let Some(version) = self.initial_end
            && out.send(Ok(self.bookmark(version, true))).await.is_err()
        {
            return;
        }
        let mut changed = shared.changed.subscribe();
        let period = shared.world().settings.bookmarks;
        let mut next_bookmark = (Instant::now() + period).min(before(end));
        loop {
            changed.mark_unchanged();
            if let Some(fault) = shared.faults.ended(&path, opened) {
                if fault == WatchFault::Expire {
                    let message = format!("too old resource version: {} ({})", self.from, self.from + 1);
                    let _ = out.send(Ok(text("ERROR", &Failure::new(410, "Expired", message).body()))).await;
                } else if fault == WatchFault::Cut {
                    let _ = out.send(Ok(Bytes::from_static(b"{\"type\":\"MODIFIED\",\"object\":{\"kind\":"))).await;
                    // Let the half line reach the client before the connection breaks.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let _ = out.send(Err(std::io::Error::other("cut"))).await;
                }
                return;
            }
            let changes = shared.world().store.since(self.from, 500);
            let Some(changes) = changes else {
                let message = format!("too old resource version: {} ({})", self.from, self.from + 1);
                let _ = out.send(Ok(text("ERROR", &Failure::new(410, "Expired", message).body()))).await;
                return;
            };
            let idle = changes.is_empty();
            for change in changes {
                self.from = change.version;
                if let Some(line) = self.event(&change)
                    && out.send(Ok(line)).await.is_err()
                {
                    return;
                }
            }
            if !idle {
                continue;
            }
            tokio::select! {
                _ = changed.changed() => {}
                _ = faults.changed() => {}
                () = out.closed() => return,
                () = tokio::time::sleep_until(next_bookmark) => {
                    if Instant::now() >= end {
                        return;
                    }
                    if self.bookmarks && out.send(Ok(self.bookmark(self.from, false))).await.is_err() {
                        return;
                    }
                    let regular = Instant::now() + period;
                    next_bookmark = if Instant::now() < before(end) { regular.min(before(end)) } else { end };
                }
                () = tokio::time::sleep_until(end) => return,
            }
        }
    }
}

/// The last bookmark comes two seconds before the end, if the watch is that long.
fn before(end: Instant) -> Instant {
    match end.checked_sub(Duration::from_secs(2)) {
        Some(early) if early > Instant::now() + Duration::from_secs(2) => early,
        _ => end,
    }
}

fn text(what: &str, object: &Value) -> Bytes {
    let mut line = json!({ "type": what, "object": object }).to_string();
    line.push('\n');
    line.into()
}
