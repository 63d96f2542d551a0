//! The source `kubernetes`: objects of a cluster as they change, Events, and facts made of both.
//!
//! Each kind is listed once and then followed. What is known of each object is kept in the source's store, so that after
//! a stop, a lost connection or a version that the server has forgotten the difference can be told: nothing that was
//! changed in between is missed, and since ids are the same each time, nothing is told twice.
//!
//! Map, in the order in which an object meets it: `spec` (what is watched) → `watch` (list, stream, again) →
//! `clean` (what is not kept) → `known` (the version before) → `diff`, `owners`, `facts` → `make` (the
//! events); `happening` for Events; `live` (what the parts say together).

mod clean;
mod diff;
mod happening;
mod known;
mod live;
mod make;
mod owners;
mod spec;
mod watch;

pub(super) use spec::Spec;
pub(super) use watch::{Lines, error_line};

pub mod facts;

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use crate::action::wrong;
use crate::kubernetes::client::{Ask, Cluster};
use crate::kubernetes::failure::{Subject, status};
use crate::pull::{Ended, Feed, Problem, Pull, StoreError};

use live::Live;
use make::Sender;
use watch::{Shared, Watch};

/// The row that says which cluster the store is about.
const CLUSTER: &[u8] = b"cluster";

/// The source.
#[derive(Debug)]
pub struct Watcher;

#[async_trait::async_trait]
impl Pull for Watcher {
    async fn run(&self, feed: &Feed) -> Result<Ended, Failure> {
        let spec = read(feed)?;
        let cluster = cluster(feed).await?;
        same_cluster(feed, &cluster).await?;
        let mut watches = Vec::new();
        for resource in &spec.resources {
            for namespace in places(&resource.namespaces) {
                watches.push(Watch::new(resource, namespace));
            }
        }
        if spec.events {
            watches.extend(places(&spec.namespaces).into_iter().map(Watch::happenings));
        }
        if watches.is_empty() {
            return Err(wrong(format!("the source `{}` watches nothing; name `resources`", feed.name)));
        }
        let sender = Sender::new(cluster.connection());
        let shared = Shared { feed, spec, sender, live: Live::default() };
        let all = watches.into_iter().map(|watch| Box::pin(watch.run(&shared)));
        // None returns before the node stops.
        let (ended, _, _) = futures::future::select_all(all).await;
        Ok(ended)
    }

    async fn check(&self, feed: &Feed) -> Vec<Problem> {
        let spec = match read(feed) {
            Ok(spec) => spec,
            Err(failure) => return vec![Problem::of("", &failure)],
        };
        let cluster = match cluster(feed).await {
            Ok(cluster) => cluster,
            Err(failure) => return vec![Problem::of("", &failure)],
        };
        let mut problems = Vec::new();
        for resource in &spec.resources {
            match cluster.kind(&resource.kind).await {
                Err(failure) => problems.push(Problem::of(&resource.kind, &failure)),
                Ok(kind) => {
                    for namespace in places(&resource.namespaces) {
                        for subject in watch::needs(&kind) {
                            match permitted(&cluster, &subject, namespace).await {
                                Ok(true) => {}
                                Ok(false) => problems.push(missing(&resource.kind, &subject, namespace)),
                                Err(failure) => problems.push(Problem::of(&resource.kind, &failure)),
                            }
                        }
                    }
                }
            }
        }
        problems
    }
}

fn read(feed: &Feed) -> Result<Spec, Failure> {
    Spec::read(&feed.config).map_err(|why| wrong(format!("the source `{}`: {why}", feed.name)))
}

async fn cluster(feed: &Feed) -> Result<Cluster, Failure> {
    let connection = feed.connection.as_ref().filter(|connection| connection.type_name == "kubernetes");
    let Some(connection) = connection else {
        return Err(wrong(format!("the source `{}` needs a connection of type kubernetes", feed.name)));
    };
    feed.world.cluster(connection, &feed.namespace).await
}

/// All namespaces as one place, or each of those that are named.
fn places(namespaces: &[String]) -> Vec<Option<&str>> {
    if namespaces.is_empty() { vec![None] } else { namespaces.iter().map(|name| Some(name.as_str())).collect() }
}

/// Forgets what is known where the connection leads to another cluster now: versions of one mean nothing in another.
async fn same_cluster(feed: &Feed, cluster: &Cluster) -> Result<(), Failure> {
    let system = match cluster.send(Ask::get("/api/v1/namespaces/kube-system")).await {
        Ok(namespace) => namespace.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned),
        // Not permitted to see it: nobody can tell.
        Err(failure) if matches!(failure.name.as_str(), "NotFound" | "NotServed") => None,
        Err(failure) if failure.name == "Denied" && status(&failure) == Some(403) => None,
        Err(failure) => return Err(failure),
    };
    let Some(uid) = system else { return Ok(()) };
    let failed = |why: StoreError| Failure::new("Store", why.to_string()).retryable();
    let known = feed.store.get(CLUSTER).map_err(failed)?;
    if known.as_deref() == Some(uid.as_bytes()) {
        return Ok(());
    }
    if known.is_some() {
        feed.store.clear().map_err(failed)?;
    }
    feed.store.commit(vec![(CLUSTER.to_vec(), Some(uid.into_bytes()))]).map_err(failed)
}

/// Whether who asks may do this.
async fn permitted(cluster: &Cluster, subject: &Subject, namespace: Option<&str>) -> Result<bool, Failure> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "verb": subject.verb, "group": subject.group, "resource": subject.resource, "namespace": namespace,
        }},
    });
    let ask = Ask::create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).repeatable(true);
    let answer = cluster.send(ask).await?;
    Ok(answer.pointer("/status/allowed") == Some(&Value::Bool(true)))
}

fn missing(part: &str, subject: &Subject, namespace: Option<&str>) -> Problem {
    let (verb, resource) = (subject.verb, subject.full());
    let place = namespace.map_or_else(|| "in all namespaces".to_owned(), |name| format!("in the namespace {name}"));
    Problem {
        part: part.to_owned(),
        message: format!("not permitted: {verb} {resource} {place}; grant it to the user of the connection"),
        verb: Some(verb.to_owned()),
        resource: Some(resource),
        namespace: namespace.map(str::to_owned),
        since: None,
    }
}
