//! The one way to a certificate: decide, record, sign, verify, return.
//!
//! The order is the point. The record is committed before the signer is called, so a crash leaves a record without a
//! certificate, never a certificate without a record; and nothing leaves before its signature has been checked with
//! the CA key.
//!
//! [`issue`] goes the way in one call. A dialect that lets its callers wait goes it in two: [`record`] up to the
//! record, [`complete`] from there on, whenever that is and however often it takes.

mod halves;
mod log;

pub use halves::{Check, Completion, Pending, Seen, complete, record, tbs_hash};

use crate::{
    audit::Decision,
    authority::{Authority, AuthorityState},
    certificates::{self, CertificateList, CertificateRecord},
    days,
    decide::{IssuancePlan, Request, decide},
    error::Error,
    handed_out,
    retirement::{self, InService},
    role::Role,
    services::Services,
    signer::{Signer, SignerError},
    ssh::{
        CertificateFields, IssuedCertificate, PublicKey, SignatureAlgorithm, TbsCertificate, signature_blob,
    },
    store::{Condition, Record, StoreError, Write},
    types::{Ksuid, Serial},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{collections::BTreeMap, future::Future, net::IpAddr, sync::Arc};

/// How often a new serial is drawn when one is taken. Two in a row are as likely as a defect; four are one.
const SERIAL_TRIES: usize = 4;

/// Who asks, through what, for the record and the log.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The family: `vault`, `ngrok`, …
    pub family: &'static str,
    /// The role, template or host, as the family names it.
    pub role: String,
    /// The accessor of the caller's token.
    pub accessor: String,
    /// The caller's name, for people.
    pub display_name: String,
    /// The caller's address, as the gateway saw it.
    pub source_ip: Option<IpAddr>,
    /// The id of the request, as the caller is told it.
    pub request_id: String,
}

/// One certificate to be issued.
pub struct Issuance<'a> {
    /// Who signs.
    pub authority: &'a Authority,
    /// What may be signed.
    pub role: &'a Role,
    /// What is asked.
    pub request: &'a Request,
    /// Who asks.
    pub origin: &'a Origin,
    /// The id of the record, where the family has told the caller already or needs it inside the certificate. Its
    /// time is then the time of issue.
    pub id: Option<CertificateId>,
    /// Whether the family must be able to return the certificate again. Such a certificate holds its authority; see
    /// [`crate::retirement`].
    pub keep_signature: bool,
    /// Proof that the authority is in service, where the family has it from the read that gave the authority. Without
    /// it, an issuance that holds its authority reads that once more, beside the signing.
    pub in_service: Option<InService>,
    /// What the family keeps beside the record.
    pub details: BTreeMap<String, serde_json::Value>,
}

/// The serial and the id of a certificate to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateId {
    /// The serial.
    pub serial: Serial,
    /// The id, whose payload ends with the serial.
    pub id: Ksuid,
}

impl CertificateId {
    /// A serial that nobody can foresee, and an id of the present second.
    ///
    /// # Errors
    /// As [`crate::random::Random::fill`].
    pub fn draw(services: &Services) -> Result<Self, Error> {
        let serial = Serial::draw(&*services.random)?;
        let id = CertificateRecord::draw_id(services.clock.now_ms(), serial, &*services.random)?;
        Ok(Self { serial, id })
    }
}

/// A certificate and its record.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: IssuedCertificate,
    /// What was recorded.
    pub record: CertificateRecord,
    /// The stored record, for a later change.
    pub stored: Record,
}

/// Issues one certificate, and writes the decision to the log.
///
/// # Errors
/// `Refused` where the role does not allow it; `Conflict` where the authority is or becomes retired, or the given id is
/// taken;
/// `Throttled` and `Unavailable` where a store or signer fails, after which the same request may be repeated: no
/// certificate left, though a record may have stayed.
pub async fn issue(services: &Services, issuance: Issuance<'_>) -> Result<Issued, Error> {
    let mut decision = log::decision_of(services, &issuance);
    let outcome = issue_unlogged(services, &issuance, &mut decision).await;
    match &outcome {
        Ok(issued) => log::note_granted(&mut decision, issued),
        Err(error) => log::note_refused(&mut decision, error),
    }
    services.audit.record(&decision);
    outcome
}

/// What is known of a CA key before it signs.
struct CaKey {
    public_key: PublicKey,
    message_limit: Option<usize>,
}

impl CaKey {
    fn of(signer: &dyn Signer) -> Self {
        Self {
            public_key: signer.public_key().clone(),
            message_limit: signer.message_limit(),
        }
    }
}

/// Writes that go together with a record.
type Also<'a> = dyn Fn(&CertificateRecord) -> Result<Vec<Write>, Error> + Send + Sync + 'a;

fn nothing_else(_: &CertificateRecord) -> Result<Vec<Write>, Error> {
    Ok(Vec::new())
}

fn time_of_issue(services: &Services, issuance: &Issuance<'_>) -> u64 {
    match issuance.id {
        Some(given) => given.id.unix_secs(),
        None => services.clock.now(),
    }
}

