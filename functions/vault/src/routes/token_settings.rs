//! What the tokens of a login are like: the fields that every auth method has.

use crate::{
    api::{Call, Fields},
    error::Failure,
    mounts::Mount,
};
use countersign::{
    access::{Entity, Identity, TokenType, entity_of_login, note_entity},
    types::CidrList,
};
use serde_json::{Value, json};

/// Takes over the fields that were sent.
pub(super) fn apply(
    identity: &mut Identity,
    fields: &Fields,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    let token = &mut identity.token;
    set(&mut token.bound_cidrs, networks(fields, "token_bound_cidrs")?);
    set(
        &mut token.explicit_max_ttl,
        fields.duration_secs("token_explicit_max_ttl"),
    );
    set(&mut token.max_ttl, fields.duration_secs("token_max_ttl"));
    set(
        &mut token.no_default_policy,
        fields.bool("token_no_default_policy"),
    );
    set(
        &mut token.num_uses,
        count(fields, "token_num_uses", "'token_num_uses' cannot be negative")?,
    );
    set(&mut token.period, fields.duration_secs("token_period"));
    set(&mut token.ttl, fields.duration_secs("token_ttl"));
    set(
        &mut identity.policies,
        fields.list("token_policies").map(<[String]>::to_vec),
    );
    if fields.was_sent("token_type") {
        token.token_type = token_type(fields.text("token_type"), warnings)?;
    }
    Ok(())
}

/// Whether they agree with one another and with the mount.
pub(super) fn check(identity: &Identity, mount: &Mount, warnings: &mut Vec<String>) -> Result<(), Failure> {
    let token = &identity.token;
    let batch = token.token_type == Some(TokenType::Batch);
    if batch && token.period > 0 {
        return Err(Failure::user(
            "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens",
        ));
    }
    if batch && token.num_uses > 0 {
        return Err(Failure::user(
            "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count",
        ));
    }
    if token.max_ttl > 0 && token.ttl > token.max_ttl {
        return Err(Failure::user(
            "'token_ttl' cannot be greater than 'token_max_ttl'",
        ));
    }
    let max_ttl = mount.ttl_limits().max_ttl;
    if token.max_ttl > max_ttl {
        warnings.push(
            "token_max_ttl is greater than the backend mount's maximum TTL value; issued tokens' max TTL value will \
             be truncated"
                .into(),
        );
    }
    Ok(())
}

/// What reading shows of them.
pub(super) fn shown(identity: &Identity) -> Value {
    json!({
        "token_bound_cidrs": identity.token.bound_cidrs,
        "token_explicit_max_ttl": identity.token.explicit_max_ttl,
        "token_max_ttl": identity.token.max_ttl,
        "token_no_default_policy": identity.token.no_default_policy,
        "token_num_uses": identity.token.num_uses,
        "token_period": identity.token.period,
        "token_policies": identity.policies,
        "token_ttl": identity.token.ttl,
        "token_type": identity.token.token_type.map_or("default", TokenType::as_str),
    })
}

/// The type of token that logins at `mount` give where the identity has none, and the one that they give whatever it
/// has.
pub(super) fn types(mount: &Mount) -> (TokenType, Option<TokenType>) {
    match mount.config.token_type.as_str() {
        "batch" => (TokenType::Batch, Some(TokenType::Batch)),
        "default-batch" => (TokenType::Batch, None),
        "service" => (TokenType::Service, Some(TokenType::Service)),
        _ => (TokenType::Service, None),
    }
}

/// The mount's path as display names have it.
pub(super) fn display_name(mount: &Mount) -> String {
    mount
        .path
        .strip_prefix("auth/")
        .unwrap_or(&mount.path)
        .replace('/', "-")
}

/// The entity that is called `name` at the mount that `call` is about; it is made where there is none.
///
/// # Errors
/// Where the store fails.
pub(super) async fn entity(call: &Call, name: &str) -> Result<Entity, Failure> {
    Ok(entity_of_login(&call.services, &call.mount()?.accessor, name).await?)
}

/// What remains to be done about the entity once its `identity` has shown who it is: other families find it there.
///
/// # Errors
/// 403 where it is disabled.
pub(super) async fn belongs(call: &Call, identity: &Identity, entity: &Entity) -> Result<(), Failure> {
    if entity.disabled {
        return Err(Failure::denied());
    }
    if identity.entity_id != entity.id {
        note_entity(&call.services, &identity.id, &entity.id).await?;
    }
    Ok(())
}

/// Changes what was sent.
pub(super) fn set<T>(old: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *old = new;
    }
}

/// A number of uses, if it was sent.
pub(super) fn count(fields: &Fields, name: &str, refusal: &str) -> Result<Option<u64>, Failure> {
    let count = fields.int(name).map(u64::try_from);
    count.transpose().map_err(|_| Failure::user(refusal))
}

/// A list of networks, if it was sent, as it was written.
pub(super) fn networks(fields: &Fields, name: &str) -> Result<Option<Vec<String>>, Failure> {
    let Some(list) = fields.list(name) else {
        return Ok(None);
    };
    if !list.is_empty() {
        CidrList::parse(&list.join(","))
            .map_err(|error| Failure::user(format!("invalid CIDR blocks: {error}")))?;
    }
    Ok(Some(list.to_vec()))
}

fn token_type(text: &str, warnings: &mut Vec<String>) -> Result<Option<TokenType>, Failure> {
    let mut adjusted = |to: &str| warnings.push(format!("{text} has no useful meaning; adjusting to {to}"));
    Ok(match text {
        "" | "default" => None,
        "batch" => Some(TokenType::Batch),
        "service" => Some(TokenType::Service),
        "default-batch" => {
            adjusted("batch");
            Some(TokenType::Batch)
        }
        "default-service" => {
            adjusted("service");
            Some(TokenType::Service)
        }
        _ => return Err(Failure::user(format!("invalid 'token_type' value \"{text}\""))),
    })
}
