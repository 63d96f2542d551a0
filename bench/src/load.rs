//! Load of the loop: a sender of signed webhooks that keeps a rate, and a sink that notes what arrives; each on a thread
//! of its own, so that their CPU can be told apart from the node's.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::Result;
use crate::http::{Client, Message, request, serve};

/// What webhooks are signed with.
pub(crate) const SECRET: &str = "the secret of the bench";
/// Connections of the sender: so many events wait for their acknowledgement at most.
const CONNECTIONS: usize = 64;

/// Microseconds since 1970.
pub(crate) fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Seconds of CPU of the thread that asks.
pub(crate) fn thread_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// A runtime on a thread of this name; what is sent there is awaited there.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|why| format!("cannot start a thread: {why}"))
}

/// A server on a thread of its own that answers everything with 200, until the process ends.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) addr: SocketAddr,
    /// Microseconds of CPU, kept up to date.
    cpu: Arc<AtomicU64>,
}

impl Listener {
    /// `note` sees each request before its answer.
    pub(crate) fn start(note: impl Fn(&Message) + Clone + Send + 'static) -> Result<Listener> {
        let (told, asked) = mpsc::channel();
        let cpu = Arc::new(AtomicU64::new(0));
        let used = Arc::clone(&cpu);
        let runtime = runtime()?;
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else { return };
                if let Ok(addr) = listener.local_addr() {
                    // Who asked waits for it.
                    let _ = told.send(addr);
                }
                tokio::spawn(async move {
                    loop {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        used.store((thread_cpu() * 1e6) as u64, Ordering::Relaxed);
                    }
                });
                serve(listener, move |message| {
                    note(&message);
                    std::future::ready(200)
                })
                .await;
            });
        });
        let addr = asked.recv().map_err(|_| "the sink cannot listen")?;
        Ok(Listener { addr, cpu })
    }

    /// Seconds of CPU so far.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu.load(Ordering::Relaxed) as f64 / 1e6
    }
}

/// The sink, until the process ends.
#[derive(Clone)]
pub(crate) struct Sink {
    listener: Listener,
    /// The number in the body of each request, and when it came.
    arrived: Arc<Mutex<Vec<(u64, u64)>>>,
}

impl Sink {
    pub(crate) fn start() -> Result<Sink> {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&arrived);
        let listener = Listener::start(move |message| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push((number(message), micros()));
        })?;
        Ok(Sink { listener, arrived })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listener.addr
    }

    pub(crate) fn cpu(&self) -> f64 {
        self.listener.cpu()
    }

    pub(crate) fn count(&self) -> usize {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What has arrived so far, which is then forgotten.
    pub(crate) fn take(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The first number in a body.
pub(crate) fn number(message: &Message) -> u64 {
    let digits = message.body.iter().skip_while(|byte| !byte.is_ascii_digit()).take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// The webhook with this number.
pub(crate) fn webhook(number: u64, types: u64) -> Vec<u8> {
    let kind = number % types;
    let body = format!(
        r#"{{"number":{number},"kind":"k{kind}","repository":{{"name":"shop","private":false}},"ref":"refs/heads/main","pusher":{{"name":"ann"}},"total":{},"text":"a body of the size that such deliveries have at least, {}"}}"#,
        100 + number % 900,
        "x".repeat(600)
    );
    let signature = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())
        .map(|mut mac| {
            mac.update(body.as_bytes());
            hex::encode(mac.finalize().into_bytes())
        })
        .unwrap_or_default();
    let (signature, delivery) = (format!("sha256={signature}"), format!("{:x}-{number}", std::process::id()));
    let headers = [("content-type", "application/json"), ("x-signature", &*signature), ("x-delivery", &*delivery)];
    request("POST", "/hooks/shop", &headers, body.as_bytes())
}

/// What the sender did.
pub(crate) struct Sent {
    /// When each was sent, in microseconds since 1970, from the first number on.
    pub(crate) at: Vec<u64>,
    /// How long its acknowledgement took, in seconds.
    pub(crate) acknowledged: Vec<f64>,
    pub(crate) took: Duration,
    /// Seconds of CPU.
    pub(crate) cpu: f64,
}

/// Sends webhooks at a rate; returns when the last one is acknowledged. Blocks.
pub(crate) fn send(addr: SocketAddr, first: u64, requests: Vec<Vec<u8>>, rate: f64) -> Result<Sent> {
    let runtime = runtime()?;
    let sender = std::thread::spawn(move || {
        let before = thread_cpu();
        let mut sent = runtime.block_on(paced(addr, requests, rate))?;
        sent.cpu = thread_cpu() - before;
        Ok::<Sent, String>(sent)
    });
    let sent = sender.join().map_err(|_| format!("the sender of {first} and on panicked"))??;
    Ok(sent)
}

async fn paced(addr: SocketAddr, requests: Vec<Vec<u8>>, rate: f64) -> Result<Sent> {
    let count = requests.len();
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS.min(count) {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let (mut client, mut done) = (Client::new(addr), Vec::new());
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(nth) else { return Ok(done) };
                let due = began + Duration::from_secs_f64(nth as f64 / rate);
                tokio::time::sleep_until(due.into()).await;
                let (at, started) = (micros(), Instant::now());
                let answer = client.send(request).await.map_err(|why| format!("a webhook: {why}"))?;
                if answer.status() != 202 {
                    return Err(format!("a webhook was answered {}: {}", answer.status(), answer.text()));
                }
                done.push((nth, at, started.elapsed().as_secs_f64()));
            }
        }));
    }
    let mut sent = Sent { at: vec![0; count], acknowledged: Vec::with_capacity(count), took: Duration::ZERO, cpu: 0.0 };
    for task in tasks {
        for (nth, at, took) in task.await.map_err(|why| why.to_string())?? {
            if let Some(place) = sent.at.get_mut(nth) {
                *place = at;
            }
            sent.acknowledged.push(took);
        }
    }
    sent.took = began.elapsed();
    Ok(sent)
}
