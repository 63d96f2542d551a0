//! Bounds: what happens at each of them.

use std::sync::{Arc, Condvar, Mutex};

use serde_json::json;

use crate::support::{Place, order};

/// A gate in the fold: closed, every event from outside waits in it.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn set(&self, closed: bool) {
        *self.0.0.lock().unwrap() = closed;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.0.0.lock().unwrap();
        while *closed {
            closed = self.0.1.wait(closed).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fold_that_is_behind_makes_senders_wait() {
    let gate = Gate::default();
    let inner = gate.clone();
    let place = Place::with(|options| {
        options.limits.lag_records = 5;
        options.before_fold = Some(Arc::new(move |record| {
            if &*record.event.kind == "shop.order.placed" {
                inner.pass();
            }
        }));
    })
    .await;
    gate.set(true);
    let mut refused = None;
    for n in 0..20 {
        let request = place.http.post(place.url("/events")).header("content-type", "application/cloudevents+json");
        let response = request.body(order(&format!("e{n}"), n).to_string()).send().await.unwrap();
        if response.status() != 202 {
            refused = Some((n, response));
            break;
        }
    }
    let (n, response) = refused.expect("the bound is found");
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(n, 6, "more than five records are not folded");
    let ready = place.http.get(place.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(place.http.get(place.url("/healthz")).send().await.unwrap().status(), 200);
    gate.set(false);
    assert!(place.node.settled().await);
    let (status, _) = place.send(order("later", 1)).await;
    assert_eq!(status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_is_read_from_the_log() {
    let gate = Gate::default();
    let inner = gate.clone();
    let place = Place::with(|options| {
        options.before_fold = Some(Arc::new(move |record| {
            if &*record.event.kind == "shop.order.placed" {
                inner.pass();
            }
        }));
    })
    .await;
    gate.set(true);
    for batch in 0..25 {
        let events: Vec<_> = (0..1000).map(|n| order(&format!("{batch}.{n}"), n)).collect();
        let request =
            place.http.post(place.url("/events")).header("content-type", "application/cloudevents-batch+json");
        assert_eq!(request.body(json!(events).to_string()).send().await.unwrap().status(), 202);
    }
    gate.set(false);
    assert!(place.node.settled().await);
    let (_, status) = place.get("/api/v1/status").await;
    assert_eq!(status["counts"]["events"], 25_000, "{status}");
}

/// A disk that is full, or broken, as long as somebody says so.
#[derive(Clone, Default)]
struct Harm(Arc<std::sync::atomic::AtomicU8>);

const FULL: u8 = 1;
const NO_SYNC: u8 = 2;

impl Harm {
    fn set(&self, harm: u8) {
        self.0.store(harm, std::sync::atomic::Ordering::SeqCst);
    }

    fn hook(&self) -> ensue_node::DiskHook {
        let harm = self.0.clone();
        Arc::new(move |call| match (harm.load(std::sync::atomic::Ordering::SeqCst), call) {
            (FULL, ensue_node::DiskCall::Write(_) | ensue_node::DiskCall::Reserve(_)) => {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            (NO_SYNC, ensue_node::DiskCall::Sync) => Err(std::io::Error::other("the platter is scratched")),
            _ => Ok(()),
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_507_and_on_it_goes_when_there_is_space() {
    let harm = Harm::default();
    let hook = harm.hook();
    let place = Place::with(|options| options.disk = Some(hook)).await;
    assert_eq!(place.send(order("before", 1)).await.0, 202);
    harm.set(FULL);
    let (status, told) = place.send(order("during", 1)).await;
    assert_eq!((status, &told["error"]["code"]), (507, &json!("disk-full")), "{told}");
    harm.set(0);
    assert_eq!(place.send(order("during", 1)).await.0, 202, "what was refused is no duplicate");
    assert!(place.node.settled().await);
    let ids: Vec<_> = place.of_type("shop.order.placed").into_iter().map(|record| record.event.id).collect();
    assert_eq!(ids, ["before".into(), "during".into()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_for_space_and_is_not_lost() {
    let sink = crate::support::Sink::new().await;
    let (harm, config) = (Harm::default(), sink.config(true));
    let hook = harm.hook();
    let place = Place::with(|options| {
        options.disk = Some(hook);
        options.config = crate::support::file(config);
    })
    .await;
    sink.hold(true);
    place.send(order("a", 100)).await;
    sink.wait(1).await;
    harm.set(FULL);
    sink.hold(false);
    assert_eq!(place.send(order("b", 1)).await.0, 507);
    harm.set(0);
    place.wait_for("dev.ensue.run.finished", 1).await;
    assert_eq!(sink.sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_acknowledges_nothing_more_and_says_so() {
    let (harm, said) = (Harm::default(), Arc::new(Mutex::new(Vec::new())));
    let (hook, told) = (harm.hook(), Arc::clone(&said));
    let place = Place::with(|options| {
        options.disk = Some(hook);
        options.fatal = Arc::new(move |why| told.lock().unwrap().push(why.to_owned()));
    })
    .await;
    assert_eq!(place.send(order("kept", 1)).await.0, 202);
    harm.set(NO_SYNC);
    assert_eq!(place.send(order("lost", 1)).await.0, 503);
    harm.set(0);
    assert_eq!(place.send(order("later", 1)).await.0, 503, "a sync that works again proves nothing");
    let health = place.http.get(place.url("/healthz")).send().await.unwrap();
    assert_eq!(health.status(), 503);
    assert_eq!(said.lock().unwrap().len(), 1, "{said:?}");
    // The next start recovers, and what was acknowledged is there.
    let folder = place.crash().await;
    let place = Place::at(folder, |_| ()).await;
    let (status, told) = place.send(order("kept", 1)).await;
    assert_eq!((status, &told["duplicate"]), (200, &json!(true)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firing_that_was_decided_and_not_appended_at_a_crash_is_appended_at_the_next_start() {
    let sink = crate::support::Sink::new().await;
    let (harm, gate, config) = (Harm::default(), Gate::default(), sink.config(true));
    let (hook, inner) = (harm.hook(), gate.clone());
    let place = Place::with(|options| {
        options.disk = Some(hook);
        options.config = crate::support::file(config);
        options.before_fold = Some(Arc::new(move |record| {
            if &*record.event.kind == "shop.order.placed" {
                inner.pass();
            }
        }));
    })
    .await;
    gate.set(true);
    place.send(order("a", 100)).await;
    harm.set(FULL);
    gate.set(false);
    for _ in 0..1_000 {
        if place.get("/api/v1/status").await.1["emissions"] == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let folder = place.crash().await;
    // No event comes that would wake anything.
    let place = Place::at(folder, |_| ()).await;
    place.finished(1).await;
    assert_eq!(sink.sent().len(), 1);
}
