//! `identity/entity-alias`: what an entity is called where it logs in.

use super::{entities::check_metadata, on};
use crate::{
    api::{Access, Answer, Call, Field, Kind, Operation, Route, Scope, handler, text},
    error::Failure,
    mounts::{self, Mount},
};
use countersign::{
    access::{
        Alias, Entity, MAX_ALIASES, StoredEntity, create_entity, entity_by_alias, entity_by_id,
        entity_by_login, list_entities, update_entities, update_entity,
    },
    types::timestamp,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The longest name, so that the key of its record stays below the store's limit.
const MAX_NAME_BYTES: usize = 512;

const ALIAS: &[Field] = &[
    Field::aliased("canonical_id", "entity_id", Kind::Text),
    Field::new("custom_metadata", Kind::Pairs),
    text("id"),
    text("mount_accessor"),
    text("name"),
];

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "identity/entity-alias",
        fields: ALIAS,
        methods: &[on(Operation::Update, Access::Token, handler!(write))],
    },
    Route {
        scope: Scope::Root,
        pattern: "identity/entity-alias/id",
        fields: &[],
        methods: &[on(Operation::List, Access::Token, handler!(list))],
    },
    Route {
        scope: Scope::Root,
        pattern: "identity/entity-alias/id/:id",
        fields: ALIAS,
        methods: &[
            on(Operation::Delete, Access::Token, handler!(delete)),
            on(Operation::Read, Access::Token, handler!(read)),
            on(Operation::Update, Access::Token, handler!(write)),
        ],
    },
];

/// The auth methods, by their accessors.
pub(super) struct Mounts(Vec<Mount>);

impl Mounts {
    pub(super) async fn read(call: &Call) -> Result<Self, Failure> {
        let mounts = mounts::list(&*call.services.store).await?;
        Ok(Self(mounts.into_iter().filter(Mount::is_auth).collect()))
    }

    fn with(&self, accessor: &str) -> Option<&Mount> {
        self.0.iter().find(|mount| mount.accessor == accessor)
    }

    /// What reading an alias of `entity` shows.
    pub(super) fn shown(&self, entity: &Entity, alias: &Alias) -> Value {
        let mut shown = self.info(alias);
        shown["canonical_id"] = entity.id.clone().into();
        shown["creation_time"] = timestamp::render(alias.created_at).into();
        shown["last_update_time"] = timestamp::render(alias.updated_at).into();
        shown["merged_from_canonical_ids"] = Value::Null;
        shown["namespace_id"] = "root".into();
        shown
    }

    /// What a list says of an alias.
    pub(super) fn info(&self, alias: &Alias) -> Value {
        let mount = self.with(&alias.mount_accessor);
        json!({
            "custom_metadata": or_null(&alias.custom_metadata),
            "id": alias.id,
            "local": false,
            "metadata": or_null(&alias.metadata),
            "mount_accessor": alias.mount_accessor,
            "mount_path": mount.map_or(String::new(), |mount| format!("{}/", mount.path)),
            "mount_type": mount.map_or("", |mount| mount.mount_type.as_str()),
            "name": alias.name,
        })
    }
}

/// The map, or `null` where it is empty.
pub(super) fn or_null(map: &BTreeMap<String, String>) -> Value {
    json!((!map.is_empty()).then_some(map))
}

/// Makes an alias, or changes the one with the id, or the one of that name at that auth method.
async fn write(call: &Call) -> Result<Answer, Failure> {
    let store = &*call.services.store;
    let fields = &call.fields;
    let id = match call.captured("id") {
        "" => fields.text("id"),
        id => id,
    };
    let by_id = match id {
        "" => None,
        id => {
            let stored = entity_by_alias(store, id).await?;
            Some(stored.ok_or_else(|| Failure::user("invalid alias id"))?)
        }
    };
    let old = by_id
        .as_ref()
        .and_then(|stored| alias_of(&stored.entity, id))
        .cloned();
    let sent = |name, old: Option<&String>| match fields.text(name) {
        "" => old.cloned().unwrap_or_default(),
        text => text.to_owned(),
    };
    let name = sent("name", old.as_ref().map(|alias| &alias.name));
    let accessor = sent("mount_accessor", old.as_ref().map(|alias| &alias.mount_accessor));
    check(call, &name, &accessor).await?;
    let holder = match by_id {
        Some(stored) => Some(stored),
        None => entity_by_login(store, &accessor, &name).await?,
    };
    let known = old.or_else(|| {
        let holder = holder.as_ref()?;
        holder.entity.alias_at(&accessor).cloned()
    });
    let mut alias = match known {
        Some(alias) => Alias {
            name,
            mount_accessor: accessor,
            updated_at: call.services.clock.now(),
            ..alias
        },
        None => Alias::draw(&call.services, &accessor, &name)?,
    };
    if let Some(metadata) = fields.map("custom_metadata") {
        check_metadata(metadata)?;
        alias.custom_metadata = metadata.clone();
    }
    let owner = match (fields.text("canonical_id"), &holder) {
        ("", _) => None,
        (id, Some(holder)) if holder.entity.id == id => None,
        (id, _) => {
            let stored = entity_by_id(store, id).await?;
            Some(stored.ok_or_else(|| Failure::user("invalid canonical ID"))?)
        }
    };
    let canonical_id = place(call, holder, owner, &alias).await?;
    Answer::data(json!({ "canonical_id": canonical_id, "id": alias.id }))
}

