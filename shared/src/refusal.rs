//! Why a role does not sign a request, and how that is said.

use crate::{
    ssh::{KeyKind, OptionsError},
    types::{CertKeyIdError, CertType, CidrListError, PrincipalsError, ValidityError},
};
use std::fmt;

/// Why a role does not sign a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The certificate would have ended already.
    AlreadyExpired,
    /// The role does not allow certificates of this type.
    CertTypeNotAllowed(CertType),
    /// The critical options are not well formed.
    CriticalOptions(OptionsError),
    /// The role does not allow these critical options.
    CriticalOptionsNotAllowed(Vec<String>),
    /// The extensions are not well formed.
    Extensions(OptionsError),
    /// The role does not allow these extensions.
    ExtensionsNotAllowed(Vec<String>),
    /// Host certificates have no critical options; these were asked for.
    HostCriticalOptions(Vec<String>),
    /// The key id is not well formed.
    KeyId(CertKeyIdError),
    /// The role does not let the caller choose this key id.
    KeyIdNotAllowed,
    /// The role does not allow this value of this option.
    OptionValueNotAllowed(String),
    /// This principal is not allowed.
    PrincipalNotAllowed(String),
    /// The principals are not well formed, or there is none.
    Principals(PrincipalsError),
    /// The role allows no principal at all.
    PrincipalsNotConfigured,
    /// The value of `source-address` is not a list of networks.
    SourceAddress(CidrListError),
    /// The role does not allow keys of this kind.
    SubjectKeyKind(KeyKind),
    /// The role allows keys of this kind, but not of this size in bits.
    SubjectKeySize(KeyKind, u32),
    /// The certificate would live longer than this many seconds.
    TtlTooLong(u64),
    /// The times do not make a window.
    Validity(ValidityError),
    /// `verify-required` would stand on a key that is in no FIDO authenticator, where sshd ignores it.
    VerifyRequiredNeedsSecurityKey,
}

