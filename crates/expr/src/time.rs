//! Points in time: RFC 3339 text and back, and the calendar's parts in a time zone.
//!
//! The time-zone database is the bundled one: a machine's own would make two machines disagree.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z, the bounds that CEL sets, microseconds.
pub(crate) const MIN: i64 = -62_135_596_800_000_000;
pub(crate) const MAX: i64 = 253_402_300_799_999_999;

/// Reads RFC 3339, `2026-01-31T12:00:00.5+01:00`, cutting what is finer than a microsecond.
pub fn parse(text: &str) -> Option<i64> {
    // jiff reads more forms than the RFC has; the shape is checked first, so that a typing error is not a time.
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let byte = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|b| wanted.contains(b));
    let date = digits(0, 4) && byte(4, b"-") && digits(5, 7) && byte(7, b"-") && digits(8, 10) && byte(10, b"Tt");
    let clock = digits(11, 13) && byte(13, b":") && digits(14, 16) && byte(16, b":") && digits(17, 19);
    if !date || !clock {
        return None;
    }
    let mut end = 19;
    if byte(end, b".") {
        let fraction = bytes.get(20..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        if fraction == 0 || fraction > 9 {
            return None;
        }
        end += 1 + fraction;
    }
    let zoned = (byte(end, b"Zz") && bytes.len() == end + 1)
        || (byte(end, b"+-")
            && digits(end + 1, end + 3)
            && byte(end + 3, b":")
            && digits(end + 4, end + 6)
            && bytes.len() == end + 6);
    if !zoned {
        return None;
    }
    let micros = text.parse::<Timestamp>().ok()?.as_nanosecond().div_euclid(1000);
    i64::try_from(micros).ok().filter(|micros| (MIN..=MAX).contains(micros))
}

/// RFC 3339 in UTC, with as many decimals as needed.
pub fn format(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| format!("{micros}us"), |at| at.to_string())
}

/// The calendar's reading of a time in a zone: an IANA name, `UTC`, or an offset `+01:00`.
///
/// # Errors
/// The zone, when there is none of that name.
pub(crate) fn civil(micros: i64, zone: Option<&str>) -> Result<DateTime, String> {
    let at = Timestamp::from_microsecond(micros).map_err(|error| error.to_string())?;
    let zone = match zone {
        None => TimeZone::UTC,
        Some(name) => zone_named(name).ok_or_else(|| {
            format!("there is no time zone {name:?}; write an IANA name as Europe/Vienna, or an offset as +01:00")
        })?,
    };
    Ok(zone.to_datetime(at))
}

fn zone_named(name: &str) -> Option<TimeZone> {
    if matches!(name, "" | "UTC" | "Z") {
        return Some(TimeZone::UTC);
    }
    let (sign, digits) = match name.as_bytes().first()? {
        b'+' => (1, name.get(1..)?),
        b'-' => (-1, name.get(1..)?),
        b'0'..=b'9' => (1, name),
        _ => return TimeZoneDatabase::bundled().get(name).ok(),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    Offset::from_seconds(sign * (hours * 60 + minutes) * 60).ok().map(TimeZone::fixed)
}
