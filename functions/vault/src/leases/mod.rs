//! Leases: what was lent, until when, and how it is taken back.
//!
//! A lease of a one-time password is a record beside the password's, and both end by themselves. A lease of a dynamic
//! key stands for a key on a host, which does not: its record is written before the key is installed and removed after
//! the key is, and a second record says when somebody has to look after it. Whatever dies in between, the reaper finds
//! that record and takes the key away, as often as it takes.
//!
//! | partition of `access` | sort key | holds |
//! |---|---|---|
//! | `lease/<0-f>` | the lease's id | the lease; sixteen partitions, since each login with a password writes one |
//! | `lease-due` | when it is due, and the id | nothing else; dynamic keys alone |
//! | `lease-token/<hash of a token>` | the id | nothing else: what that token, or one below it, asked for |

mod end;
mod sweep;

pub(crate) use end::{End, end, end_all, forget, mark, of_token};
pub use sweep::end_leases;
pub(crate) use sweep::{look_at, rescheduled};

use crate::dynamic_keys::InstalledKey;
use countersign::{
    Error, Services, access,
    random::{self, Random},
    store::{self, Condition, Key, Query, Record, Table, Write},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many random characters end a lease's id.
const ID_LENGTH: usize = 24;
/// The longest id: it is part of a sort key, which DynamoDB limits to 1024 bytes.
const MAX_ID_BYTES: usize = 900;
const DUE: &str = "lease-due";
const SHARDS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
];

/// A lease. Times are in Unix seconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Lease {
    pub(crate) id: String,
    /// The uuid of the mount.
    pub(crate) mount: String,
    pub(crate) issued_at: u64,
    pub(crate) expires_at: u64,
    pub(crate) renewed_at: Option<u64>,
    /// The hash of the token that asked for it.
    pub(crate) token: String,
    pub(crate) lent: Lent,
}

/// What was lent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Lent {
    /// A key that was put on a host.
    DynamicKey {
        key: InstalledKey,
        state: State,
        /// When somebody has to look after it.
        due_at: u64,
        /// How often it could not be taken away.
        failures: u32,
        /// Every token whose end is this lease's: the one that asked, and those above it.
        tokens: Vec<String>,
    },
    /// A password, of which this is the hash.
    OneTimePassword { hash: String },
}

/// How far a dynamic key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It is being installed, and nobody wants it any more. Only who installs it can know when there is something to
    /// take away; when it is due, the reaper does.
    Abandoned,
    /// Its owner has it.
    Active,
    /// It is being taken away.
    Ending,
    /// It is being installed, and its owner does not have it yet.
    Pending,
}

/// A lease and its stored record.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) lease: Lease,
    record: Record,
}

impl Lease {
    /// What lent it: the id without its random end.
    pub(crate) fn path(&self) -> &str {
        self.id.rsplit_once('/').map_or("", |(path, _)| path)
    }

    /// Whether it can be renewed.
    pub(crate) fn is_renewable(&self) -> bool {
        matches!(self.lent, Lent::DynamicKey { .. })
    }

    /// Whether nothing has ended it yet, as far as its own record tells.
    pub(crate) fn is_running(&self, now: u64) -> bool {
        let is_there = match &self.lent {
            Lent::DynamicKey { state, .. } => *state == State::Active,
            Lent::OneTimePassword { .. } => true,
        };
        is_there && now < self.expires_at
    }

    fn record(&self) -> Result<Record, Error> {
        let end = match self.lent {
            // The record has to outlive the key on the host.
            Lent::DynamicKey { .. } => None,
            Lent::OneTimePassword { .. } => Some(self.expires_at),
        };
        Ok(Record::new(key(&self.id), self)?.expiring(end))
    }

    /// The writes that make it known, all of them records that are not there yet.
    pub(crate) fn creates(&self) -> Result<Vec<Write>, Error> {
        let mut records = vec![self.record()?];
        if let Lent::DynamicKey { due_at, tokens, .. } = &self.lent {
            records.push(Record::new(due_key(*due_at, &self.id), &self.id)?);
            for token in tokens {
                records.push(Record::new(token_key(token, &self.id), &self.id)?);
            }
        }
        Ok(records
            .into_iter()
            .map(|record| Write::Put(record, Condition::Absent))
            .collect())
    }
}

impl Stored {
    fn of(record: Record) -> Result<Self, Error> {
        Ok(Self {
            lease: record.value()?,
            record,
        })
    }

    /// The writes that put `lease` in the place of this one, if nobody else has changed it.
    pub(crate) fn replaced_by(&self, lease: &Lease) -> Result<Vec<Write>, Error> {
        let put = self.record.replaced(lease)?.expiring(lease.record()?.expires_at);
        let mut writes = vec![Write::Put(put, Condition::Version(self.record.version))];
        if let (Lent::DynamicKey { due_at: old, .. }, Lent::DynamicKey { due_at: new, .. }) =
            (&self.lease.lent, &lease.lent)
            && old != new
        {
            let due = Record::new(due_key(*new, &lease.id), &lease.id)?;
            writes.push(Write::Delete(due_key(*old, &lease.id), Condition::Always));
            writes.push(Write::Put(due, Condition::Always));
        }
        Ok(writes)
    }

