use super::{client_secret::SecretSettings, lookup::read_all, token::TokenType};
use crate::{
    error::Error,
    random,
    services::Services,
    store::{Condition, Key, Query, Record, Store, StoreError, Table, Write, read_one},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The sort key of an identity in its partition.
const SORT: &str = "identity";
/// The most writes of one set.
const MAX_WRITES: usize = 100;

/// What an identity is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityKind {
    /// A program, which proves itself with a client secret.
    #[default]
    Machine,
    /// A person.
    User,
}

/// What the tokens of an identity are like. Lifetimes are in seconds; 0 stands for nothing said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenSettings {
    /// How long one lives.
    pub ttl: u64,
    /// How long renewals can keep it alive.
    pub max_ttl: u64,
    /// How long after its creation nothing can.
    pub explicit_max_ttl: u64,
    /// How long each renewal lasts; with a period there is no end to renewals.
    pub period: u64,
    /// How often it can be used; 0: always.
    pub num_uses: u64,
    /// Its type; `None`: the one that the login gives where nobody says.
    pub token_type: Option<TokenType>,
    /// Whether it goes without the policy `default`.
    pub no_default_policy: bool,
    /// The networks that it may be used from; empty: from anywhere.
    pub bound_cidrs: Vec<String>,
}

/// Someone who logs in for a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Names it for good.
    pub id: String,
    /// What it is known by when it logs in. Not secret; unique in the account.
    pub client_id: String,
    /// Where its name counts: for AppRole, the uuid of the mount.
    pub realm: String,
    /// Its name, unique in the realm.
    pub name: String,
    /// What it is.
    pub kind: IdentityKind,
    /// The policies of its tokens.
    pub policies: Vec<String>,
    /// What its tokens are like.
    pub token: TokenSettings,
    /// What its secrets are like.
    pub secret: SecretSettings,
    /// When it was made, in Unix seconds.
    pub created_at: u64,
    /// When it was changed last.
    pub updated_at: u64,
    /// The entity that its last login belonged to, where logins have one.
    pub entity_id: String,
    /// What its family keeps beside.
    pub details: BTreeMap<String, Value>,
}

impl Identity {
    /// A new identity with ids of its own, not stored yet.
    ///
    /// # Errors
    /// As [`random::Random::fill`].
    pub fn draw(services: &Services, realm: &str, name: &str) -> Result<Self, Error> {
        let now = services.clock.now();
        Ok(Self {
            id: random::uuid(&*services.random)?,
            client_id: random::uuid(&*services.random)?,
            realm: realm.to_owned(),
            name: name.to_owned(),
            created_at: now,
            updated_at: now,
            ..Self::default()
        })
    }

    /// Where the identity with `id` lies.
    pub fn key(id: &str) -> Key {
        Key::new(Table::Access, partition(id), SORT)
    }

    fn client_key(&self) -> Key {
        client_key(&self.client_id)
    }

    fn name_key(&self) -> Key {
        name_key(&self.realm, &self.name)
    }
}

/// An identity and its stored record.
#[derive(Clone, Debug)]
pub struct StoredIdentity {
    /// The identity.
    pub identity: Identity,
    record: Record,
}

/// Leads to an identity.
#[derive(Deserialize, Serialize)]
struct Pointer {
    id: String,
}

/// Where the identity with `id` lies, and its secrets.
pub(super) fn partition(id: &str) -> String {
    format!("identity/{id}")
}

fn client_key(client_id: &str) -> Key {
    Key::new(Table::Access, format!("client/{client_id}"), "client")
}

fn realm_partition(realm: &str) -> String {
    format!("identities/{realm}")
}

fn name_key(realm: &str, name: &str) -> Key {
    Key::new(Table::Access, realm_partition(realm), format!("name/{name}"))
}

/// Stores a new identity. One write.
///
/// # Errors
/// `Conflict` where its name or its client id is taken.
pub async fn create_identity(services: &Services, identity: &Identity) -> Result<(), Error> {
    let pointer = Pointer {
        id: identity.id.clone(),
    };
    let writes = [
        Write::Put(Record::new(identity.name_key(), &pointer)?, Condition::Absent),
        Write::Put(Record::new(identity.client_key(), &pointer)?, Condition::Absent),
        Write::Put(
            Record::new(Identity::key(&identity.id), identity)?,
            Condition::Absent,
        ),
    ];
    match services.store.write(&writes).await {
        Err(StoreError::ConditionFailed(0)) => Err(Error::Conflict("the name is taken".into())),
        Err(StoreError::ConditionFailed(_)) => Err(Error::Conflict("the client id is taken".into())),
        outcome => Ok(outcome?),
    }
}

