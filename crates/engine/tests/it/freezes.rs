//! Freezes: windows by the clock, what a thaw does to them, the file, and effects that have left already.

use ensue_event::ours::{Command, Operator, Ours};
use ensue_event::{Position, Span, Time};
use serde_json::json;

use crate::bench::{Bench, fold_anew, rule};

/// Friday evening in Berlin until Monday morning; on a rule of its own.
const WEEKEND: &str = r#"
when: { event: { type: [go] } }
freeze: [ { cron: "0 18 * * 5", for: 60h, zone: Europe/Berlin, reason: weekend } ]
steps: [ { id: a, uses: http/request, connection: api, with: { path: "/a" } } ]"#;

fn at(text: &str) -> Time {
    Time::parse(text).unwrap()
}

/// A fold on a Thursday in winter.
fn thursday(specs: &[String]) -> Bench {
    let mut bench = Bench::empty();
    bench.now = at("2026-01-08T12:00:00Z");
    bench.configure(specs, false);
    bench
}

/// Time goes on, as the node lets it: a tick whenever a timer is due.
fn until(bench: &mut Bench, time: Time) {
    while let Some(due) = bench.engine.due().filter(|due| *due <= time) {
        bench.now = due.max(bench.now);
        bench.tick();
    }
    bench.now = time;
}

fn frozen(bench: &Bench) -> Vec<(String, Option<Time>)> {
    bench.engine.state().freezes.iter().map(|(name, row)| (name.clone(), row.until)).collect()
}

/// What was told of windows: kind and time.
fn told(bench: &Bench) -> Vec<(String, Time)> {
    let ours = bench.log.iter().filter(|record| record.event.kind.starts_with("dev.ensue.freeze."));
    ours.map(|record| (record.event.kind[10..].to_owned(), record.at)).collect()
}

#[test]
fn a_window_holds_from_its_begin_to_its_end_as_a_freeze_does() {
    let mut bench = thursday(&[rule("r", WEEKEND)]);
    let (begin, end) = (at("2026-01-09T17:00:00Z"), at("2026-01-12T05:00:00Z"));
    bench.event("go", "e1", json!({}));
    assert!(!bench.row("a").held);
    bench.ok("a");
    until(&mut bench, begin - Span(1));
    assert_eq!(frozen(&bench), []);
    until(&mut bench, begin);
    let name = "rule default/r, window 0 18 * * 5 for 2d12h, Europe/Berlin";
    assert_eq!(frozen(&bench), [(name.to_owned(), Some(end))]);
    bench.event("go", "e2", json!({}));
    assert!(bench.row("a").held);
    until(&mut bench, end - Span(1));
    assert!(bench.row("a").held);
    until(&mut bench, end);
    assert!(!bench.row("a").held);
    assert_eq!(frozen(&bench), []);
    assert_eq!(bench.engine.due(), Some(begin + Span::hours(7 * 24)));
    assert_eq!(told(&bench), [("freeze.began".to_owned(), begin), ("freeze.ended".to_owned(), end)]);
    // The same, from the log alone.
    let mut anew = fold_anew(&bench.log);
    assert_eq!(anew.dump(), bench.dump());
}

#[test]
fn a_thaw_overrides_a_window_until_it_ends() {
    let mut bench = thursday(&[rule("r", WEEKEND)]);
    until(&mut bench, at("2026-01-10T00:00:00Z"));
    bench.event("go", "e1", json!({}));
    assert!(bench.row("a").held);
    let thaw = || Command::Thaw { connection: None, rule: Some("default/r".into()), discard: false };
    assert_eq!(bench.operator(thaw()), "done");
    assert!(!bench.row("a").held);
    assert!(bench.operator(thaw()).contains("nothing is frozen"), "it is overridden already");
    let row = bench.engine.state().freezes.iter().next().unwrap().1.clone();
    assert_eq!(row.thawed.as_ref().map(|thawed| thawed.at), Some(bench.now));
    bench.ok("a");
    bench.event("go", "e2", json!({}));
    assert!(!bench.row("a").held);
    bench.ok("a");
    // A freeze of a person holds all the same; the next window does again.
    bench.operator(Command::Freeze { connection: None, rule: Some("default/r".into()) });
    bench.event("go", "e3", json!({}));
    assert!(bench.row("a").held);
    assert_eq!(bench.operator(thaw()), "done");
    bench.ok("a");
    until(&mut bench, at("2026-01-16T17:00:00Z"));
    bench.event("go", "e4", json!({}));
    assert!(bench.row("a").held);
}

#[test]
fn a_thaw_can_discard_what_a_window_held() {
    let mut bench = thursday(&[rule("r", WEEKEND)]);
    until(&mut bench, at("2026-01-10T00:00:00Z"));
    bench.event("go", "e1", json!({}));
    bench.operator(Command::Thaw { connection: None, rule: Some("default/r".into()), discard: true });
    assert_eq!(bench.runs()[0].status.as_str(), "cancelled");
}

