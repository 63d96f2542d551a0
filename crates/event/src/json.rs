//! One scan over JSON text.