/// Stores a changed identity in place of `stored`; its client id and name may be new. One write.
///
/// # Errors
/// `Conflict` where the name or client id is taken, or another request was quicker.
pub async fn update_identity(
    services: &Services,
    stored: &StoredIdentity,
    identity: &Identity,
) -> Result<(), Error> {
    let old = &stored.identity;
    let identity = Identity {
        updated_at: services.clock.now(),
        id: old.id.clone(),
        ..identity.clone()
    };
    let pointer = Pointer {
        id: identity.id.clone(),
    };
    let record = stored.record.replaced(&identity)?;
    let mut writes = vec![Write::Put(record, Condition::Version(stored.record.version))];
    let moved = [
        (old.client_key(), identity.client_key()),
        (old.name_key(), identity.name_key()),
    ];
    for (old, new) in moved {
        if old != new {
            writes.push(Write::Put(Record::new(new, &pointer)?, Condition::Absent));
            writes.push(Write::Delete(old, Condition::Present));
        }
    }
    match services.store.write(&writes).await {
        Err(StoreError::ConditionFailed(place)) if place > 0 => {
            Err(Error::Conflict("the name or the client id is taken".into()))
        }
        outcome => Ok(outcome?),
    }
}

/// Notes on the identity with `id` which entity its logins belong to. One read and one write.
///
/// # Errors
/// As [`Store::write`].
pub async fn note_entity(services: &Services, id: &str, entity_id: &str) -> Result<(), Error> {
    let Some(stored) = identity_by_id(&*services.store, id).await? else {
        return Ok(());
    };
    let identity = Identity {
        entity_id: entity_id.to_owned(),
        ..stored.identity
    };
    let put = Write::Put(
        stored.record.replaced(&identity)?,
        Condition::Version(stored.record.version),
    );
    match services.store.write(&[put]).await {
        // Whoever was quicker has noted it, or the next login will.
        Err(StoreError::ConditionFailed(_)) => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// The identity with `id`. One read.
///
/// # Errors
/// As [`Store::read`].
pub async fn identity_by_id(store: &dyn Store, id: &str) -> Result<Option<StoredIdentity>, Error> {
    read_one(store, &Identity::key(id))
        .await?
        .map(stored_identity)
        .transpose()
}

/// The identity with `client_id`. Two reads.
///
/// # Errors
/// As [`Store::read`].
pub async fn identity_by_client_id(
    store: &dyn Store,
    client_id: &str,
) -> Result<Option<StoredIdentity>, Error> {
    match id_of_client(store, client_id).await? {
        Some(id) => identity_by_id(store, &id).await,
        None => Ok(None),
    }
}

pub(super) async fn id_of_client(store: &dyn Store, client_id: &str) -> Result<Option<String>, Error> {
    let record = read_one(store, &client_key(client_id)).await?;
    record.map(|record| Ok(record.value::<Pointer>()?.id)).transpose()
}

/// The identity called `name` in `realm`. Two reads.
///
/// # Errors
/// As [`Store::read`].
pub async fn identity_by_name(
    store: &dyn Store,
    realm: &str,
    name: &str,
) -> Result<Option<StoredIdentity>, Error> {
    match read_one(store, &name_key(realm, name)).await? {
        Some(record) => identity_by_id(store, &record.value::<Pointer>()?.id).await,
        None => Ok(None),
    }
}

fn stored_identity(record: Record) -> Result<StoredIdentity, Error> {
    Ok(StoredIdentity {
        identity: record.value()?,
        record,
    })
}

/// All identities of `realm`, in the order of their names. One query, and one read for each hundred.
///
/// # Errors
/// As [`Store::query`].
pub async fn list_identities(store: &dyn Store, realm: &str) -> Result<Vec<StoredIdentity>, Error> {
    let keys: Vec<Key> = ids(store, realm)
        .await?
        .iter()
        .map(|id| Identity::key(id))
        .collect();
    let records = read_all(store, &keys).await?;
    records.into_iter().flatten().map(stored_identity).collect()
}

async fn ids(store: &dyn Store, realm: &str) -> Result<Vec<String>, Error> {
    let records = store
        .query(&Query::partition(Table::Access, realm_partition(realm)))
        .await?;
    records
        .iter()
        .map(|record| Ok(record.value::<Pointer>()?.id))
        .collect()
}

/// Removes an identity and its secrets. Tokens that it has stay until they end, but cannot be renewed. One write,
/// after which nobody can log in; then one query and write for each hundred secrets.
///
/// # Errors
/// As [`Store::write`].
pub async fn delete_identity(store: &dyn Store, identity: &Identity) -> Result<(), Error> {
    let keys = [
        Identity::key(&identity.id),
        identity.client_key(),
        identity.name_key(),
    ];
    store
        .write(&keys.map(|key| Write::Delete(key, Condition::Always)))
        .await?;
    loop {
        let query = Query {
            limit: MAX_WRITES,
            ..Query::partition(Table::Access, partition(&identity.id))
        };
        let rest = store.query(&query).await?;
        if rest.is_empty() {
            return Ok(());
        }
        let deletes = rest
            .into_iter()
            .map(|record| Write::Delete(record.key, Condition::Always));
        store.write(&deletes.collect::<Vec<_>>()).await?;
    }
}

/// Removes all identities of `realm`.
///
/// # Errors
/// As [`Store::write`]. Repeat it then.
pub async fn delete_realm(store: &dyn Store, realm: &str) -> Result<(), Error> {
    for StoredIdentity { identity, .. } in list_identities(store, realm).await? {
        delete_identity(store, &identity).await?;
    }
    Ok(())
}
