//! The one way to a certificate: decide, record, sign, verify, return.
//!
//! The order is the point. The record is committed before the signer is called, so a crash leaves a record without a
//! certificate, never a certificate without a record; and nothing leaves before its signature has been checked with
//! the CA key.
//!
//! [`issue`] goes the way in one call. A dialect that lets its callers wait goes it in two: [`record`] up to the record,
//! [`complete`] from there on, whenever that is and however often it takes.

use crate::{
    audit::Decision,
    authority::{Authority, AuthorityState},
    certificates::{self, CertificateList, CertificateRecord},
    days,
    error::Error,
    handed_out,
    policy::{self, IssuancePlan, Request},
    retirement,
    role::Role,
    services::Services,
    signer::{Signer, SignerError},
    ssh::{
        CertificateFields, IssuedCertificate, PublicKey, SignatureAlgorithm, TbsCertificate, signature_blob,
    },
    store::{Condition, FIRST_VERSION, Key, Record, StoreError, Write},
    types::{Ksuid, Serial, sha256_hex},
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
    let mut decision = decision_of(services, &issuance);
    let outcome = issue_unlogged(services, &issuance, &mut decision).await;
    match &outcome {
        Ok(issued) => note_granted(&mut decision, issued),
        Err(error) => note_refused(&mut decision, error),
    }
    services.audit.record(&decision);
    outcome
}

/// A certificate whose record is committed, and which nobody has signed yet: that is [`complete`]'s.
#[derive(Clone, Debug)]
pub struct Pending {
    /// What is recorded.
    pub record: CertificateRecord,
    /// The stored record.
    pub stored: Record,
    /// The hash of the bytes that are to be signed, see [`tbs_hash`].
    pub tbs_hash: String,
    /// How the CA key signs; `None` leaves it to the key.
    pub signature_algorithm: Option<SignatureAlgorithm>,
}

/// The lower-case hex SHA-256 of the bytes that are to be signed for `record`.
///
/// A family whose certificates are signed some time after they were recorded keeps it where its roles lie, apart from
/// the record: so whoever can write the table of certificates alone cannot have anything signed.
///
/// # Errors
/// `Internal` where the record is unreadable.
pub fn tbs_hash(record: &CertificateRecord) -> Result<String, Error> {
    let bytes = STANDARD.decode(&record.tbs).map_err(Error::internal)?;
    Ok(sha256_hex(&bytes))
}

/// Decides, and commits the record of a certificate whose signature will be kept, without signing it; writes the decision
/// to the log. What `also` gives is written together with the record, or not at all. The signer need not answer.
///
/// # Errors
/// As [`issue`], the signer's failures apart; `Conflict` also where a condition of `also` does not hold.
pub async fn record(
    services: &Services,
    issuance: &Issuance<'_>,
    also: impl Fn(&CertificateRecord) -> Result<Vec<Write>, Error> + Send + Sync,
) -> Result<Pending, Error> {
    let mut decision = decision_of(services, issuance);
    decision.action = "record".into();
    let outcome = record_unlogged(services, issuance, &also).await;
    match &outcome {
        Ok(pending) => note_recorded(&mut decision, &pending.record)?,
        Err(error) => note_refused(&mut decision, error),
    }
    services.audit.record(&decision);
    outcome
}

async fn record_unlogged(
    services: &Services,
    issuance: &Issuance<'_>,
    also: &Also<'_>,
) -> Result<Pending, Error> {
    let now = time_of_issue(services, issuance);
    let plan = policy::decide(issuance.role, issuance.request, now)?;
    let ca = match signer(services, issuance.authority).await {
        Ok(signer) => CaKey::of(&*signer),
        Err(Error::Throttled { .. } | Error::Unavailable(_)) => CaKey {
            public_key: issuance.authority.ca_key()?,
            // Whoever signs will see.
            message_limit: None,
        },
        Err(error) => return Err(error),
    };
    let default = issuance.authority.algorithm()?;
    check_algorithm(plan.signature_algorithm.unwrap_or(default), &ca)?;
    let recorded = record_intent(services, issuance, &plan, &ca, now, also).await?;
    Ok(Pending {
        tbs_hash: tbs_hash(&recorded.record)?,
        record: recorded.record,
        stored: recorded.stored,
        signature_algorithm: plan.signature_algorithm,
    })
}

/// Looks at records that were read, of which some may not be there, and refuses what they do not allow.
pub type Check<'a> = dyn Fn(&[Option<Record>]) -> Result<(), Error> + Send + Sync + 'a;

/// What a family adds to [`complete`].
pub struct Completion<'a> {
    /// Written together with the signature.
    pub also: &'a [Write],
    /// Where the records lie that `check` is given.
    pub keys: &'a [Key],
    /// Looks at the records at `keys`, as they are while the signer works. What it refuses does not leave.
    pub check: &'a Check<'a>,
}

