//! Client secrets: with what a machine identity proves itself. They lie beside the identity.

use super::{
    SECRET_PREFIX,
    identity::{Identity, partition},
};
use crate::{
    error::Error,
    random,
    services::Services,
    store::{Condition, Key, Query, Record, Store, StoreError, Table, Write, read_one},
    types::SecretToken,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the sort keys of secrets begin with.
const SECRET: &str = "secret/";

/// What the client secrets of an identity are like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretSettings {
    /// Whether a login takes one. If not, the client id alone is enough.
    pub required: bool,
    /// How long one lives, in seconds; 0: for ever.
    pub ttl: u64,
    /// How often one can be used; 0: always.
    pub num_uses: u64,
    /// The networks that a login may come from; empty: from anywhere.
    pub bound_cidrs: Vec<String>,
}

impl Default for SecretSettings {
    /// Secrets are required and never end.
    fn default() -> Self {
        Self {
            required: true,
            ttl: 0,
            num_uses: 0,
            bound_cidrs: Vec::new(),
        }
    }
}

/// A client secret, of which only the hash is kept. Times are in Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientSecret {
    /// The hash of the secret.
    pub hash: String,
    /// A public handle by which it can be looked up and destroyed.
    pub accessor: String,
    /// When it was made.
    pub created_at: u64,
    /// When it was used last, where its uses are counted; else when it was made.
    pub updated_at: u64,
    /// The end of its life, if any.
    pub expires_at: Option<u64>,
    /// The lifetime that it was made with, in seconds; 0: for ever.
    pub ttl: u64,
    /// How often it can still be used; `None`: always.
    pub uses_left: Option<u64>,
    /// What it was made for, for people.
    pub description: String,
    /// Free text by name, passed on to its tokens.
    pub metadata: BTreeMap<String, String>,
    /// The networks that a login with it may come from; empty: from anywhere.
    pub bound_cidrs: Vec<String>,
    /// The networks that its tokens may be used from; empty: those of the identity.
    pub token_bound_cidrs: Vec<String>,
    /// Differs with every counted use, so that no login takes another's use for its own.
    pub mark: String,
}

