//! How fast the scan is, beside `serde_json` skipping the same bytes without looking at UTF-8 or duplicate keys:
//! `cargo run --release -p ensue-event --example scan [FILE.json ...]`. Best of many short interleaved rounds, so that
//! what else the machine does stays out of it. Without files also how fast a batch of a hundred events is decoded.

#![allow(clippy::cast_precision_loss, clippy::panic)]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use ensue_event::http::{self, BATCH, Message};
use ensue_event::json::Scanner;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

const ROUNDS: usize = 601;
const BYTES_A_ROUND: usize = 1 << 20;

fn main() {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let samples: Vec<(String, Vec<u8>)> = if files.is_empty() {
        let pretty = |value: &Value| serde_json::to_vec_pretty(value).unwrap_or_default();
        vec![
            ("1 KB event, compact".into(), push(2).to_string().into_bytes()),
            ("5 KB event, compact".into(), push(14).to_string().into_bytes()),
            ("5 KB event, indented".into(), pretty(&push(9))),
        ]
    } else {
        let read = |path: String| std::fs::read(&path).map(|bytes| (path, bytes));
        files.into_iter().map(read).collect::<Result<_, _>>().unwrap_or_else(|why| panic!("{why}"))
    };
    for (name, bytes) in samples {
        measure(&name, &bytes);
    }
    if std::env::args().len() == 1 {
        decode();
    }
}

fn decode() {
    let body = Bytes::from(serde_json::to_vec(&vec![push(2); 100]).unwrap_or_default());
    let mut scanner = Scanner::new();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let message = Message { content_type: Some(BATCH), headers: [], body: body.clone() };
        let batch = http::decode(message, &mut scanner).unwrap_or_else(|why| panic!("{why}"));
        best = best.min(start.elapsed().as_secs_f64());
        black_box(batch);
    }
    let each = best * 1e6 / 100.0;
    println!(
        "batch of 100 ({} bytes): decoded in {each:.2} us an event, {:.0} MB/s",
        body.len(),
        body.len() as f64 / best / 1e6
    );
}

fn measure(name: &str, bytes: &[u8]) {
    let mut scanner = Scanner::new();
    let times = BYTES_A_ROUND / bytes.len().max(1);
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..times {
            if let Err(why) = scanner.scan(black_box(bytes)) {
                panic!("{name}: {why}");
            }
        }
        ours.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        for _ in 0..times {
            let _ = black_box(serde_json::from_slice::<IgnoredAny>(black_box(bytes)));
        }
        theirs.push(start.elapsed().as_secs_f64());
    }
    let best = |seconds: &[f64]| seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let speed = |seconds: &[f64]| (times * bytes.len()) as f64 / best(seconds) / 1e6;
    let (ours, theirs) = (speed(&ours), speed(&theirs));
    println!(
        "{name} ({} bytes): scan {ours:.0} MB/s, serde_json IgnoredAny {theirs:.0} MB/s, ratio {:.2}",
        bytes.len(),
        ours / theirs
    );
}

/// An event such as forges send: objects in objects, long and short strings, escapes, a few other letters.
fn push(commits: usize) -> Value {
    let person = |n: usize| json!({"name": format!("Ann Example {n}"), "email": format!("ann{n}@example.com"), "username": "ann-ex"});
    let commit = |n: usize| {
        json!({
            "id": format!("{:040x}", n * 7_919), "distinct": true, "timestamp": "2026-03-01T10:22:33+01:00",
            "message": format!("Größe of cart {n}: \"checkout\" counts twice\n\nSigned-off-by: Ann"),
            "author": person(n), "added": [], "removed": [], "modified": ["src/cart.rs", "tests/cart/it.rs"],
        })
    };
    json!({
        "specversion": "1.0", "id": "5f2c9f4e-8f1a-4b0e-9a51-1f4a0c1d2e3f", "type": "com.github.push",
        "source": "https://github.com/example/shop", "subject": "refs/heads/main", "time": "2026-03-01T09:22:34Z",
        "datacontenttype": "application/json",
        "data": {
            "ref": "refs/heads/main", "forced": false, "size": commits, "score": 12.75, "base_ref": null,
            "repository": {"id": 35_129_377, "name": "shop", "private": false, "default_branch": "main"},
            "commits": (0..commits).map(commit).collect::<Vec<_>>(),
        },
    })
}
