//! Where the fold keeps its place: SQLite, snapshots.