fn check_algorithm(algorithm: SignatureAlgorithm, ca: &CaKey) -> Result<(), Error> {
    if algorithm.fits(&ca.public_key) {
        return Ok(());
    }
    let reason = format!("the CA key cannot sign with {algorithm}");
    Err(Error::invalid("signature_algorithm", reason))
}

fn check_size(tbs: &TbsCertificate, ca: &CaKey) -> Result<(), Error> {
    match ca.message_limit {
        Some(limit) if tbs.bytes().len() > limit => Err(too_large(tbs.bytes().len(), limit)),
        _ => Ok(()),
    }
}

async fn issue_unlogged(
    services: &Services,
    issuance: &Issuance<'_>,
    decision: &mut Decision,
) -> Result<Issued, Error> {
    let now = time_of_issue(services, issuance);
    let plan = decide(issuance.role, issuance.request, now)?;
    let signer = signer(services, issuance.authority).await;
    decision.signer_failed = signer.as_ref().is_err_and(is_failure);
    let signer = signer?;
    let ca = CaKey::of(&*signer);
    let algorithm = plan.signature_algorithm.unwrap_or_else(|| signer.algorithm());
    check_algorithm(algorithm, &ca)?;
    let recorded = record_intent(services, issuance, &plan, &ca, now, &nothing_else).await?;

    let signing = timed(services, sign(&*signer, algorithm, recorded.tbs));
    if !keeps_signature(services, issuance) {
        let (certificate, sign_ms) = signing.await;
        decision.sign_ms = Some(sign_ms);
        decision.signer_failed = certificate.as_ref().is_err_and(is_failure);
        return Ok(Issued {
            certificate: certificate?,
            record: recorded.record,
            stored: recorded.stored,
        });
    }
    let looking = async {
        match recorded.is_seen {
            true => Ok(()),
            false => retirement::check_in_service(services, &issuance.authority.id).await,
        }
    };
    let ((certificate, sign_ms), in_service) = crate::join(signing, looking).await;
    decision.sign_ms = Some(sign_ms);
    decision.signer_failed = certificate.as_ref().is_err_and(is_failure);
    in_service?;
    let certificate = certificate?;
    let (record, stored) = keep_signature(
        services,
        &certificate,
        recorded.record,
        recorded.stored,
        recorded.id,
        &[],
    )
    .await?;
    Ok(Issued {
        certificate,
        record,
        stored,
    })
}

/// Whether it is the signer's fault, and not that of what it was asked.
fn is_failure(error: &Error) -> bool {
    matches!(
        error,
        Error::Internal(_) | Error::Throttled { .. } | Error::Unavailable(_)
    )
}

fn keeps_signature(services: &Services, issuance: &Issuance<'_>) -> bool {
    issuance.keep_signature || services.settings.keep_signatures
}

/// What `work` gives, and how many milliseconds it took.
async fn timed<T>(services: &Services, work: impl Future<Output = T>) -> (T, u64) {
    let started = services.clock.now_ms();
    let output = work.await;
    (output, services.clock.now_ms().saturating_sub(started))
}

async fn signer(services: &Services, authority: &Authority) -> Result<Arc<dyn Signer>, Error> {
    if authority.state == AuthorityState::Retired {
        return Err(retirement::retired());
    }
    let signer = services.keyring.signer(authority).await?;
    if *signer.public_key() != authority.ca_key()? {
        return Err(Error::internal(format!(
            "the key of authority {} is not the recorded one",
            authority.id
        )));
    }
    Ok(signer)
}

struct Recorded {
    id: Ksuid,
    tbs: TbsCertificate,
    record: CertificateRecord,
    stored: Record,
    /// Whether nobody retires the authority without seeing the hold, so that nobody has to look for that.
    is_seen: bool,
}

