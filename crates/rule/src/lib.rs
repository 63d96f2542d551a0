//! What facts mean: patterns, conditions, correlation, flow control.
