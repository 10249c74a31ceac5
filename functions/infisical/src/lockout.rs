//! The lock on somebody whose secret is being guessed: three failures within 30 seconds close the login for five
//! minutes, to the right secret too.

use crate::{error::Problem, records::Stored};
use countersign::{
    Error, Services,
    store::{Condition, Key, Record, StoreError, Table, Write, read_one},
};
use serde::{Deserialize, Serialize};

/// The original's defaults.
const MAX_FAILURES: usize = 3;
const WINDOW_SECS: u64 = 30;
const LOCK_SECS: u64 = 300;
/// How often a count is tried when others get in between.
const TRIES: usize = 8;

/// What is remembered of failures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Lockout {
    id: String,
    /// When, in Unix seconds, oldest first.
    failures: Vec<u64>,
    locked_until: u64,
}

impl Lockout {
    fn place(id: &str) -> Key {
        Key::new(Table::Access, format!("infisical/lockout/{id}"), "lockout")
    }
}

impl Stored for Lockout {
    fn key(&self) -> Key {
        Self::place(&self.id)
    }
}

/// Refuses where the login of the identity with `id` is closed.
pub(crate) async fn check(services: &Services, id: &str) -> Result<(), Problem> {
    let record = read_one(&*services.store, &Lockout::place(id)).await?;
    let locked_until = match record {
        Some(record) => record.value::<Lockout>()?.locked_until,
        None => 0,
    };
    if services.clock.now() < locked_until {
        return Err(Problem::unauthorized(
            "This identity auth method is temporarily locked, please try again later",
        ));
    }
    Ok(())
}

/// Counts a failure.
pub(crate) async fn count(services: &Services, id: &str) -> Result<(), Problem> {
    for _ in 0..TRIES {
        let record = read_one(&*services.store, &Lockout::place(id)).await?;
        let now = services.clock.now();
        let mut lockout = match &record {
            Some(record) => record.value::<Lockout>()?,
            None => Lockout {
                id: id.to_owned(),
                ..Lockout::default()
            },
        };
        lockout.failures.retain(|failure| now < failure + WINDOW_SECS);
        lockout.failures.push(now);
        if lockout.failures.len() >= MAX_FAILURES {
            lockout.failures.clear();
            lockout.locked_until = now + LOCK_SECS;
        }
        let (next, condition) = match &record {
            Some(record) => (record.replaced(&lockout)?, Condition::Version(record.version)),
            None => (Record::new(lockout.key(), &lockout)?, Condition::Absent),
        };
        let next = next.expiring(Some(now + LOCK_SECS));
        match services.store.write(&[Write::Put(next, condition)]).await {
            Err(StoreError::ConditionFailed(_)) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(Error::Conflict("too many logins at once; try again".into()).into())
}
