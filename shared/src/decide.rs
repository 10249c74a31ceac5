//! The decision: may this role sign this request? Pure: no clock, no store, no signer.

use crate::{
    refusal::Refusal,
    role::{
        CertTypeRules, HostNames, KeyIdRules, LifetimeRules, OptionRules, PrincipalRules, Role,
        SubjectKeyRules, ValueRule,
    },
    ssh::{CriticalOptions, Extensions, PublicKey, SignatureAlgorithm},
    types::{CertKeyId, CertType, CidrList, CidrListError, Principals, ValidityWindow},
};
use std::collections::BTreeMap;

/// What a caller asks for, in the core's words.
#[derive(Clone, Debug)]
pub struct Request {
    /// The key to certify.
    pub subject_key: PublicKey,
    /// User or host.
    pub cert_type: CertType,
    /// The principals; `None` takes the role's default.
    pub principals: Option<Vec<String>>,
    /// When the certificate shall be valid.
    pub validity: RequestedValidity,
    /// The key id.
    pub key_id: RequestedKeyId,
    /// The critical options; `None` takes the role's default.
    pub critical_options: Option<BTreeMap<String, String>>,
    /// The extensions; `None` takes the role's default.
    pub extensions: Option<BTreeMap<String, String>>,
}

/// When a certificate shall be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedValidity {
    /// As long as the role's default says.
    RoleDefault,
    /// For this many seconds from now.
    Ttl(u64),
    /// From the usual beginning until this Unix second.
    Until(u64),
    /// From one Unix second until another.
    Window {
        /// The first second in it.
        valid_after: u64,
        /// The first second after it.
        valid_before: u64,
    },
}

/// Where a key id comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedKeyId {
    /// The caller chose it.
    Chosen(String),
    /// The dialect made it.
    Default(String),
}

/// What will be signed, but for the serial, the nonce and the CA key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuancePlan {
    pub(crate) subject_key: PublicKey,
    pub(crate) cert_type: CertType,
    pub(crate) key_id: CertKeyId,
    pub(crate) valid_principals: Principals,
    pub(crate) validity: ValidityWindow,
    pub(crate) critical_options: CriticalOptions,
    pub(crate) extensions: Extensions,
    pub(crate) signature_algorithm: Option<SignatureAlgorithm>,
}

impl IssuancePlan {
    /// User or host.
    pub fn cert_type(&self) -> CertType {
        self.cert_type
    }

    /// The key id.
    pub fn key_id(&self) -> &CertKeyId {
        &self.key_id
    }

    /// The principals.
    pub fn valid_principals(&self) -> &Principals {
        &self.valid_principals
    }

    /// The validity.
    pub fn validity(&self) -> ValidityWindow {
        self.validity
    }

    /// The critical options.
    pub fn critical_options(&self) -> &CriticalOptions {
        &self.critical_options
    }

    /// The extensions.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }
}

/// Decides whether `role` signs `request` at `now` (Unix seconds), and if so, what exactly.
///
/// # Errors
/// The first [`Refusal`] in the order: subject key, key id, certificate type, principals, lifetime, critical options,
/// extensions.
pub fn decide(role: &Role, request: &Request, now: u64) -> Result<IssuancePlan, Refusal> {
    decide_subject_key(&role.subject_keys, &request.subject_key)?;
    let key_id = decide_key_id(&role.key_ids, &request.key_id)?;
    let rules = role
        .rules(request.cert_type)
        .ok_or(Refusal::CertTypeNotAllowed(request.cert_type))?;
    let valid_principals = decide_principals(&rules.principals, request)?;
    let validity = decide_validity(&role.lifetime, request.validity, now)?;
    let critical_options = decide_critical_options(rules, request)?;
    let extensions = decide_extensions(&rules.extensions, request)?;
    Ok(IssuancePlan {
        subject_key: request.subject_key.clone(),
        cert_type: request.cert_type,
        key_id,
        valid_principals,
        validity,
        critical_options,
        extensions,
        signature_algorithm: role.signature_algorithm,
    })
}

