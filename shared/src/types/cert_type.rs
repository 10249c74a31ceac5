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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_the_number_and_the_word_of_openssh() {
        for (cert_type, number, word) in [(CertType::User, 1, "user"), (CertType::Host, 2, "host")] {
            assert_eq!(cert_type.wire_value(), number);
            assert_eq!(CertType::from_wire_value(number), Some(cert_type));
            assert_eq!((cert_type.name(), cert_type.to_string().as_str()), (word, word));
        }
        assert_eq!(CertType::from_wire_value(0), None);
        assert_eq!(CertType::from_wire_value(3), None);
    }
}
