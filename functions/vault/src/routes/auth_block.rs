//! What is said of a token, by whoever made or looked it up.

use crate::{
    api::{Answer, Call},
    error::Failure,
    mounts,
};
use countersign::{
    access::{Caller, Created, Entity, Token, TtlLimits, entity_by_id, missing_policies},
    types::{SecretToken, timestamp},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The `auth` member of an answer.
#[derive(Serialize)]
struct Auth<'a> {
    client_token: &'a str,
    accessor: &'a str,
    policies: Vec<&'a String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    identity_policies: &'a [String],
    token_policies: &'a [String],
    metadata: Option<&'a BTreeMap<String, String>>,
    lease_duration: u64,
    renewable: bool,
    entity_id: &'a str,
    token_type: &'static str,
    orphan: bool,
    mfa_requirement: Option<()>,
    num_uses: u64,
}

/// The answer that gives `token`, whose text is `client_token` where the caller may see it, and which belongs to
/// `entity`.
pub(super) fn answer(
    client_token: &str,
    token: &Token,
    entity: Option<&Entity>,
    warnings: Vec<String>,
) -> Result<Answer, Failure> {
    let identity_policies = entity.map(|entity| &entity.policies[..]).unwrap_or_default();
    let policies: BTreeSet<&String> = token.policies.iter().chain(identity_policies).collect();
    let auth = Auth {
        client_token,
        accessor: &token.accessor,
        policies: policies.into_iter().collect(),
        identity_policies,
        token_policies: &token.policies,
        metadata: token.meta.as_ref(),
        // As of when it was made or renewed: by now a second may have begun.
        lease_duration: token.ttl(token.renewed_at.unwrap_or(token.created_at)),
        renewable: token.renewable,
        entity_id: &token.entity_id,
        token_type: token.token_type.as_str(),
        orphan: token.is_orphan(),
        mfa_requirement: None,
        num_uses: token.uses_left.unwrap_or_default(),
    };
    let answer = Answer::auth(auth)?;
    Ok(warnings.into_iter().fold(answer, Answer::warn))
}

/// The answer that gives a new token, with a warning for each policy that does not exist.
pub(super) async fn created(call: &Call, created: Created) -> Result<Answer, Failure> {
    let mut warnings = created.warnings;
    for name in missing_policies(&*call.services.store, &created.token.policies).await? {
        warnings.push(format!("Policy \"{name}\" does not exist"));
    }
    let entity = entity(call, &created.token).await?;
    answer(created.secret.reveal(), &created.token, entity.as_ref(), warnings)
}

/// The entity of `token`, as it is now. No read for the caller's, otherwise one.
pub(super) async fn entity(call: &Call, token: &Token) -> Result<Option<Entity>, Failure> {
    let own = call.caller.as_ref().and_then(Caller::entity);
    match own.filter(|entity| entity.id == token.entity_id) {
        Some(entity) => Ok(Some(entity.clone())),
        None => {
            let stored = entity_by_id(&*call.services.store, &token.entity_id).await?;
            Ok(stored.map(|stored| stored.entity))
        }
    }
}

/// The data that a lookup of `token` gives; `id` is its text, where the caller may see it.
pub(super) async fn lookup(call: &Call, id: &str, token: &Token) -> Result<Value, Failure> {
    let mut data = json!({
        "accessor": token.accessor,
        "creation_time": token.created_at,
        "creation_ttl": token.creation_ttl,
        "display_name": token.display_name,
        "entity_id": token.entity_id,
        "expire_time": token.expires_at.map(timestamp::render),
        "explicit_max_ttl": token.explicit_max_ttl,
        "id": id,
        "meta": token.meta,
        "num_uses": token.uses_left.unwrap_or_default(),
        "orphan": token.is_orphan(),
        "path": token.path,
        "policies": token.policies,
        "ttl": token.ttl(call.services.clock.now()),
        "type": token.token_type.as_str(),
    });
    // A token without an end has no lease to speak of.
    if token.expires_at.is_some() {
        data["issue_time"] = timestamp::render(token.created_at).into();
        data["renewable"] = token.renewable.into();
    }
    if token.period > 0 {
        data["period"] = token.period.into();
    }
    if !token.bound_cidrs.is_empty() {
        data["bound_cidrs"] = json!(token.bound_cidrs);
    }
    if let Some(renewed_at) = token.renewed_at {
        data["last_renewal"] = timestamp::render(renewed_at).into();
        data["last_renewal_time"] = renewed_at.into();
    }
    let entity = entity(call, token).await?;
    if let Some(policies) = entity
        .map(|entity| entity.policies)
        .filter(|policies| !policies.is_empty())
    {
        data["identity_policies"] = json!(policies);
    }
    Ok(data)
}

/// The lifetimes of the mount that a token of `path` is made at.
pub(super) async fn limits(call: &Call, path: &str) -> Result<TtlLimits, Failure> {
    let mount = mounts::among(&call.read(&mounts::candidates(path)).await?)?;
    Ok(mount.map_or_else(TtlLimits::default, |mount| mount.ttl_limits()))
}

/// A secret from a field; none where it is empty.
pub(super) fn secret(text: &str) -> Option<SecretToken> {
    (!text.is_empty()).then(|| SecretToken::new(text))
}
