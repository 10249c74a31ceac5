//! Mounts: under which paths the SSH secrets engine and the auth methods answer.
//!
//! A mount is one record of the partition `mount`, with its path for sort key; an auth method's path starts with
//! `auth/`. No mount lies within another, so at most one of a path's leading parts is a mount: [`candidates`] names
//! them all for one batched read, and [`among`] picks from what was found. What a mount holds lies in a partition
//! named after its `uuid`, not its path: it moves with its mount, and a mount made anew at an old path starts empty.

mod paths;

pub use paths::candidates;

use countersign::{
    Error, Services,
    access::TtlLimits,
    random,
    store::{Condition, Key, Query, Record, Store, StoreError, Table, Write},
};
use paths::{TOKEN_PATH, check_free, check_path};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The partition of all mounts.
const PARTITION: &str = "mount";
/// How often a change is tried when others get in between. Terraform adds ten mounts at a time.
const TRIES: usize = 32;
/// How many writes one set may hold.
const MAX_WRITES: usize = 100;
/// What answers at a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountType {
    /// The auth method of machines: a role id and a secret id for a token.
    Approle,
    /// The SSH secrets engine.
    Ssh,
    /// The auth method of tokens themselves.
    Token,
    /// The auth method of people: a name and a password for a token.
    Userpass,
}

impl MountType {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approle => "approle",
            Self::Ssh => "ssh",
            Self::Token => "token",
            Self::Userpass => "userpass",
        }
    }

    /// The secrets engine of that name.
    pub fn secrets_engine(name: &str) -> Option<Self> {
        (name == "ssh").then_some(Self::Ssh)
    }

    /// The auth method of that name, of those that can be enabled.
    pub fn auth_method(name: &str) -> Option<Self> {
        match name {
            "approle" => Some(Self::Approle),
            "userpass" => Some(Self::Userpass),
            _ => None,
        }
    }
}

/// What can be tuned. Lifetimes are in seconds; 0 stands for the system's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountConfig {
    /// How long a token, lease or certificate lives where nobody says.
    pub default_lease_ttl: u64,
    /// How long it lives at most.
    pub max_lease_ttl: u64,
    /// Kept and shown; there is no cache.
    pub force_no_cache: bool,
    /// `unauth`, `hidden` or nothing; kept and shown.
    pub listing_visibility: String,
    /// Which tokens an auth method gives: `default-service`, `default-batch`, `service` or `batch`; else empty.
    pub token_type: String,
    /// Kept and shown: there is no audit device that would hash them.
    pub audit_non_hmac_request_keys: Vec<String>,
    /// As above.
    pub audit_non_hmac_response_keys: Vec<String>,
    /// Kept and shown.
    pub passthrough_request_headers: Vec<String>,
    /// Kept and shown.
    pub allowed_response_headers: Vec<String>,
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The path, without slashes at its ends.
    pub path: String,
    /// What answers there.
    #[serde(rename = "type")]
    pub mount_type: MountType,
    /// What it is for, for people.
    #[serde(default)]
    pub description: String,
    /// A public handle: the type and eight hexadecimal digits, after `auth_` for an auth method.
    pub accessor: String,
    /// Names it for good, whatever its path.
    pub uuid: String,
    /// What can be tuned.
    #[serde(default)]
    pub config: MountConfig,
    /// Options of the type. SSH has none, and gives back what it was given, `null` or not.
    #[serde(default)]
    pub options: Option<BTreeMap<String, String>>,
    /// Kept and shown.
    #[serde(default)]
    pub local: bool,
    /// Kept and shown.
    #[serde(default)]
    pub seal_wrap: bool,
    /// Kept and shown.
    #[serde(default)]
    pub external_entropy_access: bool,
}

impl Mount {
    /// A new mount at `path`, with a handle and a uuid of its own, not stored yet.
    ///
    /// # Errors
    /// As [`random::Random::fill`].
    pub fn draw(services: &Services, path: &str, mount_type: MountType) -> Result<Self, Error> {
        let handle = u32::from_be_bytes(random::bytes(&*services.random)?);
        let table = if path.starts_with("auth/") { "auth_" } else { "" };
        Ok(Self {
            path: path.trim_matches('/').to_owned(),
            mount_type,
            description: String::new(),
            accessor: format!("{table}{}_{handle:08x}", mount_type.as_str()),
            uuid: random::uuid(&*services.random)?,
            config: MountConfig::default(),
            options: None,
            local: false,
            seal_wrap: false,
            external_entropy_access: false,
        })
    }