fn decide_subject_key(rules: &SubjectKeyRules, key: &PublicKey) -> Result<(), Refusal> {
    let SubjectKeyRules::Listed(listed) = rules else {
        return Ok(());
    };
    if listed.iter().any(|rule| rule.allows(key)) {
        Ok(())
    } else if listed.iter().any(|rule| rule.kind == key.kind()) {
        Err(Refusal::SubjectKeySize(key.kind(), key.bits()))
    } else {
        Err(Refusal::SubjectKeyKind(key.kind()))
    }
}

fn decide_key_id(rules: &KeyIdRules, requested: &RequestedKeyId) -> Result<CertKeyId, Refusal> {
    let text = match requested {
        RequestedKeyId::Default(text) => text,
        RequestedKeyId::Chosen(text) => {
            let allowed = match rules {
                KeyIdRules::Any => true,
                KeyIdRules::Default => false,
                KeyIdRules::Matching(patterns) => patterns.iter().any(|pattern| pattern.matches(text)),
            };
            if !allowed {
                return Err(Refusal::KeyIdNotAllowed);
            }
            text
        }
    };
    CertKeyId::parse(text).map_err(Refusal::KeyId)
}

fn decide_principals(rules: &PrincipalRules, request: &Request) -> Result<Principals, Refusal> {
    let names = request.principals.as_ref().unwrap_or(&rules.default);
    if !names.is_empty() && rules.allowed.is_empty() {
        return Err(Refusal::PrincipalsNotConfigured);
    }
    let allowed = |name: &&String| {
        rules
            .allowed
            .iter()
            .any(|rule| rule.matches(request.cert_type, name))
    };
    if let Some(name) = names.iter().find(|name| !allowed(name)) {
        return Err(Refusal::PrincipalNotAllowed(name.clone()));
    }
    Principals::parse(names).map_err(Refusal::Principals)
}

fn decide_validity(
    rules: &LifetimeRules,
    requested: RequestedValidity,
    now: u64,
) -> Result<ValidityWindow, Refusal> {
    let too_long = Refusal::TtlTooLong(rules.max_ttl_secs);
    let usual_start = now.saturating_sub(rules.backdate_secs);
    let (valid_after, valid_before, ttl_secs) = match requested {
        RequestedValidity::RoleDefault => {
            let ttl_secs = rules.default_ttl_secs.min(rules.max_ttl_secs);
            (usual_start, now.saturating_add(ttl_secs), ttl_secs)
        }
        RequestedValidity::Ttl(ttl_secs) => (usual_start, now.saturating_add(ttl_secs), ttl_secs),
        RequestedValidity::Until(end) => (usual_start, end, end.saturating_sub(now)),
        RequestedValidity::Window {
            valid_after,
            valid_before,
        } => {
            // What lies in the past of the usual backdating counts as lifetime; the backdating itself does not.
            let counted_from = if valid_after < usual_start {
                valid_after
            } else {
                valid_after.max(now)
            };
            (
                valid_after,
                valid_before,
                valid_before.saturating_sub(counted_from),
            )
        }
    };
    let window = ValidityWindow::parse(valid_after, valid_before).map_err(Refusal::Validity)?;
    if ttl_secs > rules.max_ttl_secs {
        return Err(too_long);
    }
    if window.valid_before() <= now {
        return Err(Refusal::AlreadyExpired);
    }
    Ok(window)
}

