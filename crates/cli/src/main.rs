//! The `ensue` binary.

fn main() {}
