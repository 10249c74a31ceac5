//! The networks that a role lends for, as they were written: blanks and all.

use crate::error::Failure;
use countersign::types::CidrList;
use std::net::IpAddr;

/// Checks networks in CIDR notation, between commas; a plain address is none.
///
/// # Errors
/// `prefix`, and the part that is none: an internal error, as in the real product.
pub(crate) fn check(prefix: &str, list: &str) -> Result<(), Failure> {
    let parts = list.split(',').map(str::trim);
    match parts
        .filter(|_| !list.is_empty())
        .find(|part| network(part).is_none())
    {
        Some(part) => Err(Failure::server(&format!(
            "{prefix}: invalid CIDR address: {part}"
        ))),
        None => Ok(()),
    }
}

/// Whether `address` lies in one of the networks of `list`.
///
/// # Errors
/// The first part that is no network as it stands, where none before it holds the address.
pub(crate) fn contain(list: &str, address: IpAddr) -> Result<bool, String> {
    for part in list.split(',').filter(|_| !list.is_empty()) {
        match network(part) {
            Some(network) if network.contains(address) => return Ok(true),
            Some(_) => {}
            None => return Err(format!("invalid CIDR entry \"{part}\"")),
        }
    }
    Ok(false)
}

fn network(part: &str) -> Option<CidrList> {
    let is_plain = part.contains('/') && part.trim() == part;
    is_plain.then(|| CidrList::parse(part).ok()).flatten()
}

/// An address as the real product reads it: an IPv4 address within IPv6 is that IPv4 address.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &str, address: &str) -> Result<bool, String> {
        contain(list, super::address(address).unwrap())
    }

    #[test]
    fn networks_hold_addresses() {
        assert_eq!(found("52.207.235.245/16", "52.207.1.1"), Ok(true));
        assert_eq!(found("", "52.207.1.1"), Ok(false));
        assert_eq!(found("2001:db8::/32", "2001:db8::1"), Ok(true));
        assert_eq!(found("10.0.0.0/8", "::ffff:10.1.2.3"), Ok(true));
        assert_eq!(found("10.0.0.0/8, 192.168.0.0/16", "10.1.2.3"), Ok(true));
        assert_eq!(
            found("10.0.0.0/8, 192.168.0.0/16", "192.168.1.1"),
            Err("invalid CIDR entry \" 192.168.0.0/16\"".into())
        );
        for no_address in ["", "host", "010.0.0.1", "1.2.3", "1.2.3.4/32", "fe80::1%eth0"] {
            assert_eq!(super::address(no_address), None, "{no_address}");
        }
    }

    #[test]
    fn a_plain_address_is_no_network() {
        assert!(check("x", "").is_ok());
        assert!(check("x", "10.0.0.0/8, 192.168.0.0/16").is_ok());
        for bad in ["10.0.0.1", ",", "10.0.0.0/33", "10.0.0.0/8,"] {
            assert!(check("x", bad).is_err(), "{bad}");
        }
    }
}
