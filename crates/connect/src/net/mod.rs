//! Going out: the one way in which HTTP requests leave.

mod address;
mod client;
mod retry_after;

pub use address::{Cidr, NotACidr, is_public};
pub use client::install_provider;
pub(crate) use client::{Clients, Request, Response};
pub use client::{Lookup, System};
pub(crate) use retry_after::retry_after;

use ensue_event::ours::Failure;

use crate::action::wrong;
use crate::secrets::Resolved;

/// `allowNetworks` of a connection.
pub(crate) fn networks(config: &Resolved) -> Result<Vec<Cidr>, Failure> {
    let ranges: Result<Vec<Cidr>, _> = config.texts("allowNetworks").into_iter().map(str::parse).collect();
    let mut ranges = ranges.map_err(|error: NotACidr| wrong(format!("`allowNetworks`: {error}")))?;
    ranges.sort();
    Ok(ranges)
}
