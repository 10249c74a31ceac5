//! The three resources, and what is different about them on the wire.

use countersign::types::{CertType, Ksuid};

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Authority,
    HostCertificate,
    UserCertificate,
}

impl Resource {
    /// Its segment in paths, and the name of its array in lists.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Authority => "ssh_certificate_authorities",
            Self::HostCertificate => "ssh_host_certificates",
            Self::UserCertificate => "ssh_user_certificates",
        }
    }

    /// What stands before the KSUID in its ids.
    pub(crate) fn id_prefix(self) -> &'static str {
        match self {
            Self::Authority => "sshca_",
            Self::HostCertificate => "shcrt_",
            Self::UserCertificate => "sucrt_",
        }
    }

    /// Whether `text` has the form of its ids.
    pub(crate) fn is_id(self, text: &str) -> bool {
        let ksuid = text.strip_prefix(self.id_prefix());
        ksuid.is_some_and(|ksuid| Ksuid::parse(ksuid).is_ok())
    }

    /// The resource that certificates of `cert_type` are.
    pub(crate) fn of(cert_type: CertType) -> Self {
        match cert_type {
            CertType::Host => Self::HostCertificate,
            CertType::User => Self::UserCertificate,
        }
    }

    /// The error codes for a description and for metadata that are too long.
    pub(crate) fn too_long_codes(self) -> (u16, u16) {
        match self {
            Self::Authority => (1937, 1938),
            Self::HostCertificate => (1945, 1946),
            Self::UserCertificate => (1947, 1948),
        }
    }

    /// The error code for an authority that does not exist. For an authority itself there is none.
    pub(crate) fn no_authority_code(self) -> Option<u16> {
        match self {
            Self::Authority => None,
            Self::HostCertificate => Some(1949),
            Self::UserCertificate => Some(1951),
        }
    }

    /// The error code for a duration that is not positive.
    pub(crate) fn duration_code(self) -> u16 {
        match self {
            Self::Authority => 1943,
            Self::HostCertificate => 1963,
            Self::UserCertificate => 1962,
        }
    }
}
