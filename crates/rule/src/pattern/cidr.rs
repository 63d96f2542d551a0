//! Blocks of addresses: `10.0.0.0/24`, `2001:db8::/32`.

use std::net::IpAddr;

/// A block: the first bits of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Reads a block; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Cidr, String> {
        let malformed = |why: &str| format!("Malformed CIDR, {why}: `{text}`; write it as `10.0.0.0/24`");
        let Some((address, bits)) = text.split_once('/') else { return Err(malformed("one '/' required")) };
        if bits.contains('/') {
            return Err(malformed("one '/' required"));
        }
        let address: IpAddr =
            address.parse().map_err(|_| malformed("an IPv4 or IPv6 address is required before '/'"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        match bits.parse::<u8>() {
            Ok(number) if number <= most && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Cidr { address, bits: number })
            }
            _ => Err(malformed(&format!("mask bits must be an integer from 0 to {most}"))),
        }
    }

    /// Whether the text is an address in the block. A text that is no address is not.
    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        // The longest IPv6 address with an embedded IPv4 one has 45 characters.
        if text.len() > 45 {
            return false;
        }
        let Some(address) = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) else { return false };
        match (self.address, address) {
            (IpAddr::V4(block), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                block.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(block), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                block.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}
