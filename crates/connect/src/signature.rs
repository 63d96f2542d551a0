//! Signatures and tokens: checked over raw bytes, in constant time.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// The hash of an HMAC (RFC 2104).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    /// By the name that it has in a configuration; `sha256` unless one is given.
    pub(crate) fn named(name: Option<&str>) -> Option<Algorithm> {
        match name {
            None | Some("sha256") => Some(Algorithm::Sha256),
            Some("sha1") => Some(Algorithm::Sha1),
            Some("sha512") => Some(Algorithm::Sha512),
            Some(_) => None,
        }
    }
}

/// Whether `given` is the HMAC of the body under any of the keys. Every key is tried, so that time says nothing about
/// which one it was; an empty key never counts.
pub(crate) fn verify(algorithm: Algorithm, keys: &[&str], body: &[u8], given: &[u8]) -> bool {
    macro_rules! check {
        ($hash:ty, $key:expr) => {
            Hmac::<$hash>::new_from_slice($key.as_bytes())
                .is_ok_and(|mac| mac.chain_update(body).verify_slice(given).is_ok())
        };
    }
    keys.iter().filter(|key| !key.is_empty()).fold(false, |found, key| {
        let matches = match algorithm {
            Algorithm::Sha1 => check!(Sha1, key),
            Algorithm::Sha256 => check!(Sha256, key),
            Algorithm::Sha512 => check!(Sha512, key),
        };
        found | matches
    })
}
