//! The secret ids of a role of `auth/approle`.

use super::{
    approle::{find, name},
    auth_block, on,
    token_settings::{count, networks},
};
use crate::{
    api::{Access, Answer, Call, Field, Kind, Method, Operation, Route, Scope, duration, handler, int, text},
    error::Failure,
    mounts::MountType,
};
use countersign::{
    Error,
    access::{
        ClientSecret, Identity, NewSecret, StoredSecret, create_secret, destroy_secret, find_secret,
        find_secret_by_accessor, list_secrets,
    },
    types::{CidrList, SecretToken, timestamp},
};
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the real product shows for a time that never comes.
const NEVER: &str = "0001-01-01T00:00:00Z";

const SCOPE: Scope = Scope::Mount(MountType::Approle);

const NEW: &[Field] = &[
    Field::new("cidr_list", Kind::CommaList),
    text("metadata"),
    int("num_uses"),
    text("secret_id"),
    Field::new("token_bound_cidrs", Kind::CommaList),
    duration("ttl"),
];
const BY_SECRET: &[Field] = &[text("secret_id")];
const BY_ACCESSOR: &[Field] = &[text("secret_id_accessor")];

const fn route(pattern: &'static str, fields: &'static [Field], methods: &'static [Method]) -> Route {
    Route {
        scope: SCOPE,
        pattern,
        fields,
        methods,
    }
}

pub(super) const ROUTES: &[Route] = &[
    route(
        "role/~role_name/secret-id",
        NEW,
        &[
            on(Operation::List, Access::Token, handler!(list)),
            on(Operation::Update, Access::Token, handler!(draw)),
        ],
    ),
    route(
        "role/~role_name/custom-secret-id",
        NEW,
        &[on(Operation::Update, Access::Token, handler!(take))],
    ),
    route(
        "role/~role_name/secret-id/lookup",
        BY_SECRET,
        &[on(Operation::Update, Access::Token, handler!(lookup))],
    ),
    route(
        "role/~role_name/secret-id/destroy",
        BY_SECRET,
        &[
            on(Operation::Delete, Access::Token, handler!(destroy)),
            on(Operation::Update, Access::Token, handler!(destroy)),
        ],
    ),
    route(
        "role/~role_name/secret-id-accessor/lookup",
        BY_ACCESSOR,
        &[on(Operation::Update, Access::Token, handler!(lookup_by_accessor))],
    ),
    route(
        "role/~role_name/secret-id-accessor/destroy",
        BY_ACCESSOR,
        &[
            on(Operation::Delete, Access::Token, handler!(destroy_by_accessor)),
            on(Operation::Update, Access::Token, handler!(destroy_by_accessor)),
        ],
    ),
];

/// The role in the path, where the real product fails without one.
async fn role(call: &Call) -> Result<Identity, Failure> {
    let stored = find(call).await?;
    stored
        .map(|stored| stored.identity)
        .ok_or_else(|| Failure::server(&missing_role(call)))
}

fn missing_role(call: &Call) -> String {
    format!("role \"{}\" does not exist", name(call))
}

async fn list(call: &Call) -> Result<Answer, Failure> {
    let role = find(call)
        .await?
        .ok_or_else(|| Failure::user(missing_role(call)))?
        .identity;
    let secrets = list_secrets(&call.services, &role.id).await?;
    Answer::list(
        secrets.into_iter().map(|stored| stored.secret.accessor).collect(),
        None,
    )
}

async fn draw(call: &Call) -> Result<Answer, Failure> {
    create(call, None).await
}

async fn take(call: &Call) -> Result<Answer, Failure> {
    let secret = auth_block::secret(call.fields.text("secret_id"))
        .ok_or_else(|| Failure::user("missing secret_id"))?;
    create(call, Some(secret)).await
}

async fn create(call: &Call, text: Option<SecretToken>) -> Result<Answer, Failure> {
    let role = find(call).await?;
    let role = role
        .ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, missing_role(call)))?
        .identity;
    if !role.secret.required {
        return Err(Failure::user("bind_secret_id is not set on the role"));
    }
    let new = NewSecret {
        text,
        ttl: ttl(call, &role)?,
        num_uses: num_uses(call, &role)?,
        description: String::new(),
        metadata: metadata(call.fields.text("metadata"))?,
        bound_cidrs: within(call, "cidr_list", &role.secret.bound_cidrs)?,
        token_bound_cidrs: within(call, "token_bound_cidrs", &role.token.bound_cidrs)?,
    };
    let (text, secret) = create_secret(&call.services, &role.id, new)
        .await
        .map_err(|error| match error {
            Error::Conflict(_) => {
                Failure::server("failed to store secret_id: SecretID is already registered")
            }
            other => Failure::plain(other),
        })?;
    Answer::data(json!({
        "secret_id": text.reveal(),
        "secret_id_accessor": secret.accessor,
        "secret_id_num_uses": secret.uses_left.unwrap_or_default(),
        "secret_id_ttl": secret.ttl,
    }))
}

