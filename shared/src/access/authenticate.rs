use super::{
    entity::Entity,
    lookup::{Stored, carried, read_all},
    policies,
    token::{Token, admits},
};
use crate::{
    acl::{AccessRequest, Acl, Capability},
    error::Error,
    random,
    services::Services,
    store::{Condition, Key, Record, StoreError, TRIES, Write, contended},
    types::SecretToken,
};
use serde_json::{Map, Value};
use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

/// Who is calling, and what its policies say.
#[derive(Clone, Debug)]
pub struct Caller {
    stored: Stored,
    acl: Arc<Acl>,
    entity: Option<Arc<Entity>>,
}

impl Caller {
    pub(super) fn new(stored: Stored, acl: Arc<Acl>) -> Self {
        Self {
            stored,
            acl,
            entity: None,
        }
    }

    /// The public handle of its token.
    pub fn accessor(&self) -> &str {
        &self.token().accessor
    }

    /// Its name, for people.
    pub fn display_name(&self) -> &str {
        &self.token().display_name
    }

    /// The entity that its token belongs to, if any.
    pub fn entity(&self) -> Option<&Entity> {
        self.entity.as_deref()
    }

    /// The names of its token's own policies, sorted.
    pub fn policies(&self) -> &[String] {
        &self.token().policies
    }

    /// The entity that its token belongs to; often empty.
    pub fn entity_id(&self) -> &str {
        &self.token().entity_id
    }

    /// The record of its token, as it is after this use.
    pub fn token(&self) -> &Token {
        &self.stored.token
    }

    /// The token with its stored record, for a change of it.
    pub fn stored(&self) -> &Stored {
        &self.stored
    }

    /// What its policies say.
    pub fn acl(&self) -> &Acl {
        &self.acl
    }

    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.acl.is_root()
    }

    /// Whether it may use `capability` on `path`, as [`Acl::allows`] has it: for a request without parameters.
    pub fn allows(&self, path: &str, capability: Capability) -> bool {
        self.acl.allows(path, capability)
    }

    /// Whether it may make the request.
    pub fn permits(&self, request: &AccessRequest<'_>) -> bool {
        self.acl.permits(request)
    }

    /// Refuses where [`allows`](Self::allows) says no.
    ///
    /// # Errors
    /// `PermissionDenied`.
    pub fn require(&self, path: &str, capability: Capability) -> Result<(), Error> {
        self.require_with(path, capability, &Map::new(), None)
    }

    /// Refuses where the policies do not allow the request with its `parameters` and its wrapping.
    ///
    /// # Errors
    /// `PermissionDenied`.
    pub fn require_with(
        &self,
        path: &str,
        capability: Capability,
        parameters: &Map<String, Value>,
        wrap_ttl: Option<Duration>,
    ) -> Result<(), Error> {
        let request = AccessRequest {
            path,
            capability,
            parameters,
            wrap_ttl,
        };
        if self.permits(&request) {
            Ok(())
        } else {
            Err(Error::PermissionDenied)
        }
    }
}

/// Finds out who presents `token`, from the address `from` (of the gateway's request context, never of a header),
/// and reads the records at `also` in the same round trip.
///
/// One read for a token that this process has seen before, two for another or where its policies changed; one write
/// more where its uses are limited.
///
/// # Errors
/// `Unauthenticated` where the token is unknown, expired, revoked, used up or bound to other networks, or an
/// ancestor of it is gone; as [`Store::read`](crate::store::Store::read); `Internal` where a record is unreadable.
pub async fn authenticate(
    services: &Services,
    token: &SecretToken,
    from: Option<IpAddr>,
    also: &[Key],
) -> Result<(Caller, Vec<Option<Record>>), Error> {
    let hash = token.hash();
    let remembered = services.access().keys(&hash);
    let (own, others, mut found) = first_read(services, &hash, also, remembered.as_deref()).await?;
    let now = services.clock.now();
    let stored = own.map(Stored::of).transpose()?.ok_or(Error::Unauthenticated)?;
    if !token.has_hash(&stored.token.hash) || !stored.token.is_active(now) {
        return Err(Error::Unauthenticated);
    }
    let mut needed = needs(&stored.token);
    read_missing(services, &needed, &mut found).await?;
    let entity = entity(&stored.token, &found)?;
    // The first time these need a read of their own; from then on they are known.
    needed.extend(further_policies(&stored.token, entity.as_ref()).map(|name| policies::key(name)));
    read_missing(services, &needed, &mut found).await?;
    let at = |key: &Key| found.get(key).and_then(Option::as_ref);
    let ancestors = needed.iter().take(stored.token.ancestors.len());
    if !carried(ancestors.map(at), now)? || !admits(&stored.token.bound_cidrs, from) {
        return Err(Error::Unauthenticated);
    }
    let acl = acl(services, &stored.token, entity.as_ref(), at)?;
    if remembered.is_none_or(|remembered| *remembered != *needed) {
        services.access().remember_keys(&hash, needed.into());
    }
    let stored = spend(services, stored).await?;
    let entity = entity.map(Arc::new);
    Ok((Caller { stored, acl, entity }, others))
}

type Found = HashMap<Key, Option<Record>>;