fn decide_critical_options(rules: &CertTypeRules, request: &Request) -> Result<CriticalOptions, Refusal> {
    let rules = &rules.critical_options;
    if request.cert_type == CertType::Host {
        // sshd's clients refuse a host certificate with any critical option, so a default is left out.
        return match &request.critical_options {
            Some(asked) if !asked.is_empty() => {
                Err(Refusal::HostCriticalOptions(asked.keys().cloned().collect()))
            }
            _ => Ok(CriticalOptions::default()),
        };
    }
    let mut options = match &request.critical_options {
        None => rules.default.clone(),
        Some(asked) => {
            let refused = refused_names(rules, asked);
            if !refused.is_empty() {
                return Err(Refusal::CriticalOptionsNotAllowed(refused));
            }
            check_values(rules, asked)?;
            asked.clone()
        }
    };
    if let Some(value) = options.get_mut("source-address") {
        *value = canonical_source_address(rules, value)?;
    }
    let options = CriticalOptions::parse(options).map_err(Refusal::CriticalOptions)?;
    if options.value("verify-required").is_some() && !request.subject_key.is_security_key() {
        return Err(Refusal::VerifyRequiredNeedsSecurityKey);
    }
    Ok(options)
}

fn decide_extensions(rules: &OptionRules, request: &Request) -> Result<Extensions, Refusal> {
    let extensions = match &request.extensions {
        None => &rules.default,
        Some(asked) => {
            let refused = refused_names(rules, asked);
            if !refused.is_empty() {
                return Err(Refusal::ExtensionsNotAllowed(refused));
            }
            check_values(rules, asked)?;
            asked
        }
    };
    Extensions::parse(extensions.clone()).map_err(Refusal::Extensions)
}

fn refused_names(rules: &OptionRules, asked: &BTreeMap<String, String>) -> Vec<String> {
    asked
        .keys()
        .filter(|name| !rules.allowed.allows(name))
        .cloned()
        .collect()
}

fn check_values(rules: &OptionRules, asked: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for (name, value) in asked {
        if let Some(ValueRule::Matching(patterns)) = rules.values.get(name)
            && !patterns.iter().any(|pattern| pattern.matches(value))
        {
            return Err(Refusal::OptionValueNotAllowed(name.clone()));
        }
    }
    Ok(())
}

/// sshd refuses a certificate whose networks have host bits or blanks, so they are written in canonical form.
fn canonical_source_address(rules: &OptionRules, value: &str) -> Result<String, Refusal> {
    let (within, names) = match rules.values.get("source-address") {
        Some(ValueRule::Networks { within, names }) => (within.as_ref(), names),
        Some(ValueRule::Matching(_)) | None => (None, &HostNames::None),
    };
    let (networks, hosts) = match names {
        HostNames::None => (Some(value.to_owned()), Vec::new()),
        HostNames::Any | HostNames::Listed(_) => parted(value),
    };
    for host in &hosts {
        let allowed = match names {
            HostNames::Any if within.is_none() => true,
            HostNames::Listed(listed) if listed.contains(*host) => true,
            HostNames::Listed(_) => return Err(Refusal::OptionValueNotAllowed("source-address".into())),
            HostNames::Any | HostNames::None => false,
        };
        if !allowed || host.is_empty() || host.contains(char::is_whitespace) {
            let name = host.chars().take(64).collect();
            return Err(Refusal::SourceAddress(CidrListError::NotANetwork(name)));
        }
    }
    let Some(networks) = networks else {
        return Ok(hosts.join(","));
    };
    let networks = CidrList::parse(&networks).map_err(Refusal::SourceAddress)?;
    match within {
        Some(limit) if !networks.is_within(limit) => {
            Err(Refusal::OptionValueNotAllowed("source-address".into()))
        }
        _ if hosts.is_empty() => Ok(networks.to_string()),
        _ => Ok(format!("{networks},{}", hosts.join(","))),
    }
}

/// The networks of a list, if there are any, and the parts of it that are none.
fn parted(value: &str) -> (Option<String>, Vec<&str>) {
    let is_network = |part: &&str| CidrList::parse(part).is_ok();
    let (networks, hosts): (Vec<&str>, Vec<&str>) = value.split(',').map(str::trim).partition(is_network);
    ((!networks.is_empty()).then(|| networks.join(",")), hosts)
}
