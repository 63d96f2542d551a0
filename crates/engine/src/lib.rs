//! The fold, and only the fold.
