//! What a new or changed template is to be like, read and checked section by section.

use crate::{
    algorithm::KeyAlgorithm,
    dn::{Dn, FOLDERS},
    error::Failure,
    template::compile,
    validity::Period,
    wire::{self, TemplateType},
};
use countersign::{authority::KeySpec, types::CidrList};

/// What may be asked for where nobody says: the extensions that OpenSSH knows.
const STANDARD_EXTENSIONS: [&str; 5] = [
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
];
/// What a user certificate gets where nobody says.
const DEFAULT_EXTENSIONS: [&str; 2] = ["permit-pty", "permit-user-rc"];
const DEFAULT_FOLDER: &str = r"\VED\Policy\SSH Certificates";
const DEFAULT_VALIDITY: &str = "1d";
const DEFAULT_CA_ALGORITHM: &str = "RSA4096";
/// The longest time that a certificate may be valid: a hundred years.
const MAX_VALIDITY_SECS: u64 = 100 * 365 * 86_400;
/// The most entries of a list, and the most contacts.
const MAX_ENTRIES: usize = 256;

/// The sections that were given.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    pub(crate) api_client: Option<wire::ApiClient>,
    pub(crate) access_control: Option<wire::AccessControl>,
    pub(crate) certificate: Option<wire::CertificateRules>,
    pub(crate) contacts: Option<Vec<String>>,
}

impl Sections {
    /// Reads them, and puts the defaults where a section says nothing.
    pub(crate) fn parse(
        api_client: Option<wire::ApiClientInput>,
        access_control: Option<wire::AccessControlInput>,
        certificate: Option<wire::CertificateRulesInput>,
        contacts: Option<Vec<String>>,
    ) -> Result<Self, Failure> {
        check_count("Contacts", contacts.as_deref().unwrap_or_default())?;
        Ok(Self {
            api_client: api_client.map(api_client_of),
            access_control: access_control.map(access_control_of).transpose()?,
            certificate: certificate.map(certificate_of).transpose()?,
            contacts,
        })
    }

    /// The same, with the defaults for sections that were not given.
    pub(crate) fn or_defaults(
        self,
    ) -> Result<
        (
            wire::ApiClient,
            wire::AccessControl,
            wire::CertificateRules,
            Vec<String>,
        ),
        Failure,
    > {
        Ok((
            self.api_client
                .unwrap_or_else(|| api_client_of(wire::ApiClientInput::default())),
            self.access_control
                .map_or_else(|| access_control_of(wire::AccessControlInput::default()), Ok)?,
            self.certificate
                .map_or_else(|| certificate_of(wire::CertificateRulesInput::default()), Ok)?,
            self.contacts.unwrap_or_default(),
        ))
    }
}

/// The key pair of a new template.
#[derive(Debug)]
pub(crate) struct CaKeyPairSpec {
    pub(crate) spec: KeySpec,
    pub(crate) name: Option<String>,
}

impl CaKeyPairSpec {
    /// Reads it.
    pub(crate) fn parse(input: Option<wire::CaKeyPairInput>) -> Result<Self, Failure> {
        let input = input.unwrap_or_default();
        let name = input.key_algorithm.as_deref().unwrap_or(DEFAULT_CA_ALGORITHM);
        let spec = KeyAlgorithm::parse(name).and_then(KeyAlgorithm::spec);
        let spec = spec.ok_or_else(|| {
            Failure::field(
                "CAKeyPair.KeyAlgorithm",
                "one of RSA2048, RSA3072, RSA4096, ED25519, ECDSAP256, ECDSAP384, ECDSAP521",
            )
        })?;
        Ok(Self {
            spec,
            name: input.name,
        })
    }
}

fn api_client_of(input: wire::ApiClientInput) -> wire::ApiClient {
    wire::ApiClient {
        certificate_identifier: input.certificate_identifier.unwrap_or(true),
        extensions: input.extensions.unwrap_or(true),
        force_command: input.force_command.unwrap_or(true),
        principals: input.principals.unwrap_or(true),
        source_addresses: input.source_addresses.unwrap_or(true),
    }
}

fn access_control_of(input: wire::AccessControlInput) -> Result<wire::AccessControl, Failure> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let section = wire::AccessControl {
        allowed_certificate_identifier_patterns: input
            .allowed_certificate_identifier_patterns
            .unwrap_or_default(),
        allowed_extensions: input
            .allowed_extensions
            .unwrap_or_else(|| owned(&STANDARD_EXTENSIONS)),
        allowed_force_command_patterns: input.allowed_force_command_patterns.unwrap_or_default(),
        allowed_principals_patterns: input.allowed_principals_patterns.unwrap_or_default(),
        allowed_source_addresses: input.allowed_source_addresses.unwrap_or_default(),
        default_certificate_identifier: input.default_certificate_identifier,
        default_extensions: input
            .default_extensions
            .unwrap_or_else(|| owned(&DEFAULT_EXTENSIONS)),
        default_force_command: input.default_force_command,
        default_principals: input.default_principals.unwrap_or_default(),
        default_source_addresses: input.default_source_addresses.unwrap_or_default(),
    };
    let lists = [
        (
            "AllowedCertificateIdentifierPatterns",
            &section.allowed_certificate_identifier_patterns,
        ),
        ("AllowedExtensions", &section.allowed_extensions),
        (
            "AllowedForceCommandPatterns",
            &section.allowed_force_command_patterns,
        ),
        ("AllowedPrincipalsPatterns", &section.allowed_principals_patterns),
        ("AllowedSourceAddresses", &section.allowed_source_addresses),
        ("DefaultExtensions", &section.default_extensions),
        ("DefaultPrincipals", &section.default_principals),
        ("DefaultSourceAddresses", &section.default_source_addresses),
    ];
    for (name, list) in lists {
        check_count(&format!("AccessControl.{name}"), list)?;
    }
    compile::check(&section)?;
    Ok(section)
}

