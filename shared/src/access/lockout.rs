use crate::{
    error::Error,
    services::Services,
    store::{Condition, Key, Record, StoreError, TRIES, Table, Write, contended, read_one},
};
use serde::{Deserialize, Serialize};

/// The lock on somebody whose secret is being guessed: so many failures within some time close the login, to the right
/// secret too.
#[derive(Clone, Copy, Debug)]
pub struct Lockout {
    /// Whose ids these are: each family has its own.
    pub realm: &'static str,
    /// How many failures close the login.
    pub max_failures: usize,
    /// Within how many seconds they count together.
    pub window_secs: u64,
    /// For how many seconds the login is closed.
    pub lock_secs: u64,
}

/// What is remembered of failures. Times are in Unix seconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Failures {
    /// Oldest first.
    failures: Vec<u64>,
    locked_until: u64,
}

impl Lockout {
    fn key(self, id: &str) -> Key {
        Key::new(Table::Access, format!("{}/lockout/{id}", self.realm), "lockout")
    }

    /// Whether the login of the identity with `id` is closed. One read.
    ///
    /// # Errors
    /// As [`Store::read`](crate::store::Store::read).
    pub async fn is_closed(self, services: &Services, id: &str) -> Result<bool, Error> {
        let record = read_one(&*services.store, &self.key(id)).await?;
        let locked_until = match record {
            Some(record) => record.value::<Failures>()?.locked_until,
            None => 0,
        };
        Ok(services.clock.now() < locked_until)
    }

    /// Counts a failure. One read and one write.
    ///
    /// # Errors
    /// `Conflict` where too many are counted at once; as [`Store::write`](crate::store::Store::write).
    pub async fn count(self, services: &Services, id: &str) -> Result<(), Error> {
        for _ in 0..TRIES {
            let record = read_one(&*services.store, &self.key(id)).await?;
            let now = services.clock.now();
            let mut known = match &record {
                Some(record) => record.value::<Failures>()?,
                None => Failures::default(),
            };
            known.failures.retain(|failure| now < failure + self.window_secs);
            known.failures.push(now);
            if known.failures.len() >= self.max_failures {
                known.failures.clear();
                known.locked_until = now + self.lock_secs;
            }
            let (next, condition) = match &record {
                Some(record) => (record.replaced(&known)?, Condition::Version(record.version)),
                None => (Record::new(self.key(id), &known)?, Condition::Absent),
            };
            let end = now + self.lock_secs.max(self.window_secs);
            match services
                .store
                .write(&[Write::Put(next.expiring(Some(end)), condition)])
                .await
            {
                Err(StoreError::ConditionFailed(_)) => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(contended("the count of failed logins"))
    }
}
