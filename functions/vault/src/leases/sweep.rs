//! The reaper's step: what is due.

use super::{
    DUE, Lease, Lent, State, Stored,
    end::{End, end, postpone},
    key,
};
use countersign::{
    Error, Services,
    access::{self, Token},
    store::{Condition, Key, Query, StoreError, Table, Write},
};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
use tokio::{sync::Semaphore, task::JoinSet};

/// How many leases one step looks after.
const STEP: usize = 256;
/// How many hosts are logged in to at the same time: each may be one to wait for.
const HOSTS_AT_ONCE: usize = 64;
/// How many keys one step takes off one host, one after the other: an `sshd` refuses many at once.
const KEYS_A_HOST: usize = 16;
/// How often one step tries a host in vain before it leaves the host alone.
const MISSES_A_HOST: usize = 2;
/// When what one step leaves over is looked at again, in seconds.
const LEFT_OVER_SECS: u64 = 30;
/// How many leases are read at once: DynamoDB reads no more.
const READ_AT_ONCE: usize = 100;
/// How soon to look again after a lease whose token can be used up any time, in seconds.
const LIMITED_USE_SECS: u64 = 60;

/// Takes the keys off their hosts whose leases are over: one bounded step of the reaper's work.
///
/// A host that cannot be reached is no failure of the step: it is in the log, and tried again later. It does not keep
/// the keys of other hosts waiting, however many of its own are due.
///
/// # Errors
/// Where the store fails. The next call takes up what this one left.
pub async fn end_leases(services: &Services) -> Result<(), Error> {
    let (due, mut outcome) = due(services).await?;
    let turns = Arc::new(Semaphore::new(HOSTS_AT_ONCE));
    let mut steps = JoinSet::new();
    for leases in due.into_values() {
        let (services, turns) = (services.clone(), turns.clone());
        steps.spawn(async move {
            let _turn = turns.acquire_owned().await.map_err(Error::internal)?;
            look_after_host(&services, leases).await
        });
    }
    while let Some(step) = steps.join_next().await {
        outcome = outcome.and(step.map_err(Error::internal).flatten());
    }
    outcome
}

/// The leases that are due, by host, and how it went to drop what leads to none.
async fn due(
    services: &Services,
) -> Result<(BTreeMap<Option<SocketAddr>, Vec<Stored>>, Result<(), Error>), Error> {
    let now = services.clock.now();
    let query = Query {
        limit: STEP,
        ..Query::partition(Table::Access, DUE)
    };
    let mut keys = Vec::new();
    for record in services.store.query(&query).await? {
        match record.key.sort.split_once('/') {
            // They are in order.
            Some((due_at, _)) if due_at.parse().is_ok_and(|due_at: u64| due_at > now) => break,
            Some((_, id)) => keys.push((key(id), record.key)),
            None => {}
        }
    }
    let mut due: BTreeMap<_, Vec<Stored>> = BTreeMap::new();
    let mut outcome = Ok(());
    for keys in keys.chunks(READ_AT_ONCE) {
        let leases: Vec<Key> = keys.iter().map(|(lease, _)| lease.clone()).collect();
        for (record, (_, due_key)) in services.store.read(&leases).await?.into_iter().zip(keys) {
            if let Some(record) = record {
                let stored = Stored::of(record)?;
                let host = match &stored.lease.lent {
                    Lent::DynamicKey { key, .. } => Some(key.address()),
                    Lent::OneTimePassword { .. } => None,
                };
                due.entry(host).or_default().push(stored);
            } else {
                let dropped = [Write::Delete(due_key.clone(), Condition::Always)];
                outcome = outcome.and(services.store.write(&dropped).await.map_err(Error::from));
            }
        }
    }
    Ok((due, outcome))
}

/// Looks after the leases of one host that are due.
async fn look_after_host(services: &Services, leases: Vec<Stored>) -> Result<(), Error> {
    let (mut tried, mut missed) = (0, 0);
    let mut outcome = Ok(());
    for stored in leases {
        let looked = match rescheduled(services, stored.lease.clone()).await {
            Err(error) => Err(error),
            Ok(Some(lease)) => put_off(services, &stored, &lease).await,
            Ok(None) if missed >= MISSES_A_HOST => postpone(services, &stored).await,
            Ok(None) if tried >= KEYS_A_HOST => {
                let mut lease = stored.lease.clone();
                if let Lent::DynamicKey { due_at, .. } = &mut lease.lent {
                    *due_at = services.clock.now().saturating_add(LEFT_OVER_SECS);
                }
                put_off(services, &stored, &lease).await
            }
            Ok(None) => {
                tried += 1;
                // Why a host could not be reached is in the log.
                missed += usize::from(end(services, stored, End::Regular).await.is_err());
                Ok(())
            }
        };
        outcome = outcome.and(looked);
    }
    outcome
}

/// Puts `lease` in the place of `stored`, unless it was renewed, or ended, in between.
async fn put_off(services: &Services, stored: &Stored, lease: &Lease) -> Result<(), Error> {
    match services.store.write(&stored.replaced_by(lease)?).await {
        Ok(()) | Err(StoreError::ConditionFailed(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
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
