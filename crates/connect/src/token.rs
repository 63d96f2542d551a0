//! Tokens that a sender shows.

use subtle::ConstantTimeEq as _;

use crate::source::{Delivery, Refusal};

/// Checks `Authorization: Bearer` against the field `bearer`, in constant time.
pub(crate) fn bearer(delivery: &Delivery<'_>, hint: &str) -> Result<(), Refusal> {
    let wanted = delivery.config.text("bearer").unwrap_or_default();
    if wanted.is_empty() {
        return Err(Refusal::signature(format!("the source `{}` has no token; nothing is accepted", delivery.source)));
    }
    let header = delivery.header("authorization").unwrap_or_default();
    let given = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => {
            return Err(Refusal::signature(format!(
                "`Authorization: Bearer` with the source's token is needed; {hint}"
            )));
        }
    };
    if bool::from(given.as_bytes().ct_eq(wanted.as_bytes())) {
        return Ok(());
    }
    Err(Refusal::signature(format!("the token is not the source's; {hint}")))
}