impl ClientSecret {
    /// Whether it can be used.
    pub fn is_alive(&self, now: u64) -> bool {
        self.uses_left != Some(0) && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A client secret and its stored record.
#[derive(Clone, Debug)]
pub struct StoredSecret {
    /// The secret.
    pub secret: ClientSecret,
    pub(super) record: Record,
}

/// A client secret to be made.
#[derive(Clone, Debug, Default)]
pub struct NewSecret {
    /// The secret, where its maker chooses it; it must be one that nobody can guess.
    pub text: Option<SecretToken>,
    /// How long it lives, in seconds; 0: for ever.
    pub ttl: u64,
    /// How often it can be used; 0: always.
    pub num_uses: u64,
    /// What it is made for, for people.
    pub description: String,
    /// Free text by name, passed on to its tokens.
    pub metadata: BTreeMap<String, String>,
    /// The networks that a login with it may come from.
    pub bound_cidrs: Vec<String>,
    /// The networks that its tokens may be used from.
    pub token_bound_cidrs: Vec<String>,
}

/// Leads to a secret.
#[derive(Deserialize, Serialize)]
struct Pointer {
    #[serde(rename = "id")]
    hash: String,
}

pub(super) fn secret_key(id: &str, hash: &str) -> Key {
    Key::new(Table::Access, partition(id), format!("{SECRET}{hash}"))
}

fn accessor_key(id: &str, accessor: &str) -> Key {
    Key::new(Table::Access, partition(id), format!("accessor/{accessor}"))
}

/// Makes a client secret for the identity with `id`, and gives it with its record. It is the only time that anyone
/// sees it. One write.
///
/// # Errors
/// `Conflict` where a chosen secret is one of this identity's already; `InvalidRequest` where it is empty;
/// `NotFound` where the identity is gone.
pub async fn create_secret(
    services: &Services,
    id: &str,
    new: NewSecret,
) -> Result<(SecretToken, ClientSecret), Error> {
    let text = match new.text {
        Some(text) if text.reveal().is_empty() => {
            return Err(Error::invalid("secret", "a client secret cannot be empty"));
        }
        Some(text) => text,
        None => SecretToken::draw(SECRET_PREFIX, &*services.random)?,
    };
    let now = services.clock.now();
    let secret = ClientSecret {
        hash: text.hash(),
        accessor: random::uuid(&*services.random)?,
        created_at: now,
        updated_at: now,
        expires_at: (new.ttl > 0).then(|| now.saturating_add(new.ttl)),
        ttl: new.ttl,
        uses_left: (new.num_uses > 0).then_some(new.num_uses),
        description: new.description,
        metadata: new.metadata,
        bound_cidrs: new.bound_cidrs,
        token_bound_cidrs: new.token_bound_cidrs,
        mark: String::new(),
    };
    let pointer = Pointer {
        hash: secret.hash.clone(),
    };
    let records = [
        Record::new(secret_key(id, &secret.hash), &secret)?,
        Record::new(accessor_key(id, &secret.accessor), &pointer)?,
    ];
    let mut writes = vec![Write::Check(Identity::key(id), Condition::Present)];
    writes.extend(records.map(|record| Write::Put(record.expiring(secret.expires_at), Condition::Absent)));
    match services.store.write(&writes).await {
        Ok(()) => Ok((text, secret)),
        Err(StoreError::ConditionFailed(0)) => Err(Error::NotFound("the identity does not exist".into())),
        Err(StoreError::ConditionFailed(_)) => {
            Err(Error::Conflict("the client secret is registered already".into()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The secrets of the identity with `id` that can be used. One query.
///
/// # Errors
/// As [`Store::query`].
pub async fn list_secrets(services: &Services, id: &str) -> Result<Vec<StoredSecret>, Error> {
    let query = Query {
        prefix: SECRET.into(),
        ..Query::partition(Table::Access, partition(id))
    };
    let secrets = services.store.query(&query).await?.into_iter().map(stored_secret);
    let secrets: Vec<StoredSecret> = secrets.collect::<Result<_, _>>()?;
    let now = services.clock.now();
    Ok(secrets
        .into_iter()
        .filter(|stored| stored.secret.is_alive(now))
        .collect())
}

pub(super) fn stored_secret(record: Record) -> Result<StoredSecret, Error> {
    Ok(StoredSecret {
        secret: record.value()?,
        record,
    })
}

/// This secret of the identity with `id`, if it can be used. One read.
///
/// # Errors
/// As [`Store::read`].
pub async fn find_secret(
    services: &Services,
    id: &str,
    text: &SecretToken,
) -> Result<Option<StoredSecret>, Error> {
    secret_by_hash(services, id, &text.hash()).await
}

async fn secret_by_hash(services: &Services, id: &str, hash: &str) -> Result<Option<StoredSecret>, Error> {
    let record = read_one(&*services.store, &secret_key(id, hash)).await?;
    let stored = record.map(stored_secret).transpose()?;
    Ok(stored.filter(|stored| stored.secret.is_alive(services.clock.now())))
}

/// The secret with `accessor` of the identity with `id`, if it can be used. Two reads.
///
/// # Errors
/// As [`Store::read`].
pub async fn find_secret_by_accessor(
    services: &Services,
    id: &str,
    accessor: &str,
) -> Result<Option<StoredSecret>, Error> {
    match read_one(&*services.store, &accessor_key(id, accessor)).await? {
        Some(record) => secret_by_hash(services, id, &record.value::<Pointer>()?.hash).await,
        None => Ok(None),
    }
}

/// Destroys a secret of the identity with `id`. Tokens that it gave stay until they end. One write.
///
/// # Errors
/// As [`Store::write`].
pub async fn destroy_secret(store: &dyn Store, id: &str, secret: &ClientSecret) -> Result<(), Error> {
    Ok(store.write(&removal(id, secret, Condition::Always)).await?)
}

fn removal(id: &str, secret: &ClientSecret, condition: Condition) -> [Write; 2] {
    [
        Write::Delete(secret_key(id, &secret.hash), condition),
        Write::Delete(accessor_key(id, &secret.accessor), Condition::Always),
    ]
}

/// The writes that count one use of a secret: none where they are not counted; the last one removes it.
pub(super) fn spend(services: &Services, id: &str, stored: &StoredSecret) -> Result<Vec<Write>, Error> {
    let Some(uses) = stored.secret.uses_left else {
        return Ok(Vec::new());
    };
    let condition = Condition::Version(stored.record.version);
    if uses <= 1 {
        return Ok(removal(id, &stored.secret, condition).into());
    }
    let mut used = stored.secret.clone();
    used.uses_left = Some(uses - 1);
    used.updated_at = services.clock.now();
    used.mark = random::uuid(&*services.random)?;
    Ok(vec![Write::Put(stored.record.replaced(&used)?, condition)])
}
