//! Croner's view of a time in a zone of jiff's.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::time::{CivilDateTime, CronDateTime, Resolution, Weekday};
use ensue_event::Time;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

/// A point in time in a zone.
#[derive(Clone)]
pub(super) struct At(ZonedDateTime);

impl At {
    pub(super) fn new(time: Time, zone: &TimeZone) -> Option<At> {
        let stamp = Timestamp::from_microsecond(time.micros()).ok()?;
        Some(At(stamp.to_zoned_datetime(zone.clone())))
    }

    pub(super) fn time(&self) -> Option<Time> {
        Some(Time(self.0.timestamp().as_second().checked_mul(1_000_000)?))
    }
}

impl CronDateTime for At {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.0.datetime();
        let part = |value: i8| u32::try_from(value).unwrap_or(0);
        let parts = (part(at.month()), part(at.day()), part(at.hour()), part(at.minute()), part(at.second()));
        let (month, day, hour, minute, second) = parts;
        CivilDateTime::from_ymd_hms_opt(i32::from(at.year()), month, day, hour, minute, second).unwrap_or_else(|| {
            // Jiff holds every part within its range, and has no leap seconds.
            CivilDateTime::new(
                croner::time::CivilDate::from_parts_unchecked(1970, 1, 1),
                croner::time::CivilTime::MIDNIGHT,
            )
        })
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(u32::try_from(self.0.weekday().to_sunday_zero_offset()).unwrap_or(0))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let ambiguous = self.0.time_zone().to_ambiguous_zoned_datetime(datetime(civil).ok_or(CronError::InvalidDate)?);
        let wrong = |_| CronError::InvalidTime;
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(At(ambiguous.unambiguous().map_err(wrong)?)),
            AmbiguousOffset::Fold { .. } => {
                let earlier = ambiguous.clone().earlier().map_err(wrong)?;
                Resolution::Ambiguous(At(earlier), At(ambiguous.later().map_err(wrong)?))
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(At)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

fn datetime(civil: CivilDateTime) -> Option<DateTime> {
    let part = |value: u32| i8::try_from(value).ok();
    let year = i16::try_from(civil.year()).ok()?;
    let (hour, minute, second) = (part(civil.hour())?, part(civil.minute())?, part(civil.second())?);
    DateTime::new(year, part(civil.month())?, part(civil.day())?, hour, minute, second, 0).ok()
}
