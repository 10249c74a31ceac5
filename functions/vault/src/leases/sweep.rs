//! The reaper's step: what is due.

use super::{DUE, End, Lease, Lent, State, Stored, end, read};
use countersign::{
    Error, Services,
    access::{self, Token},
    store::{Condition, Query, Table, Write},
};
use tokio::task::JoinSet;

/// How many leases one step looks after, all at the same time: each may have to wait for a host.
const STEP: usize = 32;
/// How soon to look again after a lease whose token can be used up any time, in seconds.
const LIMITED_USE_SECS: u64 = 60;

/// Takes the keys off their hosts whose leases are over: one bounded step of the reaper's work.
///
/// A host that cannot be reached is no failure of the step: it is in the log, and tried again later.
///
/// # Errors
/// Where the store fails. The next call takes up what this one left.
pub async fn end_leases(services: &Services) -> Result<(), Error> {
    let now = services.clock.now();
    let due = services
        .store
        .query(&Query {
            limit: STEP,
            ..Query::partition(Table::Access, DUE)
        })
        .await?;
    let mut steps = JoinSet::new();
    for record in due {
        let Some((due_at, id)) = record.key.sort.split_once('/') else {
            continue;
        };
        if due_at.parse().is_ok_and(|due_at: u64| due_at > now) {
            break; // they are in order
        }
        let (services, id) = (services.clone(), id.to_owned());
        steps.spawn(async move {
            match read(&services, &id).await? {
                Some(stored) => look_after(&services, stored).await,
                // Nothing that this leads to.
                None => Ok(services
                    .store
                    .write(&[Write::Delete(record.key, Condition::Always)])
                    .await?),
            }
        });
    }
    let mut outcome = Ok(());
    while let Some(step) = steps.join_next().await {
        outcome = outcome.and(step.map_err(Error::internal).flatten());
    }
    outcome
}

async fn look_after(services: &Services, stored: Stored) -> Result<(), Error> {
    if let Some(lease) = rescheduled(services, stored.lease.clone()).await? {
        return match services.store.write(&stored.replaced_by(&lease)?).await {
            // It was renewed, or ended, in between.
            Ok(()) | Err(countersign::store::StoreError::ConditionFailed(_)) => Ok(()),
            Err(error) => Err(error.into()),
        };
    }
    // Why a host could not be reached is in the log.
    let _ = end(services, stored, End::Regular).await;
    Ok(())
}

/// The lease, due when it ends now; `None` where that has been.
///
/// # Errors
/// Where the store fails.
pub(crate) async fn rescheduled(services: &Services, mut lease: Lease) -> Result<Option<Lease>, Error> {
    let next = next_look(services, &lease).await?;
    if let (Lent::DynamicKey { due_at, .. }, Some(next)) = (&mut lease.lent, next) {
        *due_at = next;
    }
    Ok(next.map(|_| lease))
}

/// When to look after a lease again; `None` where it is over.
///
/// # Errors
/// Where the store fails.
pub(super) async fn next_look(services: &Services, lease: &Lease) -> Result<Option<u64>, Error> {
    let now = services.clock.now();
    let Lent::DynamicKey {
        state: State::Active, ..
    } = lease.lent
    else {
        return Ok(None);
    };
    let Some(found) = access::lookup_hash(services, &lease.token).await? else {
        return Ok(None);
    };
    let next = look_at(&found.token, lease.expires_at, now);
    Ok((now < next).then_some(next))
}

/// When to look after a lease that ends at `end`, or with `token`: none of that is known sooner.
pub(crate) fn look_at(token: &Token, end: u64, now: u64) -> u64 {
    let limited = token.uses_left.map(|_| now + LIMITED_USE_SECS);
    let ends = [token.expires_at, limited];
    ends.into_iter().flatten().fold(end, u64::min)
}
