//! The core's refusals in Vault's words. Clients match on these texts.

use countersign::{refusal::Refusal, ssh::KeyKind, types::PrincipalsError};

/// The text for the caller.
pub(crate) fn text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::AlreadyExpired | Refusal::Validity(_) => format!("ttl: {refusal}"),
        Refusal::CertTypeNotAllowed(cert_type) => format!("cert_type '{cert_type}' is not allowed by role"),
        Refusal::CriticalOptions(_)
        | Refusal::HostCriticalOptions(_)
        | Refusal::OptionValueNotAllowed(_)
        | Refusal::SourceAddress(_)
        | Refusal::VerifyRequiredNeedsSecurityKey => format!("critical options: {refusal}"),
        Refusal::CriticalOptionsNotAllowed(names) => {
            format!("critical options not on allowed list: [{}]", names.join(" "))
        }
        Refusal::Extensions(_) => format!("extensions: {refusal}"),
        Refusal::ExtensionsNotAllowed(names) => {
            format!("extensions [{}] are not on allowed list", names.join(" "))
        }
        Refusal::KeyId(_) => format!("key_id: {refusal}"),
        Refusal::KeyIdNotAllowed => "setting key_id is not allowed by role".into(),
        Refusal::PrincipalNotAllowed(name) => format!("{name} is not a valid value for valid_principals"),
        Refusal::Principals(PrincipalsError::Empty) => "empty valid principals not allowed by role".into(),
        Refusal::Principals(PrincipalsError::TooMany(_) | PrincipalsError::Unacceptable(_)) => {
            format!("valid_principals: {refusal}")
        }
        Refusal::PrincipalsNotConfigured => "role is not configured to allow any principals".into(),
        Refusal::SubjectKeyKind(kind) => requirements(format!("key of type {} is not allowed", word(*kind))),
        Refusal::SubjectKeySize(kind, bits) => {
            // The real product knows no size of an Ed25519 key.
            let bits = if word(*kind) == "ed25519" { 0 } else { *bits };
            requirements(format!("key is of an invalid size: {bits}"))
        }
        Refusal::TtlTooLong(max_secs) => format!("ttl is larger than maximum allowed {max_secs}"),
    }
}

fn requirements(text: String) -> String {
    format!("public_key failed to meet the key requirements: {text}")
}

fn word(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Ecdsa | KeyKind::SkEcdsa => "ecdsa",
        KeyKind::Ed25519 | KeyKind::SkEd25519 => "ed25519",
        KeyKind::Rsa => "rsa",
    }
}
