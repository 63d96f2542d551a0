//! A history for `why`: a fold in memory with everything appended that it emits, and actions answered by a table.

use ensue_engine::Engine;
use ensue_event::ours::{ActionAnswered, Answer, ConfigApplied, ConfigFile, Failure, Ours, Tick};
use ensue_event::{Emission, Event, Origin, Position, Record, Span, Time};
use serde_json::{Value, json};

pub(crate) struct Past {
    pub(crate) engine: Engine,
    pub(crate) log: Vec<Record>,
    now: Time,
    handed: Option<Emission>,
    /// How many attempts of any step fail before one succeeds.
    pub(crate) failures: u32,
}

impl Past {
    pub(crate) fn new(text: &str) -> Past {
        let now = Time::from_secs(1_767_225_600);
        let mut past = Past { engine: Engine::new(), log: Vec::new(), now, handed: None, failures: 0 };
        past.configure(text);
        past
    }

    pub(crate) fn configure(&mut self, text: &str) {
        let files = vec![ConfigFile { path: "t.yaml".into(), text: text.into() }];
        let applied = ConfigApplied { documents: Vec::new(), files, observe: false };
        self.ours(&applied.into());
    }

    pub(crate) fn ours(&mut self, ours: &Ours) -> Position {
        let id = format!("node-{}", self.log.len());
        self.append(Origin::Node, ours.event(id, "/ensue/node"))
    }

    pub(crate) fn event(&mut self, kind: &str, id: &str, data: &Value) -> Position {
        let event = Event::new(id, "/test", kind).with_json(data);
        self.append(Origin::Source("default/hooks".into()), event)
    }

    /// Appends a record, and all that follows from it.
    fn append(&mut self, origin: Origin, event: Event) -> Position {
        let first = Position(self.log.len() as u64);
        let mut waiting = vec![(origin, event)];
        while !waiting.is_empty() {
            for (origin, event) in std::mem::take(&mut waiting) {
                let position = Position(self.log.len() as u64);
                let record = Record { position, at: self.now, origin, event };
                let outcome = self.engine.fold(&record).unwrap();
                self.engine.settle();
                self.log.push(record);
                self.now = self.now + Span::millis(2);
                for key in outcome.ready {
                    let row = self.engine.state().outbox.get(&key).unwrap().as_ref().clone();
                    let answer = if row.effect.attempt <= self.failures {
                        Answer::Err(Failure::new("Connect", "connection refused").retryable())
                    } else {
                        Answer::Ok(json!({"status": 200}))
                    };
                    let id = format!("{}.{}.answered", row.effect.key, row.effect.attempt);
                    let mut event = Ours::from(ActionAnswered { of: row.attempt(), answer, began: None, log: None })
                        .event(id, "/ensue/node");
                    let tie = row.effect.correlation.as_str().into();
                    event.set_extension("correlationid", ensue_event::Attr::Text(tie));
                    waiting.push((Origin::Node, event));
                }
            }
            let new: Vec<_> = self.engine.emissions(self.handed).map(|(place, event)| (place, event.clone())).collect();
            self.handed = new.last().map(|(place, _)| *place).or(self.handed);
            waiting.extend(new.into_iter().map(|(place, event)| (Origin::Emitted(place), event)));
        }
        first
    }

    /// Lets time pass, and what becomes due in it be done.
    pub(crate) fn pass(&mut self, span: Span) {
        let until = self.now + span;
        while let Some(due) = self.engine.due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.ours(&Tick {}.into());
        }
        self.now = self.now.max(until);
    }

    /// Lets time pass until nothing is due any more.
    pub(crate) fn settle(&mut self) {
        while let Some(due) = self.engine.due() {
            self.now = self.now.max(due);
            self.ours(&Tick {}.into());
        }
    }

    /// The text with keys and hashes in place of their digits, in the order in which they come.
    pub(crate) fn plain(text: &str) -> String {
        let mut known: Vec<String> = Vec::new();
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_hexdigit() && !c.is_ascii_uppercase() {
                word.push(c);
                continue;
            }
            if word.len() >= 32 {
                let at = known.iter().position(|known| *known == word).unwrap_or(known.len());
                if at == known.len() {
                    known.push(word.clone());
                }
                out.push_str(&format!("KEY{}", at + 1));
            } else {
                out.push_str(&word);
            }
            word.clear();
            out.push(c);
        }
        out.pop();
        out
    }
}