/// Signs what was recorded, and keeps the signature; writes that to the log. What `completion` holds is written together
/// with the signature, and looked at before.
///
/// Several may try it at the same time, and again after a failure: they sign the same bytes, and one signature is kept.
/// Whoever comes late gets that one.
///
/// # Errors
/// `Refused` where it would have ended already; `Conflict` where the authority is retired, or the record was changed; what
/// the check of `completion` gives; `InvalidRequest` where the signer will never sign it; `Throttled` and `Unavailable` where a store or signer fails,
/// after which it may be tried again.
pub async fn complete(
    services: &Services,
    authority: &Authority,
    pending: Pending,
    completion: &Completion<'_>,
) -> Result<Issued, Error> {
    let mut decision = decision_to_complete(services, &pending.record);
    let outcome = complete_unlogged(services, authority, pending, completion, &mut decision).await;
    match &outcome {
        Ok(issued) => note_granted(&mut decision, issued),
        Err(error) => note_refused(&mut decision, error),
    }
    services.audit.record(&decision);
    outcome
}

async fn complete_unlogged(
    services: &Services,
    authority: &Authority,
    pending: Pending,
    completion: &Completion<'_>,
    decision: &mut Decision,
) -> Result<Issued, Error> {
    let Pending { record, stored, .. } = &pending;
    if tbs_hash(record)? != pending.tbs_hash || record.authority != authority.id {
        return Err(Error::internal(format!(
            "the record {} is not the one that was committed",
            record.id
        )));
    }
    let id = Ksuid::parse(&record.id).map_err(Error::internal)?;
    let bytes = STANDARD.decode(&record.tbs).map_err(Error::internal)?;
    let tbs = TbsCertificate::recorded(&bytes).map_err(Error::internal)?;
    if let Some(signature) = &record.signature {
        let blob = STANDARD.decode(signature).map_err(Error::internal)?;
        let certificate = IssuedCertificate::attach(tbs, blob).map_err(Error::internal)?;
        return Ok(Issued {
            certificate,
            record: record.clone(),
            stored: stored.clone(),
        });
    }
    if tbs.fields().validity.valid_before() <= services.clock.now() {
        return Err(policy::Refusal::AlreadyExpired.into());
    }
    let signer = signer(services, authority).await;
    decision.signer_failed = signer.as_ref().is_err_and(is_failure);
    let signer = signer?;
    let ca = CaKey::of(&*signer);
    let algorithm = pending.signature_algorithm.unwrap_or_else(|| signer.algorithm());
    check_algorithm(algorithm, &ca)?;
    check_size(&tbs, &ca)?;
    // A retirement that looked between the record and now may have removed the hold: then it replaced the record too.
    if stored.version > FIRST_VERSION {
        let hold = certificates::hold_record(&record.authority, id, stored.expires_at);
        services
            .store
            .write(&[Write::Put(hold, Condition::Always)])
            .await?;
    }
    let signing = timed(services, sign(&*signer, algorithm, tbs));
    let looking = async {
        let keys = completion.keys;
        let found = retirement::check_in_service_and_read(services, &authority.id, keys).await?;
        (completion.check)(&found)
    };
    let ((certificate, sign_ms), looked) = crate::join(signing, looking).await;
    decision.sign_ms = Some(sign_ms);
    decision.signer_failed = certificate.as_ref().is_err_and(is_failure);
    looked?;
    let certificate = certificate?;
    let kept = keep_signature(
        services,
        &certificate,
        record.clone(),
        stored.clone(),
        id,
        completion.also,
    )
    .await;
    match kept {
        Ok((record, stored)) => Ok(Issued {
            certificate,
            record,
            stored,
        }),
        Err(Error::Conflict(text)) => completed_by_another(services, id, &pending.tbs_hash)
            .await?
            .ok_or(Error::Conflict(text)),
        Err(error) => Err(error),
    }
}

/// What somebody else made of the record meanwhile, if it is the same certificate with a signature.
async fn completed_by_another(
    services: &Services,
    id: Ksuid,
    expected_hash: &str,
) -> Result<Option<Issued>, Error> {
    let Some((record, stored)) = certificates::read(&*services.store, id).await? else {
        return Ok(None);
    };
    let Some(signature) = record.signature.clone() else {
        return Ok(None);
    };
    if tbs_hash(&record)? != expected_hash {
        return Ok(None);
    }
    let bytes = STANDARD.decode(&record.tbs).map_err(Error::internal)?;
    let tbs = TbsCertificate::recorded(&bytes).map_err(Error::internal)?;
    let blob = STANDARD.decode(signature).map_err(Error::internal)?;
    let certificate = IssuedCertificate::attach(tbs, blob).map_err(Error::internal)?;
    Ok(Some(Issued {
        certificate,
        record,
        stored,
    }))
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
    let plan = policy::decide(issuance.role, issuance.request, now)?;
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
    let in_service = retirement::check_in_service(services, &issuance.authority.id);
    let ((certificate, sign_ms), in_service) = crate::join(signing, in_service).await;
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
                return Ok(Recorded {
                    id,
                    tbs,
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

/// Carries out `writes`, and on this process's first certificate of a day in `list`, notes the day too; at the same time,
/// since neither matters before both are there.
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

fn decision_of(services: &Services, issuance: &Issuance<'_>) -> Decision {
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
fn decision_to_complete(services: &Services, record: &CertificateRecord) -> Decision {
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

fn note_recorded(decision: &mut Decision, record: &CertificateRecord) -> Result<(), Error> {
    note(decision, &record.fields()?);
    Ok(())
}

fn note_refused(decision: &mut Decision, error: &Error) {
    decision.outcome = error.kind();
    decision.reason = Some(error.chain());
    decision.rule = match error {
        Error::Refused(refusal) => Some(refusal.name()),
        _ => None,
    };
}

fn note_granted(decision: &mut Decision, issued: &Issued) {
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
