//! Where what actions leave is kept, by its content.

use bytes::Bytes;
use ensue_event::Digest;

/// A store of artifacts.
pub trait Outputs: Send + Sync {
    /// Keeps these bytes; durable when it returns. Else why not.
    fn put(&self, bytes: &[u8]) -> Result<Digest, String>;

    /// What was kept under this digest. Else why it is not there.
    fn get(&self, digest: &Digest) -> Result<Bytes, String>;
}

/// A world that keeps nothing.
pub(crate) struct Nowhere;

impl Outputs for Nowhere {
    fn put(&self, _: &[u8]) -> Result<Digest, String> {
        Err("nothing is kept here".to_owned())
    }

    fn get(&self, digest: &Digest) -> Result<Bytes, String> {
        Err(format!("nothing is kept here, and so not {digest}"))
    }
}
