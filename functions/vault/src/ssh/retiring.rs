//! The end of a mount's CA keys.

use super::issuers::{Issuer, Issuers};
use crate::{
    api::Call,
    error::Failure,
    mounts::{self, Mount, MountType},
};
use countersign::{
    authority::{Authority, AuthorityId, AuthorityState},
    store::{Condition, Write},
};
use std::collections::BTreeSet;

/// Retires all CA keys of `mount`, which is about to be removed.
///
/// # Errors
/// As [`retire`].
pub(crate) async fn retire_all(call: &Call, mount: &Mount) -> Result<(), Failure> {
    let key = Issuers::key(mount);
    let Some(record) = call.read_one(&key).await? else {
        return Ok(());
    };
    let issuers = Issuers::from_record(Some(&record))?.issuers;
    let forget = Write::Delete(key, Condition::Version(record.version));
    retire(call, mount, &issuers, forget).await
}

/// Writes `forget`, which takes `issuers` out of `mount`, and retires those of their keys that are the mount's own and
/// that no other mount uses. What they signed stays valid.
pub(crate) async fn retire(
    call: &Call,
    mount: &Mount,
    issuers: &[Issuer],
    forget: Write,
) -> Result<(), Failure> {
    let elsewhere = used_elsewhere(call, mount).await?;
    let mut writes = vec![forget];
    let mut retired = Vec::new();
    for issuer in issuers
        .iter()
        .filter(|issuer| issuer.is_own && !elsewhere.contains(&issuer.authority))
    {
        let (authority, record) = issuer.authority(call).await?;
        let authority = Authority {
            state: AuthorityState::Retired,
            ..authority
        };
        writes.push(Write::Put(
            record.replaced(&authority)?,
            Condition::Version(record.version),
        ));
        retired.push(authority);
    }
    // The first write is among the first hundred.
    for writes in writes.chunks(100) {
        call.write(writes).await?;
    }
    for authority in retired {
        // It signs no more, whatever becomes of the key.
        if let Err(error) = call.services.keyring.retire(&authority).await {
            tracing::warn!(authority = %authority.id, "the key of a retired authority stays enabled: {error}");
        }
    }
    Ok(())
}

/// The authorities that other mounts use.
async fn used_elsewhere(call: &Call, mount: &Mount) -> Result<BTreeSet<AuthorityId>, Failure> {
    let own = &mount.uuid;
    let mounts = mounts::list(&*call.services.store).await?;
    let others = mounts
        .iter()
        .filter(|mount| mount.mount_type == MountType::Ssh && mount.uuid != *own);
    let keys: Vec<_> = others.map(Issuers::key).collect();
    let mut used = BTreeSet::new();
    for keys in keys.chunks(100) {
        for record in call
            .services
            .store
            .read(keys)
            .await
            .map_err(countersign::Error::from)?
        {
            let issuers = Issuers::from_record(record.as_ref())?.issuers;
            used.extend(issuers.into_iter().map(|issuer| issuer.authority));
        }
    }
    Ok(used)
}
