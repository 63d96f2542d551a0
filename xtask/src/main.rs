//! The only automation.

fn main() {}
