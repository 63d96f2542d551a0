//! Which events wait for their turn: for listings.

use ensue_event::{Key, Position, Time};
use serde::Serialize;

use super::{OrderRow, Place, time_line};
use crate::fold::Engine;

/// An event that waits for those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// The key of its line; nothing where that is `none`, or the order is by time.
    pub key: Option<String>,
    /// Where it stands in the log.
    pub position: Position,
    /// Its id.
    pub id: String,
    /// What it is ordered by.
    pub value: String,
    /// What was looked at last in its line.
    pub last: Option<String>,
    /// When it came.
    pub since: Time,
    /// Until when it waits at most.
    pub until: Time,
    /// It waits for its time (`time: event`), not for its place in `order`.
    pub by_time: bool,
}

/// The events that wait for their turn in a rule, by its full name: line after line, each in its order.
pub fn waiting<'a>(engine: &'a Engine, rule: &str) -> impl Iterator<Item = Turn> + 'a {
    let id = engine.config().rule(rule).map(|decider| decider.id);
    let orders = &engine.state().orders;
    let rows = id.into_iter().flat_map(move |rule| {
        let first = Place { rule, line: Key([0; 16]), tail: Vec::new() };
        orders.from(first..).take_while(move |(place, _)| place.rule == rule)
    });
    let mut line = None;
    rows.filter_map(move |(place, row)| match row.as_ref() {
        OrderRow::Line(of) => {
            line = Some(of);
            None
        }
        OrderRow::Held(held) => Some(Turn {
            key: line.and_then(|line| line.key.clone()),
            position: held.head.position,
            id: held.event.id.to_string(),
            value: held.head.rank.text(),
            last: line.and_then(|line| line.last.as_ref()).map(ensue_rule::order::Rank::text),
            since: held.head.at,
            until: held.head.due,
            by_time: place.line == time_line(),
        }),
    })
}
