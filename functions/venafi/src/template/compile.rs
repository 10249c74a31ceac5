//! A template as a role of the core.
//!
//! What a default says may always be asked for as well, so that asking for the default is never refused.

use super::{Template, is_host_name, is_network};
use crate::{algorithm::KeyAlgorithm, error::Failure, validity::Period, wire};
use countersign::{
    Error,
    role::{
        CertTypeRules, HostNames, KeyIdRules, LifetimeRules, OptionNames, OptionRules, PrincipalMatcher,
        PrincipalRules, Role, SubjectKeyRules, ValueRule,
    },
    ssh::{CriticalOptions, Extensions, SignatureAlgorithm},
    types::{CertKeyId, CertType, CidrList, Pattern, PatternError, Principals},
};
use std::collections::{BTreeMap, BTreeSet};

/// A part of a template that the core cannot use: which, and why.
#[derive(Debug)]
pub(super) struct Unusable(&'static str, String);

impl From<Unusable> for Failure {
    fn from(Unusable(field, reason): Unusable) -> Self {
        Self::field(&format!("AccessControl.{field}"), reason)
    }
}

/// Refuses a section that does not make a role.
pub(super) fn check(section: &wire::AccessControl) -> Result<(), Unusable> {
    let all = wire::ApiClient {
        certificate_identifier: true,
        extensions: true,
        force_command: true,
        principals: true,
        source_addresses: true,
    };
    let unusable = |field, reason: &dyn std::fmt::Display| Unusable(field, reason.to_string());
    let rules = rules(section, &all)?;
    key_ids(section, &all)?;
    if let Some(text) = &section.default_certificate_identifier {
        CertKeyId::parse(text).map_err(|error| unusable("DefaultCertificateIdentifier", &error))?;
    }
    if !section.default_principals.is_empty() {
        Principals::parse(&section.default_principals)
            .map_err(|error| unusable("DefaultPrincipals", &error))?;
    }
    let flags = |names: &[String]| Extensions::parse(names.iter().map(|name| (name.clone(), "")));
    flags(&section.default_extensions).map_err(|error| unusable("DefaultExtensions", &error))?;
    flags(&section.allowed_extensions).map_err(|error| unusable("AllowedExtensions", &error))?;
    source_address("AllowedSourceAddresses", &section.allowed_source_addresses)?;
    let options = rules.critical_options.default;
    CriticalOptions::parse(options).map_err(|error| unusable("DefaultForceCommand", &error))?;
    Ok(())
}

/// The role of `template`.
///
/// # Errors
/// `Internal` where what is stored does not make one.
pub(crate) fn role(template: &Template) -> Result<Role, Error> {
    let internal = |Unusable(field, reason)| Error::internal(format!("{}: {field}: {reason}", template.dn));
    let (section, client) = (&template.access_control, &template.api_client);
    let cert_type = template.cert_type();
    let rules = rules(section, client).map_err(internal)?;
    let ttl_secs = validity_secs(template)?;
    let mut role = Role {
        subject_keys: SubjectKeyRules::Listed(
            template
                .certificate
                .allowed_private_key_algorithms
                .iter()
                .filter_map(|name| KeyAlgorithm::parse(name))
                .map(KeyAlgorithm::rule)
                .collect(),
        ),
        user: None,
        host: None,
        key_ids: key_ids(section, client).map_err(internal)?,
        lifetime: LifetimeRules {
            default_ttl_secs: ttl_secs,
            max_ttl_secs: ttl_secs,
            backdate_secs: 0,
        },
        signature_algorithm: None,
    };
    match cert_type {
        CertType::User => role.user = Some(rules),
        // Clients refuse a host certificate with options, and extensions mean nothing there.
        CertType::Host => {
            role.host = Some(CertTypeRules {
                principals: rules.principals,
                ..CertTypeRules::default()
            });
        }
    }
    Ok(role)
}

/// How the key of the template's authority, whose own way is `default`, signs.
pub(crate) fn signature_algorithm(
    template: &Template,
    default: SignatureAlgorithm,
) -> Option<SignatureAlgorithm> {
    let is_short = template.certificate.signature_hashing_algorithm == "SHA256";
    (is_short && default == SignatureAlgorithm::RsaSha512).then_some(SignatureAlgorithm::RsaSha256)
}

/// How long the certificates of `template` may be valid, in seconds.
pub(crate) fn validity_secs(template: &Template) -> Result<u64, Error> {
    match Period::parse(&template.certificate.validity_period) {
        Ok(Period::For(secs)) => Ok(secs),
        Ok(Period::Until(_)) | Err(_) => Err(Error::internal(format!(
            "{} has no length of time for its certificates",
            template.dn
        ))),
    }
}

fn rules(section: &wire::AccessControl, client: &wire::ApiClient) -> Result<CertTypeRules, Unusable> {
    Ok(CertTypeRules {
        principals: principals(section)?,
        critical_options: critical_options(section, client)?,
        extensions: OptionRules {
            default: section
                .default_extensions
                .iter()
                .map(|name| (name.clone(), String::new()))
                .collect(),
            allowed: OptionNames::Listed(
                section
                    .allowed_extensions
                    .iter()
                    .chain(&section.default_extensions)
                    .cloned()
                    .collect(),
            ),
            values: BTreeMap::new(),
        },
    })
}

fn principals(section: &wire::AccessControl) -> Result<PrincipalRules, Unusable> {
    let patterns = patterns("AllowedPrincipalsPatterns", &section.allowed_principals_patterns)?;
    let defaults = section.default_principals.iter().cloned();
    Ok(PrincipalRules {
        allowed: patterns
            .into_iter()
            .map(PrincipalMatcher::Pattern)
            .chain(defaults.map(PrincipalMatcher::Exact))
            .collect(),
        default: section.default_principals.clone(),
    })
}

fn key_ids(section: &wire::AccessControl, client: &wire::ApiClient) -> Result<KeyIdRules, Unusable> {
    let allowed = patterns(
        "AllowedCertificateIdentifierPatterns",
        &section.allowed_certificate_identifier_patterns,
    )?;
    Ok(match (client.certificate_identifier, allowed.is_empty()) {
        (false, _) => KeyIdRules::Default,
        (true, true) => KeyIdRules::Any,
        (true, false) => KeyIdRules::Matching(allowed),
    })
}

fn critical_options(
    section: &wire::AccessControl,
    client: &wire::ApiClient,
) -> Result<OptionRules, Unusable> {
    let mut rules = OptionRules::default();
    let mut names = BTreeSet::new();

    let mut commands = patterns(
        "AllowedForceCommandPatterns",
        if client.force_command {
            &section.allowed_force_command_patterns
        } else {
            &[]
        },
    )?;
    if let Some(default) = &section.default_force_command {
        commands.push(Pattern::literal(default).map_err(too_large("DefaultForceCommand"))?);
        rules.default.insert("force-command".into(), default.clone());
    }
    if !commands.is_empty() {
        names.insert("force-command".to_owned());
    }
    rules
        .values
        .insert("force-command".into(), ValueRule::Matching(commands));

    let defaults = &section.default_source_addresses;
    if !defaults.is_empty() {
        let value = source_address("DefaultSourceAddresses", defaults)?;
        rules.default.insert("source-address".into(), value);
    }
    let allowed: &[String] = if client.source_addresses {
        &section.allowed_source_addresses
    } else {
        &[]
    };
    if client.source_addresses || !defaults.is_empty() {
        names.insert("source-address".to_owned());
    }
    rules
        .values
        .insert("source-address".into(), networks(client, allowed, defaults)?);
    rules.allowed = OptionNames::Listed(names);
    Ok(rules)
}

/// Where nothing limits them, all addresses and names are allowed: they only narrow what a certificate is good for.
fn networks(
    client: &wire::ApiClient,
    allowed: &[String],
    defaults: &[String],
) -> Result<ValueRule, Unusable> {
    if client.source_addresses && allowed.is_empty() && defaults.is_empty() {
        return Ok(ValueRule::Networks {
            within: None,
            names: HostNames::Any,
        });
    }
    let all = allowed.iter().chain(defaults);
    let (networks, names): (Vec<&String>, Vec<&String>) = all.partition(|text| is_network(text));
    let networks: Vec<&str> = networks.into_iter().map(String::as_str).collect();
    let within = match networks.as_slice() {
        // Nothing lies within it.
        [] => CidrList::default(),
        networks => CidrList::parse(&networks.join(","))
            .map_err(|error| Unusable("AllowedSourceAddresses", error.to_string()))?,
    };
    Ok(ValueRule::Networks {
        within: Some(within),
        names: HostNames::Listed(names.into_iter().cloned().collect()),
    })
}

/// Addresses in the form of the option: networks canonical, names as they are.
fn source_address(field: &'static str, addresses: &[String]) -> Result<String, Unusable> {
    let mut parts = Vec::with_capacity(addresses.len());
    for address in addresses {
        match CidrList::parse(address) {
            Ok(network) if is_network(address) => parts.push(network.to_string()),
            _ if !is_host_name(address) => {
                return Err(Unusable(
                    field,
                    format!("{address:?} is neither an address nor a name"),
                ));
            }
            _ => parts.push(address.clone()),
        }
    }
    Ok(parts.join(","))
}

fn patterns(field: &'static str, texts: &[String]) -> Result<Vec<Pattern>, Unusable> {
    texts
        .iter()
        .map(|text| Pattern::parse(text).map_err(|error| Unusable(field, format!("{text:?}: {error}"))))
        .collect()
}

fn too_large(field: &'static str) -> impl Fn(PatternError) -> Unusable {
    move |error| Unusable(field, error.to_string())
}
