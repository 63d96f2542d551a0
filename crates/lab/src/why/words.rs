//! Decisions, commands, values and times in words.

use ensue_engine::Verdict;
use ensue_event::ours::{Command, PolicyDecided, Ruled, Stopped};
use ensue_event::{Position, Span};
use serde_json::Value;

/// A decision in words.
#[must_use]
pub fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::NotIf { condition } => format!("if {condition}: false"),
        Verdict::Error { expression, why } => format!("error: `{expression}`: {why}"),
        Verdict::Paused => "it is paused".to_owned(),
        Verdict::NoKey { expression, why } => format!("no key: `{expression}`: {why}"),
        Verdict::KeyRefused { limit } => {
            format!("it holds {limit} keys already; raise `maxKeys` or let it forget sooner")
        }
        Verdict::Expired { missing, .. } => format!("it ran out of time waiting for {}", missing.join(", ")),
        Verdict::Unless { by, .. } => format!("record {by} met its `unless`"),
        Verdict::Full { limit } => format!("its key has {limit} half-matches already"),
        Verdict::Came { by, .. } => format!("record {by} came in time"),
        Verdict::Deduped { until } => format!("the same was done already; not again until {until}"),
        Verdict::Held { by, until: Some(until) } => format!("{by} holds it until {until}"),
        Verdict::Held { by, until: None } => format!("{by} holds it"),
        Verdict::Replaced { by, .. } => format!("a newer one took its place ({by})"),
        Verdict::Throttled { until } => format!("throttled until {until}"),
        Verdict::Skipped { running } => {
            let runs: Vec<String> = running.iter().map(ToString::to_string).collect();
            format!("skipped: as many runs as may go on: {}", runs.join(", "))
        }
        Verdict::Late { value, last, then } => format!("late: {value} came after {last} ({then})"),
        Verdict::Edited { halves, held } => {
            format!("the rule was changed: {halves} half-matches and {held} held matches were dropped")
        }
        Verdict::ChainCut { depth } => format!("the chain of causes is {depth} long and was cut"),
        Verdict::Done => "done".to_owned(),
        Verdict::Refused { why } => format!("refused: {why}"),
        Verdict::Parked { why } => format!("parked: {why}"),
        Verdict::Dropped { why } => format!("dropped: {why}"),
    }
}

/// What a policy decided, in words.
pub(crate) fn decided_by(decided: &PolicyDecided) -> String {
    let did = match decided.verdict {
        Ruled::Denied => "denied",
        Ruled::Asked => "asks about",
        Ruled::Approved => "lets go, since people said so,",
        Ruled::Refused => "refused",
    };
    let what = match (&decided.step, &decided.command) {
        (Some(step), _) => format!("step {step}"),
        (None, command) => format!("command {}", command.as_deref().unwrap_or_default()),
    };
    format!("policy {} {did} {what}: {}", decided.policy, decided.reason)
}

/// The events that a decision is about, where it was made at another record.
pub(crate) fn events_of(verdict: &Verdict) -> &[Position] {
    match verdict {
        Verdict::Expired { events, .. }
        | Verdict::Unless { events, .. }
        | Verdict::Came { events, .. }
        | Verdict::Replaced { events, .. } => events,
        _ => &[],
    }
}

/// A decision that was made when this event came and is about earlier ones, in words that follow the rule's name;
/// nothing where it is about the event itself.
pub(crate) fn aside(verdict: &Verdict, event: Position) -> Option<String> {
    let others = |events: &[Position]| {
        let all: Vec<String> = events.iter().take(5).map(|position| format!("#{position}")).collect();
        let more = if events.len() > all.len() { ", …" } else { "" };
        format!("{}{more}", all.join(", "))
    };
    match verdict {
        Verdict::Replaced { events, .. }
        | Verdict::Unless { events, .. }
        | Verdict::Came { events, .. }
        | Verdict::Expired { events, .. }
            if events.is_empty() || events.contains(&event) =>
        {
            None
        }
        Verdict::Replaced { by, events } => Some(format!("let it take the place of {} ({by})", others(events))),
        Verdict::Unless { events, .. } => {
            Some(format!("dropped what it had kept, {}: its `unless` was met", others(events)))
        }
        Verdict::Came { events, .. } => Some(format!("does not fire on {}: this came in time", others(events))),
        Verdict::Expired { missing, events } => {
            Some(format!("gave up on {}: it ran out of time waiting for {}", others(events), missing.join(", ")))
        }
        _ => None,
    }
}

/// JSON in a line, cut where it is long.
pub(crate) fn short(value: &Value) -> String {
    cut(&value.to_string())
}

/// A text in a line, cut where it is long.
pub(crate) fn cut(text: &str) -> String {
    const MOST: usize = 160;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let cut: String = text.chars().take(MOST).collect();
    format!("{cut}…")
}

/// A duration in whole seconds, and shorter ones in milliseconds.
pub(crate) fn seconds(span: Span) -> Span {
    if span.micros() < 1_000_000 { whole(span) } else { Span(span.micros() - span.micros() % 1_000_000) }
}

/// A duration as people say it: in milliseconds, and shorter ones as they are.
pub(super) fn whole(span: Span) -> Span {
    if span.micros() < 1_000 { span } else { Span(span.micros() - span.micros() % 1_000) }
}

/// A command about a run or firing in words.
pub(super) fn asked_for(command: &Command) -> String {
    match command {
        Command::RetryRun { .. } => "retried".to_owned(),
        Command::ResumeRun { from: None, .. } => "resumed".to_owned(),
        Command::ResumeRun { from: Some(step), .. } => format!("resumed at step {step}"),
        Command::SkipStep { step, .. } => format!("step {step} skipped"),
        Command::CancelRun { .. } => "cancelled".to_owned(),
        Command::Approve { step, refuse: false, .. } => format!("step {step} approved"),
        Command::Approve { step, refuse: true, .. } => format!("step {step} refused"),
        Command::Settle { step, verdict, .. } => format!("step {step} settled as {verdict}"),
        Command::Redrive { .. } => "redriven".to_owned(),
        Command::Discard { .. } => "discarded".to_owned(),
        _ => "changed".to_owned(),
    }
}

/// Why a try has no answer.
pub(super) const fn cut_off(why: Stopped) -> &'static str {
    match why {
        Stopped::Cancelled => "stopped, the run went on without it",
        Stopped::Interrupted => "cut off, the node ended while it was under way",
    }
}
