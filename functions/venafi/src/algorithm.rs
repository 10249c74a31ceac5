//! The names of key algorithms. Only `RSA4096` is published; the others keep its style.

use countersign::{authority::KeySpec, role::SubjectKeyRule, ssh::KeyKind};

/// A key algorithm with its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyAlgorithm {
    /// Made here, or by the caller.
    Spec(KeySpec),
    /// In a FIDO authenticator.
    SkEcdsa,
    /// In a FIDO authenticator.
    SkEd25519,
}

impl KeyAlgorithm {
    /// All of them, with their names.
    const ALL: [(&'static str, Self); 9] = [
        ("RSA2048", Self::Spec(KeySpec::Rsa2048)),
        ("RSA3072", Self::Spec(KeySpec::Rsa3072)),
        ("RSA4096", Self::Spec(KeySpec::Rsa4096)),
        ("ED25519", Self::Spec(KeySpec::Ed25519)),
        ("ECDSAP256", Self::Spec(KeySpec::P256)),
        ("ECDSAP384", Self::Spec(KeySpec::P384)),
        ("ECDSAP521", Self::Spec(KeySpec::P521)),
        ("SKED25519", Self::SkEd25519),
        ("SKECDSAP256", Self::SkEcdsa),
    ];

    /// The names of all.
    pub(crate) fn names() -> Vec<String> {
        Self::ALL.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    /// The algorithm called `name`, in either case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        all.find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, algorithm)| *algorithm)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(_, algorithm)| *algorithm == self)
            .map_or("", |(name, _)| name)
    }

    /// What a key pair that is made here is made of; `None` where it cannot be.
    pub(crate) fn spec(self) -> Option<KeySpec> {
        match self {
            Self::Spec(spec) => Some(spec),
            Self::SkEcdsa | Self::SkEd25519 => None,
        }
    }

    /// The keys that it is about.
    pub(crate) fn rule(self) -> SubjectKeyRule {
        let (kind, bits) = match self {
            Self::Spec(KeySpec::Ed25519) => (KeyKind::Ed25519, 256),
            Self::Spec(KeySpec::P256) => (KeyKind::Ecdsa, 256),
            Self::Spec(KeySpec::P384) => (KeyKind::Ecdsa, 384),
            Self::Spec(KeySpec::P521) => (KeyKind::Ecdsa, 521),
            Self::Spec(KeySpec::Rsa2048) => (KeyKind::Rsa, 2048),
            Self::Spec(KeySpec::Rsa3072) => (KeyKind::Rsa, 3072),
            Self::Spec(KeySpec::Rsa4096) => (KeyKind::Rsa, 4096),
            Self::SkEcdsa => (KeyKind::SkEcdsa, 256),
            Self::SkEd25519 => (KeyKind::SkEd25519, 256),
        };
        SubjectKeyRule {
            kind,
            sizes: Some(vec![bits]),
        }
    }
}
