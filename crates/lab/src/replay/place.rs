//! Places for what a replay puts between two records of the history.
//!
//! Positions are whole numbers without holes, and those of the history must be told apart from those that only the
//! replay has. So each record of the history moves to a multiple of 2²⁰, and what is decided at it goes in between.

use ensue_event::Position;

/// Room for so many records between two of the history.
pub(super) const ROOM: u64 = 1 << 20;

/// Where a record of the history stands in a replay. The place of the first one is not 0: something goes before it.
pub(super) fn moved(position: Position) -> Position {
    Position(position.0.saturating_add(1).saturating_mul(ROOM))
}

/// The record of the history that stands here; nothing where only the replay has one.
pub(super) fn back(place: Position) -> Option<Position> {
    place.0.is_multiple_of(ROOM).then(|| at(place))
}

/// The record of the history at or before this place; the first one for what goes before it.
pub(super) fn at(place: Position) -> Position {
    Position((place.0 / ROOM).saturating_sub(1))
}
