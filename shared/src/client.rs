//! Where a request comes from.

use std::net::IpAddr;

/// The address of the client, as the gateway or the socket knows it; never as a header says, which anybody can write.
///
/// Whatever serves a family's router puts one into the extensions of every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);
