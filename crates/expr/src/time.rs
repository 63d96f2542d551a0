//! Points in time: RFC 3339 text and back, and the calendar's parts in a time zone.
//!
//! The calendar is computed here, since the language's years 1 to 9999 reach a little past what the time library takes.
//! The time-zone database is the bundled one: a machine's own would make two machines disagree.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z, the bounds that CEL sets, microseconds.
pub(crate) const MIN: i64 = -62_135_596_800_000_000;
pub(crate) const MAX: i64 = 253_402_300_799_999_999;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A calendar's reading of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
    /// 0 to 365.
    pub(crate) day_of_year: i64,
    /// 0 is Sunday.
    pub(crate) day_of_week: i64,
    /// Microseconds since midnight.
    pub(crate) clock: i64,
}

/// Days from 1970-01-01 to a day of the Gregorian calendar (Hinnant, «chrono-compatible low-level date algorithms»).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The calendar's reading, in UTC.
fn utc(micros: i64) -> Civil {
    let since = micros.div_euclid(DAY);
    let shifted = since + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * from_march + 2) / 153;
    let day = from_march - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil {
        year,
        month,
        day,
        day_of_year: since - days(year, 1, 1),
        day_of_week: (since + 4).rem_euclid(7),
        clock: micros.rem_euclid(DAY),
    }
}

/// Reads RFC 3339, `2026-01-31T12:00:00.5+01:00`, as microseconds since 1970, cutting what is finer.
pub fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| {
        bytes.get(from..to)?.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
    };
    let byte = |at: usize, wanted: &[u8]| bytes.get(at).filter(|b| wanted.contains(b));
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    for (at, sign) in [(4, "-"), (7, "-"), (10, "Tt"), (13, ":"), (16, ":")] {
        byte(at, sign.as_bytes())?;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut end = 19;
    let mut fraction = 0;
    if byte(end, b".").is_some() {
        let digits = bytes.get(20..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        for place in 0..6 {
            fraction = fraction * 10 + if place < digits { number(20 + place, 21 + place)? } else { 0 };
        }
        end += 1 + digits;
    }
    let offset = match byte(end, b"Zz+-")? {
        b'Z' | b'z' => {
            end += 1;
            0
        }
        sign => {
            let (hours, minutes) = (number(end + 1, end + 3)?, number(end + 4, end + 6)?);
            byte(end + 3, b":")?;
            end += 6;
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 3_600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
        }
    };
    if end != bytes.len() {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    let micros = seconds * SECOND + fraction;
    (MIN..=MAX).contains(&micros).then_some(micros)
}

/// RFC 3339 in UTC, with no decimals, or as many as are needed: `2026-01-31T12:00:00.5Z`.
pub fn format(micros: i64) -> String {
    let at = utc(micros);
    let (seconds, fraction) = (at.clock / SECOND, at.clock % SECOND);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}", at.year, at.month, at.day);
    if fraction != 0 {
        text.push_str(format!(".{fraction:06}").trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// The calendar's reading of a time in a zone: an IANA name, `UTC`, or an offset `+01:00`.
///
/// # Errors
/// The zone, when there is none of that name.
pub(crate) fn civil(micros: i64, zone: Option<&str>) -> Result<Civil, String> {
    let offset = match zone {
        None => 0,
        Some(name) => offset(micros, name).ok_or_else(|| {
            format!("there is no time zone {name:?}; write an IANA name as Europe/Vienna, or an offset as +01:00")
        })?,
    };
    Ok(utc(micros.saturating_add(offset * SECOND)))
}

/// Seconds that the zone's clocks were ahead of UTC at this time.
fn offset(micros: i64, zone: &str) -> Option<i64> {
    if matches!(zone, "UTC" | "Z") {
        return Some(0);
    }
    let (sign, digits) = match zone.as_bytes().first()? {
        b'+' => (1, zone.get(1..)?),
        b'-' => (-1, zone.get(1..)?),
        b'0'..=b'9' => (1, zone),
        _ => {
            let zone: TimeZone = TimeZoneDatabase::bundled().get(zone).ok()?;
            let second = micros.div_euclid(SECOND).clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
            return Some(zone.to_offset(Timestamp::from_second(second).ok()?).seconds().into());
        }
    };
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..24).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 60 + minutes) * 60)
}
