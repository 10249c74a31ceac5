//! What the certificate authority remembers: three tables of small versioned records.
//!
//! The trait is as small as DynamoDB lets it be: a consistent batched read, a conditional write of one record or
//! of several together, and a query of one partition in order. Typed views stand above it, beside what they
//! describe: certificates in [`crate::certificates`], authorities in [`crate::authority`], tokens in [`crate::access`].
//!
//! # Who can write a table can …
//!
//! - `roles`: make any authority sign anything (widen a role, add a policy, point a mount at another key).
//! - `access`: become anyone (add a token with the root policy).
//! - `certificates`: hide what was signed, and free a serial for a second use; it cannot make anything be signed.

mod keys;

#[cfg(feature = "test-util")]
pub mod conformance;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "test-util")]
pub mod faulty;
#[cfg(feature = "gathering")]
pub mod gathering;

pub use keys::{EXPIRES_AT, PARTITION, SCHEMA, SORT, TableSchema};

use crate::error::{Cause, Error};
use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// One of the three tables of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Tokens, identities, and what else lets somebody in: ARCHITECTURE.md lists all of it.
    Access,
    /// One record per certificate.
    Certificates,
    /// Authorities, mounts, roles, policies: small, and read on every request.
    Roles,
}

/// Where a record lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The table.
    pub table: Table,
    /// The partition: records of one partition can be listed in the order of their `sort`.
    pub partition: String,
    /// The place within the partition.
    pub sort: String,
}

impl Key {
    /// The key of `sort` in `partition` of `table`. Neither may be empty.
    pub fn new(table: Table, partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self {
            table,
            partition: partition.into(),
            sort: sort.into(),
        }
    }
}

/// Where a record appears in its table's listing index (only [`Table::Certificates`] has one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The index partition.
    pub partition: String,
    /// The place within it.
    pub sort: String,
}

/// The version of a record that nobody has replaced.
pub const FIRST_VERSION: u64 = 1;
/// How often a conditional change is tried when others get in between. Who tries less or more often says why.
pub const TRIES: usize = 8;

/// What is said when `what` (“the role”) was changed by somebody else at each of [`TRIES`] attempts.
pub fn contended(what: &str) -> Error {
    Error::Conflict(format!("{what} is being changed by other requests; try again"))
}

/// One stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub key: Key,
    /// The content, as JSON text.
    pub body: String,
    /// Grows by one with every replacement; the first is [`FIRST_VERSION`].
    pub version: u64,
    /// The end of its life in Unix seconds: from then on the store may drop it, at a time of its choosing, so
    /// whoever reads a record judges the time itself.
    pub expires_at: Option<u64>,
    /// Its place in the listing index, if any.
    pub listing: Option<Listing>,
}

impl Record {
    /// The first version of `value` at `key`.
    ///
    /// # Errors
    /// `Internal` where `value` has no JSON form.
    pub fn new(key: Key, value: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_string(value).map_err(Error::internal)?;
        Ok(Self {
            key,
            body,
            version: FIRST_VERSION,
            expires_at: None,
            listing: None,
        })
    }

    /// The next version of this record, with `value` for its content.
    ///
    /// # Errors
    /// `Internal` where `value` has no JSON form.
    pub fn replaced(&self, value: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_string(value).map_err(Error::internal)?;
        Ok(Self {
            body,
            version: self.version + 1,
            ..self.clone()
        })
    }

    /// The same record, to be dropped after `expires_at` (Unix seconds).
    #[must_use]
    pub fn expiring(mut self, expires_at: Option<u64>) -> Self {
        self.expires_at = expires_at;
        self
    }

    /// The same record, listed at `listing`.
    #[must_use]
    pub fn listed(mut self, listing: Listing) -> Self {
        self.listing = Some(listing);
        self
    }

    /// The content.
    ///
    /// # Errors
    /// `Internal` where the stored text is not a `T`: the record was written by something else.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.body).map_err(|error| {
            let Key { table, partition, .. } = &self.key;
            Error::internal(format!(
                "a {table:?} record in {partition} is unreadable: {error}"
            ))
        })
    }
}

