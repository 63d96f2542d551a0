//! How automations are written: YAML with spans, typed resources, diagnostics.
