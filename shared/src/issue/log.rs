//! What the log says of a certificate: one line for each that was asked for, whatever came of it.

use super::{Issuance, Issued};
use crate::{
    audit::Decision, certificates::CertificateRecord, error::Error, services::Services,
    ssh::CertificateFields,
};

/// The line of the log for a certificate that is asked for.
pub(super) fn decision_of(services: &Services, issuance: &Issuance<'_>) -> Decision {
    let (origin, request) = (issuance.origin, issuance.request);
    Decision {
        time_ms: services.clock.now_ms(),
        request_id: origin.request_id.clone(),
        family: origin.family.into(),
        action: "issue".into(),
        outcome: "granted",
        accessor: origin.accessor.clone(),
        display_name: origin.display_name.clone(),
        source_ip: origin.source_ip,
        role: origin.role.clone(),
        authority: issuance.authority.id.to_string(),
        cert_type: Some(request.cert_type),
        principals: request.principals.clone().unwrap_or_default(),
        subject_key: request.subject_key.fingerprint(),
        ..Decision::default()
    }
}

/// The line of the log for a certificate that was recorded before.
pub(super) fn decision_to_complete(services: &Services, record: &CertificateRecord) -> Decision {
    Decision {
        time_ms: services.clock.now_ms(),
        request_id: record.request_id.clone(),
        family: record.family.clone(),
        action: "issue".into(),
        outcome: "granted",
        accessor: record.accessor.clone(),
        display_name: record.display_name.clone(),
        source_ip: record.source_ip,
        role: record.role.clone(),
        authority: record.authority.to_string(),
        ..Decision::default()
    }
}

pub(super) fn note_recorded(decision: &mut Decision, record: &CertificateRecord) -> Result<(), Error> {
    note(decision, &record.fields()?);
    Ok(())
}

pub(super) fn note_refused(decision: &mut Decision, error: &Error) {
    decision.outcome = error.kind();
    decision.reason = Some(error.chain());
    decision.rule = match error {
        Error::Refused(refusal) => Some(refusal.name()),
        _ => None,
    };
}

pub(super) fn note_granted(decision: &mut Decision, issued: &Issued) {
    note(decision, issued.certificate.fields());
}

fn note(decision: &mut Decision, fields: &CertificateFields) {
    decision.cert_type = Some(fields.cert_type);
    decision.subject_key = fields.subject_key.fingerprint();
    decision.principals = fields.valid_principals.iter().map(str::to_owned).collect();
    decision.key_id = fields.key_id.to_string();
    decision.serial = Some(fields.serial.to_string());
    decision.valid_before = Some(fields.validity.valid_before());
}
