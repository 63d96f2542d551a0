//! Where facts are kept: segments, index, dedupe, blobs.
