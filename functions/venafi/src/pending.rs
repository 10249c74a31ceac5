//! Carrying out what is recorded: signing a certificate some time after it was asked for, once.
//!
//! Whoever comes, a caller that fetches the certificate or the scheduled function, does the same: it reads what stands
//! in the tables and goes on from there. The record has no signature yet, or has one, or says that it never will; each
//! step from one to the next is one conditional write, so however many try, and wherever they die, one certificate
//! comes of it.
//!
//! Whoever has recorded a certificate just now, and waits for it, need not read what it wrote: it goes on with what it
//! holds in memory ([`carry_out_recorded`]). The write that adds the signature is the same, so it gives way to others
//! as they do to it.
//!
//! A template that is being deleted is announced so before its certificates are looked for, and is asked for here after
//! the certificate is recorded, while the signer works: so either its deletion sees the certificate, or the certificate
//! sees the deletion. A request that has read the template just before it recorded the certificate need not ask again:
//! the deletion waits between its announcement and its look ([`countersign::grace`]). An announcement that nobody has
//! completed for a minute is withdrawn by whoever comes next, with a write, so that a deletion which was only slow finds
//! the template changed.

use crate::{
    error::sentence,
    object::{self, Object, Stored, Waiting},
    template::Template,
};
use countersign::{
    Error, Services,
    authority::{Authority, AuthorityState},
    certificates::{CertificateRecord, SHARDS},
    issue::{self, Completion, Pending},
    store::{Condition, Query, Record, StoreError, Table, Write},
};
use std::collections::HashSet;

/// How often a step is tried again when somebody else took it.
const TRIES: usize = 4;

/// At how many templates whose signers are away one call of [`carry_out_pending`] tries: each may take seconds to fail.
const MAX_AWAY: usize = 8;

/// How far a certificate is.
#[derive(Debug)]
pub(crate) enum State {
    /// It is signed.
    Issued(Box<CertificateRecord>),
    /// It is not signed yet: a signer or a store does not answer, or its template is being looked at.
    Pending,
    /// It never will be: why.
    Rejected(String),
}

/// What one call of [`carry_out_pending`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CarriedOut {
    /// Certificates that were signed.
    pub issued: usize,
    /// Certificates that never will be.
    pub rejected: usize,
    /// Certificates that were looked at and still wait.
    pub waiting: usize,
}

impl CarriedOut {
    fn total(self) -> usize {
        self.issued + self.rejected + self.waiting
    }
}

