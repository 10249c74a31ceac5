use serde::{Deserialize, Serialize};
use std::fmt;

/// Whom a certificate speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertType {
    /// A host, to its clients.
    Host,
    /// A user, to hosts.
    User,
}

impl CertType {
    /// The number in a certificate: 1 for user, 2 for host.
    pub(crate) fn wire_value(self) -> u32 {
        match self {
            Self::Host => 2,
            Self::User => 1,
        }
    }

    /// The type with this number, if there is one.
    pub(crate) fn from_wire_value(value: u32) -> Option<Self> {
        match value {
            1 => Some(Self::User),
            2 => Some(Self::Host),
            _ => None,
        }
    }

    /// `user` or `host`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::User => "user",
        }
    }
}

impl fmt::Display for CertType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