async fn check(call: &Call, name: &str, accessor: &str) -> Result<(), Failure> {
    if name.is_empty() {
        return Err(Failure::user("missing alias name"));
    }
    if name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(Failure::user(format!(
            "an alias name has at most {MAX_NAME_BYTES} bytes and no control characters"
        )));
    }
    if accessor.is_empty() {
        return Err(Failure::user("missing mount_accessor"));
    }
    if Mounts::read(call).await?.with(accessor).is_none() {
        return Err(Failure::user(format!("invalid mount accessor \"{accessor}\"")));
    }
    Ok(())
}

/// Stores `alias`: with `owner`, or where that is not given with whoever has it, or with somebody new. Says whose it
/// is.
async fn place(
    call: &Call,
    holder: Option<StoredEntity>,
    owner: Option<StoredEntity>,
    alias: &Alias,
) -> Result<String, Failure> {
    let services = &call.services;
    let (holder, owner) = match (holder, owner) {
        (None, None) => {
            let entity = Entity {
                aliases: vec![alias.clone()],
                ..Entity::draw(services, "")?
            };
            create_entity(services, &entity).await.map_err(Failure::plain)?;
            return Ok(entity.id);
        }
        (Some(holder), None) => (None, holder),
        (holder, Some(owner)) => (holder, owner),
    };
    let mut changed = owner.entity.clone();
    changed.aliases.retain(|other| other.id != alias.id);
    // Which of two would a template mean?
    if changed.alias_at(&alias.mount_accessor).is_some() {
        return Err(Failure::user(
            "Alias already exists for requested entity and mount accessor",
        ));
    }
    if changed.aliases.len() >= MAX_ALIASES {
        return Err(Failure::user(format!(
            "an entity has at most {MAX_ALIASES} aliases"
        )));
    }
    changed.aliases.push(alias.clone());
    let id = changed.id.clone();
    match holder {
        None => update_entity(services, &owner, &changed).await,
        Some(holder) => {
            let mut left = holder.entity.clone();
            left.aliases.retain(|other| other.id != alias.id);
            update_entities(services, (&holder, &left), (&owner, &changed)).await
        }
    }
    .map_err(Failure::plain)?;
    Ok(id)
}

fn alias_of<'e>(entity: &'e Entity, id: &str) -> Option<&'e Alias> {
    entity.aliases.iter().find(|alias| alias.id == id)
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let id = call.captured("id");
    let stored = entity_by_alias(&*call.services.store, id).await?;
    let stored = stored.ok_or_else(Failure::absent)?;
    let alias = alias_of(&stored.entity, id).ok_or_else(Failure::absent)?;
    Answer::data(Mounts::read(call).await?.shown(&stored.entity, alias))
}

async fn list(call: &Call) -> Result<Answer, Failure> {
    let mounts = Mounts::read(call).await?;
    let mut infos: BTreeMap<String, Value> = BTreeMap::new();
    for entity in list_entities(&*call.services.store).await? {
        for alias in &entity.aliases {
            let mut info = mounts.info(alias);
            info["canonical_id"] = entity.id.clone().into();
            infos.insert(alias.id.clone(), info);
        }
    }
    let keys = infos.keys().cloned().collect();
    Answer::list(keys, Some(infos.into_iter().collect::<Map<String, Value>>()))
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    let id = call.captured("id");
    if let Some(stored) = entity_by_alias(&*call.services.store, id).await? {
        let mut entity = stored.entity.clone();
        entity.aliases.retain(|alias| alias.id != id);
        update_entity(&call.services, &stored, &entity)
            .await
            .map_err(Failure::plain)?;
    }
    Ok(Answer::nothing())
}
