use super::lookup::read_all;
use crate::{
    error::Error,
    random,
    services::Services,
    store::{Condition, Key, Query, Record, Store, StoreError, TRIES, Table, Write, contended, read_one},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The sort key of an entity in its partition.
const SORT: &str = "entity";
/// Where all names lead to their entities, and all aliases.
const NAMES: &str = "entities";
const ALIASES: &str = "entity-aliases";
/// The most aliases of one entity: each takes two writes of a set of a hundred.
pub const MAX_ALIASES: usize = 32;

/// Somebody, over all the ways to log in: tokens say to which entity they belong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entity {
    /// Names it for good.
    pub id: String,
    /// Unique in the account, whatever the case of its letters.
    pub name: String,
    /// Free text by name.
    pub metadata: BTreeMap<String, String>,
    /// Policies that its tokens have beside their own.
    pub policies: Vec<String>,
    /// Whether its tokens are refused.
    pub disabled: bool,
    /// What it is called where it logs in: at most one alias for each auth method.
    pub aliases: Vec<Alias>,
    /// When it was made, in Unix seconds.
    pub created_at: u64,
    /// When it was changed last.
    pub updated_at: u64,
}

/// What an entity is called at one auth method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alias {
    /// Names it for good.
    pub id: String,
    /// The name there: a user's, a role id.
    pub name: String,
    /// The accessor of the auth method's mount.
    pub mount_accessor: String,
    /// Free text by name, from the auth method.
    pub metadata: BTreeMap<String, String>,
    /// Free text by name, from whoever administers it.
    pub custom_metadata: BTreeMap<String, String>,
    /// When it was made, in Unix seconds.
    pub created_at: u64,
    /// When it was changed last.
    pub updated_at: u64,
}

impl Entity {
    /// A new entity, not stored yet. Without a name it is called after its id.
    ///
    /// # Errors
    /// As [`random::Random::fill`].
    pub fn draw(services: &Services, name: &str) -> Result<Self, Error> {
        let id = random::uuid(&*services.random)?;
        let now = services.clock.now();
        Ok(Self {
            name: if name.is_empty() {
                format!("entity_{id}")
            } else {
                name.to_owned()
            },
            id,
            created_at: now,
            updated_at: now,
            ..Self::default()
        })
    }

    /// Where the entity with `id` lies.
    pub fn key(id: &str) -> Key {
        Key::new(Table::Access, format!("entity/{id}"), SORT)
    }

    /// The alias at the auth method with this accessor.
    pub fn alias_at(&self, mount_accessor: &str) -> Option<&Alias> {
        self.aliases
            .iter()
            .find(|alias| alias.mount_accessor == mount_accessor)
    }

    fn pointers(&self) -> Vec<Key> {
        let aliases = self.aliases.iter().flat_map(|alias| {
            [
                alias_key(&alias.id),
                login_key(&alias.mount_accessor, &alias.name),
            ]
        });
        std::iter::once(name_key(&self.name)).chain(aliases).collect()
    }
}

impl Alias {
    /// A new alias, not stored yet.
    ///
    /// # Errors
    /// As [`random::Random::fill`].
    pub fn draw(services: &Services, mount_accessor: &str, name: &str) -> Result<Self, Error> {
        let now = services.clock.now();
        Ok(Self {
            id: random::uuid(&*services.random)?,
            name: name.to_owned(),
            mount_accessor: mount_accessor.to_owned(),
            created_at: now,
            updated_at: now,
            ..Self::default()
        })
    }
}

/// An entity and its stored record.
#[derive(Clone, Debug)]
pub struct StoredEntity {
    /// The entity.
    pub entity: Entity,
    record: Record,
}

impl StoredEntity {
    fn of(record: Record) -> Result<Self, Error> {
        Ok(Self {
            entity: record.value()?,
            record,
        })
    }
}

/// Leads to an entity.
#[derive(Clone, Deserialize, Serialize)]
struct Pointer {
    id: String,
}

fn name_key(name: &str) -> Key {
    Key::new(Table::Access, NAMES, format!("name/{}", name.to_lowercase()))
}

fn alias_key(id: &str) -> Key {
    Key::new(Table::Access, ALIASES, format!("id/{id}"))
}

fn login_key(mount_accessor: &str, name: &str) -> Key {
    Key::new(
        Table::Access,
        format!("entity-login/{mount_accessor}/{name}"),
        "login",
    )
}

/// Stores a new entity. One write.
///
/// # Errors
/// `Conflict` where its name or one of its aliases is taken, or there is an entity with its id.
pub async fn create_entity(services: &Services, entity: &Entity) -> Result<(), Error> {
    let mut writes = vec![Write::Put(
        Record::new(Entity::key(&entity.id), entity)?,
        Condition::Absent,
    )];
    writes.extend(points(entity, entity.pointers(), &[])?);
    write(services, &writes).await
}

/// Stores a changed entity in place of `stored`; its name and aliases may be new. One write.
///
/// # Errors
/// `Conflict` where its name or one of its aliases is taken, or another request was quicker.
pub async fn update_entity(services: &Services, stored: &StoredEntity, entity: &Entity) -> Result<(), Error> {
    let writes = replace(services, stored, entity, &[])?;
    write(services, &writes).await
}

/// Stores two changed entities together, between which an alias may have moved. One write.
///
/// # Errors
/// As [`update_entity`].
pub async fn update_entities(
    services: &Services,
    from: (&StoredEntity, &Entity),
    to: (&StoredEntity, &Entity),
) -> Result<(), Error> {
    // What the one gives up the other may take, and nothing else that is somebody's.
    let given = from.0.entity.pointers();
    let mut writes = replace(services, to.0, to.1, &given)?;
    let taken: Vec<Key> = to.1.pointers();
    let given_up = replace(services, from.0, from.1, &[])?;
    writes.extend(
        given_up
            .into_iter()
            .filter(|write| !matches!(write, Write::Delete(key, _) if taken.contains(key))),
    );
    write(services, &writes).await
}

