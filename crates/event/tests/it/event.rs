//! What CloudEvents asks of attributes, and the points in time they hold.

use ensue_event::{Attr, Event, Invalid, Span, Time};

fn changed(change: impl FnOnce(&mut Event)) -> String {
    let mut event = Event::new("a1", "/shop", "com.example.pushed");
    change(&mut event);
    event.validate().err().map_or_else(|| "ok".to_owned(), |why: Invalid| why.to_string())
}

#[test]
fn attributes() {
    let text = |text: &str| Some(Box::<str>::from(text));
    let cases: Vec<(String, &str)> = vec![
        (changed(|_| ()), "ok"),
        (changed(|event| event.id = "".into()), "the CloudEvents attribute `id` is required and is missing or empty"),
        (
            changed(|event| event.source = "".into()),
            "the CloudEvents attribute `source` is required and is missing or empty",
        ),
        (
            changed(|event| event.kind = "".into()),
            "the CloudEvents attribute `type` is required and is missing or empty",
        ),
        (
            changed(|event| event.source = "a b".into()),
            "the CloudEvents attribute `source` must be a URI reference, got `a b`",
        ),
        (changed(|event| event.source = "https://example.com/a?b#c".into()), "ok"),
        (changed(|event| event.subject = text("")), "the CloudEvents attribute `subject` must not be empty, got ``"),
        (changed(|event| event.subject = text("ü 😀")), "ok"),
        (
            changed(|event| event.subject = text("a\u{7}")),
            "the CloudEvents attribute `subject` must not hold control characters, got `a\u{7}`",
        ),
        (
            changed(|event| event.time = text("yesterday")),
            "the CloudEvents attribute `time` must be a time as RFC 3339 writes it, got `yesterday`",
        ),
        (changed(|event| event.time = text("2026-01-31T09:30:00.123456789+05:30")), "ok"),
        (
            changed(|event| event.schema = text("no-scheme")),
            "the CloudEvents attribute `dataschema` must be an absolute URI, got `no-scheme`",
        ),
        (changed(|event| event.schema = text("urn:x")), "ok"),
        (
            changed(|event| event.set_extension("Team", Attr::Bool(true))),
            "`Team` is not a name of a CloudEvents attribute: lower-case letters and digits only",
        ),
        (
            changed(|event| event.set_extension("my_team", Attr::Int(1))),
            "`my_team` is not a name of a CloudEvents attribute: lower-case letters and digits only",
        ),
        (
            changed(|event| event.set_extension("", Attr::Int(1))),
            "`` is not a name of a CloudEvents attribute: lower-case letters and digits only",
        ),
        (
            changed(|event| event.set_extension("team", Attr::Text("a\nb".into()))),
            "the CloudEvents attribute `team` must not hold control characters, got `a\nb`",
        ),
        (changed(|event| event.set_extension("a1b2", Attr::Text("".into()))), "ok"),
    ];
    for (got, expected) in cases {
        assert_eq!(got, expected);
    }
    let long = changed(|event| event.subject = Some("x".repeat(9 << 10).into()));
    assert!(long.contains("is longer than 8 KiB"), "{long}");
}

#[test]
fn extensions_are_in_the_order_of_names() {
    let mut event = Event::new("a", "/s", "t");
    for (name, value) in [("b", 1), ("a", 2), ("c", 3), ("b", 4)] {
        event.set_extension(name, Attr::Int(value));
    }
    let names: Vec<&str> = event.extensions.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(event.extension("b"), Some(&Attr::Int(4)));
    assert_eq!(event.extension("z"), None);
}

#[test]
fn depth_of_the_chain() {
    let mut event = Event::new("a", "/s", "t");
    assert_eq!(event.depth(), 0);
    for (value, depth) in [(Attr::Int(3), 3), (Attr::Int(-1), 0), (Attr::Text("3".into()), 0)] {
        event.set_extension("ensuedepth", value);
        assert_eq!(event.depth(), depth);
    }
}

#[test]
fn times() {
    let cases = [
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z"),
        ("2026-01-31T09:30:00+01:00", "2026-01-31T08:30:00Z"),
        ("2026-01-31T09:30:00.1234567Z", "2026-01-31T09:30:00.123456Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
    ];
    for (text, expected) in cases {
        assert_eq!(Time::parse(text).unwrap().to_string(), expected);
    }
    for wrong in ["", "now", "2026-01-31", "2026-01-31T09:30:00", "2026-13-31T09:30:00Z", "1769851800"] {
        assert!(Time::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn times_outside_the_calendar_come_back_too() {
    for time in [Time::MIN, Time::MAX, Time(0), Time(-1), Time::from_secs(1_772_357_400)] {
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), time, "{text}");
    }
}

#[test]
fn spans() {
    let cases = [
        (Span::ZERO, "0s"),
        (Span::secs(90), "1m30s"),
        (Span::mins(60 * 26), "1d2h"),
        (Span::millis(1), "1ms"),
        (Span(1_000_001), "1s1us"),
        (Span::secs(-5), "-5s"),
    ];
    for (span, expected) in cases {
        assert_eq!(span.to_string(), expected);
    }
    assert_eq!(Time::MAX + Span::secs(1), Time::MAX);
    assert_eq!(Time(5) - Span(7), Time(-2));
}
