//! The state that a stopped node has left: what the log alone gives, and with nothing in it that should be gone.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ensue_engine::Engine;
use ensue_event::Position;
use ensue_log::disk::RealDisk;
use ensue_log::{Blobs, Entry, Log};
use ensue_pump::{LogPast, Pump, start};
use ensue_state::{Memory, Sqlite, State};

use super::verify::{self, Verdict};
use crate::Result;

/// Records read at once.
const CHUNK: usize = 1_000;

/// Folds the log in this process, and holds the rows against those of the node.
pub(crate) fn check(data: &Path, verdict: &mut Verdict) -> Result {
    let failed = |what: &str, why: &dyn std::fmt::Display| format!("{what}: {why}");
    let lived = Sqlite::reader(&data.join("state.db"), Pump::<Sqlite>::tables());
    let lived = lived.and_then(|store| store.dump()).map_err(|why| failed("the state cannot be read", &why))?;
    let pump = folded(data)?;
    let anew = pump.store().dump().map_err(|why| failed("the state cannot be read", &why))?;
    let (lived, anew): (BTreeSet<&str>, BTreeSet<&str>) = (lived.lines().collect(), anew.lines().collect());
    let mut differs = |only: &str, one: &BTreeSet<&str>, other: &BTreeSet<&str>| {
        let lines: Vec<&&str> = one.difference(other).collect();
        let shown = lines.iter().take(5).map(|line| format!("{only} has the row {}", line.replace('\t', " ")));
        verdict.wrong.extend(shown.chain((lines.len() > 5).then(|| format!("and {} more", lines.len() - 5))));
    };
    differs("the state of the node", &lived, &anew);
    differs("the state folded from the log alone", &anew, &lived);
    left(pump.engine(), &mut verdict.left);
    Ok(())
}

/// All rows, from the log alone.
fn folded(data: &Path) -> Result<Pump<Memory>> {
    let failed = |why: &dyn std::fmt::Display| format!("the log cannot be folded: {why}");
    let (log, _) = verify::open(data)?;
    let blobs = Blobs::open(Arc::new(RealDisk), &data.join("blobs")).map_err(|why| failed(&why))?;
    let store = Memory::new(Pump::<Memory>::tables()).map_err(|why| failed(&why))?;
    let opened = start::open(store, log.end(), &|_| None, BTreeSet::new());
    let (mut pump, _) = opened.map_err(|(_, why)| failed(&why))?;
    pump.look_back(Box::new(LogPast::new(log.reader(), Some(blobs.clone()))));
    while pump.wants() < log.end() {
        for entry in log.read(pump.wants(), CHUNK, usize::MAX).map_err(|why| failed(&why))? {
            let Entry::Record(mut record) = entry else { return Err(failed(&format!("{entry:?}"))) };
            blobs.resolve(&mut record).map_err(|why| failed(&why))?;
            pump.fold(&record).map_err(|why| failed(&why))?;
        }
    }
    let last = Position(log.end().0.saturating_sub(1));
    let chain = log.chain(last).map_err(|why| failed(&why))?;
    pump.checkpoint(chain).map_err(|why| failed(&why))?;
    Ok(pump)
}

/// What nobody waits for any more must be gone.
fn left(engine: &Engine, left: &mut Vec<String>) {
    let state = engine.state();
    for (id, run) in state.runs.iter().filter(|(_, run)| !run.status.over()) {
        left.push(format!("run {id} of {} is {}", run.rule, run.status.as_str()));
    }
    for ((run, id), branch) in state.branches.iter().filter(|(_, branch)| branch.goes_on()) {
        left.push(format!("branch {id} of run {run} goes on: {branch:?}"));
    }
    for (_, asks) in state.asks.iter().filter(|(_, asks)| asks.open()) {
        left.push(format!("an approval is open: {asks:?}"));
    }
    let counts = [
        ("effects without an answer", state.outbox.len()),
        ("emissions that are not in the log", state.emissions.len()),
        ("slots of `concurrency`", state.locks.len()),
        ("firings that wait for a slot", state.queued.len()),
        ("parked firings", state.parked.len()),
        ("definitions that are looked out for", state.waits.len()),
        ("steps that wait for an event", state.awaits.len()),
        ("events kept for steps", state.awaited.len()),
        ("runs that wait for nothing", engine.stuck().count()),
    ];
    left.extend(counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")));
}
