//! `identity/entity` and `identity/lookup/entity`: who stands behind the tokens, over all the ways to log in.

use super::{
    at_root,
    entity_aliases::{self, Mounts},
    on,
};
use crate::{
    api::{Access, Answer, Call, Field, Kind, Operation, Route, flag, handler, text},
    error::Failure,
};
use countersign::{
    access::{
        Entity, StoredEntity, create_entity, delete_entity, entity_by_alias, entity_by_id, entity_by_login,
        entity_by_name, list_entities, update_entity,
    },
    acl::ROOT_POLICY_NAME,
    types::timestamp,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The real product's limits on metadata.
const MAX_PAIRS: usize = 64;
const MAX_KEY_BYTES: usize = 128;
const MAX_VALUE_BYTES: usize = 512;
/// Ours: each policy is read on every request.
const MAX_POLICIES: usize = 64;
const MAX_NAME_BYTES: usize = 512;

const ENTITY: &[Field] = &[
    flag("disabled"),
    text("id"),
    Field::new("metadata", Kind::Pairs),
    text("name"),
    Field::new("policies", Kind::CommaList),
];

pub(super) const ROUTES: &[Route] = &[
    at_root(
        "identity/entity",
        ENTITY,
        &[on(Operation::Update, Access::Token, handler!(write))],
    ),
    at_root(
        "identity/entity/batch-delete",
        &[Field::new("entity_ids", Kind::CommaList)],
        &[on(Operation::Update, Access::Token, handler!(delete_several))],
    ),
    at_root(
        "identity/entity/id",
        &[],
        &[on(Operation::List, Access::Token, handler!(list_ids))],
    ),
    at_root(
        "identity/entity/id/:id",
        ENTITY,
        &[
            on(Operation::Delete, Access::Token, handler!(delete)),
            on(Operation::Read, Access::Token, handler!(read)),
            on(Operation::Update, Access::Token, handler!(write)),
        ],
    ),
    at_root(
        "identity/entity/name",
        &[],
        &[on(Operation::List, Access::Token, handler!(list_names))],
    ),
    at_root(
        "identity/entity/name/*name",
        ENTITY,
        &[
            on(Operation::Delete, Access::Token, handler!(delete)),
            on(Operation::Read, Access::Token, handler!(read)),
            on(Operation::Update, Access::Token, handler!(write)),
        ],
    ),
    at_root(
        "identity/lookup/entity",
        &[
            text("alias_id"),
            text("alias_mount_accessor"),
            text("alias_name"),
            text("id"),
            text("name"),
        ],
        &[on(Operation::Update, Access::Token, handler!(lookup))],
    ),
];

/// What the path says, or else the body.
fn given<'c>(call: &'c Call, name: &str) -> &'c str {
    match call.captured(name) {
        "" => call.fields.text(name),
        captured => captured,
    }
}

/// The entity that the path names.
async fn named(call: &Call) -> Result<Option<StoredEntity>, Failure> {
    let store = &*call.services.store;
    Ok(match call.captured("id") {
        "" => entity_by_name(store, call.captured("name")).await?,
        id => entity_by_id(store, id).await?,
    })
}

/// Makes an entity, or changes the one with the id or the name.
async fn write(call: &Call) -> Result<Answer, Failure> {
    let store = &*call.services.store;
    let (id, name) = (given(call, "id"), given(call, "name"));
    check_name(name)?;
    let stored = match id {
        "" if name.is_empty() => None,
        "" => entity_by_name(store, name).await?,
        id => {
            let stored = entity_by_id(store, id).await?;
            Some(stored.ok_or_else(|| Failure::user("entity not found from id"))?)
        }
    };
    let mut entity = match &stored {
        Some(stored) => stored.entity.clone(),
        None => Entity::draw(&call.services, name)?,
    };
    if !name.is_empty() {
        entity.name = name.to_owned();
    }
    apply(call, &mut entity)?;
    if let Some(stored) = stored {
        update_entity(&call.services, &stored, &entity)
            .await
            .map_err(Failure::plain)?;
        return Ok(Answer::nothing());
    }
    create_entity(&call.services, &entity)
        .await
        .map_err(Failure::plain)?;
    Answer::data(json!({ "aliases": null, "id": entity.id, "name": entity.name }))
}

fn check_name(name: &str) -> Result<(), Failure> {
    if name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(Failure::user(format!(
            "a name has at most {MAX_NAME_BYTES} bytes and no control characters"
        )));
    }
    Ok(())
}

