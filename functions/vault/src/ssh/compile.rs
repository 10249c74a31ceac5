//! What a Vault role means in the core's words.

use super::role::{AlgorithmSigner, CaRole};
use crate::mounts::{Mount, MountConfig};
use countersign::{
    role::{
        CertTypeRules, KeyIdRules, LifetimeRules, OptionNames, OptionRules, PrincipalMatcher, PrincipalRules,
        Role,
    },
    ssh::SignatureAlgorithm,
};
use std::collections::{BTreeMap, BTreeSet};

/// How long what a mount issues lives where neither mount nor role says, in seconds: 768 hours.
pub(crate) const SYSTEM_LEASE_TTL_SECS: u64 = 768 * 3600;

/// The default lifetime of what `mount` issues, in seconds.
pub(crate) fn default_ttl_secs(mount: &Mount) -> u64 {
    let MountConfig {
        default_lease_ttl, ..
    } = mount.config;
    or_system(default_lease_ttl)
}

fn or_system(secs: u64) -> u64 {
    if secs == 0 { SYSTEM_LEASE_TTL_SECS } else { secs }
}

impl CaRole {
    /// The rules of this role at `mount`, whose templates are filled in. How the CA key signs is decided when its type
    /// is known: [`signature_algorithm`](Self::signature_algorithm).
    pub(crate) fn compile(&self, mount: &Mount) -> Role {
        let rules = |principals| CertTypeRules {
            principals,
            critical_options: OptionRules {
                default: self.default_critical_options.clone(),
                allowed: critical_option_names(&self.allowed_critical_options),
                values: BTreeMap::new(),
            },
            extensions: OptionRules {
                default: self.default_extensions.clone(),
                allowed: extension_names(&self.allowed_extensions),
                values: BTreeMap::new(),
            },
        };
        let max_ttl_secs = match self.max_ttl {
            0 => or_system(mount.config.max_lease_ttl),
            secs => secs,
        };
        Role {
            subject_keys: self.allowed_user_key_lengths.rules(),
            user: self
                .allow_user_certificates
                .then(|| rules(self.user_principals())),
            host: self
                .allow_host_certificates
                .then(|| rules(self.host_principals())),
            key_ids: if self.allow_user_key_ids {
                KeyIdRules::Any
            } else {
                KeyIdRules::Default
            },
            lifetime: LifetimeRules {
                default_ttl_secs: if self.ttl == 0 {
                    default_ttl_secs(mount)
                } else {
                    self.ttl
                },
                max_ttl_secs,
                backdate_secs: self.not_before_duration,
            },
            signature_algorithm: None,
        }
    }

    /// The rules of this role at `mount` for a key that is made here, where a listed length of 0 stands for the type's
    /// default.
    pub(crate) fn compile_for_generated(&self, mount: &Mount) -> Role {
        Role {
            subject_keys: self.allowed_user_key_lengths.of_generated().rules(),
            ..self.compile(mount)
        }
    }

    fn user_principals(&self) -> PrincipalRules {
        let allowed = match self.allowed_users.as_str() {
            "*" => vec![PrincipalMatcher::Any],
            list => names(list).into_iter().map(PrincipalMatcher::Exact).collect(),
        };
        PrincipalRules {
            allowed,
            default: names(&self.default_user),
        }
    }

    fn host_principals(&self) -> PrincipalRules {
        let mut allowed = Vec::new();
        if self.allowed_domains == "*" {
            allowed.push(PrincipalMatcher::Any);
        } else {
            for domain in names(&self.allowed_domains) {
                // A role that lists domains but lets them be used in no way refuses every name, as one that is set up.
                allowed.push(PrincipalMatcher::Exact(if self.allow_bare_domains {
                    domain.clone()
                } else {
                    String::new()
                }));
                if self.allow_subdomains {
                    allowed.push(PrincipalMatcher::Subdomain(domain));
                }
            }
        }
        PrincipalRules {
            allowed,
            default: Vec::new(),
        }
    }

    /// How a CA key whose own algorithm is `native` signs for this role. `None` where only SHA-1 would do.
    pub(crate) fn signature_algorithm(&self, native: SignatureAlgorithm) -> Option<SignatureAlgorithm> {
        match (self.algorithm_signer, native) {
            (AlgorithmSigner::Default, SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::RsaSha512) => {
                Some(SignatureAlgorithm::RsaSha256)
            }
            (AlgorithmSigner::Default, native) => Some(native),
            (AlgorithmSigner::RsaSha256, _) => Some(SignatureAlgorithm::RsaSha256),
            (AlgorithmSigner::RsaSha512, _) => Some(SignatureAlgorithm::RsaSha512),
            (AlgorithmSigner::SshRsa, _) => None,
        }
    }
}

