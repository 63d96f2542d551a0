//! `ensue replay`: history through other manifests, without effects, and what would be different.
//!
//! A fresh fold goes by the other manifests and takes the records that came from outside, in their order and at their
//! append times; timers fire by that clock. What the fold decides follows as it would have followed: its own records,
//! runs, and the events of `emit` steps. Nothing is written and nothing leaves.
//!
//! - **What was decided then is not taken twice.** Firings, runs and emitted events of the history are left out: those
//!   of the replay take their place. One that is the same as then stands where it stood then.
//! - **Answers.** A firing that is the same as then (rule, events, key) takes the recorded answers of its steps, when
//!   they came. What was never asked then is taken to succeed with `{}`, as in a scenario, and is counted.
//! - **Before `since`** a stretch is read and not compared, so that half-matches and windows are as they were.
//! - **A rule is compared while there was one of its name.** One that is new is compared with nothing.
//!
//! Map: [`Log`] (what is read) → `place` (between two records of the history) → `label` (what is the same in both) →
//! `recorded` (what was decided then) → `pass` (one way through) → `compare` → `reasons` (why one side did not fire) →
//! [`report`].

mod compare;
mod label;
mod pass;
mod place;
mod reasons;
mod recorded;
pub mod report;

use std::sync::Arc;

use ensue_engine::{Compiled, Past};
use ensue_event::ours::ConfigFile;
use ensue_event::{Position, Record, Span, Time};
use ensue_lang::{OrderBy, WhenKind};
use ensue_log::disk::Disk;
use ensue_pump::past::LogPast;

use self::compare::Compared;
use self::pass::{Manifests, Orders, Wanted};
use self::recorded::Recorded;
pub use self::report::Report;
use crate::history::Records;

/// The log that is replayed.
pub trait Log: Past {
    /// The position after its last record.
    fn end(&self) -> Position;

    /// Hands over, of the records in this range, those that no source received, in order.
    ///
    /// # Errors
    /// The log cannot be read.
    fn own(&self, from: Position, to: Position, each: &mut dyn FnMut(&Record)) -> Result<(), String>;

    /// All records of a type of ours, oldest first.
    ///
    /// # Errors
    /// The log cannot be read.
    fn of_type(&self, kind: &str) -> Result<Vec<Record>, String>;
}

impl<D: Disk> Log for LogPast<D> {
    fn end(&self) -> Position {
        self.end()
    }
    fn own(&self, from: Position, to: Position, each: &mut dyn FnMut(&Record)) -> Result<(), String> {
        self.own(from, to, each)
    }
    fn of_type(&self, kind: &str) -> Result<Vec<Record>, String> {
        self.of_type(kind)
    }
}

impl Log for Records<'_> {
    fn end(&self) -> Position {
        self.0.last().map_or(Position(0), |record| record.position.next())
    }
    fn own(&self, from: Position, to: Position, each: &mut dyn FnMut(&Record)) -> Result<(), String> {
        self.read(from, to, &mut |record| {
            if !matches!(record.origin, ensue_event::Origin::Source(_)) {
                each(record);
            }
        })
    }
    fn of_type(&self, kind: &str) -> Result<Vec<Record>, String> {
        Ok(self.0.iter().filter(|record| &*record.event.kind == kind).cloned().collect())
    }
}

/// From when on firings are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From the first record that is kept.
    Beginning,
    /// So long before the last record.
    Ago(Span),
    /// From this time on.
    At(Time),
}

/// How it is replayed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// From when on firings are compared.
    pub since: Since,
    /// How much is read before that; the longest window of the rules if left out.
    pub warm: Option<Span>,
    /// No runs: every rule meets the events that were recorded, those of `emit` steps too.
    pub rules_only: bool,
    /// The steps of runs that are in both are compared too.
    pub steps: bool,
    /// How many firings of each rule are shown with their reasons, of those that are gone, new and changed each; all are
    /// counted.
    pub shown: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { since: Since::Beginning, warm: None, rules_only: false, steps: false, shown: 20 }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is being done.
    pub doing: &'static str,
    /// Records so far.
    pub done: u64,
    /// Of so many.
    pub all: u64,
}

/// Why there is no comparison.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no history.
    #[error("the log holds no record that can be read")]
    Empty,
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Log(String),
    /// The manifests are not accepted.
    #[error("{0}")]
    Manifests(String),
    /// What is replayed does not come to an end.
    #[error("after record {0} the replay does not come to rest: is there a loop between these rules?")]
    Endless(Position),
}