fn check_count(name: &str, list: &[String]) -> Result<(), Failure> {
    if list.len() > MAX_ENTRIES {
        return Err(Failure::field(name, format!("at most {MAX_ENTRIES} entries")));
    }
    match list
        .iter()
        .find(|entry| entry.is_empty() || entry.chars().any(char::is_control))
    {
        Some(_) => Err(Failure::field(
            name,
            "an entry is empty or has control characters",
        )),
        None => Ok(()),
    }
}

fn certificate_of(input: wire::CertificateRulesInput) -> Result<wire::CertificateRules, Failure> {
    let field = |name: &str, reason: &str| Failure::field(&format!("Certificate.{name}"), reason);
    let cert_type = match input.cert_type.as_deref() {
        None => TemplateType::Client,
        Some(text) if text.eq_ignore_ascii_case("Client") => TemplateType::Client,
        Some(text) if text.eq_ignore_ascii_case("Host") => TemplateType::Host,
        Some(_) => return Err(field("Type", "Client or Host")),
    };
    let algorithm = |name: &str, text: &str| {
        KeyAlgorithm::parse(text)
            .ok_or_else(|| field(name, &format!("one of {}", KeyAlgorithm::names().join(", "))))
    };
    let allowed: Vec<KeyAlgorithm> = match &input.allowed_private_key_algorithms {
        None => KeyAlgorithm::names()
            .iter()
            .filter_map(|name| KeyAlgorithm::parse(name))
            .collect(),
        Some(names) => names
            .iter()
            .map(|name| algorithm("AllowedPrivateKeyAlgorithms", name))
            .collect::<Result<_, _>>()?,
    };
    let default = default_algorithm(&allowed, input.default_private_key_algorithm.as_deref())?;
    let hash = match input.signature_hashing_algorithm.as_deref() {
        None => "SHA512",
        Some(text) if text.eq_ignore_ascii_case("SHA512") => "SHA512",
        Some(text) if text.eq_ignore_ascii_case("SHA256") => "SHA256",
        Some(_) => return Err(field("SignatureHashingAlgorithm", "SHA256 or SHA512")),
    };
    let folder = input
        .certificate_destination_dn
        .as_deref()
        .unwrap_or(DEFAULT_FOLDER);
    let folder = Dn::parse(folder).map_err(|error| field("CertificateDestinationDn", &error.to_string()))?;
    if !folder.is_within(FOLDERS) {
        return Err(field(
            "CertificateDestinationDn",
            r"folders lie below \VED\Policy",
        ));
    }
    let validity = input.validity_period.unwrap_or_else(|| DEFAULT_VALIDITY.into());
    match Period::parse(&validity) {
        Ok(Period::For(secs)) if secs <= MAX_VALIDITY_SECS => {}
        Ok(Period::For(_)) => return Err(field("ValidityPeriod", "at most a hundred years")),
        Ok(Period::Until(_)) => {
            return Err(field(
                "ValidityPeriod",
                "a template has a length of time, as 8h or 1w 2d",
            ));
        }
        Err(error) => return Err(field("ValidityPeriod", &error.to_string())),
    }
    Ok(wire::CertificateRules {
        allowed_private_key_algorithms: allowed.iter().map(|known| known.name().to_owned()).collect(),
        allowed_private_key_reuse: input.allowed_private_key_reuse.unwrap_or(true),
        certificate_destination_dn: folder.as_str().to_owned(),
        default_private_key_algorithm: default,
        signature_hashing_algorithm: hash.into(),
        cert_type,
        validity_period: validity,
    })
}

/// What key pairs made here are made of: as given, or Ed25519 where it is allowed, or the first that is.
fn default_algorithm(allowed: &[KeyAlgorithm], given: Option<&str>) -> Result<String, Failure> {
    const NAME: &str = "Certificate.DefaultPrivateKeyAlgorithm";
    let ed25519 = KeyAlgorithm::Spec(KeySpec::Ed25519);
    let chosen = match given {
        Some(text) => KeyAlgorithm::parse(text)
            .filter(|algorithm| algorithm.spec().is_some() && allowed.contains(algorithm))
            .ok_or_else(|| {
                Failure::field(
                    NAME,
                    "one of AllowedPrivateKeyAlgorithms that a key pair can be made of",
                )
            })?,
        None if allowed.contains(&ed25519) => ed25519,
        None => match allowed.iter().find(|algorithm| algorithm.spec().is_some()) {
            Some(first) => *first,
            // Then only callers with keys of their own are served.
            None => return Ok(String::new()),
        },
    };
    Ok(chosen.name().to_owned())
}

/// Whether `text` can be a host's name. What only looks like an address is a mistake, not a name.
pub(crate) fn is_host_name(text: &str) -> bool {
    let may_be = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.chars().all(may_be)
}

/// Whether `text` is a network or an address.
pub(crate) fn is_network(text: &str) -> bool {
    CidrList::parse(text).is_ok() && !text.contains(',')
}
