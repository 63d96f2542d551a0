//! What an append costs: CPU time per event of 1 KiB, in batches of 100 with one fdatasync each, then what opening and
//! looking up cost with that many records.
//!
//! `cargo run --release -p ensue-log --example append -- 100000 FOLDER`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ensue_event::{Attr, Event, Origin, Position, Time};
use ensue_log::disk::RealDisk;
use ensue_log::{Draft, Error, FileLog, Log, Options};

/// CPU time of this process so far, its threads with it (Linux: clock ticks of 10 ms).
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Memory in use now, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn draft(n: u64) -> Draft {
    let mut event = Event::new(format!("0190b2c3-{n:012x}"), "/github/acme/shop", "com.github.push")
        .with_json(&serde_json::json!({"n": n, "fill": "x".repeat(830)}));
    event.subject = Some(format!("refs/heads/feature-{}", n % 1000).into());
    event.set_extension("correlationid", Attr::Text(format!("chain-{}", n / 10).into()));
    Draft::new(Origin::Source("github".into()), event)
}

fn per(total: Duration, count: u64) -> f64 {
    total.as_secs_f64() * 1e6 / f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX))
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = arguments.next().map_or_else(|| PathBuf::from("append-log"), PathBuf::from);

    let (mut log, _) = FileLog::open(Arc::new(RealDisk), &folder, Options::default(), None)?;
    let drafts: Vec<Draft> = (0..100).map(draft).collect();
    let (mut batch, mut spent, mut wall) = (drafts, Duration::ZERO, Duration::ZERO);
    let first = log.end().0;
    while log.end().0 < first + count {
        // Making the events is not what is measured.
        for (n, draft) in (log.end().0..).zip(&mut batch) {
            draft.event.id = format!("0190b2c3-{n:012x}").into();
        }
        let (before, begun) = (on_cpu(), Instant::now());
        log.append(Time(i64::try_from(log.end().0).unwrap_or(0)), &batch)?;
        spent += on_cpu().saturating_sub(before);
        wall += begun.elapsed();
    }
    println!("append: {:.2} us CPU and {:.2} us wall per event of 1 KiB", per(spent, count), per(wall, count));

    let begun = cpu();
    let known =
        (0..count).step_by(97).filter(|n| log.find("/github/acme/shop", &format!("0190b2c3-{n:012x}")).is_some());
    let known = u64::try_from(known.count()).unwrap_or(0);
    println!("find, known ({known}): {:.2} us CPU", per(cpu().saturating_sub(begun), known));
    let begun = cpu();
    let unknown = (0..200_000).filter(|n| log.find("/elsewhere", &format!("{n:012x}")).is_none()).count();
    println!("find, unknown ({unknown}): {:.2} us CPU", per(cpu().saturating_sub(begun), 200_000));
    drop(log);

    let (before, begun) = (resident(), Instant::now());
    let (log, _) = FileLog::open(Arc::new(RealDisk), &folder, Options::default(), None)?;
    let end = log.end();
    println!("open with {end} records: {:?}, {} KiB more in use", begun.elapsed(), resident().saturating_sub(before));

    let (mut next, begun) = (log.first(), cpu());
    while next < end {
        let entries = log.read(next, 1000, 1 << 20)?;
        next = entries.last().map_or(end, |entry| entry.position().next());
    }
    println!("read: {:.2} us CPU per record", per(cpu().saturating_sub(begun), end.0));
    let begun = Instant::now();
    let verified = log.reader().verify()?;
    println!("verify: {:?}, whole: {}", begun.elapsed(), verified.is_whole());
    let begun = Instant::now();
    let chain = log.chain(Position(end.0 / 2))?;
    println!("chain at {}: {:?} ({chain})", end.0 / 2, begun.elapsed());
    Ok(())
}

/// CPU time of this thread so far, in nanoseconds.
fn on_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0))
}
