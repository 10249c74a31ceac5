//! `sys/leases`: what `creds` lends. Tokens are leases too, found by what made them, but without an id to be named by.

use super::{at_root, on};
use crate::{
    api::{
        Access, Answer, Call, Field, Lease as Lent, Method, Operation, Route, duration, flag, handler, text,
    },
    error::Failure,
    leases::{self, End},
    mounts::Mount,
};
use countersign::{
    access::{TtlLimits, list_tokens},
    store::StoreError,
    types::timestamp,
};
use http::StatusCode;
use serde_json::json;

const LEASE: &[Field] = &[text("lease_id"), flag("sync")];
const RENEWAL: &[Field] = &[text("lease_id"), duration("increment")];
const PREFIX: &[Field] = &[flag("sync")];

const LOOKUP: [Method; 1] = [on(Operation::Update, Access::Token, handler!(lookup))];
const RENEW: [Method; 1] = [on(Operation::Update, Access::Token, handler!(renew))];
const REVOKE: [Method; 1] = [on(Operation::Update, Access::Token, handler!(revoke_lease))];
const REVOKE_PREFIX: [Method; 1] = [on(Operation::Update, Access::Sudo, handler!(revoke_prefix))];
const REVOKE_FORCE: [Method; 1] = [on(Operation::Update, Access::Sudo, handler!(revoke_force))];

pub(super) const ROUTES: &[Route] = &[
    at_root("sys/leases/lookup", &[text("lease_id")], &LOOKUP),
    at_root(
        "sys/leases/lookup/*prefix",
        &[],
        &[on(Operation::List, Access::Sudo, handler!(list))],
    ),
    at_root("sys/leases/renew", RENEWAL, &RENEW),
    at_root("sys/leases/renew/*lease_id", RENEWAL, &RENEW),
    at_root("sys/leases/revoke", LEASE, &REVOKE),
    at_root("sys/leases/revoke/*lease_id", LEASE, &REVOKE),
    at_root("sys/leases/revoke-force/*prefix", PREFIX, &REVOKE_FORCE),
    at_root("sys/leases/revoke-prefix/*prefix", PREFIX, &REVOKE_PREFIX),
    // Their names before Vault 0.8.
    at_root("sys/renew", RENEWAL, &RENEW),
    at_root("sys/renew/*lease_id", RENEWAL, &RENEW),
    at_root("sys/revoke", LEASE, &REVOKE),
    at_root("sys/revoke/*lease_id", LEASE, &REVOKE),
    at_root("sys/revoke-force/*prefix", PREFIX, &REVOKE_FORCE),
    at_root("sys/revoke-prefix/*prefix", PREFIX, &REVOKE_PREFIX),
];

/// The id in the path or in the body.
fn lease_id(call: &Call) -> Result<&str, Failure> {
    let id = match call.captured("lease_id") {
        "" => call.fields.text("lease_id"),
        id => id,
    };
    if id.is_empty() {
        return Err(Failure::user("lease_id must be specified"));
    }
    Ok(id)
}

async fn lookup(call: &Call) -> Result<Answer, Failure> {
    let found = leases::find(&call.services, lease_id(call)?).await?;
    let lease = found.ok_or_else(|| Failure::user("invalid lease"))?.lease;
    Answer::data(json!({
        "expire_time": timestamp::render(lease.expires_at),
        "id": lease.id,
        "issue_time": timestamp::render(lease.issued_at),
        "last_renewal": lease.renewed_at.map(timestamp::render),
        "path": lease.path(),
        "renewable": lease.is_renewable(),
        "ttl": lease.expires_at.saturating_sub(call.services.clock.now()),
    }))
}

async fn list(call: &Call) -> Result<Answer, Failure> {
    let names = leases::names_below(&call.services, call.captured("prefix")).await?;
    Answer::list(names.into_iter().collect(), None)
}

/// Only a key's lease can be renewed; and no longer than its mount lends anything.
async fn renew(call: &Call) -> Result<Answer, Failure> {
    let (services, id) = (&call.services, lease_id(call)?);
    let unknown = || Failure::user("lease not found");
    let stored = leases::find(services, id).await?.ok_or_else(unknown)?;
    if !stored.lease.is_renewable() {
        return Err(Failure::user("lease is not renewable"));
    }
    let limits = limits(call, &stored.lease).await?;
    let now = services.clock.now();
    let asked = match call.fields.duration_secs("increment") {
        None | Some(0) => limits.default_ttl,
        Some(secs) => secs,
    };
    let most = stored
        .lease
        .issued_at
        .saturating_add(limits.max_ttl)
        .saturating_sub(now);
    if most == 0 {
        return Err(Failure::user("past the max TTL, cannot renew"));
    }
    let ttl = asked.min(most);
    let mut lease = stored.lease.clone();
    lease.expires_at = now.saturating_add(ttl);
    lease.renewed_at = Some(now);
    let lease = leases::rescheduled(services, lease).await?.ok_or_else(unknown)?;
    match services.store.write(&stored.replaced_by(&lease)?).await {
        Ok(()) => {}
        Err(StoreError::ConditionFailed(_)) => return Err(unknown()),
        Err(error) => return Err(countersign::Error::from(error).into()),
    }
    let answer = Answer::about(Lent {
        id: lease.id,
        duration_secs: ttl,
        is_renewable: true,
    });
    Ok(if asked > ttl {
        answer.warn(format!(
            "the lease cannot be renewed for {asked} seconds, but for {ttl}"
        ))
    } else {
        answer
    })
}

/// The lifetimes of the mount that lent it, which may have moved since.
async fn limits(call: &Call, lease: &leases::Lease) -> Result<TtlLimits, Failure> {
    let path = lease.path();
    let mount = crate::mounts::resolve(&*call.services.store, path).await?;
    let limits = mount.filter(|mount| mount.uuid == lease.mount);
    Ok(limits.as_ref().map_or_else(TtlLimits::default, Mount::ttl_limits))
}

/// A lease that is not there, or not any more, is revoked already.
async fn revoke_lease(call: &Call) -> Result<Answer, Failure> {
    if let Some(stored) = leases::read(&call.services, lease_id(call)?).await? {
        let ended = leases::end(&call.services, stored, End::Regular).await;
        // Who does not wait for it is not told either; the reaper tries again.
        if call.fields.bool("sync") != Some(false) {
            ended?;
        }
    }
    Ok(done(call))
}

async fn revoke_prefix(call: &Call) -> Result<Answer, Failure> {
    revoke_below(call, End::Regular).await
}

/// The same, where keys cannot be taken off their hosts: their leases are forgotten.
async fn revoke_force(call: &Call) -> Result<Answer, Failure> {
    revoke_below(call, End::Forced).await
}

/// Takes back what was lent below a path, and revokes the tokens that were made by requests there.
async fn revoke_below(call: &Call, how: End) -> Result<Answer, Failure> {
    let prefix = call.captured("prefix");
    let ended = leases::end_all(&call.services, prefix, None, how).await;
    for token in list_tokens(&call.services).await? {
        let below = token.path.strip_prefix(prefix);
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            super::token::end(&call.services, &token.hash).await?;
        }
    }
    if call.fields.bool("sync") != Some(false) {
        ended?;
    }
    Ok(done(call))
}

fn done(call: &Call) -> Answer {
    Answer::empty(if call.fields.bool("sync") == Some(false) {
        StatusCode::ACCEPTED
    } else {
        StatusCode::NO_CONTENT
    })
}
