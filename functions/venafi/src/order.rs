//! What a request asks for, read and held against the defaults of its template.

use crate::{
    algorithm::KeyAlgorithm,
    dn::{Dn, FOLDERS},
    error::{Failure, code},
    template::{Template, is_host_name, is_network, validity_secs},
    validity::Period,
    wire,
};
use countersign::{
    Error,
    decide::{Request, RequestedKeyId, RequestedValidity},
    signer::private_key::GeneratedKey,
    ssh::{PublicKey, PublicKeyError},
    types::{CertType, CidrList},
};
use std::collections::BTreeMap;

/// What is kept as the origin of a request that names none.
const DEFAULT_ORIGIN: &str = "Web SDK";
/// The most bytes of a public key line, and of what is only recorded.
const MAX_LINE_BYTES: usize = 16 * 1024;
const MAX_TEXT_BYTES: usize = 1024;

/// The key to certify: as it was sent, or made here.
pub(crate) enum Subject {
    Given { key: PublicKey, line: String },
    Generated(GeneratedKey),
}

impl Subject {
    /// The public half.
    pub(crate) fn key(&self) -> &PublicKey {
        match self {
            Self::Given { key, .. } => key,
            Self::Generated(pair) => pair.public_key(),
        }
    }

    /// The line that answers hold: the one that was sent, to the letter.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Given { line, .. } => line.clone(),
            Self::Generated(pair) => pair.public_key().to_line(),
        }
    }

    /// The pair, where it was made here.
    pub(crate) fn pair(&self) -> Option<&GeneratedKey> {
        match self {
            Self::Given { .. } => None,
            Self::Generated(pair) => Some(pair),
        }
    }
}

/// A well-formed order.
#[derive(Debug)]
pub(crate) struct Order {
    /// The name of the object.
    pub(crate) dn: Dn,
    pub(crate) origin: String,
    pub(crate) destinations: Vec<String>,
    /// Host names among the source addresses: sshd refuses a certificate with one.
    pub(crate) warning: Option<String>,
    cert_type: CertType,
    principals: Option<Vec<String>>,
    validity: RequestedValidity,
    key_id: RequestedKeyId,
    critical_options: Option<BTreeMap<String, String>>,
    extensions: Option<BTreeMap<String, String>>,
}

/// The folder that a body names, if it does.
pub(crate) fn folder(body: &wire::CertificateRequest) -> Result<Option<Dn>, Failure> {
    let Some(text) = &body.policy_dn else {
        return Ok(None);
    };
    let folder = Dn::parse(text).map_err(|error| Failure::field("PolicyDN", error))?;
    if !folder.is_within(FOLDERS) {
        let text = r"PolicyDN: the folder was not found: folders lie below \VED\Policy";
        return Err(Failure::invalid(code::FOLDER, text));
    }
    Ok(Some(folder))
}

impl Order {
    /// Reads what `body` asks of `template`, in `folder` if it names one, at `now` (Unix seconds).
    pub(crate) fn parse(
        body: &wire::CertificateRequest,
        template: &Template,
        folder: Option<Dn>,
        now: u64,
    ) -> Result<Self, Failure> {
        let (client, control) = (&template.api_client, &template.access_control);
        let key_id = key_id(body, template)?;
        let (RequestedKeyId::Chosen(name) | RequestedKeyId::Default(name)) = &key_id;
        let is_host = template.cert_type() == CertType::Host;
        let critical_options = if is_host {
            None
        } else {
            check_source_addresses(body.source_addresses.as_deref().unwrap_or_default())?;
            critical_options(body, control)
        };
        let extensions = body
            .extensions
            .as_ref()
            .filter(|_| client.extensions && !is_host)
            .map(|all| {
                all.iter()
                    .map(|(name, value)| (name.clone(), value.clone().unwrap_or_default()))
                    .collect()
            });
        Ok(Self {
            dn: object_name(body, template, folder, name)?,
            origin: recorded("Origin", body.origin.as_deref().unwrap_or(DEFAULT_ORIGIN))?,
            destinations: body
                .destination_address
                .iter()
                .chain(&body.destination_addresses)
                .map(|address| recorded("DestinationAddress", address))
                .collect::<Result<_, _>>()?,
            warning: critical_options
                .as_ref()
                .or((!is_host).then_some(&BTreeMap::new()))
                .and_then(|options| warning(options, control)),
            cert_type: template.cert_type(),
            principals: body.principals.clone().filter(|_| client.principals),
            validity: validity(body.validity_period.as_deref(), template, now)?,
            key_id,
            critical_options,
            extensions,
        })
    }

    /// The core's request, for `subject`.
    pub(crate) fn request(&self, subject: &PublicKey) -> Request {
        Request {
            subject_key: subject.clone(),
            cert_type: self.cert_type,
            principals: self.principals.clone(),
            validity: self.validity,
            key_id: self.key_id.clone(),
            critical_options: self.critical_options.clone(),
            extensions: self.extensions.clone(),
        }
    }
}

/// The key that `body` sends, or a pair of the template's kind.
pub(crate) async fn subject(
    body: &wire::CertificateRequest,
    template: &Template,
) -> Result<Subject, Failure> {
    if let Some(line) = &body.public_key_data {
        return Ok(Subject::Given {
            key: public_key(line)?,
            line: line.clone(),
        });
    }
    let name = &template.certificate.default_private_key_algorithm;
    let spec = KeyAlgorithm::parse(name).and_then(KeyAlgorithm::spec);
    let spec = spec.ok_or_else(|| {
        Failure::field(
            "PublicKeyData",
            "it is missing, and this template makes no key pairs",
        )
    })?;
    let pair = GeneratedKey::generate(spec).await.map_err(Error::from)?;
    Ok(Subject::Generated(pair))
}

