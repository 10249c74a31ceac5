//! The family-neutral rule set: what may be signed, for whom, for how long.
//!
//! A Vault role, an ngrok authority, an Infisical host with its login mappings and a Venafi template each compile to
//! one of these; ARCHITECTURE.md has the table. Limits live here; the defaults of a dialect are applied by its parser
//! where the request is silent, or stand here where the role itself states them.

use crate::{
    ssh::{KeyKind, PublicKey, SignatureAlgorithm},
    types::{CertType, CidrList, Pattern},
};
use std::collections::{BTreeMap, BTreeSet};

/// What one role allows.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// Which keys may be certified.
    pub subject_keys: SubjectKeyRules,
    /// The rules of user certificates; `None` allows none.
    pub user: Option<CertTypeRules>,
    /// The rules of host certificates; `None` allows none.
    pub host: Option<CertTypeRules>,
    /// Who chooses the key id.
    pub key_ids: KeyIdRules,
    /// How long certificates live.
    pub lifetime: LifetimeRules,
    /// How the CA key signs; `None` leaves it to the key.
    pub signature_algorithm: Option<SignatureAlgorithm>,
}

impl Role {
    /// The rules of `cert_type`, where the role allows it.
    pub fn rules(&self, cert_type: CertType) -> Option<&CertTypeRules> {
        match cert_type {
            CertType::Host => self.host.as_ref(),
            CertType::User => self.user.as_ref(),
        }
    }
}

/// The rules of one certificate type.
#[derive(Clone, Debug, Default)]
pub struct CertTypeRules {
    /// Which principals.
    pub principals: PrincipalRules,
    /// Which critical options. Host certificates have none, whatever stands here.
    pub critical_options: OptionRules,
    /// Which extensions.
    pub extensions: OptionRules,
}

/// Which keys may be certified. RSA keys below 2048 bits never are: they are no [`PublicKey`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SubjectKeyRules {
    /// Every kind and size.
    #[default]
    Any,
    /// Those that one of the rules allows.
    Listed(Vec<SubjectKeyRule>),
}

/// One allowed kind of key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectKeyRule {
    /// The kind.
    pub kind: KeyKind,
    /// The allowed sizes in bits, exactly; `None` allows every size.
    pub sizes: Option<Vec<u32>>,
}

impl SubjectKeyRule {
    /// Whether `key` is of this kind and size.
    pub fn allows(&self, key: &PublicKey) -> bool {
        self.kind == key.kind()
            && self
                .sizes
                .as_ref()
                .is_none_or(|sizes| sizes.contains(&key.bits()))
    }
}

/// Which principals a certificate may have.
#[derive(Clone, Debug, Default)]
pub struct PrincipalRules {
    /// Each principal must match one of these. None at all allows no principal.
    pub allowed: Vec<PrincipalMatcher>,
    /// What a certificate gets when the request names none. They must be allowed too.
    pub default: Vec<String>,
}

/// One way for a principal to be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalMatcher {
    /// Every name.
    Any,
    /// This name, byte for byte.
    Exact(String),
    /// Every name that the whole pattern matches.
    Pattern(Pattern),
    /// Every name that ends with a dot and this domain.
    Subdomain(String),
}

impl PrincipalMatcher {
    /// Whether `principal` may stand in a certificate of `cert_type`.
    ///
    /// OpenSSH 10.3 reads a host principal as a pattern, so `*` and `?` pass there only where the role has that very
    /// text.
    pub fn matches(&self, cert_type: CertType, principal: &str) -> bool {
        let is_host_pattern = cert_type == CertType::Host && principal.contains(['*', '?']);
        match self {
            Self::Exact(name) => name == principal,
            Self::Any => !is_host_pattern,
            Self::Pattern(pattern) => !is_host_pattern && pattern.matches(principal),
            Self::Subdomain(domain) => {
                let prefix = principal
                    .strip_suffix(domain.as_str())
                    .and_then(|rest| rest.strip_suffix('.'));
                !is_host_pattern && !domain.is_empty() && prefix.is_some_and(|prefix| !prefix.is_empty())
            }
        }
    }
}

/// Which options of one table a certificate may have.
#[derive(Clone, Debug, Default)]
pub struct OptionRules {
    /// What a certificate gets when the request names none. These need not be allowed.
    pub default: BTreeMap<String, String>,
    /// Which names a request may give.
    pub allowed: OptionNames,
    /// Which values a request may give, by name; a name without a rule may have any.
    pub values: BTreeMap<String, ValueRule>,
}

/// Which option names a request may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionNames {
    /// Every name.
    Any,
    /// These names.
    Listed(BTreeSet<String>),
}

impl Default for OptionNames {
    fn default() -> Self {
        Self::Listed(BTreeSet::new())
    }
}

impl OptionNames {
    /// Whether a request may give `name`.
    pub fn allows(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(names) => names.contains(name),
        }
    }
}

/// Which values of one option a request may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueRule {
    /// Those that one of the patterns matches.
    Matching(Vec<Pattern>),
    /// For `source-address`: networks.
    Networks {
        /// Each must lie in one of these, if given.
        within: Option<CidrList>,
        /// Which host names may stand for a network. sshd refuses such a certificate.
        names: HostNames,
    },
}

/// Which host names may stand among networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostNames {
    /// Every name, as long as networks are not limited: a name cannot be held to a network.
    Any,
    /// These names.
    Listed(BTreeSet<String>),
    /// No name.
    #[default]
    None,
}

/// Who chooses the key id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyIdRules {
    /// The caller, freely.
    Any,
    /// The dialect alone.
    #[default]
    Default,
    /// The caller, as far as one of the patterns matches.
    Matching(Vec<Pattern>),
}

/// How long certificates live, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifetimeRules {
    /// When the request does not say; cut to the maximum.
    pub default_ttl_secs: u64,
    /// At most.
    pub max_ttl_secs: u64,
    /// How far `valid_after` lies before the time of issue, for hosts whose clock is slow. Not part of the lifetime.
    pub backdate_secs: u64,
}
