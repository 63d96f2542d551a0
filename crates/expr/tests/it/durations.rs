//! Lengths of time as people write them.

use ensue_expr::duration::{self, Error};

const SECOND: i64 = 1_000_000;

#[test]
fn written_and_read() {
    let table: [(&str, i64, &str); 14] = [
        ("30m", 1_800 * SECOND, "30m"),
        ("7d", 604_800 * SECOND, "7d"),
        ("2w", 1_209_600 * SECOND, "14d"),
        ("1h30m", 5_400 * SECOND, "1h30m"),
        ("90m", 5_400 * SECOND, "1h30m"),
        ("500ms", SECOND / 2, "500ms"),
        ("1500ms", SECOND * 3 / 2, "1s500ms"),
        ("0s", 0, "0s"),
        ("0", 0, "0s"),
        ("1.5h", 5_400 * SECOND, "1h30m"),
        ("0.25s", SECOND / 4, "250ms"),
        ("24h", 86_400 * SECOND, "1d"),
        ("3us", 3, "3us"),
        ("1d1h1m1s1ms1us", 90_061 * SECOND + 1_001, "1d1h1m1s1ms1us"),
    ];
    for (text, micros, shown) in table {
        assert_eq!(duration::parse(text), Ok(micros), "{text}");
        assert_eq!(duration::format(micros), shown);
        assert_eq!(duration::parse(shown), Ok(micros));
    }
    assert_eq!(duration::parse_signed("-90s"), Ok(-90 * SECOND));
    assert_eq!(duration::format(-90 * SECOND), "-1m30s");
    assert!(duration::format(i64::MIN).starts_with('-'));
}

#[test]
fn refused() {
    for text in [
        "", "m", "1", "30", "1 m", "m1", "1x", "1h30", "1..5h", "1.h.5", "--1s", "1s ", " 1s", "1S", "1M", "soon",
        "½h", "٣s", "1e3s", "0x1s",
    ] {
        assert!(duration::parse(text).is_err(), "{text:?}");
        assert!(duration::parse_signed(text).is_err(), "{text:?}");
    }
    assert_eq!(duration::parse("30"), Err(Error::Unit("30".into())));
    assert_eq!(duration::parse("-1s"), Err(Error::Negative("-1s".into())));
    assert!(matches!(duration::parse("99999999999999d"), Err(Error::Range(_))));
    assert!(duration::parse(&"9".repeat(40)).is_err());
    assert!(duration::parse(&"999999w".repeat(10_000)).is_err());
}