/// The key in the line that `body` sends, where it is one.
pub(crate) fn sent_key(body: &wire::CertificateRequest) -> Option<PublicKey> {
    public_key(body.public_key_data.as_deref()?).ok()
}

fn public_key(line: &str) -> Result<PublicKey, Failure> {
    let bad = |reason: &str| Failure::invalid(code::BAD_KEY_FORMAT, format!("PublicKeyData: {reason}"));
    if line.len() > MAX_LINE_BYTES {
        return Err(bad("it is too long"));
    }
    PublicKey::from_line(line).map_err(|error| match error {
        PublicKeyError::RsaSize(bits) if bits > 8192 => {
            Failure::invalid(code::KEY_LENGTH, format!("Unsupported key length: {error}."))
        }
        PublicKeyError::RsaSize(_) | PublicKeyError::UnsupportedType(_) => Failure::invalid(
            code::KEY_ALGORITHM,
            format!("Non-compliant key algorithm: {error}."),
        ),
        PublicKeyError::Base64
        | PublicKeyError::Certificate
        | PublicKeyError::Malformed(_)
        | PublicKeyError::NotAKeyLine
        | PublicKeyError::Point => bad(&error.to_string()),
    })
}

/// What is recorded as it is.
fn recorded(field: &str, text: &str) -> Result<String, Failure> {
    if text.len() > MAX_TEXT_BYTES || text.contains(char::is_control) {
        let reason = format!("at most {MAX_TEXT_BYTES} bytes without control characters");
        return Err(Failure::field(field, reason));
    }
    Ok(text.to_owned())
}

/// The key id that was asked for, or the template's where none was, or none may be.
fn key_id(body: &wire::CertificateRequest, template: &Template) -> Result<RequestedKeyId, Failure> {
    let default = template.access_control.default_certificate_identifier.as_ref();
    let may = template.api_client.certificate_identifier;
    match (&body.key_id, default) {
        (Some(text), Some(default)) if text == default => Ok(RequestedKeyId::Default(text.clone())),
        (Some(text), _) if may => Ok(RequestedKeyId::Chosen(text.clone())),
        (_, Some(default)) => Ok(RequestedKeyId::Default(default.clone())),
        (None, None) => Err(Failure::field(
            "KeyId",
            "it is missing, and the template has no default",
        )),
        (Some(_), None) => Err(Failure::field(
            "KeyId",
            "the template does not let callers choose it, and has no default",
        )),
    }
}

fn object_name(
    body: &wire::CertificateRequest,
    template: &Template,
    folder: Option<Dn>,
    key_id: &str,
) -> Result<Dn, Failure> {
    let (field, name) = match &body.object_name {
        Some(name) => ("ObjectName", name.as_str()),
        None => ("KeyId", key_id),
    };
    let folder = match folder {
        Some(folder) => folder,
        None => Dn::parse(&template.certificate.certificate_destination_dn)
            .map_err(|error| Error::internal(error.to_string()))?,
    };
    folder
        .child(name)
        .map_err(|error| Failure::field(field, format!("it names the certificate object: {error}")))
}

/// Refuses what is neither an address nor a name.
fn check_source_addresses(addresses: &[String]) -> Result<(), Failure> {
    let mut parts = addresses.iter().flat_map(|entry| entry.split(','));
    match parts.find(|part| !is_network(part.trim()) && !is_host_name(part.trim())) {
        Some(part) => {
            let reason = format!("{part:?} is neither an address, a network nor a host name");
            Err(Failure::field("SourceAddresses", reason))
        }
        None => Ok(()),
    }
}

/// What is asked for of the template's two options; one that is not asked for keeps its default. `None` where neither
/// is.
fn critical_options(
    body: &wire::CertificateRequest,
    control: &wire::AccessControl,
) -> Option<BTreeMap<String, String>> {
    if body.force_command.is_none() && body.source_addresses.is_none() {
        return None;
    }
    let command = body
        .force_command
        .as_ref()
        .or(control.default_force_command.as_ref());
    let addresses = body.source_addresses.as_ref();
    let defaults = Some(&control.default_source_addresses).filter(|list| !list.is_empty());
    let addresses = addresses.or(defaults).map(|list| list.join(","));
    let options = [("force-command", command.cloned()), ("source-address", addresses)];
    Some(
        options
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)))
            .collect(),
    )
}

/// What to say where a source address is a host's name.
fn warning(asked: &BTreeMap<String, String>, control: &wire::AccessControl) -> Option<String> {
    let list = match asked.get("source-address") {
        Some(list) => list.clone(),
        None => control.default_source_addresses.join(","),
    };
    let is_name = |part: &&str| !part.trim().is_empty() && CidrList::parse(part).is_err();
    let names: Vec<&str> = list.split(',').filter(is_name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "SourceAddresses has host names ({}): sshd refuses every login with this certificate.",
            names.join(", ")
        )
    })
}

/// As long as asked, but no longer than the template has it.
fn validity(text: Option<&str>, template: &Template, now: u64) -> Result<RequestedValidity, Failure> {
    let limit = validity_secs(template)?;
    let Some(text) = text else {
        return Ok(RequestedValidity::RoleDefault);
    };
    match Period::parse(text).map_err(|error| Failure::field("ValidityPeriod", error))? {
        Period::For(secs) => Ok(RequestedValidity::Ttl(secs.min(limit))),
        Period::Until(end) if end <= now => Err(Failure::field("ValidityPeriod", "it is past")),
        Period::Until(end) => Ok(RequestedValidity::Until(end.min(now.saturating_add(limit)))),
    }
}
