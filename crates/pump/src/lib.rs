//! The loop without I/O of its own.
