//! The bare loop: the log's append, with its checksums and its flush, and nothing around it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ensue_event::http::{Message, decode};
use ensue_event::json::Scanner;
use ensue_event::{Origin, Time};
use ensue_log::disk::{Disk, RealDisk};
use ensue_log::{Draft, FileLog, Log, Options};

use crate::events::Made;
use crate::process::cpu;
use crate::{Result, events};

fn broken(why: impl std::fmt::Display) -> String {
    format!("the bare loop: {why}")
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn drafts(made: &mut Made, count: usize) -> Result<Vec<Draft>> {
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let body = made.one().into_bytes().into();
        let headers: [(&str, &[u8]); 0] = [];
        let message =
            Message { content_type: Some("application/cloudevents+json"), headers: headers.into_iter(), body };
        let batch = decode(message, &mut Scanner::new()).map_err(broken)?;
        out.extend(batch.events.into_iter().map(|event| Draft::new(Origin::Source("events".into()), event)));
    }
    Ok(out)
}

/// Appends events in batches; microseconds of CPU for each.
pub(crate) fn batches(folder: &Path, made: &mut events::Made, count: usize, size: usize) -> Result<f64> {
    let drafts = drafts(made, count)?;
    let (mut log, _) = FileLog::open(Arc::new(RealDisk), folder, Options::default(), None).map_err(broken)?;
    let before = cpu("/proc/self/stat");
    for batch in drafts.chunks(size) {
        log.append(now(), batch).map_err(broken)?;
    }
    let took = cpu("/proc/self/stat") - before;
    Ok(took * 1e6 / count as f64)
}

/// So many clients, each with one event at a time, and one writer that takes what waits; how often it flushed.
pub(crate) fn clients(folder: &Path, made: &mut Made, count: usize, clients: usize, flush: Duration) -> Result<f64> {
    let disk = Arc::new(Slow { disk: RealDisk, flush, flushes: AtomicU64::new(0) });
    let (mut log, _) = FileLog::open(Arc::clone(&disk), folder, Options::default(), None).map_err(broken)?;
    let all = drafts(made, count)?;
    let before = disk.flushes.load(Ordering::Relaxed);
    let (sender, waiting) = mpsc::channel::<(Draft, mpsc::Sender<()>)>();
    std::thread::scope(|scope| {
        for share in all.chunks(count.div_ceil(clients)) {
            let sender = sender.clone();
            scope.spawn(move || {
                let (told, answer) = mpsc::channel();
                for draft in share {
                    // The writer ends early only with an error, which it returns.
                    if sender.send((draft.clone(), told.clone())).is_err() || answer.recv().is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        while let Ok(first) = waiting.recv() {
            let (drafts, told): (Vec<Draft>, Vec<mpsc::Sender<()>>) =
                std::iter::once(first).chain(waiting.try_iter()).unzip();
            log.append(now(), &drafts).map_err(broken)?;
            for told in told {
                // A client that is gone has said why.
                let _ = told.send(());
            }
        }
        Ok::<(), String>(())
    })?;
    Ok((disk.flushes.load(Ordering::Relaxed) - before) as f64)
}

/// The disk of this machine with flushes that take longer, counted.
struct Slow {
    disk: RealDisk,
    flush: Duration,
    flushes: AtomicU64,
}

impl Disk for Slow {
    type File = <RealDisk as Disk>::File;

    fn create(&self, path: &Path) -> io::Result<Self::File> {
        self.disk.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Self::File> {
        self.disk.open(path)
    }
    fn read_at(&self, file: &Self::File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.disk.read_at(file, offset, into)
    }
    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.disk.write_at(file, offset, bytes)
    }
    fn len(&self, file: &Self::File) -> io::Result<u64> {
        self.disk.len(file)
    }
    fn set_len(&self, file: &Self::File, len: u64) -> io::Result<()> {
        self.disk.set_len(file, len)
    }
    fn preallocate(&self, file: &Self::File, len: u64) -> io::Result<()> {
        self.disk.preallocate(file, len)
    }
    fn sync_data(&self, file: &Self::File) -> io::Result<()> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.disk.sync_data(file)?;
        std::thread::sleep(self.flush);
        Ok(())
    }
    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        self.disk.sync_dir(folder)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        self.disk.create_dir(folder)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }
    fn modified(&self, path: &Path) -> io::Result<Time> {
        self.disk.modified(path)
    }
    fn free(&self, folder: &Path) -> io::Result<u64> {
        self.disk.free(folder)
    }
}
