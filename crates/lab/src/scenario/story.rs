//! What happened, in the order of time: for whoever wants to know why it did not happen otherwise.

use ensue_event::ours::{Answer, Ours};
use ensue_event::{Origin, Record, Span};

use super::near::of;
use super::stage::START;
use super::{Call, Played};

/// Lines from the beginning and from the end that are shown of a long one.
const FIRST: usize = 30;
const LAST: usize = 10;

impl Played {
    /// The story in lines: events, firings, calls and their answers, what people asked for and how runs ended, each with
    /// its time from the start. Of a long one the beginning and the end.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        let mut calls = self.calls.iter().peekable();
        let mut decisions = self.decisions.iter().peekable();
        let mut lines: Vec<(Span, String)> = Vec::new();
        for record in &self.records {
            let at = record.at.since(START);
            lines.extend(self.line(record).map(|line| (at, line)));
            while let Some(one) = decisions.next_if(|one| one.position <= record.position) {
                let with = if one.with.is_null() { String::new() } else { format!(" {}", one.with) };
                lines.push((one.at, format!("rule {}{}: {}{with}", one.rule, of(&one.key), one.verdict)));
            }
            while let Some(call) = calls.next_if(|call| call.position <= record.position) {
                lines.push((call.at, format!("call {}{}: {}", call.by(), attempt(call.attempt), called(call))));
            }
        }
        let skipped = lines.len().saturating_sub(FIRST + LAST);
        let width = lines.iter().map(|(at, _)| at.to_string().len()).max().unwrap_or(0);
        let mut out = Vec::new();
        for (number, (at, line)) in lines.into_iter().enumerate() {
            if number == FIRST && skipped > 0 {
                out.push(format!("… {skipped} more …"));
            }
            if number < FIRST || number >= FIRST + skipped {
                out.push(format!("{:width$}  {line}", at.to_string()));
            }
        }
        out
    }

    fn line(&self, record: &Record) -> Option<String> {
        let event = &record.event;
        if !event.kind.starts_with(ensue_event::ours::PREFIX) {
            let how = if matches!(record.origin, Origin::Source(_)) { "event" } else { "emitted" };
            let subject = event.subject.as_ref().map_or_else(String::new, |subject| format!(" of {subject}"));
            return Some(format!("{how} {}{subject}, id {}", event.kind, event.id));
        }
        Some(match Ours::of(event).ok()? {
            Ours::RuleFired(fired) => format!("rule {} fires{}", fired.rule, of(&fired.key)),
            Ours::RuleParked(parked) => format!("rule {} is parked: {}", parked.rule, parked.reason),
            Ours::ActionAnswered(told) => {
                let answer = match &told.answer {
                    Answer::Ok(outputs) => format!("succeeded with {}", short(&outputs.to_string())),
                    Answer::Err(error) => format!("failed: {}: {}", error.name, short(&error.message)),
                };
                format!("answer {}{}: {answer}", self.by(&told.of.run, &told.of.step), attempt(told.of.attempt))
            }
            Ours::ActionUncertain(told) => {
                format!("uncertain {}: {}", self.by(&told.of.run, &told.of.step), told.reason)
            }
            Ours::RunFinished(run) => format!("run of {} {}", run.rule, run.status),
            Ours::RunFailed(run) => {
                let step = run.step.map_or_else(String::new, |step| format!(" at step {step}"));
                format!("run of {} failed{step}: {}: {}", run.rule, run.error.name, short(&run.error.message))
            }
            Ours::Operator(operator) => {
                let verb = serde_json::to_value(&operator.command).ok();
                let verb = verb.as_ref().and_then(|verb| verb.get("verb")?.as_str()).unwrap_or_default();
                format!("{} asks: {verb}", operator.actor)
            }
            Ours::NodeStarted(_) => "the node starts".to_owned(),
            Ours::NodeStopped(_) => "the node stops".to_owned(),
            Ours::ConfigApplied(_) if record.position.0 > 0 => "another configuration is in force".to_owned(),
            Ours::ChainCut(cut) => format!("the chain is cut before rule {}", cut.rule),
            _ => return None,
        })
    }

    /// The rule and step, by the run.
    fn by(&self, run: &ensue_event::Key, step: &str) -> String {
        let rule = self.fired.iter().find(|fired| fired.firing == *run).map_or("", |fired| fired.rule.as_str());
        format!("{rule}: {step}")
    }
}

fn called(call: &Call) -> String {
    format!("{} {}", call.action, short(&call.with.to_string()))
}

fn attempt(number: u32) -> String {
    if number > 1 { format!(" (try {number})") } else { String::new() }
}

/// A text, or its first hundred characters.
fn short(text: &str) -> String {
    const MOST: usize = 100;
    let mut out: String = text.chars().take(MOST).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}
