//! What an ngrok authority signs, as the family-neutral role: nearly everything, since here the authority itself is
//! all that a caller may be limited by.

use countersign::{
    role::{
        CertTypeRules, KeyIdRules, LifetimeRules, OptionNames, OptionRules, PrincipalMatcher, PrincipalRules,
        Role, SubjectKeyRule, SubjectKeyRules,
    },
    ssh::KeyKind,
    types::CertType,
};
use std::collections::BTreeMap;

/// The extensions of a user certificate whose creation names none.
const DEFAULT_EXTENSIONS: [&str; 2] = ["permit-pty", "permit-user-rc"];

/// How long a certificate lives whose creation does not say, in seconds: a day for users, a year for hosts.
pub(crate) fn default_ttl_secs(cert_type: CertType) -> u64 {
    match cert_type {
        CertType::Host => 365 * 86_400,
        CertType::User => 86_400,
    }
}

/// The role for certificates of `cert_type`.
pub(crate) fn role(cert_type: CertType) -> Role {
    let kinds = [KeyKind::Ecdsa, KeyKind::Ed25519, KeyKind::Rsa];
    let listed = kinds.map(|kind| SubjectKeyRule { kind, sizes: None });
    let rules = rules(cert_type);
    let (user, host) = match cert_type {
        CertType::Host => (None, Some(rules)),
        CertType::User => (Some(rules), None),
    };
    Role {
        subject_keys: SubjectKeyRules::Listed(listed.into()),
        user,
        host,
        key_ids: KeyIdRules::Default,
        lifetime: LifetimeRules {
            default_ttl_secs: default_ttl_secs(cert_type),
            max_ttl_secs: u64::MAX,
            backdate_secs: 0,
        },
        signature_algorithm: None,
    }
}

fn rules(cert_type: CertType) -> CertTypeRules {
    let principals = PrincipalRules {
        allowed: vec![PrincipalMatcher::Any],
        default: Vec::new(),
    };
    let any = |default| OptionRules {
        default,
        allowed: OptionNames::Any,
        values: BTreeMap::new(),
    };
    match cert_type {
        CertType::Host => CertTypeRules {
            principals,
            ..CertTypeRules::default()
        },
        CertType::User => CertTypeRules {
            principals,
            critical_options: any(BTreeMap::new()),
            extensions: any(DEFAULT_EXTENSIONS
                .map(|name| (name.to_owned(), String::new()))
                .into()),
        },
    }
}
