use ensue_connect::Schedule;
use ensue_connect::schedule::{MAX_MISSED, Missed};
use ensue_event::{Span, Time};
use serde_json::{Value, json};

fn at(text: &str) -> Time {
    Time::parse(text).unwrap()
}

fn times(config: Value, after: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(&config).unwrap();
    let mut now = at(after);
    let mut found = Vec::new();
    for _ in 0..count {
        now = schedule.next(now).unwrap();
        found.push(now.to_string());
    }
    found
}

#[test]
fn the_next_times() {
    #[rustfmt::skip]
    let cases: &[(Value, &str, &[&str])] = &[
        (json!({ "cron": "*/15 * * * *" }), "2026-03-02T09:15:00Z", &["2026-03-02T09:30:00Z", "2026-03-02T09:45:00Z"]),
        (json!({ "cron": "0 7 * * MON-FRI" }), "2026-03-06T07:00:00Z", &["2026-03-09T07:00:00Z", "2026-03-10T07:00:00Z"]),
        (json!({ "cron": "30 0 7 * * *" }), "2026-03-06T07:00:00Z", &["2026-03-06T07:00:30Z", "2026-03-07T07:00:30Z"]),
        (json!({ "cron": "0 0 29 2 *" }), "2026-03-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        (json!({ "cron": "0 9 * * *", "zone": "Asia/Kolkata" }), "2026-03-02T00:00:00Z", &["2026-03-02T03:30:00Z", "2026-03-03T03:30:00Z"]),
        (json!({ "every": "5m" }), "2026-03-02T09:15:00Z", &["2026-03-02T09:20:00Z", "2026-03-02T09:25:00Z"]),
        (json!({ "every": "1h30m" }), "1970-01-01T00:00:00Z", &["1970-01-01T01:30:00Z", "1970-01-01T03:00:00Z"]),
        (json!({ "every": 300_000_000_i64 }), "2026-03-02T09:15:00.5Z", &["2026-03-02T09:20:00Z"]),
        // A time within a second is not one that was had before it.
        (json!({ "cron": "0 7 * * *" }), "2026-03-02T06:59:59.999999Z", &["2026-03-02T07:00:00Z"]),
    ];
    for (config, after, expected) in cases {
        assert_eq!(times(config.clone(), after, expected.len()), *expected, "{config} after {after}");
    }
}

/// Berlin: 2026-03-29 has no 02:30, 2026-10-25 has it twice.
#[test]
fn clocks_that_are_set() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &[&str])] = &[
        // Forward: what is fixed to an hour that there is not happens at the end of the gap.
        ("30 2 * * *", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        // Forward: what is relative follows real time.
        ("*/30 * * * *", "2026-03-29T00:00:00Z", &["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]),
        // Back: what is fixed happens the first time only.
        ("30 2 * * *", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        // Back: what is relative happens in both hours.
        ("0 * * * *", "2026-10-24T23:30:00Z", &["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"]),
    ];
    for (cron, after, expected) in cases {
        let config = json!({ "cron": cron, "zone": "Europe/Berlin" });
        assert_eq!(times(config, after, expected.len()), *expected, "{cron} after {after}");
    }
}

#[test]
fn missed_times() {
    let schedule = Schedule::parse(&json!({ "every": "1h" })).unwrap();
    let texts = |times: Vec<Time>| times.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (last, now) = (at("2026-03-02T09:00:00Z"), at("2026-03-02T12:00:00Z"));
    assert_eq!(texts(schedule.missed(last, now, Missed::Skip)), [""; 0]);
    assert_eq!(texts(schedule.missed(last, now, Missed::Once)), ["2026-03-02T12:00:00Z"]);
    let all = ["2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z", "2026-03-02T12:00:00Z"];
    assert_eq!(texts(schedule.missed(last, now, Missed::All)), all);
    assert_eq!(texts(schedule.missed(now, now, Missed::All)), [""; 0]);
    let cron = Schedule::parse(&json!({ "cron": "0 * * * *", "missed": "all" })).unwrap();
    assert_eq!(cron.policy(), Missed::All);
    assert_eq!(texts(cron.missed(last, now, Missed::All)), all);
    assert_eq!(texts(cron.missed(last, now, Missed::Once)), ["2026-03-02T12:00:00Z"]);
    assert_eq!(texts(cron.missed(at("2026-03-02T11:59:59Z"), now, Missed::All)), ["2026-03-02T12:00:00Z"]);
    // Years of seconds are bounded, and not counted through.
    for config in [json!({ "every": "1s" }), json!({ "cron": "* * * * * *" })] {
        let schedule = Schedule::parse(&config).unwrap();
        let missed = schedule.missed(Time::from_secs(0), now, Missed::All);
        assert_eq!(missed.len(), MAX_MISSED, "{config}");
        assert_eq!(*missed.last().unwrap(), now);
        assert_eq!(missed[0], now - Span::secs(MAX_MISSED as i64 - 1));
    }
}

#[test]
fn an_occurrence_is_always_the_same_event() {
    let schedule = Schedule::parse(&json!({ "every": "1h", "data": { "deep": true } })).unwrap();
    let event = schedule.event("nightly", at("2026-03-02T10:00:00Z"));
    assert_eq!(event, schedule.event("nightly", at("2026-03-02T10:00:00Z")));
    assert_eq!(
        (&*event.id, &*event.source, &*event.kind, event.subject.as_deref()),
        ("2026-03-02T10:00:00Z", "/ensue/schedule/nightly", "schedule.nightly", Some("nightly"))
    );
    event.validate().unwrap();
    let typed = Schedule::parse(&json!({ "every": "1h", "type": "com.acme.tick" })).unwrap();
    assert_eq!(&*typed.event("x", at("2026-03-02T10:00:00Z")).kind, "com.acme.tick");
}

#[test]
fn what_is_no_schedule() {
    let cases = [
        (json!({}), "either `cron` or `every`"),
        (json!({ "cron": "* * * * *", "every": "5m" }), "either `cron` or `every`"),
        (json!({ "cron": "61 * * * *" }), "`61 * * * *` is not a schedule"),
        (json!({ "cron": "hello" }), "`hello` is not a schedule"),
        (json!({ "cron": "0 0 30 2 *" }), "it never happens"),
        (json!({ "cron": "* * * * *", "zone": "Mars/Olympus" }), "`Mars/Olympus` is not a time zone"),
        (json!({ "every": "0s" }), "`0s` is not a length of time"),
        (json!({ "every": "10ms" }), "`10ms` is not a length of time"),
        (json!({ "every": "soon" }), "`soon` is not a length of time"),
        (json!({ "every": "1h", "missed": "some" }), "one of skip, once, all"),
        (json!({ "every": "1h", "type": "dev.ensue.schedule" }), "only ensue itself writes"),
    ];
    for (config, part) in cases {
        let error = Schedule::parse(&config).unwrap_err().to_string();
        assert!(error.contains(part), "{config}: {error}");
    }
}