/// The writes that put `entity` in place of `stored`. The places of its names and aliases must be free, but for those
/// in `given`.
fn replace(
    services: &Services,
    stored: &StoredEntity,
    entity: &Entity,
    given: &[Key],
) -> Result<Vec<Write>, Error> {
    let entity = Entity {
        updated_at: services.clock.now(),
        id: stored.entity.id.clone(),
        ..entity.clone()
    };
    let (old, new) = (stored.entity.pointers(), entity.pointers());
    let record = stored.record.replaced(&entity)?;
    let mut writes = vec![Write::Put(record, Condition::Version(stored.record.version))];
    let added = new.iter().filter(|key| !old.contains(key)).cloned();
    writes.extend(points(&entity, added, given)?);
    let removed = old.iter().filter(|key| !new.contains(key)).cloned();
    writes.extend(removed.map(|key| Write::Delete(key, Condition::Always)));
    Ok(writes)
}

fn points(entity: &Entity, keys: impl IntoIterator<Item = Key>, given: &[Key]) -> Result<Vec<Write>, Error> {
    let pointer = Pointer {
        id: entity.id.clone(),
    };
    let put = |key: Key| {
        let condition = if given.contains(&key) {
            Condition::Always
        } else {
            Condition::Absent
        };
        Ok(Write::Put(Record::new(key, &pointer)?, condition))
    };
    keys.into_iter().map(put).collect()
}

async fn write(services: &Services, writes: &[Write]) -> Result<(), Error> {
    match services.store.write(writes).await {
        Err(StoreError::ConditionFailed(0)) => Err(Error::Conflict(
            "the entity was changed by another request; try again".into(),
        )),
        Err(StoreError::ConditionFailed(_)) => {
            Err(Error::Conflict("the name or an alias is another entity's".into()))
        }
        outcome => Ok(outcome?),
    }
}

/// Removes an entity with its aliases. Its tokens authenticate nobody from then on. One write.
///
/// # Errors
/// As [`Store::write`].
pub async fn delete_entity(services: &Services, entity: &Entity) -> Result<(), Error> {
    let keys = std::iter::once(Entity::key(&entity.id)).chain(entity.pointers());
    let writes: Vec<Write> = keys.map(|key| Write::Delete(key, Condition::Always)).collect();
    Ok(services.store.write(&writes).await?)
}

/// The entity with `id`. One read.
///
/// # Errors
/// As [`Store::read`].
pub async fn entity_by_id(store: &dyn Store, id: &str) -> Result<Option<StoredEntity>, Error> {
    if id.is_empty() {
        return Ok(None);
    }
    read_one(store, &Entity::key(id))
        .await?
        .map(StoredEntity::of)
        .transpose()
}

/// The entity called `name`. Two reads.
///
/// # Errors
/// As [`Store::read`].
pub async fn entity_by_name(store: &dyn Store, name: &str) -> Result<Option<StoredEntity>, Error> {
    led_to(store, &name_key(name)).await
}

/// The entity that has the alias with this id. Two reads.
///
/// # Errors
/// As [`Store::read`].
pub async fn entity_by_alias(store: &dyn Store, alias_id: &str) -> Result<Option<StoredEntity>, Error> {
    led_to(store, &alias_key(alias_id)).await
}

/// The entity that is called `name` at the auth method with this accessor. Two reads.
///
/// # Errors
/// As [`Store::read`].
pub async fn entity_by_login(
    store: &dyn Store,
    mount_accessor: &str,
    name: &str,
) -> Result<Option<StoredEntity>, Error> {
    led_to(store, &login_key(mount_accessor, name)).await
}

async fn led_to(store: &dyn Store, pointer: &Key) -> Result<Option<StoredEntity>, Error> {
    match read_one(store, pointer).await? {
        Some(record) => entity_by_id(store, &record.value::<Pointer>()?.id).await,
        None => Ok(None),
    }
}

/// All entities, in the order of their names. One query, and one read for each hundred.
///
/// # Errors
/// As [`Store::query`].
pub async fn list_entities(store: &dyn Store) -> Result<Vec<Entity>, Error> {
    let records = store.query(&Query::partition(Table::Access, NAMES)).await?;
    let id = |record: &Record| Ok(Entity::key(&record.value::<Pointer>()?.id));
    let keys: Vec<Key> = records.iter().map(id).collect::<Result<_, Error>>()?;
    let records = read_all(store, &keys).await?;
    records.iter().flatten().map(Record::value).collect()
}

/// The entity that logs in as `name` at the auth method with this accessor; it is made where there is none. Its id is a
/// new one then, never that of an entity that was deleted: the tokens of that one stay dead. Two reads, or one and one
/// write.
///
/// # Errors
/// As [`Store::write`].
pub async fn entity_of_login(services: &Services, mount_accessor: &str, name: &str) -> Result<Entity, Error> {
    for _ in 0..TRIES {
        if let Some(stored) = entity_by_login(&*services.store, mount_accessor, name).await? {
            return Ok(stored.entity);
        }
        let entity = Entity {
            aliases: vec![Alias::draw(services, mount_accessor, name)?],
            ..Entity::draw(services, "")?
        };
        match create_entity(services, &entity).await {
            // Another login at the same time was quicker.
            Err(Error::Conflict(_)) => {}
            outcome => return outcome.map(|()| entity),
        }
    }
    Err(contended("the entity"))
}
