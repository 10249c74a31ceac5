//! `auth/approle`: roles, and the login with one. A role is a machine identity of the core in the mount's realm.

use super::{
    auth_block, on,
    token_settings::{self, count, networks, set},
};
use crate::{
    api::{
        Access, Answer, Call, Field, Fields, Kind, Operation, Route, Scope, duration, flag, handler, int,
        text,
    },
    error::Failure,
    mounts::{Mount, MountType},
};
use countersign::{
    Error,
    access::{
        self, Created, Entity, Identity, Login, StoredIdentity, create_identity, delete_identity,
        entity_by_login, identity_by_client_id, identity_by_name, list_identities, update_identity,
    },
};
use serde_json::{Value, json};

const SCOPE: Scope = Scope::Mount(MountType::Approle);

/// The longest role id.
const MAX_ROLE_ID_BYTES: usize = 512;

const ROLE: &[Field] = &[
    flag("bind_secret_id"),
    flag("local_secret_ids"),
    text("role_id"),
    Field::aliased("secret_id_bound_cidrs", "bound_cidr_list", Kind::CommaList),
    int("secret_id_num_uses"),
    duration("secret_id_ttl"),
    Field::new("token_bound_cidrs", Kind::CommaList),
    duration("token_explicit_max_ttl"),
    duration("token_max_ttl"),
    flag("token_no_default_policy"),
    int("token_num_uses"),
    Field::aliased("token_period", "period", Kind::Duration),
    Field::aliased("token_policies", "policies", Kind::CommaList),
    duration("token_ttl"),
    text("token_type"),
];

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: SCOPE,
        pattern: "login",
        fields: &[text("role_id"), text("secret_id")],
        methods: &[on(Operation::Update, Access::Decides, handler!(login))],
    },
    Route {
        scope: SCOPE,
        pattern: "role",
        fields: &[],
        methods: &[on(Operation::List, Access::Token, handler!(list))],
    },
    Route {
        scope: SCOPE,
        pattern: "role/~role_name",
        fields: ROLE,
        methods: &[
            on(Operation::Delete, Access::Token, handler!(delete)),
            on(Operation::Read, Access::Token, handler!(read)),
            on(Operation::Update, Access::Upsert, handler!(write)),
        ],
    },
    Route {
        scope: SCOPE,
        pattern: "role/~role_name/role-id",
        fields: &[text("role_id")],
        methods: &[
            on(Operation::Read, Access::Token, handler!(read_role_id)),
            on(Operation::Update, Access::Token, handler!(write_role_id)),
        ],
    },
];

/// The name in the path; case does not matter.
pub(super) fn name(call: &Call) -> String {
    call.captured("role_name").to_lowercase()
}

/// The role in the path.
pub(super) async fn find(call: &Call) -> Result<Option<StoredIdentity>, Failure> {
    Ok(identity_by_name(&*call.services.store, &call.mount()?.uuid, &name(call)).await?)
}

async fn list(call: &Call) -> Result<Answer, Failure> {
    let roles = list_identities(&*call.services.store, &call.mount()?.uuid).await?;
    Answer::list(
        roles.into_iter().map(|stored| stored.identity.name).collect(),
        None,
    )
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let role = find(call).await?.ok_or_else(Failure::absent)?.identity;
    let answer = Answer::data(shown(&role))?;
    Ok(match constrained(&role) {
        true => answer,
        false => answer.warn(
            "Role does not have any constraints set on it. Updates to this role will require a constraint to be set",
        ),
    })
}

fn shown(role: &Identity) -> Value {
    let bound = &role.secret.bound_cidrs;
    let mut shown = token_settings::shown(role);
    shown["bind_secret_id"] = role.secret.required.into();
    shown["local_secret_ids"] = role
        .details
        .get("local_secret_ids")
        .is_some_and(|local| *local == json!(true))
        .into();
    shown["secret_id_bound_cidrs"] = json!((!bound.is_empty()).then_some(bound));
    shown["secret_id_num_uses"] = role.secret.num_uses.into();
    shown["secret_id_ttl"] = role.secret.ttl.into();
    shown
}

/// Whether a login takes anything but the role id.
fn constrained(role: &Identity) -> bool {
    role.secret.required || !role.secret.bound_cidrs.is_empty() || !role.token.bound_cidrs.is_empty()
}

async fn write(call: &Call) -> Result<Answer, Failure> {
    let stored = find(call).await?;
    let allowed = if stored.is_some() {
        call.may_update
    } else {
        call.may_create
    };
    if !allowed {
        return Err(Failure::denied());
    }
    let mut role = match &stored {
        Some(stored) => stored.identity.clone(),
        None => Identity::draw(&call.services, &call.mount()?.uuid, &name(call))?,
    };
    let mut warnings = Vec::new();
    apply(&mut role, &call.fields, stored.is_none(), &mut warnings)?;
    check(&role, call.mount()?, &mut warnings)?;
    let written = match &stored {
        Some(stored) => update_identity(&call.services, stored, &role).await,
        None => create_identity(&call.services, &role).await,
    };
    written.map_err(|error| match error {
        Error::Conflict(text) if text.contains("client id") => Failure::server("role_id already in use"),
        other => Failure::plain(other),
    })?;
    Ok(warnings.into_iter().fold(Answer::nothing(), Answer::warn))
}

