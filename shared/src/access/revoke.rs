use super::{
    lookup::{self, Stored},
    token::{CHILD, Pointer, Token, TokenState, partition},
};
use crate::{
    error::Error,
    services::Services,
    store::{Condition, Query, Store, StoreError, TRIES, Table, Write, contended},
};

/// The most writes of one set.
const MAX_WRITES: usize = 100;

/// Revokes the token with `hash` and everything below it; says whether there was one.
///
/// The first write ends them all, since no token lives without its ancestors. What follows clears the records away,
/// children before their parents: a walk that dies half-way leaves only what is dead, and is taken up again where
/// the revocation is repeated.
///
/// # Errors
/// As [`Store::write`]. Repeat it then: the token may or may not be revoked already.
pub async fn revoke(services: &Services, hash: &str) -> Result<bool, Error> {
    if set_state(services, hash, TokenState::Revoked).await?.is_none() {
        return Ok(false);
    }
    let store = &*services.store;
    let mut waiting = vec![(hash.to_owned(), false)];
    while let Some((hash, children_gone)) = waiting.pop() {
        if children_gone {
            remove(store, &hash).await?;
        } else {
            let children = children(store, &hash).await?;
            waiting.push((hash, true));
            waiting.extend(children.into_iter().map(|child| (child, false)));
        }
    }
    Ok(true)
}

/// Revokes the token with `hash` alone: its children live on as orphans, and what is below them with them. Says
/// whether there was one.
///
/// While the children are being set free the token authenticates nobody, but they live; it is removed last. A walk
/// that dies half-way is taken up again where the revocation is repeated. A child that is made at the same moment
/// may be missed, and is then dead.
///
/// # Errors
/// As [`revoke`].
pub async fn revoke_orphan(services: &Services, hash: &str) -> Result<bool, Error> {
    let Some(token) = set_state(services, hash, TokenState::Orphaning).await? else {
        return Ok(false);
    };
    if token.state == TokenState::Revoked {
        return revoke(services, hash).await;
    }
    let store = &*services.store;
    let direct = children(store, hash).await?;
    let mut waiting = direct.clone();
    while let Some(child) = waiting.pop() {
        waiting.extend(children(store, &child).await?);
        cut_lineage(services, &child, hash).await?;
    }
    for some in direct.chunks(MAX_WRITES) {
        let entries = some.iter().map(|child| super::token::child_key(hash, child));
        store
            .write(
                &entries
                    .map(|key| Write::Delete(key, Condition::Always))
                    .collect::<Vec<_>>(),
            )
            .await?;
    }
    store.write(&token.deletes(Condition::Always)).await?;
    Ok(true)
}

/// The hash of the token with this accessor, dead or alive, for [`revoke`]. One read.
///
/// # Errors
/// As [`Store::read`].
pub async fn hash_of_accessor(services: &Services, accessor: &str) -> Result<Option<String>, Error> {
    lookup::hash_of_accessor(services, accessor).await
}

/// Puts the token into `state`, unless it is revoked already; gives it as it is then.
async fn set_state(services: &Services, hash: &str, state: TokenState) -> Result<Option<Token>, Error> {
    for _ in 0..TRIES {
        let Some(Stored { mut token, record }) = Stored::read(&*services.store, hash).await? else {
            return Ok(None);
        };
        if token.state == state || token.state == TokenState::Revoked {
            return Ok(Some(token));
        }
        token.state = state;
        let put = Write::Put(token.replacing(&record)?, Condition::Version(record.version));
        match services.store.write(&[put]).await {
            Ok(()) => return Ok(Some(token)),
            Err(StoreError::ConditionFailed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended("the token"))
}

/// The hashes of a token's children.
async fn children(store: &dyn Store, hash: &str) -> Result<Vec<String>, Error> {
    let query = Query {
        prefix: CHILD.into(),
        ..Query::partition(Table::Access, partition(hash))
    };
    let records = store.query(&query).await?;
    records
        .iter()
        .map(|record| Ok(record.value::<Pointer>()?.hash))
        .collect()
}

/// Removes a token that is dead, with what leads to it.
async fn remove(store: &dyn Store, hash: &str) -> Result<(), Error> {
    if let Some(stored) = Stored::read(store, hash).await? {
        store.write(&stored.token.deletes(Condition::Always)).await?;
    }
    Ok(())
}

/// Takes `ancestor` and all above it out of the lineage of the token with `hash`.
async fn cut_lineage(services: &Services, hash: &str, ancestor: &str) -> Result<(), Error> {
    for _ in 0..TRIES {
        let Some(Stored { mut token, record }) = Stored::read(&*services.store, hash).await? else {
            return Ok(());
        };
        let Some(place) = token.ancestors.iter().position(|hash| hash == ancestor) else {
            return Ok(());
        };
        token.ancestors.truncate(place);
        let put = Write::Put(token.replacing(&record)?, Condition::Version(record.version));
        match services.store.write(&[put]).await {
            Ok(()) => return Ok(()),
            Err(StoreError::ConditionFailed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended("a child of the token"))
}
