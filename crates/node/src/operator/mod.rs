//! The configuration as objects of a cluster: read by watches, put in force together, answered in their status.
//!
//! Map, in the order in which an object meets it: `document` (its text) → `choose` (what can be in force together) →
//! the same path as a folder's new version → `status` (what is said of it).

mod choose;
mod document;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ensue_connect::kubernetes::follow::{Change, follow};
use ensue_connect::{Connection, kubernetes::Cluster};
use ensue_event::ours::Failure;
use ensue_lang::{Kind, crd};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::node::{Core, NotApplied};
use crate::options::{Configured, Objects};
use document::Document;

/// Changes come together, as when a folder of manifests is applied: this long nothing more must come.
const QUIET: Duration = Duration::from_millis(200);
/// The longest wait for that.
const LONGEST: Duration = Duration::from_secs(2);
/// How often is looked whether rules have fired, and what could not be done is tried again.
const LOOK: Duration = Duration::from_secs(1);
/// What is not read yet.
const BUFFER: usize = 256;

/// What is known of the cluster.
#[derive(Default)]
struct Known {
    /// Objects by the path of their document.
    objects: BTreeMap<String, Value>,
    documents: BTreeMap<String, Document>,
    /// Kinds whose objects are all known.
    listed: BTreeSet<Kind>,
    /// Of kinds that cannot be followed: what was said, told once.
    failed: BTreeMap<Kind, String>,
}

impl Known {
    /// Takes a change; true if a document is different.
    fn take(&mut self, kind: Kind, change: Change) -> bool {
        match change {
            Change::Listed(objects) => {
                self.failed.remove(&kind);
                let mut changed = self.listed.insert(kind);
                let found: BTreeSet<String> = objects.iter().map(|object| Document::of(kind, object).path()).collect();
                let gone = self.documents.iter().filter(|(path, one)| one.kind == kind && !found.contains(*path));
                for path in gone.map(|(path, _)| path.clone()).collect::<Vec<_>>() {
                    self.remove(&path);
                    changed = true;
                }
                objects.into_iter().fold(changed, |changed, object| self.put(kind, object) || changed)
            }
            Change::Put(object) => self.put(kind, object),
            Change::Gone(object) => self.remove(&Document::of(kind, &object).path()),
            Change::Failed(failure) => {
                let why = failure.message;
                if self.failed.get(&kind) != Some(&why) {
                    let hint = "its objects stay as they were seen last; are the definitions there (`ensue schema --crds`), and may ensue list and watch them?";
                    tracing::warn!(%kind, why, "cannot be followed: {hint}");
                    self.failed.insert(kind, why);
                }
                false
            }
        }
    }

    fn put(&mut self, kind: Kind, object: Value) -> bool {
        let document = Document::of(kind, &object);
        let path = document.path();
        self.objects.insert(path.clone(), object);
        let text = document.text.clone();
        // A status that we wrote comes back too.
        self.documents.insert(path, document).is_none_or(|old| old.text != text)
    }

    fn remove(&mut self, path: &str) -> bool {
        self.objects.remove(path);
        self.documents.remove(path).is_some()
    }

    /// The configuration may be put together: of no kind is it unknown what there is.
    fn whole(&self) -> bool {
        self.listed.len() == Kind::ALL.len()
    }
}

/// The connection that `ensue up --kubernetes` means.
fn connection(objects: &Objects) -> Connection {
    let kubeconfig = objects.kubeconfig.as_ref().map(|path| path.display().to_string());
    let settings = [("context", objects.context.clone()), ("kubeconfig", kubeconfig)];
    let config: Map<String, Value> =
        settings.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect();
    Connection { name: "--kubernetes".to_owned(), type_name: "kubernetes".to_owned(), config: config.into() }
}