    /// The writes that forget it.
    fn deletes(&self) -> Vec<Write> {
        let Lease { id, mount, lent, .. } = &self.lease;
        let mut writes = vec![Write::Delete(key(id), Condition::Always)];
        match lent {
            Lent::DynamicKey { due_at, tokens, .. } => {
                writes.push(Write::Delete(due_key(*due_at, id), Condition::Always));
                let pointers = tokens.iter().map(|token| token_key(token, id));
                writes.extend(pointers.map(|key| Write::Delete(key, Condition::Always)));
            }
            Lent::OneTimePassword { hash } => {
                let password = crate::one_time_passwords::key(mount, hash);
                writes.push(Write::Delete(password, Condition::Always));
            }
        }
        writes
    }
}

fn key(id: &str) -> Key {
    let sum = id
        .bytes()
        .fold(0_usize, |sum, byte| sum.wrapping_add(byte.into()));
    Key::new(Table::Access, partition(SHARDS[sum % SHARDS.len()]), id)
}

fn partition(shard: char) -> String {
    format!("lease/{shard}")
}

fn due_key(due_at: u64, id: &str) -> Key {
    Key::new(Table::Access, DUE, format!("{due_at:020}/{id}"))
}

fn token_key(token: &str, id: &str) -> Key {
    Key::new(Table::Access, token_partition(token), id)
}

fn token_partition(token: &str) -> String {
    format!("lease-token/{token}")
}

/// A new id for what `path` lends.
///
/// # Errors
/// `InvalidRequest` where the path is too long for one; where randomness cannot be had.
pub(crate) fn draw_id(random: &dyn Random, path: &str) -> Result<String, Error> {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if path.len() + 1 + ID_LENGTH > MAX_ID_BYTES {
        return Err(Error::invalid("role", "its name is too long to lend anything"));
    }
    let mut id = format!("{path}/");
    let end = id.len() + ID_LENGTH;
    while id.len() < end {
        // Bytes beyond the last full set of letters would make some likelier than others.
        let bytes = random::bytes::<ID_LENGTH>(random)?;
        let letters = bytes.iter().filter(|byte| **byte < 248);
        let left = end - id.len();
        id.extend(
            letters
                .take(left)
                .map(|byte| char::from(LETTERS[usize::from(*byte) % 62])),
        );
    }
    Ok(id)
}

/// The lease `id`, over or not. One read.
///
/// # Errors
/// As [`store::Store::read`].
pub(crate) async fn read(services: &Services, id: &str) -> Result<Option<Stored>, Error> {
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Ok(None);
    }
    let record = store::read_one(&*services.store, &key(id)).await?;
    record.map(Stored::of).transpose()
}

/// The lease `id`, where it is not over and its token is alive. Two reads, or three.
///
/// # Errors
/// As [`read`].
pub(crate) async fn find(services: &Services, id: &str) -> Result<Option<Stored>, Error> {
    let stored = read(services, id).await?;
    let Some(stored) = stored.filter(|stored| stored.lease.is_running(services.clock.now())) else {
        return Ok(None);
    };
    let token = access::lookup_hash(services, &stored.lease.token).await?;
    Ok(token.is_some().then_some(stored))
}

/// The leases, over or not, whose ids are below `prefix`: that, and a slash. Sixteen queries.
///
/// # Errors
/// As [`store::Store::query`].
pub(crate) async fn below(services: &Services, prefix: &str) -> Result<Vec<Stored>, Error> {
    let prefix = match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let mut found = Vec::new();
    for shard in SHARDS {
        let query = Query {
            prefix: prefix.clone(),
            ..Query::partition(Table::Access, partition(shard))
        };
        for record in services.store.query(&query).await? {
            found.push(Stored::of(record)?);
        }
    }
    Ok(found)
}

/// What stands one level below `prefix`: ids' ends, and whatever has something below it, with a slash. Of leases that
/// are over, or whose tokens are, nothing is said.
///
/// # Errors
/// As [`below`].
pub(crate) async fn names_below(services: &Services, prefix: &str) -> Result<BTreeSet<String>, Error> {
    let now = services.clock.now();
    let mut tokens: BTreeMap<String, bool> = BTreeMap::new();
    let mut names = BTreeSet::new();
    let prefix = prefix.trim_matches('/');
    for Stored { lease, .. } in below(services, prefix).await? {
        if !lease.is_running(now) {
            continue;
        }
        let is_alive = match tokens.get(&lease.token) {
            Some(is_alive) => *is_alive,
            None => {
                let is_alive = access::lookup_hash(services, &lease.token).await?.is_some();
                tokens.insert(lease.token.clone(), is_alive);
                is_alive
            }
        };
        let rest = lease
            .id
            .strip_prefix(prefix)
            .unwrap_or_default()
            .trim_start_matches('/');
        if is_alive && !rest.is_empty() {
            names.insert(match rest.split_once('/') {
                Some((name, _)) => format!("{name}/"),
                None => rest.to_owned(),
            });
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign::random::SeededRandom;

    #[test]
    fn ids_end_in_24_letters_and_digits() {
        let random = SeededRandom::new(1);
        let id = draw_id(&random, "team/ssh/creds/r").unwrap();
        let end = id.strip_prefix("team/ssh/creds/r/").unwrap();
        assert_eq!(end.len(), 24);
        assert!(end.chars().all(|c| c.is_ascii_alphanumeric()), "{end}");
        assert_ne!(id, draw_id(&random, "team/ssh/creds/r").unwrap());
        assert!(draw_id(&random, &"r".repeat(890)).is_err());
    }
}
