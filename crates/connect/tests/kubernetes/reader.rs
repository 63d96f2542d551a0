//! A source that is read into a log in memory, which drops what came before as the real one does; and is killed at will.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ensue_connect::pull::{Ended, Feed, Intake, Memory, Status, Store, Told, pull};
use ensue_connect::{Connection, World};
use ensue_event::{Event, Time};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::cluster::Kit;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The log.
#[derive(Default)]
pub(crate) struct Log {
    events: Mutex<Vec<Event>>,
    ids: Mutex<BTreeSet<(Box<str>, Box<str>)>>,
    told: Mutex<Vec<Told>>,
    /// Nothing is taken.
    pub(crate) shut: AtomicBool,
}

#[async_trait::async_trait]
impl Intake for Log {
    async fn append(&self, events: Vec<Event>) -> Result<Vec<bool>, Ended> {
        while self.shut.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut ids = self.ids.lock().unwrap();
        let mut out = Vec::new();
        for event in events {
            event.validate().unwrap();
            let new = ids.insert((event.source.clone(), event.id.clone()));
            if new {
                self.events.lock().unwrap().push(event);
            }
            out.push(new);
        }
        Ok(out)
    }

    async fn tell(&self, told: Told) -> Result<(), Ended> {
        self.told.lock().unwrap().push(told);
        Ok(())
    }

    fn now(&self) -> Time {
        Time(jiff::Timestamp::now().as_microsecond())
    }
}

impl Log {
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// All events as JSON, with their type and id, in order.
    pub(crate) fn all(&self) -> Vec<(String, Value)> {
        let events = self.events.lock().unwrap();
        let data = |event: &Event| serde_json::from_slice(event.json().unwrap()).unwrap();
        events.iter().map(|event| (event.kind.to_string(), data(event))).collect()
    }

    /// `type name` of each from a place on, without what the test has not made.
    pub(crate) fn lines(&self, from: usize) -> Vec<String> {
        let named = |(kind, data): &(String, Value)| {
            let name = data["name"].as_str().unwrap_or_default();
            (name != "kube-root-ca.crt").then(|| format!("{} {name}", kind.trim_start_matches("io.k8s.")))
        };
        self.all().iter().skip(from).filter_map(named).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    pub(crate) fn extension(&self, nth: usize, name: &str) -> Option<String> {
        self.events.lock().unwrap()[nth].extension_text(name).map(str::to_owned)
    }

    /// Waits until this is so.
    pub(crate) async fn until(&self, what: &str, so: impl Fn(&Log) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !so(self) {
            assert!(tokio::time::Instant::now() < deadline, "never: {what}\n{:#?}\n{:?}", self.lines(0), self.told());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until an event of this line is there.
    pub(crate) async fn has(&self, line: &str) {
        self.until(line, |log| log.lines(0).iter().any(|known| known == line)).await;
    }

    /// Where the event of this type of this version of an object is, when it is there.
    pub(crate) async fn nth(&self, kind: &str, version: &Value) -> usize {
        let (kind, found) = (format!("io.k8s.{kind}"), std::cell::Cell::new(0));
        let is = |(known, data): &(String, Value)| *known == kind && data["resourceVersion"] == *version;
        self.until(&format!("{kind} {version}"), |log| {
            log.all().iter().position(is).inspect(|nth| found.set(*nth)).is_some()
        })
        .await;
        found.get()
    }

    pub(crate) async fn caught_up(&self, times: usize) {
        let count = |log: &Log| log.told().iter().filter(|told| **told == Told::CaughtUp).count();
        self.until("caught up", |log| count(log) >= times).await;
    }
}

/// A source that is being read.
pub(crate) struct Reading {
    pub(crate) feed: Arc<Feed>,
    task: JoinHandle<()>,
}

/// The settings of a source for these kinds in the test's namespace.
pub(crate) fn settings(kit: &Kit, resources: &[&str]) -> Value {
    json!({"connection": "prod", "resources": resources, "namespaces": [kit.namespace], "events": false})
}

/// Begins to read into this log, with what is remembered here.
pub(crate) fn read(kit: &Kit, log: &Arc<Log>, store: &Arc<Memory>, config: Value) -> Reading {
    read_through(&kit.world, kit.connection.clone(), store, log, config)
}

pub(crate) fn read_through(
    world: &Arc<World>,
    connection: Connection,
    store: &Arc<Memory>,
    log: &Arc<Log>,
    config: Value,
) -> Reading {
    let feed = Arc::new(Feed {
        name: "default/cluster".to_owned(),
        namespace: "default".to_owned(),
        config,
        connection: Some(connection),
        world: Arc::clone(world),
        store: Arc::clone(store) as Arc<dyn Store>,
        status: Arc::new(Status::default()),
        intake: Arc::clone(log) as Arc<dyn Intake>,
    });
    let reading = Arc::clone(&feed);
    let task = tokio::spawn(async move {
        // As the node does.
        while let Err(failure) = pull("kubernetes").unwrap().run(&reading).await {
            if reading.disconnected(&failure.message).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    Reading { feed, task }
}

impl Reading {
    /// Ends it at once, wherever it is.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        // What was being written is written.
        let feed = self.feed;
        tokio::time::timeout(PATIENCE, async {
            while Arc::strong_count(&feed) > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
    }
}