/// Follows the objects, puts them in force and writes their status, until the node stops.
pub(crate) async fn run(core: Arc<Core>) {
    let Configured::Kubernetes(wanted) = core.options.config.clone() else { return };
    let mut stop = core.stop.subscribe();
    tokio::select! {
        () = operate(&core, &wanted) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

async fn operate(core: &Arc<Core>, wanted: &Objects) {
    let connection = connection(wanted);
    let namespace = match (&wanted.namespace, wanted.all) {
        (_, true) => None,
        (Some(named), false) => Some(named.clone()),
        (None, false) => Some(own_namespace(core, &connection).await),
    };
    let (group, version) = crd::group_version();
    let (tell, mut told) = mpsc::channel(BUFFER);
    // Dropped, and so ended, with this future.
    let mut watches = tokio::task::JoinSet::new();
    for kind in Kind::ALL {
        let (core, connection, namespace, tell) =
            (Arc::clone(core), connection.clone(), namespace.clone(), tell.clone());
        watches.spawn(async move {
            let (one, mut seen) = mpsc::channel(BUFFER);
            let written = format!("{group}/{version}/{kind}");
            let pass = async {
                while let Some(change) = seen.recv().await {
                    if tell.send((kind, change)).await.is_err() {
                        return;
                    }
                }
            };
            tokio::join!(follow(&core.world, &connection, &written, namespace.as_deref(), &one), pass);
        });
    }
    let mut known = Known::default();
    let mut verdicts = status::Verdicts::default();
    // Since when a document is different, and when the last change came.
    let mut dirty: Option<(Instant, Instant)> = None;
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let quiet = dirty.filter(|_| known.whole()).map(|(since, last)| (last + QUIET).min(since + LONGEST));
        let due = async {
            match quiet {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            change = told.recv() => {
                let Some((kind, change)) = change else { return };
                if known.take(kind, change) {
                    let now = Instant::now();
                    dirty = Some(dirty.map_or((now, now), |(since, _)| (since, now)));
                }
                continue;
            }
            () = due => {
                dirty = None;
                if !apply(core, &known, &mut verdicts).await {
                    let later = Instant::now() + LOOK;
                    dirty = Some((later, later));
                }
            }
            _ = look.tick() => {}
        }
        if let Ok(cluster) = cluster(core, &connection).await {
            status::write(core, &cluster, &mut known.objects, &known.documents, &mut verdicts).await;
        }
    }
}

async fn cluster(core: &Core, connection: &Connection) -> Result<Cluster, Failure> {
    core.world.cluster(connection, "").await
}

/// The namespace that the kubeconfig or the pod names.
async fn own_namespace(core: &Core, connection: &Connection) -> String {
    let mut backoff = ensue_connect::pull::Backoff::default();
    loop {
        match cluster(core, connection).await {
            Ok(cluster) => return cluster.default_namespace().to_owned(),
            Err(failure) => {
                tracing::warn!(why = failure.message, "the cluster of the configuration cannot be reached yet");
                tokio::time::sleep(backoff.next(None)).await;
            }
        }
    }
}

/// Puts what there is in force, as far as it can be; false where it is to be tried again.
async fn apply(core: &Arc<Core>, known: &Known, verdicts: &mut status::Verdicts) -> bool {
    let current = core.read(|pump| pump.engine().state().config.get(&"current".to_owned()).cloned()).await.flatten();
    let files = current.map(|current| current.config.files.clone()).unwrap_or_default();
    let force: BTreeMap<String, String> = files.into_iter().map(|file| (file.path, file.text)).collect();
    let documents = known.documents.clone();
    let chosen = tokio::task::spawn_blocking(move || choose::choose(&documents, &force)).await;
    let chosen = match chosen {
        Ok(Ok(chosen)) => chosen,
        Ok(Err(why)) => {
            tracing::error!("the new configuration is refused, the old one goes on\n{why}");
            return true;
        }
        Err(_) => return false,
    };
    for (path, (faults, old)) in &chosen.faults {
        let rest = if *old { "its last good version goes on" } else { "it is left out" };
        for fault in faults {
            tracing::warn!(document = path, field = fault.field, "{}; {rest}", fault.message);
        }
    }
    match core.apply(chosen.files).await {
        Ok(_) => {
            let judged = known.documents.iter().map(|(path, one)| (path.clone(), one.generation));
            verdicts.set(judged, chosen.faults);
            true
        }
        Err(NotApplied::Wrong(wrong)) => {
            tracing::error!("the new configuration is refused, the old one goes on\n{}", wrong.rendered);
            true
        }
        Err(NotApplied::Refused(why)) => {
            tracing::warn!(%why, "the new configuration is not in force yet");
            false
        }
    }
}
