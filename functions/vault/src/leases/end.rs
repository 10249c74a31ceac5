//! Taking back what was lent.

use super::{Lease, Lent, State, Stored, below, read, token_partition};
use crate::{dynamic_keys, error::Failure};
use countersign::{
    Error, Services,
    audit::Decision,
    store::{Query, StoreError, TRIES, Table, contended},
};
use http::StatusCode;
use std::time::Duration;

/// How long until a key that could not be taken away is tried again, in seconds: twice as long each time.
const FIRST_PAUSE_SECS: u64 = 30;
const LONGEST_PAUSE_SECS: u64 = 3600;

/// What happens to a lease whose key cannot be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is forgotten all the same.
    Forced,
    /// It stays, and the reaper tries again.
    Regular,
}

/// Takes back what `stored` lent, and forgets it. First of all it is marked as ending, so that it can be renewed no
/// more, and so that the reaper goes on where this is cut short.
///
/// A key that is being installed just now cannot be taken away yet: who installs it finds the mark, and takes it away
/// again instead of handing it out.
///
/// # Errors
/// Where the key cannot be taken off its host; 503 where it is not there yet; where the store fails.
pub(crate) async fn end(services: &Services, stored: Stored, how: End) -> Result<(), Failure> {
    let Some(stored) = mark(services, stored).await? else {
        return Ok(());
    };
    if let Lent::DynamicKey {
        state: State::Abandoned,
        due_at,
        ..
    } = stored.lease.lent
    {
        return match how {
            End::Forced => Ok(()),
            End::Regular => Err(Failure {
                retry_after: Some(Duration::from_secs(
                    due_at.saturating_sub(services.clock.now()).max(1),
                )),
                ..Failure::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "a key is being installed just now; nobody will be given it, and it is taken away at once",
                )
            }),
        };
    }
    if let Lent::DynamicKey { key, .. } = &stored.lease.lent
        && let Err(failure) = dynamic_keys::uninstall(services, &stored.lease.mount, key).await
    {
        log(services, &stored.lease, &failure);
        if how == End::Regular {
            postpone(services, &stored).await?;
            return Err(failure);
        }
    }
    forget(services, &stored).await
}

/// Forgets a lease of what is not there, or not any more.
///
/// # Errors
/// Where the store fails.
pub(crate) async fn forget(services: &Services, stored: &Stored) -> Result<(), Failure> {
    let written = services.store.write(&stored.deletes()).await;
    Ok(written.map_err(Error::from)?)
}

/// Ends every lease below `prefix`, those of mount `mount` alone where there is one to name.
///
/// # Errors
/// The first failure, once the others have been ended.
pub(crate) async fn end_all(
    services: &Services,
    prefix: &str,
    mount: Option<&str>,
    how: End,
) -> Result<(), Failure> {
    let mut outcome = Ok(());
    for stored in below(services, prefix).await? {
        if mount.is_none_or(|mount| mount == stored.lease.mount) {
            let ended = end(services, stored, how).await;
            outcome = outcome.and(ended);
        }
    }
    outcome
}

/// The leases of dynamic keys that the token with `hash` asked for, and those of tokens below it.
///
/// # Errors
/// Where the store fails.
pub(crate) async fn of_token(services: &Services, hash: &str) -> Result<Vec<Stored>, Error> {
    let query = Query::partition(Table::Access, token_partition(hash));
    let mut found = Vec::new();
    for record in services.store.query(&query).await? {
        found.extend(read(services, &record.key.sort).await?);
    }
    Ok(found)
}

/// Marks a lease as ending, and due now; as abandoned where its key is being installed, and may come to lie on the host
/// until the lease is due. `None` where somebody else has ended it.
pub(crate) async fn mark(services: &Services, mut stored: Stored) -> Result<Option<Stored>, Error> {
    for _ in 0..TRIES {
        let now = services.clock.now();
        let mut lease = stored.lease.clone();
        match &mut lease.lent {
            Lent::OneTimePassword { .. } => return Ok(Some(stored)),
            Lent::DynamicKey {
                state: State::Ending, ..
            } => return Ok(Some(stored)),
            Lent::DynamicKey {
                state: State::Abandoned,
                due_at,
                ..
            } if now < *due_at => return Ok(Some(stored)),
            Lent::DynamicKey {
                state: state @ State::Pending,
                due_at,
                ..
            } if now < *due_at => *state = State::Abandoned,
            Lent::DynamicKey { state, due_at, .. } => {
                *state = State::Ending;
                *due_at = now;
            }
        }
        match services.store.write(&stored.replaced_by(&lease)?).await {
            Ok(()) | Err(StoreError::ConditionFailed(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match read(services, &lease.id).await? {
            Some(again) => stored = again,
            None => return Ok(None),
        }
    }
    Err(contended("the lease"))
}

/// Lets the reaper try again, later each time.
///
/// # Errors
/// Where the store fails.
pub(super) async fn postpone(services: &Services, stored: &Stored) -> Result<(), Error> {
    let mut lease = stored.lease.clone();
    if let Lent::DynamicKey { due_at, failures, .. } = &mut lease.lent {
        let pause = FIRST_PAUSE_SECS.saturating_mul(1 << (*failures).min(10));
        *failures = failures.saturating_add(1);
        *due_at = services.clock.now().saturating_add(pause.min(LONGEST_PAUSE_SECS));
    }
    match services.store.write(&stored.replaced_by(&lease)?).await {
        // Somebody else tries too.
        Ok(()) | Err(StoreError::ConditionFailed(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn log(services: &Services, lease: &Lease, failure: &Failure) {
    services.audit.record(&Decision {
        time_ms: services.clock.now_ms(),
        family: "vault".into(),
        action: format!("end lease of {}", lease.path()),
        outcome: failure.kind,
        reason: Some(failure.reason_for_log()),
        ..Decision::default()
    });
}
