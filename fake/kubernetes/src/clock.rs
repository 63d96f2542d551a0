//! Times as the API writes them, and other texts that a server makes up: uids and the ends of names.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// `2026-11-21T20:32:46Z`.
pub(crate) fn time(at: Duration) -> String {
    let (date, seconds) = civil(at.as_secs());
    format!("{date}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `2026-11-21T20:32:46.123456Z`.
pub(crate) fn micro_time(at: Duration) -> String {
    let (date, seconds) = civil(at.as_secs());
    let micros = at.subsec_micros();
    format!("{date}T{:02}:{:02}:{:02}.{micros:06}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The date of a second since 1970, and the second of that day.
fn civil(seconds: u64) -> (String, u64) {
    // Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
    let days = seconds / 86400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (format!("{year:04}-{month:02}-{day:02}"), seconds % 86400)
}

/// The seconds since 1970 of a time as the API writes it; fractions are dropped.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    if !text.ends_with('Z') || text.get(10..11)? != "T" {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let shifted_year = if month <= 2 { year.checked_sub(1)? } else { year };
    let era = shifted_year / 400;
    let year_of_era = shifted_year % 400;
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    Some(days * 86400 + number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?)
}

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A number that was not given before in this process, its bits well mixed.
fn fresh() -> u64 {
    let next = COUNTER.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed) ^ u64::from(now().subsec_nanos());
    // SplitMix64 (Steele, Lea, Flood 2014).
    let mixed = (next ^ (next >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A uid in the form of a random UUID.
pub(crate) fn uid() -> String {
    let (a, b) = (fresh(), fresh());
    let (first, second, third) = (a >> 32, a >> 16 & 0xFFFF, a & 0xFFF);
    format!("{first:08x}-{second:04x}-4{third:03x}-{:04x}-{:012x}", b >> 48 & 0x3FFF | 0x8000, b & 0xFFFF_FFFF_FFFF)
}

const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The end of a generated name: five of the letters that make no words.
pub(crate) fn suffix() -> String {
    letters(fresh(), 5)
}

/// `count` letters from a number, as pod template hashes are written.
pub(crate) fn letters(mut number: u64, count: usize) -> String {
    let mut text = String::new();
    for _ in 0..count {
        let at = usize::try_from(number % 27).unwrap_or_default();
        text.push(LETTERS.get(at).copied().map_or('b', char::from));
        number /= 27;
    }
    text
}

/// FNV-1a, for hashes of templates.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        for (seconds, text) in [(0, "1970-01-01T00:00:00Z"), (1_795_293_166, "2026-11-21T20:32:46Z")] {
            assert_eq!(time(Duration::from_secs(seconds)), text);
            assert_eq!(parse(text), Some(seconds));
        }
        assert_eq!(micro_time(Duration::from_micros(1_500_000)), "1970-01-01T00:00:01.500000Z");
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn uids_differ() {
        assert_ne!(uid(), uid());
        assert_eq!(uid().len(), 36);
    }
}
