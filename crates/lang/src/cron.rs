//! When the clock says so: cron's five fields, or six with seconds before them, in a time zone.
//!
//! Where clocks are set forward, a time within the gap that names a fixed hour happens at the end of the gap, once; where
//! they are set back, a fixed hour happens the first time only. A pattern of every hour or minute follows real time: it
//! happens in both of two equal hours, and never in an hour that there is not.

mod at;

use croner::parser::{CronParser, Seconds, Year};
use ensue_event::{Span, Time};
use jiff::tz::TimeZone;

use at::At;

/// A pattern of cron in a zone of the bundled database.
#[derive(Clone, Debug)]
pub struct Cron {
    cron: Box<croner::Cron>,
    zone: TimeZone,
}

/// Why a text is no pattern, or no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a pattern of cron.
    #[error("`{text}` is not a schedule in cron's five fields, or six with seconds first: {why}")]
    Cron {
        /// What was written.
        text: String,
        /// What the reader says.
        why: String,
    },
    /// Not a time zone.
    #[error("`{0}` is not a time zone; write a name such as Europe/Berlin")]
    Zone(String),
}

impl Cron {
    /// Reads a pattern and the name of a zone.
    ///
    /// # Errors
    /// A text that is no pattern or never happens, a name that is no zone.
    pub fn parse(text: &str, zone: &str) -> Result<Cron, Error> {
        let wrong = |why: String| Error::Cron { text: text.to_owned(), why };
        // Croner takes five to seven fields; a seventh, the year, makes a pattern that ends.
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Optional).build();
        let cron = parser.parse(text).map_err(|error| wrong(error.to_string()))?;
        let start = At::new(Time::from_secs(0), &TimeZone::UTC);
        if let Some(Err(error)) = start.map(|start| cron.find_next_occurrence(&start, false)) {
            return Err(wrong(format!("it never happens ({error})")));
        }
        // The bundled database only: the machine's own could differ from another's.
        let found = jiff::tz::TimeZoneDatabase::bundled().get(zone);
        let zone = found.map_err(|_| Error::Zone(zone.to_owned()))?;
        Ok(Cron { cron: Box::new(cron), zone })
    }

    /// The first time after `after`; nothing if there is none as far as calendars go.
    #[must_use]
    pub fn next(&self, after: Time) -> Option<Time> {
        let found = self.cron.find_next_occurrence(&At::new(after, &self.zone)?, false).ok()?;
        found.time().filter(|found| *found > after)
    }

    /// The last time that is not after `now`; nothing if there is none.
    #[must_use]
    pub fn last(&self, now: Time) -> Option<Time> {
        let second = Time(now.micros() - now.micros().rem_euclid(1_000_000)) + Span::secs(1);
        self.cron.find_previous_occurrence(&At::new(second, &self.zone)?, false).ok()?.time()
    }
}

#[cfg(test)]
mod tests {
    use ensue_event::{Span, Time};

    use super::Cron;

    #[test]
    fn the_last_and_the_next_enclose_a_moment() {
        let cron = Cron::parse("0 18 * * 5", "Europe/Berlin").unwrap();
        // A Saturday in winter: it began at 17:00 UTC the day before.
        let saturday = Time::parse("2026-01-10T12:00:00.5Z").unwrap();
        let friday = Time::parse("2026-01-09T17:00:00Z").unwrap();
        assert_eq!(cron.last(saturday), Some(friday));
        assert_eq!(cron.last(friday), Some(friday), "the moment itself is not after itself");
        assert_eq!(cron.last(friday - Span(1)), Some(friday - Span::hours(7 * 24)));
        assert_eq!(cron.next(friday), Some(friday + Span::hours(7 * 24)));
        // In summer it is an hour earlier.
        assert_eq!(cron.next(Time::parse("2026-07-09T00:00:00Z").unwrap()), Time::parse("2026-07-10T16:00:00Z").ok());
    }
}