/// The token's record, those at `also`, and those at the remembered keys, in one round trip.
async fn first_read(
    services: &Services,
    hash: &str,
    also: &[Key],
    remembered: Option<&[Key]>,
) -> Result<(Option<Record>, Vec<Option<Record>>, Found), Error> {
    let remembered = remembered.unwrap_or_default();
    let own = [Token::key(hash)];
    let keys: Vec<Key> = own.iter().chain(also).chain(remembered).cloned().collect();
    let mut records = read_all(&*services.store, &keys).await?.into_iter();
    let own = records.next().flatten();
    let others = records.by_ref().take(also.len()).collect();
    Ok((own, others, remembered.iter().cloned().zip(records).collect()))
}

async fn read_missing(services: &Services, needed: &[Key], found: &mut Found) -> Result<(), Error> {
    let missing: Vec<Key> = needed
        .iter()
        .filter(|key| !found.contains_key(*key))
        .cloned()
        .collect();
    if !missing.is_empty() {
        let records = read_all(&*services.store, &missing).await?;
        found.extend(missing.into_iter().zip(records));
    }
    Ok(())
}

/// The entity of `token`, among what was found.
///
/// # Errors
/// `Unauthenticated` where it is gone or disabled.
fn entity(token: &Token, found: &Found) -> Result<Option<Entity>, Error> {
    if token.entity_id.is_empty() {
        return Ok(None);
    }
    let record = found.get(&Entity::key(&token.entity_id)).and_then(Option::as_ref);
    let entity: Entity = record.ok_or(Error::Unauthenticated)?.value()?;
    if entity.disabled {
        return Err(Error::Unauthenticated);
    }
    Ok(Some(entity))
}

/// The policies that a token has from its entity alone.
fn further_policies<'e>(token: &'e Token, entity: Option<&'e Entity>) -> impl Iterator<Item = &'e String> {
    let policies = entity.map(|entity| &entity.policies[..]).unwrap_or_default();
    policies
        .iter()
        .filter(|name| !token.is_root() && !token.policies.contains(name))
}

/// What has to be read to judge a token: its ancestors, its entity, its policies. Root has no text to read.
fn needs(token: &Token) -> Vec<Key> {
    let ancestors = token.ancestors.iter().map(|hash| Token::key(hash));
    let policies = token
        .policies
        .iter()
        .filter(|_| !token.is_root())
        .map(|name| policies::key(name));
    let entity = (!token.entity_id.is_empty()).then(|| Entity::key(&token.entity_id));
    ancestors.chain(entity).chain(policies).collect()
}

fn acl<'r>(
    services: &Services,
    token: &Token,
    entity: Option<&Entity>,
    at: impl Fn(&Key) -> Option<&'r Record>,
) -> Result<Arc<Acl>, Error> {
    let text = |name: &String| at(&policies::key(name)).map(policies::text).transpose();
    let names: Vec<&String> = token
        .policies
        .iter()
        .chain(further_policies(token, entity))
        .collect();
    let texts: Vec<Option<String>> = names.iter().copied().map(text).collect::<Result<_, _>>()?;
    let named = names
        .iter()
        .map(|name| name.as_str())
        .zip(texts.iter().map(Option::as_deref));
    services.access().acl(&named.collect::<Vec<_>>())
}

/// What the policies of `token` and of its entity say, as they are now. One read, two where the entity has policies, or
/// none for root.
///
/// # Errors
/// `Unauthenticated` where its entity is disabled or gone;
/// As [`Store::read`](crate::store::Store::read); `Internal` where a record is unreadable.
pub async fn acl_of(services: &Services, token: &Token) -> Result<Arc<Acl>, Error> {
    let mut found = Found::new();
    let needed: Vec<Key> = needs(token).split_off(token.ancestors.len());
    read_missing(services, &needed, &mut found).await?;
    let entity = entity(token, &found)?;
    let further: Vec<Key> = further_policies(token, entity.as_ref())
        .map(|name| policies::key(name))
        .collect();
    read_missing(services, &further, &mut found).await?;
    acl(services, token, entity.as_ref(), |key| {
        found.get(key).and_then(Option::as_ref)
    })
}

/// Counts one use of a token whose uses are limited. With the last one it is gone.
async fn spend(services: &Services, mut stored: Stored) -> Result<Stored, Error> {
    for _ in 0..TRIES {
        let Some(uses) = stored.token.uses_left else {
            return Ok(stored);
        };
        let left = uses.checked_sub(1).ok_or(Error::Unauthenticated)?;
        let condition = Condition::Version(stored.record.version);
        let mut used = stored.token.clone();
        used.uses_left = Some(left);
        // Without this, two requests at the same time would write the same, and the store would let both pass.
        used.mark = random::uuid(&*services.random)?;
        let record = used.replacing(&stored.record)?;
        let writes = match left {
            0 => used.deletes(condition),
            _ => vec![Write::Put(record.clone(), condition)],
        };
        match services.store.write(&writes).await {
            Ok(()) => return Ok(Stored { token: used, record }),
            Err(StoreError::ConditionFailed(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let again = Stored::read(&*services.store, &stored.token.hash).await?;
        stored = again.ok_or(Error::Unauthenticated)?;
        if !stored.token.is_active(services.clock.now()) {
            return Err(Error::Unauthenticated);
        }
    }
    Err(contended("the token"))
}