    /// Where the mount at `path` lies.
    pub fn key(path: &str) -> Key {
        Key::new(Table::Roles, PARTITION, path.trim_matches('/'))
    }

    /// The partition, in any table, of what this mount holds.
    pub fn partition(&self) -> String {
        format!("mount/{}", self.uuid)
    }

    /// The lifetimes of what is made here.
    pub fn ttl_limits(&self) -> TtlLimits {
        TtlLimits::tuned(self.config.default_lease_ttl, self.config.max_lease_ttl)
    }

    /// Whether this is an auth method.
    pub fn is_auth(&self) -> bool {
        self.path.starts_with("auth/")
    }

    /// What follows the mount's path and a slash in `path`.
    pub fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(&self.path)?;
        if rest.is_empty() {
            Some(rest)
        } else {
            rest.strip_prefix('/')
        }
    }
}

/// The mount among the records that were found at the [`candidates`] of a path; other records are passed over.
///
/// # Errors
/// `Internal` where the record of a mount cannot be read.
pub fn among<'r>(records: impl IntoIterator<Item = &'r Option<Record>>) -> Result<Option<Mount>, Error> {
    let mounts = records
        .into_iter()
        .flatten()
        .filter(|record| record.key.table == Table::Roles && record.key.partition == PARTITION);
    mounts
        .max_by_key(|record| record.key.sort.len())
        .map(Record::value)
        .transpose()
}

/// The mount that requests for `path` go to. One round trip.
///
/// # Errors
/// As [`Store::read`]; `Internal` where a record cannot be read.
pub async fn resolve(store: &dyn Store, path: &str) -> Result<Option<Mount>, Error> {
    let keys = candidates(path);
    if keys.is_empty() {
        return Ok(None);
    }
    among(&store.read(&keys).await?)
}

/// The mount at exactly `path`, with its record. One round trip.
///
/// # Errors
/// As [`resolve`].
pub async fn read(store: &dyn Store, path: &str) -> Result<Option<(Mount, Record)>, Error> {
    if path.trim_matches('/').is_empty() {
        return Ok(None);
    }
    let record = countersign::store::read_one(store, &Mount::key(path)).await?;
    record.map(|record| Ok((record.value()?, record))).transpose()
}

/// All mounts, auth methods among them, in the order of their paths.
///
/// # Errors
/// As [`resolve`].
pub async fn list(store: &dyn Store) -> Result<Vec<Mount>, Error> {
    let records = store.query(&Query::partition(Table::Roles, PARTITION)).await?;
    records.iter().map(Record::value).collect()
}

/// Adds `mount`. Two round trips to read, one to write; more where others add mounts at the same time.
///
/// # Errors
/// `InvalidRequest` where a mount may not have this path, `Conflict` where a mount is at the path, above or below it.
pub async fn create(services: &Services, mount: &Mount) -> Result<(), Error> {
    check_path(&mount.path)?;
    in_turn(services, |mounts| {
        check_free(mounts, &mount.path, None)?;
        let record = Record::new(Mount::key(&mount.path), mount)?;
        Ok((vec![Write::Put(record, Condition::Absent)], ()))
    })
    .await
}

/// Stores a changed `mount` (its path must be the same) in place of `record`.
///
/// # Errors
/// `Conflict` where another request was quicker.
pub async fn update(services: &Services, record: &Record, mount: &Mount) -> Result<(), Error> {
    let put = Write::Put(record.replaced(mount)?, Condition::Version(record.version));
    Ok(services.store.write(&[put]).await?)
}

/// Moves a mount with all that it holds.
///
/// # Errors
/// `NotFound` where there is none at `from`; as [`create`] for `to`.
pub async fn rename(services: &Services, from: &str, to: &str) -> Result<Mount, Error> {
    let (from, to) = (from.trim_matches('/'), to.trim_matches('/'));
    check_path(to)?;
    in_turn(services, |mounts| {
        let old = mounts
            .iter()
            .find(|mount| mount.path == from && from != TOKEN_PATH);
        let old = old.ok_or_else(|| Error::NotFound(format!("no matching mount at \"{from}/\"")))?;
        if old.is_auth() != to.starts_with("auth/") {
            let reason =
                format!("an auth method stays below auth/, and a secrets engine outside it: \"{to}/\"");
            return Err(Error::invalid("to", reason));
        }
        check_free(mounts, to, Some(from))?;
        let new = Mount {
            path: to.to_owned(),
            ..old.clone()
        };
        let writes = vec![
            Write::Delete(Mount::key(from), Condition::Present),
            Write::Put(Record::new(Mount::key(to), &new)?, Condition::Absent),
        ];
        Ok((writes, new))
    })
    .await
}