/// Takes history through these manifests, or without any through those that were in force each, and compares what fires
/// with what fired. The latter asks whether this version decides as the one did that wrote the log.
///
/// # Errors
/// See [`Error`].
pub fn replay(
    log: &dyn Log,
    files: Option<&[ConfigFile]>,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, Error> {
    let given = match files.map(ensue_engine::config::check) {
        None => None,
        Some(mut checked) => match checked.compiled.take() {
            Some(compiled) => Some(compiled),
            None => return Err(Error::Manifests(checked.render(false))),
        },
    };
    let given = given.as_ref();
    let (first, end) = (log.first(), log.end());
    let begin = time_of(log, first, end)?.ok_or(Error::Empty)?;
    let last = last_time(log, first, end)?.unwrap_or(begin);
    let since = match options.since {
        Since::Beginning => begin,
        Since::Ago(span) => (last - span).max(begin),
        Since::At(time) => time.max(begin),
    };
    let eras = recorded::eras(log)?;
    let warm = options.warm.unwrap_or_else(|| {
        let configs = given.into_iter().chain(eras.iter().filter_map(|era| era.compiled.as_deref()));
        configs.map(longest).max().unwrap_or(Span::ZERO)
    });
    let from = log.since(since - warm).map_err(Error::Log)?.max(first);
    let recorded = Recorded::read(log, eras, from, end, options.rules_only)?;
    let nothing = Wanted::new();
    let orders = |manifests, wanted| Orders {
        log,
        recorded: &recorded,
        manifests,
        rules_only: options.rules_only,
        steps: options.steps,
        wanted,
        from,
        to: end,
    };
    let manifests = files.map_or(Manifests::Recorded, Manifests::Given);
    let now = pass::run(orders(manifests, &nothing), "replaying", progress)?;
    let mut compared = Compared::of(&recorded, &now, given, since, options);
    let gone = compared.wanted(|rule| &rule.gone);
    let again = match gone.is_empty() {
        true => None,
        false => Some(pass::run(orders(manifests, &gone), "asking why not now", progress)?),
    };
    compared.explain_gone(log, again.as_ref().unwrap_or(&now), &recorded, given);
    let new = compared.wanted(|rule| &rule.new);
    let then = match new.is_empty() && !options.steps {
        true => None,
        false => Some(pass::run(orders(Manifests::Recorded, &new), "asking why not then", progress)?),
    };
    compared.explain_new(log, then.as_ref(), &recorded);
    if let Some(then) = then.filter(|_| options.steps) {
        compared.steps(&then, &now);
    }
    let stretch = report::Stretch { from, since, warm: warm.min(since.since(begin)), to: end, begin, until: last };
    Ok(compared.report(stretch, &now, options.shown))
}

/// The time of the first record in this range.
fn time_of(log: &dyn Log, from: Position, to: Position) -> Result<Option<Time>, Error> {
    let (mut at, mut found) = (from, None);
    while at < to && found.is_none() {
        let next = at.plus(100).min(to);
        log.read(at, next, &mut |record| found = found.or(Some(record.at))).map_err(Error::Log)?;
        at = next;
    }
    Ok(found)
}

fn last_time(log: &dyn Log, first: Position, end: Position) -> Result<Option<Time>, Error> {
    let (mut to, mut found) = (end, None);
    while first < to && found.is_none() {
        let at = Position(to.0.saturating_sub(100)).max(first);
        log.read(at, to, &mut |record| found = Some(record.at)).map_err(Error::Log)?;
        to = at;
    }
    Ok(found)
}

/// The longest time over which a rule remembers something that bears on whether it fires: a minute at least, over which
/// storms are counted.
#[must_use]
pub fn longest(compiled: &Compiled) -> Span {
    let mut longest = Span::mins(1).micros();
    for decider in &compiled.rules {
        let rule = &decider.rule;
        let when = &rule.when;
        let absence = match &when.kind {
            WhenKind::Absence { wait, remember, .. } => [Some(*wait), *remember],
            _ => [None, None],
        };
        let order = rule.order.as_ref().map(|order| match order.by {
            OrderBy::Sequence | OrderBy::Value(_) => order.lateness.unwrap_or(0).max(order.remember),
        });
        let flow = [
            rule.dedupe.as_ref().map(|dedupe| dedupe.window),
            rule.debounce.as_ref().map(|debounce| debounce.max.unwrap_or(debounce.quiet)),
            rule.batch.as_ref().and_then(|batch| batch.every),
            rule.throttle.as_ref().map(|throttle| throttle.per),
        ];
        // What is looked at late is kept that much longer.
        let late = when.lateness.unwrap_or(0);
        let spans = [when.within, order].into_iter().chain(absence).chain(flow).flatten();
        longest = spans.map(|span| span.saturating_add(late)).fold(longest, i64::max);
    }
    Span(longest)
}

/// A configuration, shared.
type Shared = Arc<Compiled>;
