//! Ranks: they compare as values do, and so do their bytes.

use std::cmp::Ordering;

use ensue_event::{Attr, Time};
use ensue_expr::{Value, compare};
use ensue_rule::order::{Rank, Turn, Wait, turn};
use proptest::prelude::*;

fn rank(value: impl Into<Value>) -> Rank {
    Rank::of(value.into()).unwrap()
}

/// Numbers at which integers and doubles differ, and others.
fn number() -> impl Strategy<Value = Value> {
    let edge = prop::sample::select(vec![
        Value::Int(i64::MIN),
        Value::Int(i64::MAX),
        Value::Int(9_007_199_254_740_992),
        Value::Int(9_007_199_254_740_993),
        Value::Double(9_007_199_254_740_992.0),
        Value::Double(9_007_199_254_740_994.0),
        Value::Double(9_223_372_036_854_775_808.0),
        Value::Uint(9_223_372_036_854_775_808),
        Value::Uint(u64::MAX),
        Value::Double(18_446_744_073_709_551_616.0),
        Value::Double(f64::INFINITY),
        Value::Double(f64::NEG_INFINITY),
        Value::Double(0.0),
        Value::Double(-0.0),
        Value::Int(0),
        Value::Double(f64::MIN_POSITIVE),
        Value::Double(-1.5),
        Value::Int(-1),
    ]);
    let any = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::Uint),
        (-3_i64..3).prop_map(Value::Int),
        any::<f64>().prop_filter("a number", |f| !f.is_nan()).prop_map(Value::Double),
    ];
    prop_oneof![edge, any]
}

proptest! {
    #[test]
    fn numbers_compare_by_their_exact_value(a in number(), b in number()) {
        let expected = compare(&a, &b).unwrap();
        prop_assert_eq!(rank(a).bytes().cmp(&rank(b).bytes()), expected);
    }

    #[test]
    fn texts_compare_by_code_point(a in "[a-c\u{0}\u{ff}]{0,4}", b in "[a-c\u{0}\u{ff}]{0,4}") {
        prop_assert_eq!(rank(a.clone()).cmp(&rank(b.clone())), a.cmp(&b));
    }

    /// What follows the bytes of a rank never decides between two ranks.
    #[test]
    fn no_bytes_begin_others(a in "[a\u{0}]{0,3}", b in "[a\u{0}]{0,3}", tail in any::<u64>(), other in any::<u64>()) {
        let with = |text: &str, tail: u64| [rank(text).bytes(), tail.to_be_bytes().to_vec()].concat();
        let expected = a.cmp(&b).then(tail.cmp(&other));
        prop_assert_eq!(with(&a, tail).cmp(&with(&b, other)), expected);
    }

    #[test]
    fn through_the_store(value in number()) {
        let rank = rank(value);
        let json = serde_json::to_string(&rank).unwrap();
        prop_assert_eq!(serde_json::from_str::<Rank>(&json).unwrap(), rank);
    }
}

#[test]
fn types_first() {
    let moment = |second, source: &str, id: &str| Rank::Moment {
        time: Time::from_secs(second),
        source: source.into(),
        id: id.into(),
    };
    let ascending = [
        rank(false),
        rank(true),
        rank(-1),
        rank(10),
        Rank::of(Value::Timestamp(-5)).unwrap(),
        Rank::of(Value::Timestamp(5)).unwrap(),
        Rank::of(Value::Duration(1)).unwrap(),
        rank(""),
        rank("10"),
        rank("9"),
        Rank::of(Value::list([1, 2])).unwrap(),
        moment(1, "/b", "1"),
        moment(2, "/a", "2"),
        moment(2, "/a", "3"),
        moment(2, "/b", "1"),
    ];
    for pair in ascending.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
    }
    for none in [Value::Null, Value::Double(f64::NAN), Value::list([Value::Null]), Value::secret("s")] {
        assert!(Rank::of(none).is_none());
    }
    assert_eq!(rank(42), rank(42.0));
}

#[test]
fn sequences() {
    let text = |text: &str| Rank::of_sequence(&Attr::Text(text.into()));
    assert_eq!(text("0042"), rank(42));
    assert_eq!(text("18446744073709551615").text(), "18446744073709551615");
    assert_eq!(Rank::of_sequence(&Attr::Int(7)), rank(7));
    assert_eq!(text("7").cmp(&text("10")), Ordering::Less);
    assert_eq!(text("0x10").text(), "0x10");
    assert!(text("8").follows(&text("7")) && !text("9").follows(&text("7")) && !text("7").follows(&text("7")));
    assert!(!text("b").follows(&text("a")));
    assert!(!text("18446744073709551615").follows(&rank(i64::MAX)));
}

#[test]
fn turns() {
    let five = rank(5);
    for (value, last, none, gap, always) in [
        (5, None, Turn::Now, Turn::Later, Turn::Later),
        (4, Some(&five), Turn::Late, Turn::Late, Turn::Late),
        (5, Some(&five), Turn::Now, Turn::Now, Turn::Later),
        (6, Some(&five), Turn::Now, Turn::Now, Turn::Later),
        (7, Some(&five), Turn::Now, Turn::Later, Turn::Later),
    ] {
        let found = [Wait::None, Wait::Gap, Wait::Always].map(|wait| turn(&rank(value), last, wait));
        assert_eq!(found, [none, gap, always], "{value} after {last:?}");
    }
}
