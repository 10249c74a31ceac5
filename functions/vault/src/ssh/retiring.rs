//! The end of a mount's CA keys.

use super::issuers::{Issuer, Issuers};
use crate::{
    api::Call,
    error::Failure,
    mounts::{self, Mount, MountType},
};
use countersign::{
    authority::AuthorityId,
    retirement,
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

/// Writes `forget`, which takes `issuers` out of `mount`, and retires those of their keys that are the mount's own, that
/// no other mount uses, and under which no certificate stands that another family can be asked for again. What they
/// signed stays valid.
pub(crate) async fn retire(
    call: &Call,
    mount: &Mount,
    issuers: &[Issuer],
    forget: Write,
) -> Result<(), Failure> {
    let elsewhere = used_elsewhere(call, mount).await?;
    call.write(&[forget]).await?;
    for issuer in issuers
        .iter()
        .filter(|issuer| issuer.is_own && !elsewhere.contains(&issuer.authority))
    {
        // The mount has forgotten it, whatever becomes of the key: an operator can still retire it.
        if let Err(error) = retirement::retire_unused(&call.services, &issuer.authority).await {
            let error = error.chain();
            tracing::warn!(authority = %issuer.authority, "an authority that no mount uses stays in service: {error}");
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
