//! Users and their groups.

use super::join;
use crate::{
    error::Problem,
    input::{GroupSpec, UserSpec},
    model::ActorKind,
    records::{Records, Stored},
    user::{self, Details, USERS},
    wire,
};
use countersign::{
    access::{self, Identity, IdentityKind, StoredIdentity},
    password,
    store::{Key, Table},
};
use serde::{Deserialize, Serialize};

/// A group of people of the organization. Who is in it, the users say themselves.
#[derive(Debug, Serialize, Deserialize)]
struct Group {
    id: String,
    slug: String,
}

impl Stored for Group {
    fn key(&self) -> Key {
        Self::key_of(&self.slug)
    }
}

impl Group {
    fn key_of(slug: &str) -> Key {
        Key::new(Table::Roles, "infisical/group", slug)
    }
}

/// Makes a user, or changes one to be as `spec` says, and puts the user into the project.
pub(super) async fn user(
    records: &mut Records,
    project_id: &str,
    spec: UserSpec,
) -> Result<wire::AppliedUser, Problem> {
    let identity = match user::by_username(&records.services, &spec.email).await? {
        Some(known) => with_password(records, known, spec.password.as_deref()).await?,
        None => make(records, &spec).await?,
    };
    join(records, project_id, ActorKind::User, &identity.id, spec.role).await?;
    Ok(wire::AppliedUser {
        id: identity.id,
        email: spec.email,
        password: spec.password,
        role: spec.role.name().to_owned(),
    })
}

async fn make(records: &Records, spec: &UserSpec) -> Result<Identity, Problem> {
    let services = &records.services;
    let password_hash = match &spec.password {
        Some(password) => Some(password::hash(password, &*services.random).await?),
        None => None,
    };
    let mut identity = Identity::draw(services, USERS, &spec.email)?;
    identity.kind = IdentityKind::User;
    identity.details = Details {
        password_hash,
        groups: Vec::new(),
    }
    .into_map()?;
    access::create_identity(services, &identity).await?;
    Ok(identity)
}

/// Gives the user this password, unless it is the user's already.
async fn with_password(
    records: &Records,
    known: StoredIdentity,
    password: Option<&str>,
) -> Result<Identity, Problem> {
    let Some(password) = password else {
        return Ok(known.identity);
    };
    let random = &*records.services.random;
    let details = Details::of(&known.identity)?;
    let hash = details.password_hash.as_deref();
    if hash.is_some() && password::has_hash(password, hash, random).await? {
        return Ok(known.identity);
    }
    let details = Details {
        password_hash: Some(password::hash(password, random).await?),
        ..details
    };
    with_details(records, known, details).await
}

async fn with_details(
    records: &Records,
    known: StoredIdentity,
    details: Details,
) -> Result<Identity, Problem> {
    let changed = Identity {
        details: details.into_map()?,
        ..known.identity.clone()
    };
    access::update_identity(&records.services, &known, &changed).await?;
    Ok(changed)
}

/// Makes a group, or changes one to have exactly the members of `spec`.
pub(super) async fn group(records: &mut Records, spec: &GroupSpec) -> Result<wire::AppliedGroup, Problem> {
    let id = find_or_make(records, &spec.slug).await?;
    for email in &spec.users {
        let known = user::by_username(&records.services, email).await?;
        known.ok_or_else(|| Problem::bad_request(format!("Invalid username: {email}")))?;
    }
    let store = &*records.services.store;
    for known in access::list_identities(store, USERS).await? {
        let details = Details::of(&known.identity)?;
        let is_in = details.groups.contains(&spec.slug);
        let shall_be_in = spec.users.contains(&known.identity.name);
        if is_in != shall_be_in {
            let mut groups = details.groups.clone();
            groups.retain(|slug| *slug != spec.slug);
            groups.extend(shall_be_in.then(|| spec.slug.clone()));
            with_details(records, known, Details { groups, ..details }).await?;
        }
    }
    Ok(wire::AppliedGroup {
        id,
        slug: spec.slug.clone(),
        users: spec.users.clone(),
        role: spec.role.name().to_owned(),
    })
}

/// The id of the group with `slug`; made, if it is not there.
async fn find_or_make(records: &mut Records, slug: &str) -> Result<String, Problem> {
    if let Some(known) = records.find::<Group>(&Group::key_of(slug)).await? {
        return Ok(known.value.id);
    }
    let group = Group {
        id: records.uuid()?,
        slug: slug.to_owned(),
    };
    records.write(&[group.create()?]).await?;
    Ok(group.id)
}