/// Commits the record of what will be signed, under a serial that no other certificate has.
async fn record_intent(
    services: &Services,
    issuance: &Issuance<'_>,
    plan: &IssuancePlan,
    ca: &CaKey,
    now: u64,
    also: &Also<'_>,
) -> Result<Recorded, Error> {
    let nonce = crate::random::bytes::<32>(&*services.random)?;
    for _ in 0..SERIAL_TRIES {
        let CertificateId { serial, id } = match issuance.id {
            Some(given) => given,
            None => CertificateId::draw(services)?,
        };
        let tbs = TbsCertificate::encode(fields(plan, serial, nonce.to_vec(), &ca.public_key));
        check_size(&tbs, ca)?;
        let record = record_of(issuance, id, &tbs, now);
        let list = CertificateList {
            cert_type: plan.cert_type,
            signature_kept: false,
        };
        let stored = Record::new(certificates::key(serial), &record)?
            .expiring(expiry(services, issuance.keep_signature, plan))
            .listed(list.place(id));
        let mut writes = vec![Write::Put(stored.clone(), Condition::Absent)];
        if keeps_signature(services, issuance) {
            let hold = certificates::hold_record(&record.authority, id, stored.expires_at);
            writes.push(Write::Put(hold, Condition::Always));
        }
        writes.extend(also(&record)?);
        let noting = async {
            match keeps_signature(services, issuance) {
                true => Ok(()),
                false => handed_out::note(services, &record.authority, stored.expires_at).await,
            }
        };
        let (committed, noted) = crate::join(commit(services, list, id, &writes), noting).await;
        match committed.and(noted) {
            Ok(()) => {
                let in_service = issuance.in_service.as_ref();
                return Ok(Recorded {
                    id,
                    tbs,
                    is_seen: in_service.is_some_and(|proof| proof.covers(services, &record.authority)),
                    record,
                    stored,
                });
            }
            Err(StoreError::ConditionFailed(0)) if issuance.id.is_none() => {}
            Err(StoreError::ConditionFailed(0)) => {
                return Err(Error::Conflict(
                    "a certificate with this id exists already".into(),
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    // Whoever asks again draws others. That it happens at all is for the operator to see.
    Err(Error::unavailable(
        "every serial that was drawn is taken: the random numbers are not random",
    ))
}

/// Carries out `writes`, and on this process's first certificate of a day in `list`, notes the day too; at the same
/// time, since neither matters before both are there.
async fn commit(
    services: &Services,
    list: CertificateList,
    id: Ksuid,
    writes: &[Write],
) -> Result<(), StoreError> {
    let (written, noted) = crate::join(services.store.write(writes), days::note(services, list, id)).await;
    written.and(noted)
}

async fn sign(
    signer: &dyn Signer,
    algorithm: SignatureAlgorithm,
    tbs: TbsCertificate,
) -> Result<IssuedCertificate, Error> {
    let raw = signer.sign(&tbs, algorithm).await?;
    let blob = signature_blob(algorithm, signer.public_key(), &raw).map_err(SignerError::Signature)?;
    Ok(IssuedCertificate::attach(tbs, blob).map_err(SignerError::Signature)?)
}

/// Adds the signature to the record, which moves it to the list of certificates that can be returned again.
async fn keep_signature(
    services: &Services,
    certificate: &IssuedCertificate,
    mut record: CertificateRecord,
    stored: Record,
    id: Ksuid,
    also: &[Write],
) -> Result<(CertificateRecord, Record), Error> {
    record.signature = Some(STANDARD.encode(certificate.signature_blob()));
    let list = CertificateList {
        cert_type: certificate.fields().cert_type,
        signature_kept: true,
    };
    let replaced = stored.replaced(&record)?.listed(list.place(id));
    let mut writes = vec![Write::Put(replaced.clone(), Condition::Version(stored.version))];
    writes.extend_from_slice(also);
    match commit(services, list, id, &writes).await {
        Ok(()) => Ok((record, replaced)),
        // Only a retirement of its authority touches a record that was made just now.
        Err(StoreError::ConditionFailed(_)) => Err(retirement::retired()),
        Err(error) => Err(error.into()),
    }
}

fn fields(plan: &IssuancePlan, serial: Serial, nonce: Vec<u8>, ca_key: &PublicKey) -> CertificateFields {
    CertificateFields {
        subject_key: plan.subject_key.clone(),
        nonce,
        serial,
        cert_type: plan.cert_type,
        key_id: plan.key_id.clone(),
        valid_principals: plan.valid_principals.clone(),
        validity: plan.validity,
        critical_options: plan.critical_options.clone(),
        extensions: plan.extensions.clone(),
        signature_key: ca_key.clone(),
    }
}

fn too_large(size_bytes: usize, limit: usize) -> Error {
    let reason = format!(
        "the certificate would have {size_bytes} bytes to sign, and its CA key signs at most {limit}; \
         ask for fewer or shorter principals and options"
    );
    Error::invalid("certificate", reason)
}

fn record_of(issuance: &Issuance<'_>, id: Ksuid, tbs: &TbsCertificate, now: u64) -> CertificateRecord {
    let origin = issuance.origin;
    CertificateRecord {
        id: id.to_string(),
        created_at: now,
        authority: issuance.authority.id.clone(),
        family: origin.family.into(),
        role: origin.role.clone(),
        accessor: origin.accessor.clone(),
        display_name: origin.display_name.clone(),
        source_ip: origin.source_ip,
        request_id: origin.request_id.clone(),
        tbs: STANDARD.encode(tbs.bytes()),
        signature: None,
        details: issuance.details.clone(),
    }
}

/// When the record may be dropped. One that a family must return again stays until it is deleted there.
fn expiry(services: &Services, keep_signature: bool, plan: &IssuancePlan) -> Option<u64> {
    let end = plan.validity.valid_before();
    if keep_signature || end == u64::MAX {
        return None;
    }
    Some(end.saturating_add(services.settings.retention_secs))
}

impl From<SignerError> for Error {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::CannotSign(reason) => Self::invalid("certificate", reason),
            SignerError::KeyUnusable(_) | SignerError::Signature(_) => Self::internal(error),
            SignerError::Throttled => Self::Throttled { retry_after: None },
            SignerError::Unavailable(_) => Self::unavailable(error),
        }
    }
}
