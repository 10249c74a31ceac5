//! The end of a mount's CA keys.

use super::issuers::{Issuer, Issuers};
use crate::{api::Call, error::Failure, mounts::Mount};
use countersign::{
    join_all, retirement,
    store::{Condition, Write},
};

/// How many keys are retired at the same time: each waits a second ([`countersign::grace`]).
const RETIRED_AT_ONCE: usize = 8;

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
    retire(call, &issuers, forget).await
}

/// Writes `forget`, which takes `issuers` out of `mount`, and retires those of their keys that are the mount's own,
/// that nobody else uses, and under which no certificate stands that another family can be asked for again. What they
/// signed stays valid.
pub(crate) async fn retire(call: &Call, issuers: &[Issuer], forget: Write) -> Result<(), Failure> {
    let mut writes = vec![forget];
    writes.extend(issuers.iter().map(Issuer::end_of_use));
    call.write(&writes).await?;
    let own: Vec<&Issuer> = issuers.iter().filter(|issuer| issuer.is_own).collect();
    for together in own.chunks(RETIRED_AT_ONCE) {
        join_all(together.iter().map(|issuer| retire_key(call, issuer))).await;
    }
    Ok(())
}

/// The mount has forgotten it, whatever becomes of the key: an operator can still retire it.
async fn retire_key(call: &Call, issuer: &Issuer) {
    if let Err(error) = retirement::retire_after_use(&call.services, &issuer.authority, None).await {
        let error = error.chain();
        tracing::warn!(authority = %issuer.authority, "an authority that no mount uses stays in service: {error}");
    }
}
