//! A certificate's record, seen through this API: what it shows, and what it keeps beside it.

use crate::{order::resource_id, text::Texts, wire};
use countersign::{
    Error,
    certificates::CertificateRecord,
    ssh::{CertificateFields, KeyKind, PublicKey},
    store::Record,
    types::{CertType, timestamp},
};
use serde_json::Value;
use std::collections::BTreeMap;

const DELETED: &str = "ngrok_deleted";
const DESCRIPTION: &str = "ngrok_description";
const METADATA: &str = "ngrok_metadata";
const PUBLIC_KEY: &str = "ngrok_public_key";

/// What is kept beside the record of a new certificate.
pub(crate) fn details(texts: &Texts, public_key: Option<&str>) -> BTreeMap<String, Value> {
    let kept = [
        (DESCRIPTION, texts.description.as_deref()),
        (METADATA, texts.metadata.as_deref()),
        (PUBLIC_KEY, public_key),
    ];
    kept.into_iter()
        .filter_map(|(name, text)| text.filter(|text| !text.is_empty()).map(|text| (name, text)))
        .map(|(name, text)| (name.to_owned(), Value::from(text)))
        .collect()
}

/// Changes the texts that are given. Whether that changed anything.
pub(crate) fn apply(record: &mut CertificateRecord, texts: &Texts) -> bool {
    let before = record.details.clone();
    for (name, text) in [(DESCRIPTION, &texts.description), (METADATA, &texts.metadata)] {
        match text.as_deref() {
            None => {}
            Some("") => drop(record.details.remove(name)),
            Some(text) => drop(record.details.insert(name.into(), text.into())),
        }
    }
    record.details != before
}

/// Marks a record that is taken out of this API.
pub(crate) fn mark_deleted(record: &mut CertificateRecord) {
    record.details.insert(DELETED.into(), true.into());
}

/// Whether this API shows the certificate: it can be returned, was not deleted here, and its record has not ended.
pub(crate) fn is_visible(record: &CertificateRecord, stored: &Record, now: u64) -> bool {
    record.signature.is_some()
        && !record.details.contains_key(DELETED)
        && stored.expires_at.is_none_or(|end| end > now)
}

/// The host certificate of `record`; `uri` is its own.
pub(crate) fn host(record: &CertificateRecord, uri: String) -> Result<wire::SshHostCertificate, Error> {
    let fields = record.fields()?;
    Ok(wire::SshHostCertificate {
        id: resource_id(CertType::Host, &record.id),
        uri,
        created_at: timestamp::render(record.created_at),
        description: text(record, DESCRIPTION),
        metadata: text(record, METADATA),
        public_key: public_key(record, &fields),
        key_type: key_type(&fields.subject_key).into(),
        ssh_certificate_authority_id: record.authority.to_string(),
        principals: principals(&fields),
        valid_after: timestamp::render(fields.validity.valid_after()),
        valid_until: timestamp::render(fields.validity.valid_before()),
        certificate: certificate(record, CertType::Host)?,
    })
}

/// The user certificate of `record`; `uri` is its own.
pub(crate) fn user(record: &CertificateRecord, uri: String) -> Result<wire::SshUserCertificate, Error> {
    let fields = record.fields()?;
    Ok(wire::SshUserCertificate {
        id: resource_id(CertType::User, &record.id),
        uri,
        created_at: timestamp::render(record.created_at),
        description: text(record, DESCRIPTION),
        metadata: text(record, METADATA),
        public_key: public_key(record, &fields),
        key_type: key_type(&fields.subject_key).into(),
        ssh_certificate_authority_id: record.authority.to_string(),
        principals: principals(&fields),
        critical_options: owned(fields.critical_options.iter()),
        extensions: owned(fields.extensions.iter()),
        valid_after: timestamp::render(fields.validity.valid_after()),
        valid_until: timestamp::render(fields.validity.valid_before()),
        certificate: certificate(record, CertType::User)?,
    })
}

/// ngrok's word for the kind of `key`. It has none for keys in FIDO authenticators, which other families certify;
/// they are shown as what they are underneath.
pub(crate) fn key_type(key: &PublicKey) -> &'static str {
    match key.kind() {
        KeyKind::Ecdsa | KeyKind::SkEcdsa => "ecdsa",
        KeyKind::Ed25519 | KeyKind::SkEd25519 => "ed25519",
        KeyKind::Rsa => "rsa",
    }
}

fn text(record: &CertificateRecord, name: &str) -> String {
    let text = record.details.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn public_key(record: &CertificateRecord, fields: &CertificateFields) -> String {
    let as_sent = record.details.get(PUBLIC_KEY).and_then(Value::as_str);
    as_sent.map_or_else(|| fields.subject_key.to_line(), str::to_owned)
}

fn principals(fields: &CertificateFields) -> Vec<String> {
    fields.valid_principals.iter().map(str::to_owned).collect()
}

fn owned<'a>(options: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    options
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The certificate's line with the resource's id for its comment.
fn certificate(record: &CertificateRecord, cert_type: CertType) -> Result<String, Error> {
    let line = record.certificate_line()?;
    let line = line.ok_or_else(|| Error::internal("a certificate without a signature was to be shown"))?;
    Ok(format!("{line} {}", resource_id(cert_type, &record.id)))
}