impl Refusal {
    /// One word for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AlreadyExpired => "already_expired",
            Self::CertTypeNotAllowed(_) => "cert_type_not_allowed",
            Self::CriticalOptions(_) => "critical_options",
            Self::CriticalOptionsNotAllowed(_) => "critical_options_not_allowed",
            Self::Extensions(_) => "extensions",
            Self::ExtensionsNotAllowed(_) => "extensions_not_allowed",
            Self::HostCriticalOptions(_) => "host_critical_options",
            Self::KeyId(_) => "key_id",
            Self::KeyIdNotAllowed => "key_id_not_allowed",
            Self::OptionValueNotAllowed(_) => "option_value_not_allowed",
            Self::PrincipalNotAllowed(_) => "principal_not_allowed",
            Self::Principals(_) => "principals",
            Self::PrincipalsNotConfigured => "principals_not_configured",
            Self::SourceAddress(_) => "source_address",
            Self::SubjectKeyKind(_) => "subject_key_kind",
            Self::SubjectKeySize(..) => "subject_key_size",
            Self::TtlTooLong(_) => "ttl_too_long",
            Self::Validity(_) => "validity",
            Self::VerifyRequiredNeedsSecurityKey => "verify_required_needs_security_key",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyExpired => f.write_str("the certificate would have expired already"),
            Self::CertTypeNotAllowed(cert_type) => write!(f, "{cert_type} certificates are not allowed"),
            Self::CriticalOptions(error) | Self::Extensions(error) => error.fmt(f),
            Self::CriticalOptionsNotAllowed(names) => {
                write!(f, "critical options are not allowed: {}", names.join(", "))
            }
            Self::ExtensionsNotAllowed(names) => {
                write!(f, "extensions are not allowed: {}", names.join(", "))
            }
            Self::HostCriticalOptions(names) => {
                write!(
                    f,
                    "host certificates cannot have critical options: {}",
                    names.join(", ")
                )
            }
            Self::KeyId(error) => error.fmt(f),
            Self::KeyIdNotAllowed => f.write_str("this key id is not allowed"),
            Self::OptionValueNotAllowed(name) => write!(f, "this value of {name} is not allowed"),
            Self::PrincipalNotAllowed(name) => write!(f, "the principal {name:?} is not allowed"),
            Self::Principals(error) => error.fmt(f),
            Self::PrincipalsNotConfigured => f.write_str("the role does not allow any principals"),
            Self::SourceAddress(error) => write!(f, "source-address: {error}"),
            Self::SubjectKeyKind(kind) => write!(f, "keys of type {kind} are not allowed"),
            Self::SubjectKeySize(kind, bits) => write!(f, "{kind} keys of {bits} bits are not allowed"),
            Self::TtlTooLong(max) => write!(f, "the lifetime is longer than the allowed {max} seconds"),
            Self::Validity(error) => error.fmt(f),
            Self::VerifyRequiredNeedsSecurityKey => {
                f.write_str("verify-required has an effect only on a key in a FIDO authenticator")
            }
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words count in metrics and stand in logs, so they stay; the sentences reach the caller in every dialect.
    #[test]
    fn every_refusal_has_a_word_for_the_log_and_a_sentence_for_the_caller() {
        let names = || vec!["a@b".to_owned(), "c@d".to_owned()];
        let refusals = [
            (
                Refusal::AlreadyExpired,
                "already_expired",
                "the certificate would have expired already",
            ),
            (
                Refusal::CertTypeNotAllowed(CertType::Host),
                "cert_type_not_allowed",
                "host certificates are not allowed",
            ),
            (
                Refusal::CriticalOptions(OptionsError::FlagWithValue("verify-required".into())),
                "critical_options",
                "verify-required is a flag and takes no value",
            ),
            (
                Refusal::CriticalOptionsNotAllowed(names()),
                "critical_options_not_allowed",
                "critical options are not allowed: a@b, c@d",
            ),
            (
                Refusal::Extensions(OptionsError::WrongTable("force-command".into())),
                "extensions",
                "force-command has an effect only as critical option",
            ),
            (
                Refusal::ExtensionsNotAllowed(names()),
                "extensions_not_allowed",
                "extensions are not allowed: a@b, c@d",
            ),
            (
                Refusal::HostCriticalOptions(names()),
                "host_critical_options",
                "host certificates cannot have critical options: a@b, c@d",
            ),
            (
                Refusal::KeyId(CertKeyIdError::Empty),
                "key_id",
                "a key id may not be empty",
            ),
            (
                Refusal::KeyIdNotAllowed,
                "key_id_not_allowed",
                "this key id is not allowed",
            ),
            (
                Refusal::OptionValueNotAllowed("source-address".into()),
                "option_value_not_allowed",
                "this value of source-address is not allowed",
            ),
            (
                Refusal::PrincipalNotAllowed("root".into()),
                "principal_not_allowed",
                "the principal \"root\" is not allowed",
            ),
            (
                Refusal::Principals(PrincipalsError::Empty),
                "principals",
                "a certificate needs at least one principal",
            ),
            (
                Refusal::PrincipalsNotConfigured,
                "principals_not_configured",
                "the role does not allow any principals",
            ),
            (
                Refusal::SourceAddress(CidrListError::NotANetwork("x".into())),
                "source_address",
                "source-address: \"x\" is neither an address nor a network",
            ),
            (
                Refusal::SubjectKeyKind(KeyKind::SkEd25519),
                "subject_key_kind",
                "keys of type ed25519-sk are not allowed",
            ),
            (
                Refusal::SubjectKeySize(KeyKind::Rsa, 2048),
                "subject_key_size",
                "rsa keys of 2048 bits are not allowed",
            ),
            (
                Refusal::TtlTooLong(600),
                "ttl_too_long",
                "the lifetime is longer than the allowed 600 seconds",
            ),
            (
                Refusal::Validity(ValidityError::Empty),
                "validity",
                "a certificate must end after it begins",
            ),
            (
                Refusal::VerifyRequiredNeedsSecurityKey,
                "verify_required_needs_security_key",
                "verify-required has an effect only on a key in a FIDO authenticator",
            ),
        ];
        for (refusal, name, text) in refusals {
            assert_eq!((refusal.name(), refusal.to_string().as_str()), (name, text));
        }
    }
}
