//! What the parts of a source say together: connected when each is live or cannot be, disconnected when one is lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ensue_event::ours::Failure;

use crate::kubernetes::failure::status;
use crate::pull::{Ended, Feed, Problem};

/// How a part stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Not yet known.
    Waits,
    /// All there was is delivered, and changes come as they happen.
    Live,
    /// It is not permitted or not there: the others go on without it.
    Barred,
    /// The cluster cannot be reached, for this reason.
    Lost(String),
}

/// The parts.
#[derive(Debug, Default)]
pub(super) struct Live {
    parts: Mutex<BTreeMap<String, Part>>,
}

impl Live {
    /// Takes note of how a part stands, and says of the source what follows from it.
    pub(super) async fn set(&self, feed: &Feed, name: &str, part: Part) -> Result<(), Ended> {
        let says = match &part {
            Part::Waits => "listing",
            Part::Live => "live",
            Part::Barred => "barred",
            Part::Lost(_) => "lost",
        };
        feed.status.part(name, says.to_owned());
        let (lost, live) = {
            let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            parts.insert(name.to_owned(), part);
            let lost =
                parts.values().find_map(|part| if let Part::Lost(why) = part { Some(why.clone()) } else { None });
            let settled = parts.values().all(|part| matches!(part, Part::Live | Part::Barred));
            (lost, settled && parts.values().any(|part| *part == Part::Live))
        };
        match lost {
            Some(reason) => feed.disconnected(&reason).await,
            None if live => feed.caught_up().await,
            None => Ok(()),
        }
    }

    /// What a failure means for a part.
    pub(super) async fn failed(&self, feed: &Feed, name: &str, failure: &Failure, tries: u32) -> Result<(), Ended> {
        let barred = failure.name == "NotServed" || (failure.name == "Denied" && status(failure) != Some(401));
        if !barred && tries == 0 {
            // A stream that broke off is taken up again before anything is said of it.
            return Ok(());
        }
        feed.status.problem(Problem::of(name, failure), feed.intake.now());
        let part = if barred { Part::Barred } else { Part::Lost(failure.message.clone()) };
        self.set(feed, name, part).await
    }
}
