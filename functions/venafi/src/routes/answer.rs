//! What `Request` and `Retrieve` answer of a certificate.

use super::templates::bare_fingerprint;
use crate::{
    object::Object,
    wire::{self, Status},
};
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use countersign::{
    Error,
    certificates::CertificateRecord,
    ssh::{Certificate, CertificateFields},
    types::CertType,
};

/// What an answer holds beside the certificate.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    pub(super) with_details: bool,
    pub(super) private_key: Option<String>,
    /// What whoever asks should know.
    pub(super) notes: Vec<String>,
}

/// A certificate that is not there yet, or never will be.
pub(super) fn without(
    object: &Object,
    status: Status,
    description: Option<String>,
) -> wire::CertificateAnswer {
    wire::CertificateAnswer {
        dn: Some(object.dn.clone()),
        guid: Some(object.guid.to_string()),
        cadn: None,
        ca_guid: None,
        certificate_data: None,
        public_key_data: None,
        private_key_data: None,
        certificate_details: None,
        processing_details: wire::ProcessingDetails {
            status: Some(status),
            status_description: description,
        },
        request_details: None,
        response: wire::WebResponse::success(),
    }
}

/// A certificate that was signed.
pub(super) fn issued(
    object: &Object,
    record: &CertificateRecord,
    beside: Beside,
) -> Result<wire::CertificateAnswer, Error> {
    let line = record.certificate_line()?;
    let line = line.ok_or_else(|| Error::internal("a certificate without a signature was to be shown"))?;
    let certificate = Certificate::from_line(&line).map_err(Error::internal)?;
    let fields = certificate.fields();
    let mut notes = beside.notes;
    notes.extend(object.warning.clone());
    Ok(wire::CertificateAnswer {
        cadn: Some(object.template_dn.clone()),
        ca_guid: Some(object.template.to_string()),
        certificate_data: Some(format!("{line} {}", fields.key_id)),
        public_key_data: Some(object.public_key.clone()),
        private_key_data: beside.private_key,
        certificate_details: beside.with_details.then(|| details(fields, certificate.bytes())),
        request_details: Some(wire::RequestDetails {
            originating_ip: record.source_ip.map(|address| address.to_string()),
            requested_by: record.display_name.clone(),
        }),
        ..without(
            object,
            Status::Issued,
            (!notes.is_empty()).then(|| notes.join(" ")),
        )
    })
}

fn details(fields: &CertificateFields, blob: &[u8]) -> wire::CertificateDetails {
    let option = |name| fields.critical_options.value(name);
    wire::CertificateDetails {
        key_type: fields.subject_key.certificate_name().into(),
        certificate_type: match fields.cert_type {
            CertType::User => "Client",
            CertType::Host => "Host",
        }
        .into(),
        certificate_fingerprint: STANDARD_NO_PAD.encode(digest::digest(&digest::SHA256, blob)),
        ca_fingerprint: bare_fingerprint(&fields.signature_key.fingerprint()),
        public_key_fingerprint: bare_fingerprint(&fields.subject_key.fingerprint()),
        key_id: fields.key_id.to_string(),
        serial_number: fields.serial.to_string(),
        principals: fields.valid_principals.iter().map(str::to_owned).collect(),
        valid_from: fields.validity.valid_after(),
        valid_to: fields.validity.valid_before(),
        force_command: option("force-command").map(str::to_owned),
        source_addresses: option("source-address")
            .map(|list| list.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
        extensions: fields
            .extensions
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}
