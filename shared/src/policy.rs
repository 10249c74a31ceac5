//! The decision: may this role sign this request? Pure: no clock, no store, no signer.

use crate::{
    role::{
        CertTypeRules, HostNames, KeyIdRules, LifetimeRules, OptionRules, PrincipalRules, Role,
        SubjectKeyRules, ValueRule,
    },
    ssh::{CriticalOptions, Extensions, KeyKind, OptionsError, PublicKey, SignatureAlgorithm},
    types::{
        CertKeyId, CertKeyIdError, CertType, CidrList, CidrListError, Principals, PrincipalsError,
        ValidityError, ValidityWindow,
    },
};
use std::{collections::BTreeMap, fmt};

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