/// Signs what waits to be signed, oldest first, but looks closely at no more than `limit` certificates; whether more
/// wait is for the next call to find out. Where one cannot be signed now, the others of its template are left alone:
/// its signer is away for them too. After a few such templates the call ends.
///
/// It may be called as often as one likes, and at the same time as callers fetch the same certificates.
///
/// # Errors
/// As [`countersign::store::Store`], where it does not answer. What was done before stays done.
pub async fn carry_out_pending(services: &Services, limit: usize) -> Result<CarriedOut, Error> {
    let mut done = CarriedOut::default();
    let mut away = HashSet::new();
    for entry in waiting(services, limit).await? {
        if done.total() == limit || away.len() == MAX_AWAY {
            break;
        }
        let waiting: Waiting = entry.value()?;
        let current = waiting.object(&*services.store).await?;
        let current = current.filter(|stored| stored.object.certificate == entry.key.sort);
        let Some(Stored { object, .. }) = current else {
            // A later certificate took its place, and with it the entry went; this one was read just before.
            services
                .store
                .write(&[Write::Delete(entry.key, Condition::Always)])
                .await?;
            continue;
        };
        if away.contains(&object.template.to_string()) {
            continue;
        }
        match carry_out(services, &object).await {
            Ok(State::Issued(_)) => done.issued += 1,
            Ok(State::Rejected(_)) => done.rejected += 1,
            Ok(State::Pending) => {
                done.waiting += 1;
                away.insert(object.template.to_string());
            }
            // What stands in the tables is wrong: of this one.
            Err(Error::Internal(_)) => done.waiting += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The oldest entries of what waits, at most `limit` of each shard.
async fn waiting(services: &Services, limit: usize) -> Result<Vec<Record>, Error> {
    let mut entries = Vec::new();
    for shard in 0..SHARDS {
        let query = Query {
            limit: limit.max(1),
            ..Query::partition(Table::Roles, Waiting::partition(shard))
        };
        entries.extend(services.store.query(&query).await?);
    }
    entries.sort_by(|a, b| a.key.sort.cmp(&b.key.sort));
    Ok(entries)
}

/// Signs the certificate of `object`, unless that is done.
///
/// # Errors
/// As [`countersign::store::Store`], for the reads before. What fails later leaves it pending, and is in the log.
pub(crate) async fn carry_out(services: &Services, object: &Object) -> Result<State, Error> {
    for _ in 0..TRIES {
        if let Some(state) = attempt(services, object).await? {
            return Ok(state);
        }
    }
    Ok(State::Pending)
}

/// As [`carry_out`], for a certificate that was recorded just now: `pending`, under `authority`, for `object`.
///
/// # Errors
/// As there.
pub(crate) async fn carry_out_recorded(
    services: &Services,
    object: &Object,
    authority: &Authority,
    pending: Pending,
) -> Result<State, Error> {
    match sign(services, object, authority, pending).await? {
        Some(state) => Ok(state),
        None => carry_out(services, object).await,
    }
}

/// What is read to go on.
struct Found {
    record: CertificateRecord,
    stored: Record,
    template: Option<(Template, Record)>,
    authority: Option<Authority>,
}

/// One attempt; `None` where somebody else changed the record meanwhile.
async fn attempt(services: &Services, object: &Object) -> Result<Option<State>, Error> {
    let Found {
        record,
        stored,
        template,
        authority,
    } = find(services, object).await?;
    if record.signature.is_some() {
        return Ok(Some(State::Issued(Box::new(record))));
    }
    if let Some(reason) = object::rejection(&record) {
        return Ok(Some(State::Rejected(reason.to_owned())));
    }
    if record.is_archived() {
        let reason = "A later certificate took its place.";
        return reject(services, object, &record, &stored, reason).await;
    }
    let Some((template, of_template)) = template.filter(|(template, _)| template.guid == object.template)
    else {
        return reject(services, object, &record, &stored, "The template was deleted.").await;
    };
    if template.is_leaving(services.clock.now()) {
        return Ok(Some(State::Pending));
    }
    if template.deleting_since.is_some() {
        // Nobody has completed that deletion. Whoever is only slow then finds its announcement gone.
        match services.store.write(&[template.withdrawal(&of_template)?]).await {
            Ok(()) => {}
            Err(StoreError::ConditionFailed(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    let Some(authority) = authority.filter(|authority| authority.state == AuthorityState::Active) else {
        let reason = "The certificate authority of the template is retired.";
        return reject(services, object, &record, &stored, reason).await;
    };
    let pending = object::pending(object, record, stored);
    sign(services, object, &authority, pending).await
}

/// Signs what is recorded; `None` where somebody else changed it, its template or its authority meanwhile.
async fn sign(
    services: &Services,
    object: &Object,
    authority: &Authority,
    pending: Pending,
) -> Result<Option<State>, Error> {
    let waiting = Waiting::key(object.certificate_id()?);
    let completion = Completion {
        also: &[Write::Delete(waiting, Condition::Always)],
        keys: &[object.template_key()?],
        check: &|found| check_template(object, found),
    };
    let (record, stored) = (pending.record.clone(), pending.stored.clone());
    match issue::complete(services, authority, pending, &completion).await {
        Ok(issued) => Ok(Some(State::Issued(Box::new(issued.record)))),
        Err(error @ (Error::Refused(_) | Error::InvalidRequest { .. })) => {
            reject(services, object, &record, &stored, &sentence(&error.to_string())).await
        }
        // The authority is being retired, or was, or the record changed: the next look tells.
        Err(Error::Conflict(_)) => Ok(None),
        Err(
            Error::Internal(_)
            | Error::NotFound(_)
            | Error::PermissionDenied
            | Error::Throttled { .. }
            | Error::Unauthenticated
            | Error::Unavailable(_),
        ) => Ok(Some(State::Pending)),
    }
}

/// Refuses what may not be signed by the template that was `found`. Whether an announced deletion is still under way is
/// for the next attempt to find out, before it signs.
fn check_template(object: &Object, found: &[Option<Record>]) -> Result<(), Error> {
    let template: Option<Template> = match found {
        [Some(record)] => Some(record.value()?),
        _ => None,
    };
    match template.filter(|template| template.guid == object.template) {
        Some(template) if template.deleting_since.is_none() => Ok(()),
        _ => Err(Error::Conflict("its template is being deleted".into())),
    }
}

async fn find(services: &Services, object: &Object) -> Result<Found, Error> {
    let keys = [object.certificate_key()?, object.template_key()?];
    let mut records = services.store.read(&keys).await?.into_iter();
    let stored = records.next().flatten();
    let stored = stored.ok_or_else(|| Error::internal("the record of an object's certificate is gone"))?;
    let record: CertificateRecord = stored.value()?;
    if record.id != object.certificate {
        return Err(Error::internal(
            "the record of an object's certificate is another's",
        ));
    }
    let template = records
        .next()
        .flatten()
        .map(|record| Ok::<_, Error>((record.value()?, record)))
        .transpose()?;
    let authority = if record.signature.is_some() {
        None
    } else {
        Authority::read(&*services.store, &record.authority).await?
    };
    Ok(Found {
        record,
        stored,
        template,
        authority: authority.map(|(authority, _)| authority),
    })
}

async fn reject(
    services: &Services,
    object: &Object,
    record: &CertificateRecord,
    stored: &Record,
    reason: &str,
) -> Result<Option<State>, Error> {
    let replaced = stored.replaced(&object::rejected(record, reason))?;
    let writes = [
        Write::Put(replaced, Condition::Version(stored.version)),
        Write::Delete(Waiting::key(object.certificate_id()?), Condition::Always),
    ];
    match services.store.write(&writes).await {
        Ok(()) => Ok(Some(State::Rejected(reason.to_owned()))),
        Err(StoreError::ConditionFailed(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
