use super::token::{ACCESSOR_PARTITIONS, Pointer, Token, accessor_key, accessor_partition};
use crate::{
    error::Error,
    services::Services,
    store::{Key, Query, Record, Store, Table, read_one},
    types::SecretToken,
};
use std::collections::{BTreeMap, BTreeSet};

/// How many records one read may ask for.
const MAX_READS: usize = 100;

/// A token and its stored record.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The token.
    pub token: Token,
    /// Its record, for a change of it.
    pub(super) record: Record,
}

impl Stored {
    pub(super) fn of(record: Record) -> Result<Self, Error> {
        Ok(Self {
            token: record.value()?,
            record,
        })
    }

    pub(super) async fn read(store: &dyn Store, hash: &str) -> Result<Option<Self>, Error> {
        read_one(store, &Token::key(hash))
            .await?
            .map(Self::of)
            .transpose()
    }
}

/// The token, if it is alive. One read, or two where it has ancestors.
///
/// # Errors
/// As [`Store::read`].
pub async fn lookup(services: &Services, token: &SecretToken) -> Result<Option<Stored>, Error> {
    lookup_hash(services, &token.hash()).await
}

/// The token with this hash, if it is alive. One read, or two where it has ancestors.
///
/// # Errors
/// As [`Store::read`].
pub async fn lookup_hash(services: &Services, hash: &str) -> Result<Option<Stored>, Error> {
    live(services, hash).await
}

/// The token with this accessor, if it is alive. Two reads, or three.
///
/// # Errors
/// As [`Store::read`].
pub async fn lookup_accessor(services: &Services, accessor: &str) -> Result<Option<Stored>, Error> {
    match hash_of_accessor(services, accessor).await? {
        Some(hash) => live(services, &hash).await,
        None => Ok(None),
    }
}

pub(super) async fn hash_of_accessor(services: &Services, accessor: &str) -> Result<Option<String>, Error> {
    let record = read_one(&*services.store, &accessor_key(accessor)).await?;
    record
        .map(|record| Ok(record.value::<Pointer>()?.hash))
        .transpose()
}

async fn live(services: &Services, hash: &str) -> Result<Option<Stored>, Error> {
    let Some(stored) = Stored::read(&*services.store, hash).await? else {
        return Ok(None);
    };
    Ok(is_alive(services, &stored.token).await?.then_some(stored))
}

/// Whether `token`, as it was read just now, is alive: its ancestors are asked for. No read for an orphan, else one.
///
/// # Errors
/// As [`Store::read`].
pub async fn is_alive(services: &Services, token: &Token) -> Result<bool, Error> {
    let now = services.clock.now();
    if !token.is_active(now) {
        return Ok(false);
    }
    if token.is_orphan() {
        return Ok(true);
    }
    let keys: Vec<Key> = token.ancestors.iter().map(|hash| Token::key(hash)).collect();
    let records = services.store.read(&keys).await?;
    carried(records.iter().map(Option::as_ref), now)
}

/// Whether all of these records are tokens whose descendants may live.
pub(super) fn carried<'r>(
    ancestors: impl IntoIterator<Item = Option<&'r Record>>,
    now: u64,
) -> Result<bool, Error> {
    for record in ancestors {
        match record {
            Some(record) if record.value::<Token>()?.carries(now) => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// All tokens that are alive and have an accessor. Sixteen queries at once, then one read for each hundred tokens.
///
/// # Errors
/// As [`Store::query`].
pub async fn list_tokens(services: &Services) -> Result<Vec<Token>, Error> {
    let store = &*services.store;
    let queries: Vec<Query> = ACCESSOR_PARTITIONS
        .iter()
        .map(|digit| Query::partition(Table::Access, accessor_partition(*digit)))
        .collect();
    let mut hashes = BTreeSet::new();
    for records in crate::join_all(queries.iter().map(|query| store.query(query))).await {
        for record in records? {
            hashes.insert(record.value::<Pointer>()?.hash);
        }
    }
    let mut tokens = read_tokens(store, hashes.iter()).await?;
    let ancestors: BTreeSet<&String> = tokens.values().flat_map(|token| &token.ancestors).collect();
    let unknown = ancestors.into_iter().filter(|hash| !tokens.contains_key(*hash));
    let ancestors = read_tokens(store, unknown).await?;
    tokens.extend(ancestors);
    let now = services.clock.now();
    let lives = |token: &&Token| {
        let carried = |hash| tokens.get(hash).is_some_and(|ancestor| ancestor.carries(now));
        token.is_active(now) && hashes.contains(&token.hash) && token.ancestors.iter().all(carried)
    };
    Ok(tokens.values().filter(lives).cloned().collect())
}

async fn read_tokens(
    store: &dyn Store,
    hashes: impl Iterator<Item = &String>,
) -> Result<BTreeMap<String, Token>, Error> {
    let keys: Vec<Key> = hashes.map(|hash| Token::key(hash)).collect();
    let mut tokens = BTreeMap::new();
    for record in read_all(store, &keys).await?.into_iter().flatten() {
        let token: Token = record.value()?;
        tokens.insert(token.hash.clone(), token);
    }
    Ok(tokens)
}

/// As [`Store::read`] of any number of keys: one round trip for each hundred.
pub(super) async fn read_all(store: &dyn Store, keys: &[Key]) -> Result<Vec<Option<Record>>, Error> {
    let mut records = Vec::with_capacity(keys.len());
    for some in keys.chunks(MAX_READS) {
        records.append(&mut store.read(some).await?);
    }
    Ok(records)
}