/// Makes the writes that `plan` finds for the present mounts, once nobody else has changed them in between.
async fn in_turn<T>(
    services: &Services,
    plan: impl Fn(&[Mount]) -> Result<(Vec<Write>, T), Error>,
) -> Result<T, Error> {
    for _ in 0..TRIES {
        let turn = Turn::take(&*services.store).await?;
        let (mut writes, outcome) = plan(&list(&*services.store).await?)?;
        writes.push(turn.bump(services)?);
        match services.store.write(&writes).await {
            Ok(()) => return Ok(outcome),
            Err(StoreError::ConditionFailed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Not a conflict, as elsewhere: a 429 is what Vault's clients repeat by themselves.
    Err(Error::Throttled { retry_after: None })
}

/// Removes the mount at `path` and then what it holds in the roles table; says what was there. Should the process
/// die in between, nothing leads to what remained.
///
/// # Errors
/// `InvalidRequest` for the method of tokens, which cannot be removed; as [`Store::write`].
pub async fn delete(services: &Services, path: &str) -> Result<Option<Mount>, Error> {
    if path.trim_matches('/') == TOKEN_PATH {
        return Err(Error::invalid(
            "path",
            "token credential backend cannot be disabled",
        ));
    }
    let Some((mount, record)) = read(&*services.store, path).await? else {
        return Ok(None);
    };
    match services
        .store
        .write(&[Write::Delete(record.key, Condition::Present)])
        .await
    {
        Ok(()) => {}
        Err(StoreError::ConditionFailed(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    purge(&*services.store, Table::Roles, &mount.partition()).await?;
    Ok(Some(mount))
}

/// Removes every record of a partition.
async fn purge(store: &dyn Store, table: Table, partition: &str) -> Result<(), Error> {
    loop {
        let query = Query {
            limit: MAX_WRITES,
            ..Query::partition(table, partition)
        };
        let records = store.query(&query).await?;
        if records.is_empty() {
            return Ok(());
        }
        let deletes = records
            .into_iter()
            .map(|record| Write::Delete(record.key, Condition::Always));
        store.write(&deletes.collect::<Vec<_>>()).await?;
    }
}

/// Makes the mounts that a new account has: `ssh`, and the auth method of tokens. Does nothing where they were made
/// before, removed since or not; says whether it did.
///
/// # Errors
/// As [`Store::write`].
pub async fn seed(services: &Services) -> Result<bool, Error> {
    let mut writes = vec![Turn::first().bump(services)?];
    for (path, mount_type, description) in [
        ("ssh", MountType::Ssh, ""),
        (TOKEN_PATH, MountType::Token, "token based credentials"),
    ] {
        let mut mount = Mount::draw(services, path, mount_type)?;
        mount.description = description.into();
        if mount.is_auth() {
            mount.config.token_type = "default-service".into();
        }
        writes.push(Write::Put(
            Record::new(Mount::key(path), &mount)?,
            Condition::Absent,
        ));
    }
    match services.store.write(&writes).await {
        Ok(()) => Ok(true),
        Err(StoreError::ConditionFailed(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Changes of the set of mounts take turns, or two of them could nest: each replaces this record.
struct Turn(Option<Record>);

impl Turn {
    fn key() -> Key {
        Key::new(Table::Roles, "mount-turn", "turn")
    }

    fn first() -> Self {
        Self(None)
    }

    async fn take(store: &dyn Store) -> Result<Self, Error> {
        Ok(Self(countersign::store::read_one(store, &Self::key()).await?))
    }

    /// The next turn. Its random content keeps two requests from taking each other's for their own.
    fn bump(self, services: &Services) -> Result<Write, Error> {
        let mark = random::uuid(&*services.random)?;
        Ok(match self.0 {
            Some(record) => Write::Put(record.replaced(&mark)?, Condition::Version(record.version)),
            None => Write::Put(Record::new(Self::key(), &mark)?, Condition::Absent),
        })
    }
}
