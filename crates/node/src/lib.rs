//! The loop with the world: ingest, HTTP, dispatch, metrics.
