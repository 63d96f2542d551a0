//! The world around the node: senders that remember what was acknowledged, and a sink that remembers what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::automations::{ORDER, SOURCE};
use crate::Result;
use crate::http::{Client, Message, request, serve};
use crate::rng::Rng;

/// Microseconds since 1970 by the wall clock: the log's times are of the same machine.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A request that came to the sink.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: i64,
    /// The step that sent it: the path.
    pub(crate) step: String,
    /// The order that it is about.
    pub(crate) id: String,
    pub(crate) key: Option<String>,
    pub(crate) status: u16,
}

/// What senders and sink have to tell.
#[derive(Default)]
pub(crate) struct Told {
    /// Positions of acknowledged orders, by id.
    pub(crate) acknowledged: Mutex<BTreeMap<String, u64>>,
    pub(crate) seen: Mutex<Vec<Seen>>,
    /// What should not have happened.
    pub(crate) wrong: Mutex<Vec<String>>,
    /// No new orders: too many are under way.
    pub(crate) pause: AtomicBool,
    /// No new orders; those without an answer are sent until they have one.
    pub(crate) end: AtomicBool,
    requests: AtomicU64,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Told {
    pub(crate) fn wrong(&self, what: String) {
        lock(&self.wrong).push(what);
    }

    /// Whether the sink has taken this step of this order.
    pub(crate) fn has(&self, step: &str, id: &str) -> bool {
        lock(&self.seen).iter().any(|seen| seen.status == 200 && seen.step == step && seen.id == id)
    }

    /// How many orders were acknowledged, and how many requests the sink got.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (lock(&self.acknowledged).len(), lock(&self.seen).len())
    }
}

/// Starts a sink; its address.
pub(crate) async fn sink(told: Arc<Told>, seed: u64) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|why| format!("the sink cannot listen: {why}"))?;
    let addr = listener.local_addr().map_err(|why| format!("the sink cannot listen: {why}"))?;
    tokio::spawn(serve(listener, move |message| take(Arc::clone(&told), message, seed)));
    Ok(addr)
}

async fn take(told: Arc<Told>, message: Message, seed: u64) -> u16 {
    let at = now();
    let step = message.word(1).trim_start_matches('/').to_owned();
    let body = message.json();
    let id = body.get("id").or_else(|| body.get("text")).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut rng = Rng::new(seed, told.requests.fetch_add(1, Ordering::Relaxed) + 1_000);
    let status = match step.as_str() {
        "refuse" => 400,
        _ if rng.once_in(20) => 503,
        _ => 200,
    };
    let key = message.header("idempotency-key").map(str::to_owned);
    lock(&told.seen).push(Seen { at, step, id, key, status });
    // A quick answer, a slow one: a kill must find both under way.
    if rng.once_in(2) {
        tokio::time::sleep(Duration::from_millis(rng.range(0, 30))).await;
    }
    status
}

/// Sends orders, each until it is acknowledged.
pub(crate) async fn sender(told: Arc<Told>, addr: SocketAddr, number: u64, seed: u64) {
    let mut rng = Rng::new(seed, number);
    let mut client = Client::new(addr);
    let mut count = 0_u64;
    while !told.end.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(rng.range(10, 300))).await;
        if told.pause.load(Ordering::Relaxed) {
            continue;
        }
        let batch = rng.once_in(4);
        let size = if batch { rng.range(2, 21) } else { 1 };
        let orders: Vec<Value> = (0..size).map(|nth| order(&format!("{number}-{}", count + nth), &mut rng)).collect();
        count += size;
        send(&told, &mut client, &orders, batch).await;
    }
}

fn order(id: &str, rng: &mut Rng) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": SOURCE, "type": ORDER,
        "data": {"id": id, "bad": rng.once_in(8), "total": rng.range(1, 1_000)},
    })
}

async fn send(told: &Told, client: &mut Client, orders: &[Value], batch: bool) {
    let (kind, body) = if batch {
        ("application/cloudevents-batch+json", Value::from(orders.to_vec()).to_string())
    } else {
        ("application/cloudevents+json", orders.first().cloned().unwrap_or_default().to_string())
    };
    let bytes = request("POST", "/events", &[("content-type", kind)], body.as_bytes());
    loop {
        match client.send(&bytes).await {
            Ok(answer) if matches!(answer.status(), 200 | 202) => {
                acknowledged(told, orders, &answer.json());
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

fn acknowledged(told: &Told, orders: &[Value], answer: &Value) {
    let one = [answer.clone()];
    let list = answer.as_array().map_or(one.as_slice(), Vec::as_slice);
    if list.len() != orders.len() {
        told.wrong(format!("{} orders were sent and the answer is about {}: {answer}", orders.len(), list.len()));
    }
    for (order, answer) in orders.iter().zip(list) {
        let id = order.get("id").and_then(Value::as_str).unwrap_or_default();
        let position = answer.get("position").and_then(Value::as_u64);
        let (Some(position), Some(true)) = (position, answer.get("id").map(|told| told == id)) else {
            told.wrong(format!("order {id} got the answer {answer}"));
            continue;
        };
        lock(&told.acknowledged).insert(id.to_owned(), position);
    }
}
