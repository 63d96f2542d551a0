//! Schedules: an event at certain times.
//!
//! `cron` in five fields, or six with seconds first, in a time zone; or `every` some length of time, counted from
//! 1970-01-01T00:00:00Z so that a restart changes nothing. What becomes of hours that clocks skip or repeat is said where
//! [`Cron`] is.

use ensue_event::{Event, Span, Time};
use ensue_lang::cron::{self, Cron};
use serde_json::Value;

/// The most missed times that `missed: all` makes up for, the newest; more would be a flood, not a memory.
pub const MAX_MISSED: usize = 1_000;

/// When a source `schedule` has its events.
#[derive(Clone, Debug)]
pub struct Schedule {
    when: When,
    missed: Missed,
    kind: Option<String>,
    data: Option<Value>,
}

#[derive(Clone, Debug)]
enum When {
    Cron(Cron),
    Every(Span),
}

/// What becomes of times that passed while nobody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Missed {
    /// They never happen.
    Skip,
    /// The newest one happens.
    #[default]
    Once,
    /// Each happens, the newest [`MAX_MISSED`] of them.
    All,
}

/// Why settings are no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither or both of `cron` and `every`.
    #[error("a schedule needs either `cron` or `every`")]
    When,
    /// Not a pattern of cron, or not a time zone.
    #[error(transparent)]
    Cron(#[from] cron::Error),
    /// Not a length of time.
    #[error("`{0}` is not a length of time of at least a second, such as 5m")]
    Every(String),
    /// Not a policy.
    #[error("`missed: {0}` is not known; it is one of skip, once, all")]
    Missed(String),
    /// A type that only ensue writes.
    #[error("the type `{0}` begins with `dev.ensue.`, which only ensue itself writes; use a prefix of your own")]
    Reserved(String),
}

impl Schedule {
    /// Reads the settings of a source `schedule`.
    pub fn parse(config: &Value) -> Result<Schedule, Error> {
        let text = |name: &str| config.get(name).and_then(Value::as_str);
        let when = match (config.get("cron"), config.get("every")) {
            (Some(_), None) => {
                When::Cron(Cron::parse(text("cron").unwrap_or_default(), text("zone").unwrap_or("UTC"))?)
            }
            (None, Some(every)) => When::Every(span(every)?),
            _ => return Err(Error::When),
        };
        let missed = match text("missed") {
            Some("skip") => Missed::Skip,
            None | Some("once") => Missed::Once,
            Some("all") => Missed::All,
            Some(other) => return Err(Error::Missed(other.to_owned())),
        };
        let kind = text("type").map(str::to_owned);
        if let Some(kind) = kind.as_ref().filter(|kind| kind.starts_with(ensue_event::ours::PREFIX)) {
            return Err(Error::Reserved(kind.clone()));
        }
        let data = config.get("data").filter(|data| !data.is_null()).cloned();
        Ok(Schedule { when, missed, kind, data })
    }

    /// What becomes of missed times, as the settings say.
    #[must_use]
    pub fn policy(&self) -> Missed {
        self.missed
    }

    /// The first time after `after`; nothing if there is none as far as calendars go.
    #[must_use]
    pub fn next(&self, after: Time) -> Option<Time> {
        match &self.when {
            When::Every(Span(every)) => {
                let next = after.0.checked_div_euclid(*every)?.checked_add(1)?.checked_mul(*every)?;
                Some(Time(next))
            }
            When::Cron(cron) => cron.next(after),
        }
    }

    /// The times after `last` up to and with `now` that are made up for under a policy, the oldest first.
    #[must_use]
    pub fn missed(&self, last: Time, now: Time, policy: Missed) -> Vec<Time> {
        let keep = match policy {
            Missed::Skip => return Vec::new(),
            Missed::Once => 1,
            Missed::All => MAX_MISSED,
        };
        let mut times = std::collections::VecDeque::new();
        let mut last = self.near(last, now, keep);
        while let Some(next) = self.next(last).filter(|next| *next <= now) {
            times.push_back(next);
            if times.len() > keep {
                times.pop_front();
            }
            last = next;
        }
        times.into()
    }

    /// Where a search for the newest times may begin: years of seconds need not be counted through.
    fn near(&self, last: Time, now: Time, keep: usize) -> Time {
        let keep = i64::try_from(keep).unwrap_or(i64::MAX).saturating_add(1);
        match &self.when {
            When::Every(Span(every)) => last.max(now - Span(every.saturating_mul(keep))),
            When::Cron(cron) => {
                let mut begin = now;
                for _ in 0..keep {
                    match cron.last(begin) {
                        Some(time) if time > last => begin = time - Span(1),
                        _ => return last,
                    }
                }
                begin
            }
        }
    }

    /// The event of an occurrence of the source of this name: the same for the same time, however often it is made.
    #[must_use]
    pub fn event(&self, name: &str, occurrence: Time) -> Event {
        let kind = self.kind.clone().unwrap_or_else(|| format!("schedule.{name}"));
        let id = occurrence.to_string();
        let mut event = Event::new(id.clone(), format!("/ensue/schedule/{name}"), kind);
        event.subject = Some(name.into());
        event.time = Some(id.into());
        match &self.data {
            Some(data) => {
                event.content_type = Some("application/json".into());
                event.with_json(data)
            }
            None => event,
        }
    }
}

/// A length of time: a text such as `1h30m`, or microseconds as a checked configuration holds them.
fn span(value: &Value) -> Result<Span, Error> {
    match crate::duration::micros(value) {
        Some(micros) if micros >= 1_000_000 => Ok(Span(micros)),
        _ => Err(Error::Every(value.as_str().map_or_else(|| value.to_string(), str::to_owned))),
    }
}