/// The parts between commas: trimmed, sorted, each once, none empty.
pub(crate) fn names(list: &str) -> Vec<String> {
    let parts: BTreeSet<&str> = list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    parts.into_iter().map(str::to_owned).collect()
}

/// An empty text allows every critical option; `*` is a name like any other.
fn critical_option_names(list: &str) -> OptionNames {
    if list.is_empty() {
        OptionNames::Any
    } else {
        listed(list)
    }
}

/// An empty text allows no extension, `*` every one.
fn extension_names(list: &str) -> OptionNames {
    match list {
        "" => OptionNames::default(),
        "*" => OptionNames::Any,
        _ => listed(list),
    }
}

/// The real product does not trim these.
fn listed(list: &str) -> OptionNames {
    OptionNames::Listed(list.split(',').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::MountType;
    use countersign::{
        authority::KeySpec,
        decide::{self, Request, RequestedKeyId, RequestedValidity},
        refusal::Refusal,
        signer::private_key::GeneratedKey,
        ssh::KeyKind,
        types::CertType,
    };

    fn mount() -> Mount {
        Mount {
            path: "ssh".into(),
            mount_type: MountType::Ssh,
            description: String::new(),
            accessor: "ssh_00000000".into(),
            uuid: "0".into(),
            config: MountConfig::default(),
            options: None,
            local: false,
            seal_wrap: false,
            external_entropy_access: false,
        }
    }

    /// What becomes of a new key of `spec` at a role with these `allowed_user_key_lengths`.
    async fn decide(lengths: &str, spec: KeySpec) -> Result<(), Refusal> {
        let role = CaRole {
            allow_user_certificates: true,
            allowed_user_key_lengths: serde_json::from_str(lengths).unwrap(),
            allowed_users: "*".into(),
            ..CaRole::default()
        };
        let request = Request {
            subject_key: GeneratedKey::generate(spec).await.unwrap().public_key().clone(),
            cert_type: CertType::User,
            principals: Some(vec!["root".into()]),
            validity: RequestedValidity::RoleDefault,
            key_id: RequestedKeyId::Default("id".into()),
            critical_options: None,
            extensions: None,
        };
        decide::decide(&role.compile_for_generated(&mount()), &request, 1_800_000_000).map(drop)
    }

    #[tokio::test]
    async fn a_generated_key_that_the_map_does_not_list_is_refused() {
        let kind = |kind| Err(Refusal::SubjectKeyKind(kind));
        let size = |kind, bits| Err(Refusal::SubjectKeySize(kind, bits));
        for (lengths, spec, expected) in [
            (r#"{"rsa":[3072]}"#, KeySpec::Rsa2048, size(KeyKind::Rsa, 2048)),
            (r#"{"rsa":[3072]}"#, KeySpec::Ed25519, kind(KeyKind::Ed25519)),
            (r#"{"rsa":[0]}"#, KeySpec::Rsa2048, size(KeyKind::Rsa, 2048)),
            (r#"{"rsa":null}"#, KeySpec::Rsa2048, size(KeyKind::Rsa, 2048)),
            (r#"{"ec":[0]}"#, KeySpec::P384, size(KeyKind::Ecdsa, 384)),
            (r#"{"ec":[0]}"#, KeySpec::P256, Ok(())),
            (r#"{"ed25519":[0]}"#, KeySpec::P256, kind(KeyKind::Ecdsa)),
            (r#"{"ed25519":[0]}"#, KeySpec::Ed25519, Ok(())),
            (r#"{"ssh-rsa":[0,2048]}"#, KeySpec::Rsa2048, Ok(())),
            (r#"{"ssh-rsa":[0]}"#, KeySpec::Rsa4096, Ok(())),
            (r#"{"x":[0]}"#, KeySpec::Ed25519, kind(KeyKind::Ed25519)),
            ("{}", KeySpec::Ed25519, Ok(())),
        ] {
            assert_eq!(decide(lengths, spec).await, expected, "{lengths} {spec:?}");
        }
    }
}
