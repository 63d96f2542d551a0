//! The world around the node: senders that remember what was acknowledged, and a sink that remembers what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::example::{Asked, Example, SOURCE};
use crate::Result;
use crate::http::{Client, Message, Reply, request, serve};
use crate::rng::Rng;

/// One in so many requests at the sink is one that a kill is to hit.
const STRUCK: u64 = 60;

/// Microseconds since 1970 by the wall clock: the log's times are of the same machine.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A request that came to the sink.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: i64,
    pub(crate) asked: Asked,
    pub(crate) status: u16,
}

/// What senders and sink have to tell.
#[derive(Default)]
pub(crate) struct Told {
    /// Positions of acknowledged events, by id.
    pub(crate) acknowledged: Mutex<BTreeMap<String, u64>>,
    pub(crate) seen: Mutex<Vec<Seen>>,
    /// What should not have happened.
    pub(crate) wrong: Mutex<Vec<String>>,
    /// No new events: too much is under way.
    pub(crate) pause: AtomicBool,
    /// No new events; those without an answer are sent until they have one.
    pub(crate) end: AtomicBool,
    /// Something goes on that a kill is to hit.
    pub(crate) strike: Notify,
    /// How often each step was turned away.
    turned_away: Mutex<BTreeMap<(String, String), u32>>,
    requests: AtomicU64,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Told {
    pub(crate) fn wrong(&self, what: String) {
        lock(&self.wrong).push(what);
    }

    /// Whether the sink has taken this step of what has this id.
    pub(crate) fn has(&self, step: &str, id: &str) -> bool {
        let it = |seen: &Seen| seen.status == 200 && seen.asked.step == step && seen.asked.id == id;
        lock(&self.seen).iter().any(it)
    }

    /// How many events were acknowledged, and how many requests the sink got.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (lock(&self.acknowledged).len(), lock(&self.seen).len())
    }
}

/// Starts a sink; its address.
pub(crate) async fn sink<E: Example>(example: Arc<E>, told: Arc<Told>, seed: u64) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|why| format!("the sink cannot listen: {why}"))?;
    let addr = listener.local_addr().map_err(|why| format!("the sink cannot listen: {why}"))?;
    tokio::spawn(serve(listener, move |message| take(Arc::clone(&example), Arc::clone(&told), message, seed)));
    Ok(addr)
}

async fn take<E: Example>(example: Arc<E>, told: Arc<Told>, message: Message, seed: u64) -> Reply {
    let at = now();
    let asked = example.asked(&message);
    let mut rng = Rng::new(seed, told.requests.fetch_add(1, Ordering::Relaxed) + 1_000);
    let (reply, wait) = {
        let mut turned_away = lock(&told.turned_away);
        let times = turned_away.entry((asked.step.clone(), asked.id.clone())).or_default();
        let answer = example.answer(&asked, *times, &mut rng);
        *times += u32::from(answer.0.status == 503);
        answer
    };
    lock(&told.seen).push(Seen { at, asked, status: reply.status });
    if rng.once_in(STRUCK) {
        told.strike.notify_one();
    }
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    reply
}

/// Sends events, each until it is acknowledged.
pub(crate) async fn sender<E: Example>(example: Arc<E>, told: Arc<Told>, addr: SocketAddr, number: u64, seed: u64) {
    let mut rng = Rng::new(seed, number);
    let mut client = Client::new(addr);
    let mut count = 0_u64;
    let (most, (least, longest)) = E::PACE;
    while !told.end.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(rng.range(least, longest))).await;
        if told.pause.load(Ordering::Relaxed) {
            continue;
        }
        let batch = rng.once_in(4);
        let size = if batch { rng.range(2, most + 1) } else { 1 };
        let events = (0..size).map(|nth| whole(example.event(number, count + nth, &mut rng))).collect::<Vec<_>>();
        count += size;
        send(&told, &mut client, &events, batch).await;
    }
}

/// The event with what all events have.
pub(crate) fn whole(mut event: Value) -> Value {
    if let Some(object) = event.as_object_mut() {
        object.insert("specversion".into(), "1.0".into());
        object.insert("source".into(), SOURCE.into());
    }
    event
}

/// Sends events until they are acknowledged.
pub(crate) async fn send(told: &Told, client: &mut Client, events: &[Value], batch: bool) {
    let (kind, body) = if batch {
        ("application/cloudevents-batch+json", Value::from(events.to_vec()).to_string())
    } else {
        ("application/cloudevents+json", events.first().cloned().unwrap_or_default().to_string())
    };
    let bytes = request("POST", "/events", &[("content-type", kind)], body.as_bytes());
    loop {
        match client.send(&bytes).await {
            Ok(answer) if matches!(answer.status(), 200 | 202) => {
                acknowledged(told, events, &answer.json());
                return;
            }
            // Not ready, or too much at once.
            Ok(answer) if answer.status() == 503 => {}
            Ok(answer) => {
                told.wrong(format!("POST /events answered {}: {}", answer.status(), answer.text()));
                return;
            }
            // Killed: nobody knows whether it came through.
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn acknowledged(told: &Told, events: &[Value], answer: &Value) {
    let one = [answer.clone()];
    let list = answer.as_array().map_or(one.as_slice(), Vec::as_slice);
    if list.len() != events.len() {
        told.wrong(format!("{} events were sent and the answer is about {}: {answer}", events.len(), list.len()));
    }
    for (event, answer) in events.iter().zip(list) {
        let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
        let position = answer.get("position").and_then(Value::as_u64);
        let (Some(position), Some(true)) = (position, answer.get("id").map(|told| told == id)) else {
            told.wrong(format!("event {id} got the answer {answer}"));
            continue;
        };
        lock(&told.acknowledged).insert(id.to_owned(), position);
    }
}