fn apply(call: &Call, entity: &mut Entity) -> Result<(), Failure> {
    let fields = &call.fields;
    if let Some(metadata) = fields.map("metadata") {
        check_metadata(metadata)?;
        entity.metadata = metadata.clone();
    }
    if let Some(policies) = fields.list("policies") {
        let mut policies: Vec<String> = policies.iter().map(|name| name.to_lowercase()).collect();
        policies.retain(|name| !name.is_empty());
        policies.sort_unstable();
        policies.dedup();
        if policies.iter().any(|name| name == ROOT_POLICY_NAME) {
            return Err(Failure::user("policies cannot contain root"));
        }
        if policies.len() > MAX_POLICIES {
            return Err(Failure::user(format!(
                "an entity has at most {MAX_POLICIES} policies"
            )));
        }
        entity.policies = policies;
    }
    if let Some(disabled) = fields.bool("disabled") {
        entity.disabled = disabled;
    }
    Ok(())
}

/// Holds metadata to its limits.
pub(super) fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Failure> {
    let refused = |reason: String| Err(Failure::user(format!("invalid metadata: {reason}")));
    if metadata.len() > MAX_PAIRS {
        return refused(format!(
            "{} pairs, but at most {MAX_PAIRS} are allowed",
            metadata.len()
        ));
    }
    for (name, value) in metadata {
        if name.is_empty() || name.len() > MAX_KEY_BYTES {
            return refused(format!("a name has 1 to {MAX_KEY_BYTES} bytes"));
        }
        if value.len() > MAX_VALUE_BYTES {
            return refused(format!("a value has at most {MAX_VALUE_BYTES} bytes: {name}"));
        }
    }
    Ok(())
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let stored = named(call).await?.ok_or_else(Failure::absent)?;
    shown(call, &stored.entity).await
}

/// 204 where nobody is found.
async fn lookup(call: &Call) -> Result<Answer, Failure> {
    let (store, text) = (&*call.services.store, |name| call.fields.text(name));
    let login = (text("alias_name"), text("alias_mount_accessor"));
    let found = match (text("id"), text("name"), text("alias_id"), login) {
        ("", "", "", ("", "")) => {
            return Err(Failure::user(
                "query parameter not supplied; supply one of 'name', 'id', 'alias_id' or \
                                      'alias_name' and 'alias_mount_accessor' pair",
            ));
        }
        ("", "", "", ("", _) | (_, "")) => {
            return Err(Failure::user(
                "both 'alias_name' and 'alias_mount_accessor' should be supplied",
            ));
        }
        ("", "", "", (name, accessor)) => entity_by_login(store, accessor, name).await?,
        ("", "", alias, _) => entity_by_alias(store, alias).await?,
        ("", name, ..) => entity_by_name(store, name).await?,
        (id, ..) => entity_by_id(store, id).await?,
    };
    match found {
        Some(stored) => shown(call, &stored.entity).await,
        None => Ok(Answer::nothing()),
    }
}

async fn shown(call: &Call, entity: &Entity) -> Result<Answer, Failure> {
    let mounts = Mounts::read(call).await?;
    let aliases = entity.aliases.iter().map(|alias| mounts.shown(entity, alias));
    Answer::data(json!({
        "aliases": aliases.collect::<Vec<_>>(),
        "creation_time": timestamp::render(entity.created_at),
        "direct_group_ids": [],
        "disabled": entity.disabled,
        "group_ids": [],
        "id": entity.id,
        "inherited_group_ids": [],
        "last_update_time": timestamp::render(entity.updated_at),
        "merged_entity_ids": null,
        "metadata": entity_aliases::or_null(&entity.metadata),
        "name": entity.name,
        "namespace_id": "root",
        "policies": entity.policies,
    }))
}

async fn list_ids(call: &Call) -> Result<Answer, Failure> {
    let mut entities = list_entities(&*call.services.store).await?;
    entities.sort_by(|one, other| one.id.cmp(&other.id));
    let mounts = Mounts::read(call).await?;
    let info = |entity: &Entity| -> Value {
        let aliases: Vec<Value> = entity.aliases.iter().map(|alias| mounts.info(alias)).collect();
        json!({ "aliases": aliases, "name": entity.name })
    };
    let key_info: Map<String, Value> = entities
        .iter()
        .map(|entity| (entity.id.clone(), info(entity)))
        .collect();
    Answer::list(
        entities.into_iter().map(|entity| entity.id).collect(),
        Some(key_info),
    )
}

async fn list_names(call: &Call) -> Result<Answer, Failure> {
    let entities = list_entities(&*call.services.store).await?;
    Answer::list(entities.into_iter().map(|entity| entity.name).collect(), None)
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    if let Some(stored) = named(call).await? {
        delete_entity(&call.services, &stored.entity).await?;
    }
    Ok(Answer::nothing())
}

async fn delete_several(call: &Call) -> Result<Answer, Failure> {
    let ids = call.fields.list("entity_ids").unwrap_or_default();
    if ids.is_empty() {
        return Err(Failure::user("missing entity ids to delete"));
    }
    for id in ids {
        if let Some(stored) = entity_by_id(&*call.services.store, id).await? {
            delete_entity(&call.services, &stored.entity).await?;
        }
    }
    Ok(Answer::nothing())
}
