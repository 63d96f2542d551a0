//! Emissions: facts that the fold decided, numbered in the order of decision.

use ensue_event::{Attr, Emission, Event, Key, Ours, Time};

use crate::fold::Engine;
use crate::state::Pending;

/// The `source` of the records that the fold emits.
pub const SOURCE: &str = "/ensue/engine";

/// How long a chain of causes may grow before it is cut.
pub const MAX_DEPTH: u32 = 32;

/// Where an emission stands in a chain of causes.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// What ties the chain together.
    pub(crate) correlation: String,
    /// The id of the event that caused it.
    pub(crate) cause: String,
    /// Its own depth.
    pub(crate) depth: u32,
}

/// What ties together all that follows from an event: what it says itself, else a hash of its source and id.
#[must_use]
pub fn correlation(event: &Event) -> String {
    match event.extension_text("correlationid") {
        Some(known) => known.to_owned(),
        None => Key::of("correlation", &[event.source.as_bytes(), event.id.as_bytes()]).to_string(),
    }
}

impl Engine {
    /// Emits a record of our own.
    pub(crate) fn emit_ours(&mut self, id: Key, ours: &Ours, chain: &Chain) {
        let event = ours.event(id.to_string(), SOURCE);
        self.emit(event, chain);
    }

    /// Emits an event; its time is that of the record at hand.
    pub(crate) fn emit(&mut self, mut event: Event, chain: &Chain) {
        event.time = Some(self.now.to_string().into());
        event.set_extension("correlationid", Attr::Text(chain.correlation.as_str().into()));
        event.set_extension("causationid", Attr::Text(chain.cause.as_str().into()));
        event.set_extension("ensuedepth", Attr::Int(i32::try_from(chain.depth).unwrap_or(i32::MAX)));
        let place = Emission { position: self.position, index: self.emitted };
        self.emitted += 1;
        self.state.emissions.put(place, Pending { event });
    }

    /// Takes note that the record of an emission is here: it and all before it are no longer to be appended. False if
    /// it is not above the last one: then the record is nothing.
    pub(crate) fn arrived(&mut self, place: Emission) -> bool {
        if self.state.meta.emission.is_some_and(|last| place <= last) {
            return false;
        }
        self.state.meta.emission = Some(place);
        let gone: Vec<Emission> =
            self.state.emissions.iter().map(|(place, _)| *place).take_while(|pending| *pending <= place).collect();
        for pending in gone {
            self.state.emissions.delete(&pending);
        }
        true
    }
}

/// The time as an event's `time` attribute.
#[must_use]
pub fn stamp(time: Time) -> Box<str> {
    time.to_string().into()
}
