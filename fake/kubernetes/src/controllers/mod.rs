//! What a cluster does by itself: each controller looks at one object at a time, named by its key, and brings the world
//! one step nearer to what the object asks for. Every write wakes the controllers of the object and of its owners.

mod autoscalers;
mod budgets;
mod definitions;
mod deployments;
mod events;
mod garbage;
mod jobs;
pub(crate) mod namespaces;
pub(crate) mod nodes;
mod pods;
mod replicasets;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::clock;
use crate::server::Shared;
use crate::store::{Change, Key};
use crate::world::World;

/// What must be looked at, now and later.
#[derive(Default)]
pub(crate) struct Queue {
    now: VecDeque<Key>,
    waiting: BTreeSet<Key>,
    later: BTreeSet<(Duration, Key)>,
}

impl Queue {
    fn add(&mut self, key: Key) {
        if self.waiting.insert(key.clone()) {
            self.now.push_back(key);
        }
    }

    fn take(&mut self) -> Option<Key> {
        let key = self.now.pop_front()?;
        self.waiting.remove(&key);
        Some(key)
    }

    /// Looks at the object again after a while.
    pub(crate) fn after(&mut self, wait: Duration, key: &Key) {
        self.later.insert((clock::now() + wait, key.clone()));
    }

    /// Moves what is due to now; the time until the next.
    fn due(&mut self) -> Duration {
        let now = clock::now();
        while let Some((at, key)) = self.later.first().cloned() {
            if at > now {
                return at - now;
            }
            self.later.pop_first();
            self.add(key);
        }
        Duration::from_secs(3600)
    }
}

/// Objects looked at before others get the lock.
const BATCH: usize = 32;

pub(crate) async fn run(shared: Arc<Shared>) {
    let mut changed = shared.changed.subscribe();
    loop {
        changed.mark_unchanged();
        let (idle, wait) = shared.with(|world| {
            if world.settings.stepped {
                return (true, Duration::from_secs(3600));
            }
            absorb(world);
            world.queue.due();
            let pace = world.settings.pace;
            for _ in 0..if pace.is_zero() { BATCH } else { 1 } {
                if !look(world) {
                    break;
                }
            }
            let wait = world.queue.due();
            let idle = world.queue.now.is_empty() && world.told == world.store.version();
            (idle, if idle { wait } else { pace })
        });
        if !idle {
            tokio::task::yield_now().await;
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            continue;
        }
        tokio::select! {
            _ = changed.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Looks at one object, or at the one that would be next in time. Tells whether there was one.
pub(crate) fn step(world: &mut World) -> bool {
    absorb(world);
    if world.queue.now.is_empty()
        && let Some((_, key)) = world.queue.later.pop_first()
    {
        world.queue.add(key);
    }
    look(world)
}

/// Puts all on the queue that changes concern which were not seen yet.
fn absorb(world: &mut World) {
    let mut queue = std::mem::take(&mut world.queue);
    // After a compaction, what is there is looked at when it changes again.
    let changes = world.store.since(world.told, usize::MAX).unwrap_or_default();
    for change in &changes {
        wake(world, &mut queue, change);
    }
    world.told = world.store.version();
    if std::mem::take(&mut world.look_again) {
        world.store.keys().for_each(|key| queue.add(key));
    }
    world.queue = queue;
}

fn look(world: &mut World) -> bool {
    let mut queue = std::mem::take(&mut world.queue);
    let key = queue.take();
    if let Some(key) = &key {
        reconcile(world, &mut queue, key);
    }
    world.queue = queue;
    key.is_some()
}

/// Puts all on the queue that a change concerns.
fn wake(world: &World, queue: &mut Queue, change: &Change) {
    queue.add(change.key.clone());
    for object in change.old.iter().chain([&change.new]) {
        for owner in garbage::owners(world, object) {
            queue.add(owner);
        }
    }
    if change.key.storage.as_ref() == "pods" {
        for budget in budgets::of_pod(world, &change.new) {
            queue.add(budget);
        }
    }
    if change.key.storage.as_ref() == "nodes" {
        // A pod that waits may go to a node that is new or open again.
        for pod in world.store.list("pods", None).filter(|pod| text(pod, "/spec/nodeName").is_empty()) {
            let (namespace, name) =
                (text(pod, "/metadata/namespace").to_owned(), text(pod, "/metadata/name").to_owned());
            queue.add(Key { storage: "pods".into(), namespace, name });
        }
    }
    for owned in world.store.owned_by(text(&change.new, "/metadata/uid")) {
        queue.add(owned);
    }
}

fn reconcile(world: &mut World, queue: &mut Queue, key: &Key) {
    if key.storage.as_ref() == definitions::STORAGE {
        definitions::reconcile(world, queue, key);
        return;
    }
    if !world.settings.controllers {
        return;
    }
    let before = world.store.version();
    match key.storage.as_ref() {
        "namespaces" => namespaces::reconcile(world, queue, key),
        "pods" => pods::reconcile(world, queue, key),
        "nodes" => nodes::reconcile(world, key),
        "jobs.batch" => jobs::reconcile(world, queue, key),
        replicasets::STORAGE => replicasets::reconcile(world, queue, key),
        autoscalers::STORAGE => autoscalers::reconcile(world, queue, key),
        deployments::STORAGE => deployments::reconcile(world, queue, key),
        budgets::STORAGE => budgets::reconcile(world, key),
        _ => {}
    }
    // Only when the controller of an object has nothing more to tell of it; what it wrote brings it here again.
    if world.store.version() == before
        || world.store.get(key).is_none_or(|one| one["metadata"].get("deletionTimestamp").is_none())
    {
        garbage::reconcile(world, key);
    }
}

/// A text of an object, empty if it is not there.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
