//! The world: sources and actions, one folder per outside system.
