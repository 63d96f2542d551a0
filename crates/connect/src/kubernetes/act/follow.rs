//! An object is watched until what is waited for has come, and what is still missing is said meanwhile.

use std::time::Duration;

use ensue_event::ours::Failure;
use serde_json::Value;
use tokio::time::{sleep, timeout_at};

use super::Act;
use super::target::Target;
use crate::kubernetes::client::{Ask, Incoming};
use crate::kubernetes::object::text;
use crate::kubernetes::source::Lines;

/// Between two looks where the object is not there, or may not be watched.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two tries where the cluster does not answer and does not say when to come back.
const TROUBLE: Duration = Duration::from_secs(2);
/// How long the server is asked to keep a watch, in seconds.
const KEEP: u32 = 290;

/// What an object says about what is waited for.
pub(super) enum Look<T> {
    /// It is there.
    Done(T),
    /// What is still missing.
    Waits(String),
}

impl Act<'_> {
    /// Looks at an object each time it changes until `look` has what it waits for. At the end of the call's time it fails
    /// with what was missing last, and is not tried again for that.
    pub(super) async fn follow<T>(
        &self,
        target: &Target,
        mut look: impl FnMut(Option<&Value>) -> Result<Look<T>, Failure>,
    ) -> Result<T, Failure> {
        let mut last = String::new();
        let said = |look: Result<Look<T>, Failure>, last: &mut String| match look {
            Ok(Look::Waits(reason)) => {
                if reason != *last {
                    self.call.log.line(&reason);
                    *last = reason;
                }
                None
            }
            Ok(Look::Done(done)) => Some(Ok(done)),
            Err(failure) => Some(Err(failure)),
        };
        let waiting = async {
            let mut seen = false;
            loop {
                let object = match self.cluster.send(Ask::get(target.path())).await {
                    Ok(object) => Some(object),
                    Err(failure) if failure.name == "NotFound" => None,
                    // What is waited for goes on without us.
                    Err(failure) if seen && failure.retryable => {
                        sleep(failure.retry_after.map_or(TROUBLE, |after| after.to_std())).await;
                        continue;
                    }
                    Err(failure) => return Err(failure),
                };
                seen = true;
                if let Some(done) = said(look(object.as_ref()), &mut last) {
                    return done;
                }
                if let Some(object) = object
                    && let Ok(mut watch) = self.watch(target, text(&object, "/metadata/resourceVersion")).await
                {
                    while let Some(event) = watch.next().await {
                        let object = match text(&event, "/type") {
                            "DELETED" => None,
                            "ADDED" | "MODIFIED" => event.get("object"),
                            "BOOKMARK" => continue,
                            _ => break,
                        };
                        if let Some(done) = said(look(object), &mut last) {
                            return done;
                        }
                    }
                }
                sleep(PAUSE).await;
            }
        };
        let done = timeout_at(self.until, waiting).await;
        let (action, timeout) = (&self.call.action, self.call.timeout);
        match done {
            Ok(done) => done,
            // Nothing was seen that another try would only wait for again.
            Err(_) if last.is_empty() => {
                Err(Failure::new("Timeout", format!("{action} waited {timeout} and did not see {}", target.title()))
                    .retryable())
            }
            Err(_) => Err(Failure::new("Timeout", format!("{action} waited {timeout}: {last}"))),
        }
    }

    async fn watch(&self, target: &Target, version: &str) -> Result<Watch, Failure> {
        let ask = Ask::get(target.kind.path(target.namespace.as_deref()))
            .query("watch", true)
            .query("fieldSelector", format!("metadata.name={}", target.name))
            .query("resourceVersion", version)
            .query("timeoutSeconds", KEEP);
        Ok(Watch { incoming: self.cluster.open(ask).await?, lines: Lines::default() })
    }
}

/// An open watch.
struct Watch {
    incoming: Incoming,
    lines: Lines,
}

impl Watch {
    /// Its next line; nothing at the end, however it came.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(line) = self.lines.next() {
                return serde_json::from_slice(&line).ok();
            }
            self.lines.add(&self.incoming.chunk().await.ok()??);
        }
    }
}
