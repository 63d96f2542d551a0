//! The actions: what is done to a cluster, as kubectl does it, and once for an effect however often it is asked for.
//!
//! A change is read, tried (`dryRun`), and written with the version that was read and a mark that names the effect and
//! the generation that it makes ([`change`]); where the mark of this effect stands already, nothing is written. What goes
//! on for longer is watched until it is over ([`follow`]), and its reasons are said meanwhile.

mod apply;
mod change;
mod create;
mod delete;
mod follow;
mod job;
mod metadata;
mod node;
mod patch;
mod progress;
mod read;
mod ready;
mod rollout;
mod scale;
mod target;
mod undo;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use ensue_event::ours::{Answer, Failure};
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::client::Cluster;
use crate::action::{Action, Call, answer};
use crate::world::World;

/// Who writes, for the cluster's bookkeeping of fields.
const MANAGER: &str = "ensue";

/// A call and its cluster.
struct Act<'a> {
    call: &'a Call,
    cluster: Cluster,
    /// When what is waited for must be there: a little before the call is ended, so that its reason can be told.
    until: Instant,
}

type Work = for<'a> fn(&'a Act<'a>) -> BoxFuture<'a, Result<Value, Failure>>;

/// All of them.
const OPERATIONS: [(&str, Work); 21] = [
    ("kubernetes/apply", |act| Box::pin(apply::apply(act))),
    ("kubernetes/create", |act| Box::pin(create::create(act))),
    ("kubernetes/get", |act| Box::pin(read::get(act))),
    ("kubernetes/list", |act| Box::pin(read::list(act))),
    ("kubernetes/patch", |act| Box::pin(patch::patch(act))),
    ("kubernetes/delete", |act| Box::pin(delete::delete(act))),
    ("kubernetes/scale", |act| Box::pin(scale::scale(act))),
    ("kubernetes/rollout-restart", |act| Box::pin(rollout::restart(act))),
    ("kubernetes/rollout-undo", |act| Box::pin(undo::undo(act))),
    ("kubernetes/rollout-pause", |act| Box::pin(rollout::pause(act))),
    ("kubernetes/rollout-resume", |act| Box::pin(rollout::resume(act))),
    ("kubernetes/rollout-wait", |act| Box::pin(progress::wait(act))),
    ("kubernetes/set-image", |act| Box::pin(rollout::set_image(act))),
    ("kubernetes/run-job", |act| Box::pin(job::run(act))),
    ("kubernetes/logs", |act| Box::pin(read::logs(act))),
    ("kubernetes/cordon", |act| Box::pin(node::cordon(act))),
    ("kubernetes/uncordon", |act| Box::pin(node::uncordon(act))),
    ("kubernetes/drain", |act| Box::pin(node::drain(act))),
    ("kubernetes/annotate", |act| Box::pin(metadata::annotate(act))),
    ("kubernetes/label", |act| Box::pin(metadata::label(act))),
    ("kubernetes/wait-for", |act| Box::pin(wait::wait_for(act))),
];

/// All of them, as actions.
pub(crate) fn all() -> impl Iterator<Item = Arc<dyn Action>> {
    OPERATIONS.into_iter().map(|(name, work)| Arc::new(Operation { name, work }) as Arc<dyn Action>)
}

struct Operation {
    name: &'static str,
    work: Work,
}

#[async_trait::async_trait]
impl Action for Operation {
    fn name(&self) -> &'static str {
        self.name
    }

    /// Each reads, or changes something once for an effect.
    fn repeatable(&self, _: &Call) -> bool {
        true
    }

    async fn call(&self, call: Call, world: &World) -> Answer {
        let timeout = call.timeout.to_std();
        let until = Instant::now() + timeout.saturating_sub((timeout / 10).min(Duration::from_millis(500)));
        let done = async {
            World::no_secrets(&call)?;
            let cluster = world.cluster_of(&call).await?;
            (self.work)(&Act { call: &call, cluster, until }).await
        };
        answer(done.await)
    }
}

/// Outputs, and whether something was changed.
fn changed(changed: bool, mut outputs: Map<String, Value>) -> Value {
    outputs.insert("changed".to_owned(), changed.into());
    Value::Object(outputs)
}
