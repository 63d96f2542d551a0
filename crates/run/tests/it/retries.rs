//! `retry`: when a step is tried again, and when not.

use ensue_event::ours::Failure;
use ensue_event::{Key, Span};
use ensue_lang::{Backoff, Jitter, Retry};
use ensue_run::retry::{default_policy, delay};
use insta::assert_snapshot;

use crate::kit::play;

fn step(fields: &str) -> String {
    format!("steps:\n  - {{ id: a, uses: http/request, connection: api, with: {{ path: /a }}, {fields} }}")
}

#[test]
fn max_counts_the_retries_after_the_first_try() {
    let spec = step("retry: { max: 2, backoff: constant, initial: 5s, jitter: none }");
    assert_snapshot!(play(&spec, "a passes Connect; wait; a passes Connect; wait; a passes Connect"), @r#"
    > start
      do a.1 http/request {"path":"/a"}
    > a passes Connect
      wake a in 5s
    > wait
      do a.2 http/request {"path":"/a"}
    > a passes Connect
      wake a in 5s
    > wait
      do a.3 http/request {"path":"/a"}
    > a passes Connect
      over
    = failed at a: Connect: it says Connect
      a failed attempt 3 Connect: it says Connect
    "#);
    assert_snapshot!(play(&step("retry: { max: 0 }"), "a passes Connect"), @r#"
    > start
      do a.1 http/request {"path":"/a"}
    > a passes Connect
      over
    = failed at a: Connect: it says Connect
      a failed Connect: it says Connect
    "#);
}

#[test]
fn a_step_that_succeeds_after_a_retry_has_no_trace_of_failure_but_its_attempts() {
    let spec = step("retry: { max: 1, initial: 1s, jitter: none }");
    assert_snapshot!(play(&spec, r#"a passes Timeout; wait; a ok {"status":200}"#), @r#"
    > start
      do a.1 http/request {"path":"/a"}
    > a passes Timeout
      wake a in 1s
    > wait
      do a.2 http/request {"path":"/a"}
    > a ok {"status":200}
      over
    = succeeded
      a succeeded attempt 2 {"status":200}
    "#);
}

#[test]
fn what_another_try_will_not_mend_is_not_tried_again() {
    let spec = step("retry: { max: 5, initial: 1s, jitter: none }");
    assert_snapshot!(play(&spec, "a fails Status"), @r#"
    > start
      do a.1 http/request {"path":"/a"}
    > a fails Status
      over
    = failed at a: Status: it says Status
      a failed Status: it says Status
    "#);
}

#[test]
fn a_list_of_errors_decides_alone() {
    let spec = step("retry: { max: 5, initial: 1s, jitter: none, errors: [Timeout] }");
    // Named: tried again although the action says that it will not help. Not named: not tried, although it would.
    assert_snapshot!(play(&spec, "a fails Timeout; wait; a passes Connect"), @r#"
    > start
      do a.1 http/request {"path":"/a"}
    > a fails Timeout
      wake a in 1s
    > wait
      do a.2 http/request {"path":"/a"}
    > a passes Connect
      over
    = failed at a: Connect: it says Connect
      a failed attempt 2 Connect: it says Connect
    "#);
}

#[test]
fn an_action_that_declares_it_is_retried_without_a_policy() {
    let told =
        play(&step(""), "a passes Connect; wait; a passes Connect; wait; a passes Connect; wait; a passes Connect");
    let waits = told.lines().filter(|line| line.contains("wake a")).count();
    assert_eq!(waits, 3, "{told}");
    assert!(told.contains("= failed at a: Connect"), "{told}");
    // A program is not: nobody knows what half of it did.
    let exec = "steps:\n  - { id: a, uses: exec/run, connection: shell, with: { argv: [x] } }";
    assert_snapshot!(play(exec, "a passes Timeout"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a passes Timeout
      over
    = failed at a: Timeout: it says Timeout
      a failed Timeout: it says Timeout
    "#);
}

#[test]
fn a_retry_after_is_honoured_where_it_is_longer() {
    let spec = step("retry: { max: 5, backoff: constant, initial: 10s, jitter: none }");
    assert_snapshot!(play(&spec, "a passes Status 60000; wait; a passes Status 2000; wait; a passes Status 999999999"), @r#"
    > start
      do a.1 http/request {"path":"/a"}
    > a passes Status 60000
      wake a in 1m
    > wait
      do a.2 http/request {"path":"/a"}
    > a passes Status 2000
      wake a in 10s
    > wait
      do a.3 http/request {"path":"/a"}
    > a passes Status 999999999
      wake a in 1h
    = running
      a backoff attempt 3 Status: it says Status
    "#);
}

#[test]
fn the_next_attempt_is_rendered_from_the_same_values() {
    let spec = r#"
steps:
  - { id: s, set: { v: "${{ event.data.n }}" } }
  - { id: a, uses: http/request, connection: api, with: { path: "/${{ steps.s.outputs.v }}" }, retry: { max: 1, initial: 1s, jitter: none } }
"#;
    assert_snapshot!(play(spec, "a passes Connect; wait; a ok"), @r#"
    > start
      do a.1 http/request {"path":"/7"}
    > a passes Connect
      wake a in 1s
    > wait
      do a.2 http/request {"path":"/7"}
    > a ok
      over
    = succeeded
      a succeeded attempt 2 {}
      s succeeded {"v":7}
    "#);
}

fn policy(backoff: Backoff, initial: Span, cap: Span) -> Retry {
    Retry { max: 100, backoff, initial: initial.0, cap: cap.0, jitter: Jitter::None, on: Vec::new() }
}

#[test]
fn backoff_grows_as_it_says_up_to_its_cap() {
    let failure = Failure::new("Connect", "").retryable();
    let wait = |policy: &Retry, attempt| delay(policy, &failure, Key([0; 16]), attempt).map(|wait| wait.to_string());
    for (backoff, initial, cap, expected) in [
        (Backoff::Constant, Span::secs(2), Span::mins(1), ["2s", "2s", "2s", "2s", "2s", "2s"]),
        (Backoff::Linear, Span::secs(2), Span::secs(7), ["2s", "4s", "6s", "7s", "7s", "7s"]),
        (Backoff::Exponential, Span::secs(1), Span::secs(10), ["1s", "2s", "4s", "8s", "10s", "10s"]),
        (Backoff::Constant, Span::mins(2), Span::mins(1), ["1m", "1m", "1m", "1m", "1m", "1m"]),
        (Backoff::Exponential, Span::ZERO, Span::secs(10), ["0s", "0s", "0s", "0s", "0s", "0s"]),
    ] {
        let policy = policy(backoff, initial, cap);
        let waits: Vec<String> = (1..=6).filter_map(|attempt| wait(&policy, attempt)).collect();
        assert_eq!(waits, expected, "{backoff:?} {initial} {cap}");
    }
    // Far out nothing overflows.
    for backoff in [Backoff::Linear, Backoff::Exponential] {
        let policy = policy(backoff, Span(i64::MAX / 2), Span::hours(1));
        for attempt in [1, 2, 62, 63, 64, 65, 99, 100] {
            assert_eq!(wait(&policy, attempt).as_deref(), Some("1h"), "{backoff:?} {attempt}");
        }
        assert_eq!(wait(&policy, 101), None);
    }
}

#[test]
fn jitter_is_a_hash_of_effect_and_attempt() {
    let failure = Failure::new("Connect", "").retryable();
    let policy = Retry { jitter: Jitter::Full, ..policy(Backoff::Constant, Span::secs(10), Span::secs(10)) };
    let waits = |effect: u8| -> Vec<i64> {
        (1..=50).map(|attempt| delay(&policy, &failure, Key([effect; 16]), attempt).unwrap().0).collect()
    };
    assert_eq!(waits(1), waits(1), "the same effect waits the same on every machine and in every rebuild");
    assert_ne!(waits(1), waits(2), "two effects do not wait in step");
    let all: Vec<i64> = (0..40).flat_map(waits).collect();
    assert!(all.iter().all(|wait| (0..=10_000_000).contains(wait)));
    let mean = all.iter().sum::<i64>() / all.len() as i64;
    assert!((4_700_000..5_300_000).contains(&mean), "anything between nothing and the whole delay: {mean}");
}

#[test]
fn the_default_policy_is_three_more_tries_within_half_a_minute() {
    let policy = default_policy();
    let failure = Failure::new("Connect", "").retryable();
    let longest: i64 = (1..=4)
        .filter_map(|attempt| delay(&Retry { jitter: Jitter::None, ..policy.clone() }, &failure, Key([0; 16]), attempt))
        .map(|wait| wait.0)
        .sum();
    assert_eq!((policy.max, Span(longest).to_string().as_str()), (3, "7s"));
}

/// Nineteen kills of the process in a row, then one 503: the step failed without a single retry.
#[test]
fn a_try_that_was_lost_with_the_process_is_no_retry() {
    let retry = "retry: { max: 1, backoff: exponential, initial: 5s, jitter: none }";
    let post = format!("steps:\n  - {{ id: a, uses: slack/post, connection: team, with: {{ text: hi }}, {retry} }}");
    assert_snapshot!(play(&post, "a lost; a lost; a passes Status; wait; a lost; a passes Status"), @r#"
    > start
      do a.1 slack/post {"text":"hi"}
    > a lost
      do a.2 slack/post {"text":"hi"}
    > a lost
      do a.3 slack/post {"text":"hi"}
    > a passes Status
      wake a in 5s
    > wait
      do a.4 slack/post {"text":"hi"}
    > a lost
      do a.5 slack/post {"text":"hi"}
    > a passes Status
      over
    = failed at a: Status: it says Status
      a failed attempt 5 Status: it says Status
    "#);
    // Nor is one that a person asks for.
    let asks = step(retry).replace("/a", "/a, method: POST");
    assert_snapshot!(play(&asks, "a lost; settle a retry; a passes Status; wait; a ok"), @r#"
    > start
      do a.1 http/request {"method":"POST","path":"/a"}
    > a lost
      nothing
    > settle a retry
      do a.2 http/request {"method":"POST","path":"/a"}
    > a passes Status
      wake a in 5s
    > wait
      do a.3 http/request {"method":"POST","path":"/a"}
    > a ok
      over
    = succeeded
      a succeeded attempt 3 {}
    "#);
}