/// Takes over the fields that were sent.
fn apply(
    role: &mut Identity,
    fields: &Fields,
    is_new: bool,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    if fields.was_sent("local_secret_ids") {
        if !is_new && fields.is_set("local_secret_ids") != shown(role)["local_secret_ids"] {
            return Err(Failure::user(
                "local_secret_ids can only be modified during role creation",
            ));
        }
        role.details.insert(
            "local_secret_ids".into(),
            fields.is_set("local_secret_ids").into(),
        );
    }
    if fields.was_sent("role_id") {
        role.client_id = fields.text("role_id").into();
    }
    check_length(&role.client_id)?;
    if role.client_id.is_empty() {
        return Err(Failure::user(
            "invalid role_id supplied, or failed to generate a role_id",
        ));
    }
    set(&mut role.secret.required, fields.bool("bind_secret_id"));
    set(
        &mut role.secret.bound_cidrs,
        networks(fields, "secret_id_bound_cidrs")?,
    );
    set(
        &mut role.secret.num_uses,
        count(
            fields,
            "secret_id_num_uses",
            "secret_id_num_uses cannot be negative",
        )?,
    );
    set(&mut role.secret.ttl, fields.duration_secs("secret_id_ttl"));
    token_settings::apply(role, fields, warnings)
}

fn check(role: &Identity, mount: &Mount, warnings: &mut Vec<String>) -> Result<(), Failure> {
    token_settings::check(role, mount, warnings)?;
    if !constrained(role) {
        return Err(Failure::server(
            "at least one constraint should be enabled on the role",
        ));
    }
    Ok(())
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    if let Some(stored) = find(call).await? {
        delete_identity(&*call.services.store, &stored.identity).await?;
    }
    Ok(Answer::nothing())
}

/// A chosen id is a part of keys in the store.
fn check_length(role_id: &str) -> Result<(), Failure> {
    if role_id.len() > MAX_ROLE_ID_BYTES {
        let text = format!("role_id is longer than maximum of {MAX_ROLE_ID_BYTES} bytes");
        return Err(Failure::user(text));
    }
    Ok(())
}

async fn read_role_id(call: &Call) -> Result<Answer, Failure> {
    let role = find(call).await?.ok_or_else(Failure::absent)?.identity;
    Answer::data(json!({ "role_id": role.client_id }))
}

async fn write_role_id(call: &Call) -> Result<Answer, Failure> {
    let stored = find(call).await?.ok_or_else(Failure::unsupported_path)?;
    let client_id = call.fields.text("role_id").to_owned();
    if client_id.is_empty() {
        return Err(Failure::user("missing role_id"));
    }
    check_length(&client_id)?;
    let role = Identity {
        client_id,
        ..stored.identity.clone()
    };
    update_identity(&call.services, &stored, &role)
        .await
        .map_err(|error| match error {
            Error::Conflict(text) if text.contains("client id") => Failure::server("role_id already in use"),
            other => Failure::plain(other),
        })?;
    Ok(Answer::nothing())
}

async fn login(call: &Call) -> Result<Answer, Failure> {
    let mount = call.mount()?;
    let (client_id, secret) = (
        call.fields.text("role_id"),
        auth_block::secret(call.fields.text("secret_id")),
    );
    if client_id.is_empty() {
        return Err(Failure::server("missing role_id"));
    }
    let (default_type, forced_type) = token_settings::types(mount);
    let entity = entity(call, mount, client_id).await?;
    let login = Login {
        realm: &mount.uuid,
        client_id,
        secret: secret.as_ref(),
        from: call.source_ip,
        path: &call.path,
        display_name: &token_settings::display_name(mount),
        name_in_meta: "role_name",
        entity_id: entity.as_ref().map_or("", |entity| &entity.id),
        limits: mount.ttl_limits(),
        default_type,
        forced_type,
    };
    match access::login(&call.services, &login).await {
        Ok((identity, created)) => {
            if let Some(entity) = &entity {
                token_settings::belongs(call, &identity, entity).await?;
            }
            let Created {
                secret,
                token,
                warnings,
            } = created;
            auth_block::answer(secret.reveal(), &token, entity.as_ref(), warnings)
        }
        // Nothing is told of why, nor whether there is such a role.
        Err(Error::Unauthenticated) if secret.is_none() => Err(refused("missing secret_id")),
        Err(Error::Unauthenticated) => Err(refused("invalid role or secret ID")),
        Err(error) => Err(Failure::plain(error)),
    }
}

/// The entity of the role with this id, made before the secret is looked at: there is one for each role, however often
/// a stranger asks. None where there is no such role, and so no login.
async fn entity(call: &Call, mount: &Mount, client_id: &str) -> Result<Option<Entity>, Failure> {
    let store = &*call.services.store;
    if let Some(stored) = entity_by_login(store, &mount.accessor, client_id).await? {
        return Ok(Some(stored.entity));
    }
    let role = identity_by_client_id(store, client_id).await?;
    match role.filter(|stored| stored.identity.realm == mount.uuid) {
        Some(_) => token_settings::entity(call, client_id).await.map(Some),
        None => Ok(None),
    }
}

fn refused(text: &str) -> Failure {
    Failure {
        kind: "unauthenticated",
        ..Failure::user(text)
    }
}