/// What must hold for a write to take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No record lies at the key.
    Absent,
    /// Nothing is required.
    Always,
    /// Some record lies at the key.
    Present,
    /// The record at the key has this version.
    Version(u64),
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Changes nothing, but holds the whole set of writes to the condition.
    Check(Key, Condition),
    /// Removes the record.
    Delete(Key, Condition),
    /// Stores the record in place of what lies at its key.
    Put(Record, Condition),
}

impl Write {
    /// Where it takes place.
    pub fn key(&self) -> &Key {
        match self {
            Self::Check(key, _) | Self::Delete(key, _) => key,
            Self::Put(record, _) => &record.key,
        }
    }
}

/// A listing of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The table.
    pub table: Table,
    /// Whether to read the listing index rather than the table itself.
    pub index: bool,
    /// The partition of the table or of the index.
    pub partition: String,
    /// Only records whose `sort` starts so.
    pub prefix: String,
    /// Only records whose `sort` comes strictly after this one in the direction of the listing.
    pub after: Option<String>,
    /// Largest `sort` first.
    pub descending: bool,
    /// At most so many records; at least 1.
    pub limit: usize,
}

impl Query {
    /// Every record of `partition`, smallest `sort` first.
    pub fn partition(table: Table, partition: impl Into<String>) -> Self {
        Self {
            table,
            index: false,
            partition: partition.into(),
            prefix: String::new(),
            after: None,
            descending: false,
            limit: usize::MAX,
        }
    }
}

/// Why the store did not do as asked.
#[derive(Debug)]
pub enum StoreError {
    /// The condition of the write with this index did not hold; nothing was written.
    ConditionFailed(usize),
    /// Too many requests.
    Throttled,
    /// The store did not answer, or not in time. A write may or may not have happened.
    Unavailable(Cause),
    /// The store refuses what it was asked: a defect of ours, or of the deployment (a missing table or right).
    Unusable(Cause),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConditionFailed(index) => write!(f, "the condition of write {index} did not hold"),
            Self::Throttled => f.write_str("the store is throttling"),
            Self::Unavailable(_) => f.write_str("the store is unavailable"),
            Self::Unusable(_) => f.write_str("the store refused the operation"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ConditionFailed(_) | Self::Throttled => None,
            Self::Unavailable(cause) | Self::Unusable(cause) => Some(&**cause),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::ConditionFailed(_) => {
                Self::Conflict("the record was changed by another request; try again".into())
            }
            StoreError::Throttled => Self::Throttled { retry_after: None },
            StoreError::Unavailable(_) => Self::unavailable(error),
            StoreError::Unusable(_) => Self::internal(error),
        }
    }
}

/// Three tables of records.
///
/// An implementation promises:
/// - a write set is atomic: all of it, or nothing;
/// - `read`, and `query` of a table, see every write that was answered before they began; `query` of an index may
///   lag behind;
/// - a `Put` that finds its own record in its place (same version, same content) succeeded: an attempt repeated
///   after a lost answer does not fail on its own first try.
#[async_trait]
pub trait Store: Send + Sync {
    /// The records at `keys`, in that order, `None` for each that is not there. One round trip for up to 100 keys;
    /// a key may stand twice.
    ///
    /// # Errors
    /// Any [`StoreError`] but `ConditionFailed`.
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError>;

    /// Carries out all `writes` (1 to 100, no key twice), or none of them. One round trip.
    ///
    /// # Errors
    /// `ConditionFailed` with the index of the first write whose condition does not hold; otherwise any. After
    /// `Unavailable` the writes may have happened.
    async fn write(&self, writes: &[Write]) -> Result<(), StoreError>;

    /// The records that `query` describes. Fewer than `limit` means that there are no more.
    ///
    /// # Errors
    /// Any [`StoreError`] but `ConditionFailed`.
    async fn query(&self, query: &Query) -> Result<Vec<Record>, StoreError>;
}

/// Reads the record at one `key`.
///
/// # Errors
/// As [`Store::read`].
pub async fn read_one(store: &dyn Store, key: &Key) -> Result<Option<Record>, StoreError> {
    Ok(store.read(std::slice::from_ref(key)).await?.pop().flatten())
}