/// An edit in the middle of a window: a new one holds from now on, one that is gone lets go.
#[test]
fn an_edit_opens_and_closes_windows() {
    let open = WEEKEND.replace("freeze:", "# freeze:");
    let mut bench = thursday(&[rule("r", &open)]);
    until(&mut bench, at("2026-01-10T12:00:00Z"));
    bench.event("go", "e1", json!({}));
    assert!(!bench.row("a").held);
    bench.configure(&[rule("r", WEEKEND)], false);
    assert!(bench.row("a").held);
    assert_eq!(frozen(&bench)[0].1, Some(at("2026-01-12T05:00:00Z")));
    bench.configure(&[rule("r", WEEKEND)], false);
    assert_eq!(told(&bench).len(), 1, "the same once more changes nothing");
    bench.configure(&[rule("r", &open)], false);
    assert!(!bench.row("a").held);
    // Its timer is still there, and does nothing.
    until(&mut bench, at("2026-02-01T00:00:00Z"));
    assert_eq!((told(&bench).len(), bench.engine.due()), (2, None));
}

/// Nobody looked for a month: the first record finds things as they are then.
#[test]
fn windows_that_passed_unseen_are_passed_by() {
    for (then, held) in [("2026-02-04T00:00:00Z", false), ("2026-02-07T00:00:00Z", true)] {
        let mut bench = thursday(&[rule("r", WEEKEND)]);
        bench.now = at(then);
        bench.event("go", "e1", json!({}));
        assert_eq!(bench.row("a").held, held, "{then}");
        assert_eq!(told(&bench).len(), usize::from(held));
    }
}

#[test]
fn a_window_that_begins_again_before_it_ends_goes_on() {
    let spec = WEEKEND.replace("0 18 * * 5", "0 * * * *").replace("60h", "90m").replace(", zone: Europe/Berlin", "");
    let mut bench = thursday(&[rule("r", &spec)]);
    until(&mut bench, at("2026-01-08T14:59:00Z"));
    assert_eq!(frozen(&bench)[0].1, Some(at("2026-01-08T15:30:00Z")));
    assert!(told(&bench).iter().all(|(kind, _)| kind == "freeze.began"));
}

/// What is known to have left is not held; of what may have left that is remembered.
#[test]
fn a_freeze_does_not_hold_what_has_left() {
    let post = rule(
        "r",
        r#"when: { event: { type: [go] } }
steps: [ { id: a, uses: http/request, connection: api, with: { method: POST, path: "/a" } } ]"#,
    );
    let freeze = || Command::Freeze { connection: None, rule: None };
    let mut bench = Bench::new(std::slice::from_ref(&post));
    bench.event("go", "e1", json!({}));
    bench.started("a");
    bench.operator(freeze());
    assert!(!bench.row("a").held, "its start is recorded");
    // The freeze came between the announcement and its record.
    let mut bench = Bench::new(&[post]);
    bench.event("go", "e1", json!({}));
    bench.operator(freeze());
    assert!(bench.row("a").held && bench.row("a").may_have_left);
    bench.started("a");
    assert!(!bench.row("a").held);
    // One that was decided in a freeze never left.
    bench.event("go", "e2", json!({}));
    let rows: Vec<bool> = bench.engine.state().outbox.iter().map(|(_, row)| row.held && !row.may_have_left).collect();
    assert_eq!(rows.iter().filter(|never| **never).count(), 1, "{rows:?}");
}

#[test]
fn the_file_and_a_person_freeze_side_by_side() {
    let open = WEEKEND.replace("freeze:", "# freeze:");
    let mut bench = thursday(&[rule("r", &open)]);
    let by = |bench: &mut Bench, actor: &str, command: Command| -> Position {
        bench.ours(Ours::from(Operator { command, actor: actor.into(), roles: Vec::new(), reason: "why".into() }))
    };
    let freeze = || Command::Freeze { connection: None, rule: None };
    let thaw = || Command::Thaw { connection: None, rule: None, discard: false };
    by(&mut bench, "ann", freeze());
    by(&mut bench, "file", freeze());
    bench.event("go", "e1", json!({}));
    by(&mut bench, "file", thaw());
    assert!(bench.row("a").held, "ann's freeze is there still");
    by(&mut bench, "file", freeze());
    by(&mut bench, "ann", thaw());
    assert!(bench.row("a").held, "the file is there still");
    let refused = by(&mut bench, "ann", thaw());
    let verdict = format!("{:?}", bench.decision(refused, "operator"));
    assert!(verdict.contains("remove the file"), "{verdict}");
    by(&mut bench, "file", thaw());
    assert!(!bench.row("a").held);
}
