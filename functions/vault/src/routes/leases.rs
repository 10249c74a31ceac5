//! `sys/leases`: the only leases are tokens, which are found by what made them but have no lease id to be named by.

use super::on;
use crate::{
    api::{Access, Answer, Call, Field, Method, Operation, Route, Scope, duration, flag, handler, text},
    error::Failure,
};
use countersign::access::{list_tokens, revoke};
use http::StatusCode;

const LEASE: &[Field] = &[text("lease_id"), flag("sync")];
const RENEWAL: &[Field] = &[text("lease_id"), duration("increment")];
const PREFIX: &[Field] = &[flag("sync")];

const LOOKUP: [Method; 1] = [on(Operation::Update, Access::Token, handler!(lookup))];
const RENEW: [Method; 1] = [on(Operation::Update, Access::Token, handler!(renew))];
const REVOKE: [Method; 1] = [on(Operation::Update, Access::Token, handler!(revoke_lease))];
const REVOKE_PREFIX: [Method; 1] = [on(Operation::Update, Access::Sudo, handler!(revoke_prefix))];

const fn route(pattern: &'static str, fields: &'static [Field], methods: &'static [Method]) -> Route {
    Route {
        scope: Scope::Root,
        pattern,
        fields,
        methods,
    }
}

pub(super) const ROUTES: &[Route] = &[
    route("sys/leases/lookup", &[text("lease_id")], &LOOKUP),
    route(
        "sys/leases/lookup/*prefix",
        &[],
        &[on(Operation::List, Access::Sudo, handler!(list))],
    ),
    route("sys/leases/renew", RENEWAL, &RENEW),
    route("sys/leases/renew/*lease_id", RENEWAL, &RENEW),
    route("sys/leases/revoke", LEASE, &REVOKE),
    route("sys/leases/revoke/*lease_id", LEASE, &REVOKE),
    route("sys/leases/revoke-force/*prefix", PREFIX, &REVOKE_PREFIX),
    route("sys/leases/revoke-prefix/*prefix", PREFIX, &REVOKE_PREFIX),
    // Their names before Vault 0.8.
    route("sys/renew", RENEWAL, &RENEW),
    route("sys/renew/*lease_id", RENEWAL, &RENEW),
    route("sys/revoke", LEASE, &REVOKE),
    route("sys/revoke/*lease_id", LEASE, &REVOKE),
    route("sys/revoke-force/*prefix", PREFIX, &REVOKE_PREFIX),
    route("sys/revoke-prefix/*prefix", PREFIX, &REVOKE_PREFIX),
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
    lease_id(call)?;
    Err(Failure::user("invalid lease"))
}

async fn list(_: &Call) -> Result<Answer, Failure> {
    Err(Failure::absent())
}

async fn renew(call: &Call) -> Result<Answer, Failure> {
    lease_id(call)?;
    Err(Failure::user("lease not found"))
}

/// A lease that is not there, or not any more, is revoked already.
async fn revoke_lease(call: &Call) -> Result<Answer, Failure> {
    lease_id(call)?;
    Ok(done(call))
}

/// Revokes the tokens that were made by requests below a path.
async fn revoke_prefix(call: &Call) -> Result<Answer, Failure> {
    let prefix = call.captured("prefix");
    for token in list_tokens(&call.services).await? {
        let below = token.path.strip_prefix(prefix);
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            revoke(&call.services, &token.hash).await?;
        }
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
