//! The HTTP binding.