fn ttl(call: &Call, role: &Identity) -> Result<u64, Failure> {
    let max = role.secret.ttl;
    let mount_max = call.mount()?.ttl_limits().max_ttl;
    let ttl = call.fields.duration_secs("ttl").unwrap_or(max);
    if max > 0 && (ttl == 0 || ttl > max) {
        return Err(Failure::user(
            "ttl cannot be longer than the role's secret_id_ttl",
        ));
    }
    Ok(ttl.min(mount_max))
}

fn num_uses(call: &Call, role: &Identity) -> Result<u64, Failure> {
    let max = role.secret.num_uses;
    let uses = count(&call.fields, "num_uses", "num_uses cannot be negative")?.unwrap_or(max);
    if max > 0 && (uses == 0 || uses > max) {
        return Err(Failure::user(
            "num_uses cannot be higher than the role's secret_id_num_uses",
        ));
    }
    Ok(uses)
}

/// A list of networks that lie within those of the role.
fn within(call: &Call, name: &str, outer: &[String]) -> Result<Vec<String>, Failure> {
    let inner = networks(&call.fields, name)?.unwrap_or_default();
    if inner.is_empty() || outer.is_empty() {
        return Ok(inner);
    }
    let list = |texts: &[String]| CidrList::parse(&texts.join(",")).map_err(Failure::internal);
    if !list(&inner)?.is_within(&list(outer)?) {
        let (inner, outer) = (inner.join(","), outer.join(","));
        let text = format!(
            "failed to verify subset relationship between CIDR blocks on the role \"{outer}\" and CIDR blocks on the secret ID \"{inner}\""
        );
        return Err(Failure::server(&text));
    }
    Ok(inner)
}

/// Metadata as an object of texts, or as `a=b,c=d`.
fn metadata(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    if let Ok(map) = serde_json::from_str(text) {
        return Ok(map);
    }
    let pairs = text.split(',').map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    });
    let pairs: Option<BTreeMap<_, _>> = pairs.collect();
    pairs.ok_or_else(|| {
        Failure::user("failed to parse metadata: it is an object of texts, or name=value pairs")
    })
}

/// What is said of a secret id. A role is looked for first.
fn shown(secret: &ClientSecret) -> Value {
    json!({
        "cidr_list": secret.bound_cidrs,
        "creation_time": timestamp::render(secret.created_at),
        "expiration_time": secret.expires_at.map_or_else(|| NEVER.into(), timestamp::render),
        "last_updated_time": timestamp::render(secret.updated_at),
        "metadata": secret.metadata,
        "secret_id_accessor": secret.accessor,
        "secret_id_num_uses": secret.uses_left.unwrap_or_default(),
        "secret_id_ttl": secret.ttl,
        "token_bound_cidrs": secret.token_bound_cidrs,
    })
}

async fn by_secret(call: &Call) -> Result<(Identity, Option<StoredSecret>), Failure> {
    let secret = auth_block::secret(call.fields.text("secret_id"))
        .ok_or_else(|| Failure::user("missing secret_id"))?;
    let role = role(call).await?;
    let found = find_secret(&call.services, &role.id, &secret).await?;
    Ok((role, found))
}

async fn by_accessor(call: &Call) -> Result<(Identity, Option<StoredSecret>), Failure> {
    let accessor = accessor(call)?;
    let role = role(call).await?;
    let found = find_secret_by_accessor(&call.services, &role.id, accessor).await?;
    Ok((role, found))
}

fn accessor(call: &Call) -> Result<&str, Failure> {
    match call.fields.text("secret_id_accessor") {
        "" => Err(Failure::user("missing secret_id_accessor")),
        accessor => Ok(accessor),
    }
}

async fn lookup(call: &Call) -> Result<Answer, Failure> {
    match by_secret(call).await? {
        (_, Some(found)) => Answer::data(shown(&found.secret)),
        (_, None) => Ok(Answer::nothing()),
    }
}

async fn destroy(call: &Call) -> Result<Answer, Failure> {
    if let (role, Some(found)) = by_secret(call).await? {
        destroy_secret(&*call.services.store, &role.id, &found.secret).await?;
    }
    Ok(Answer::nothing())
}

async fn lookup_by_accessor(call: &Call) -> Result<Answer, Failure> {
    match by_accessor(call).await? {
        (_, Some(found)) => Answer::data(shown(&found.secret)),
        (_, None) => Err(Failure::new(StatusCode::NOT_FOUND, no_accessor(call)?)),
    }
}

async fn destroy_by_accessor(call: &Call) -> Result<Answer, Failure> {
    match by_accessor(call).await? {
        (role, Some(found)) => {
            destroy_secret(&*call.services.store, &role.id, &found.secret).await?;
            Ok(Answer::nothing())
        }
        (_, None) => Err(Failure::server(&no_accessor(call)?)),
    }
}

fn no_accessor(call: &Call) -> Result<String, Failure> {
    Ok(format!(
        "failed to find accessor entry for secret_id_accessor: \"{}\"",
        accessor(call)?
    ))
}
