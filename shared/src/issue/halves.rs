//! The way to a certificate in two halves, for a dialect that lets its callers wait: [`record`] up to the record,
//! [`complete`] from there on, whenever that is and however often it takes.

use super::{
    Also, CaKey, Issuance, Issued, check_algorithm, check_size, is_failure, keep_signature, log,
    record_intent, sign, signer, time_of_issue, timed,
};
use crate::{
    audit::Decision,
    authority::Authority,
    certificates::{self, CertificateRecord},
    decide::decide,
    error::Error,
    refusal::Refusal,
    retirement,
    services::Services,
    ssh::SignatureAlgorithm,
    store::{Condition, FIRST_VERSION, Key, Record, Write},
    types::{Ksuid, sha256_hex},
};
use base64::{Engine, engine::general_purpose::STANDARD};

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
    /// Proof that nothing has to be looked at before it is signed, where [`record`] has it.
    pub seen: Option<Seen>,
}

/// Proof that a certificate was recorded while its [`InService`](retirement::InService) held: whoever retires the
/// authority, or removes what the family looked at with the same read, sees the record. Only [`record`] gives it.
#[derive(Clone, Debug)]
pub struct Seen(Ksuid);

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

/// Decides, and commits the record of a certificate whose signature will be kept, without signing it; writes the
/// decision to the log. What `also` gives is written together with the record, or not at all. The signer need not
/// answer.
///
/// With the proof of `issuance` that the authority is in service a family says, too, that its check (of [`Completion`])
/// has passed on what the same read gave, and that whoever makes it fail waits as a retirement does ([`crate::grace`]).
///
/// # Errors
/// As [`issue`](super::issue), the signer's failures apart; `Conflict` also where a condition of `also` does not hold.
pub async fn record(
    services: &Services,
    issuance: &Issuance<'_>,
    also: impl Fn(&CertificateRecord) -> Result<Vec<Write>, Error> + Send + Sync,
) -> Result<Pending, Error> {
    let mut decision = log::decision_of(services, issuance);
    decision.action = "record".into();
    let outcome = record_unlogged(services, issuance, &also).await;
    match &outcome {
        Ok(pending) => log::note_recorded(&mut decision, &pending.record)?,
        Err(error) => log::note_refused(&mut decision, error),
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
    let plan = decide(issuance.role, issuance.request, now)?;
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
        seen: recorded.is_seen.then_some(Seen(recorded.id)),
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
    /// Looks at the records at `keys`, as they are while the signer works. What it refuses does not leave. It is not
    /// asked where a certificate is [`Seen`].
    pub check: &'a Check<'a>,
}

/// Signs what was recorded, and keeps the signature; writes that to the log. What `completion` holds is written
/// together with the signature, and looked at before.
///
/// Several may try it at the same time, and again after a failure: they sign the same bytes, and one signature is kept.
/// Whoever comes late gets that one.
///
/// # Errors
/// `Refused` where it would have ended already; `Conflict` where the authority is retired, or the record was changed;
/// what the check of `completion` gives; `InvalidRequest` where the signer will never sign it; `Throttled` and
/// `Unavailable` where a store or signer fails, after which it may be tried again.
pub async fn complete(
    services: &Services,
    authority: &Authority,
    pending: Pending,
    completion: &Completion<'_>,
) -> Result<Issued, Error> {
    let mut decision = log::decision_to_complete(services, &pending.record);
    let outcome = complete_unlogged(services, authority, pending, completion, &mut decision).await;
    match &outcome {
        Ok(issued) => log::note_granted(&mut decision, issued),
        Err(error) => log::note_refused(&mut decision, error),
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
    if let Some(certificate) = record.certificate()? {
        return Ok(Issued {
            certificate,
            record: record.clone(),
            stored: stored.clone(),
        });
    }
    let tbs = record.tbs_certificate()?;
    if tbs.fields().validity.valid_before() <= services.clock.now() {
        return Err(Refusal::AlreadyExpired.into());
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
    // One that was changed since may have been without its hold for a while.
    let seen = pending.seen.as_ref().filter(|_| stored.version == FIRST_VERSION);
    let is_seen = seen.is_some_and(|seen| seen.0 == id);
    let looking = async {
        if is_seen {
            return Ok(());
        }
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
    if tbs_hash(&record)? != expected_hash {
        return Ok(None);
    }
    let certificate = record.certificate()?;
    Ok(certificate.map(|certificate| Issued {
        certificate,
        record,
        stored,
    }))
}
