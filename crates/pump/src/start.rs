//! Recovery: is this state of this log, and how does the fold go on?

use std::collections::BTreeSet;

use ensue_engine::{Engine, FOLD};
use ensue_event::{Digest, Position};
use ensue_state::State;

use crate::pump::Pump;

/// Starts that died without progress before the next one is careful.
const CAREFUL_AFTER: u32 = 2;

/// Why the state must be set aside and folded anew from the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rebuild {
    /// Another version of the fold made it.
    #[error("the state was made by version {0} of the fold; this is version {FOLD}")]
    Version(u32),
    /// It knows more than the log: the log was cut or replaced.
    #[error("the state is at record {state}, past the end of the log at {end}")]
    Ahead {
        /// The last record folded.
        state: Position,
        /// The position that the log's next record gets.
        end: Position,
    },
    /// It belongs to another history.
    #[error("the state's chain hash at record {0} is not the log's: it belongs to another log")]
    Chain(Position),
    /// A row cannot be read.
    #[error("the state cannot be read: {0}")]
    Row(String),
}

/// How a start went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The first record to fold.
    pub from: Position,
    /// Each record is noted before it is folded, since earlier starts died.
    pub careful: bool,
    /// Whether the last stop was in good order.
    pub clean: bool,
}

/// Opens a pump: loads the rows and checks that they are of this log. `end` is the log's end, `chain` its chain hash
/// at a position, `aside` the positions of records that its quarantine records name.
pub fn open<S: State>(
    mut store: S,
    end: Position,
    chain: &dyn Fn(Position) -> Option<Digest>,
    aside: BTreeSet<Position>,
) -> Result<(Pump<S>, Start), (S, Rebuild)> {
    let applied = match store.applied() {
        Ok(applied) => applied,
        Err(why) => return Err((store, Rebuild::Row(why.to_string()))),
    };
    let mut engine = Engine::new();
    let mut from = Position(0);
    if let Some(applied) = applied {
        if applied.fold != FOLD {
            return Err((store, Rebuild::Version(applied.fold)));
        }
        if let Some(position) = applied.position {
            if position >= end {
                return Err((store, Rebuild::Ahead { state: position, end }));
            }
            if chain(position) != Some(applied.chain) {
                return Err((store, Rebuild::Chain(position)));
            }
            from = position.next();
        }
        for table in Pump::<S>::tables() {
            let mut wrong = None;
            let loaded = store.load(table, &mut |key, value| {
                if let Err(why) = engine.load(table, key, value) {
                    wrong.get_or_insert(why);
                }
                Ok(())
            });
            let why = loaded.err().map(|why| why.to_string()).or(wrong);
            if let Some(why) = why {
                return Err((store, Rebuild::Row(why)));
            }
        }
        if let Err(why) = engine.loaded() {
            return Err((store, Rebuild::Row(why.to_string())));
        }
    }
    let deaths: u32 = store.noted("starts").ok().flatten().and_then(|text| text.parse().ok()).unwrap_or(0);
    let clean = store.noted("clean").ok().flatten().as_deref() == Some("yes");
    let careful = deaths >= CAREFUL_AFTER;
    // Counted before anything is folded; a checkpoint or a graceful stop sets it back.
    let _ = store.note("starts", &(deaths + 1).to_string());
    let _ = store.note("clean", "no");
    Ok((Pump::of(engine, store, aside, careful), Start { from, careful, clean }))
}

impl<S: State> Pump<S> {
    /// The start made progress: earlier deaths no longer count.
    pub fn alive(&mut self) {
        let _ = self.store_mut().note("starts", "0");
    }

    /// A stop in good order: everything is committed and nothing is in flight.
    pub fn stopped(&mut self) {
        let _ = self.store_mut().note("starts", "0");
        let _ = self.store_mut().note("clean", "yes");
    }
}
