//! Users: the account's identities of that kind, with a password and groups.

use crate::error::Problem;
use countersign::{
    Error, Services,
    access::{self, Identity, IdentityKind, StoredIdentity},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the names of users count: they are e-mail addresses.
pub(crate) const USERS: &str = "infisical/users";
/// Where the names of machine identities count.
pub(crate) const MACHINES: &str = "infisical/identities";

/// A person.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// The name by which login mappings know the user.
    pub(crate) username: String,
    /// The slugs of the groups of the organization that the user is in.
    pub(crate) groups: Vec<String>,
}

/// What this family keeps beside a user's identity.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Details {
    /// In the PHC string format; without one there is no login by password.
    pub(crate) password_hash: Option<String>,
    pub(crate) groups: Vec<String>,
}

impl Details {
    /// What is kept beside `identity`.
    pub(crate) fn of(identity: &Identity) -> Result<Self, Error> {
        let details = identity
            .details
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        serde_json::from_value(serde_json::Value::Object(details)).map_err(Error::internal)
    }

    /// The form in which an identity keeps it.
    pub(crate) fn into_map(self) -> Result<BTreeMap<String, serde_json::Value>, Error> {
        match serde_json::to_value(self).map_err(Error::internal)? {
            serde_json::Value::Object(map) => Ok(map.into_iter().collect()),
            _ => Err(Error::internal("the details of a user are not an object")),
        }
    }
}

impl User {
    /// The user behind `identity`; `None` where it is no user of this family.
    pub(crate) fn of(identity: &Identity) -> Result<Option<Self>, Error> {
        if identity.kind != IdentityKind::User || identity.realm != USERS {
            return Ok(None);
        }
        Ok(Some(Self {
            username: identity.name.clone(),
            groups: Details::of(identity)?.groups,
        }))
    }
}

/// The identity of the user called `username`.
pub(crate) async fn by_username(
    services: &Services,
    username: &str,
) -> Result<Option<StoredIdentity>, Problem> {
    if username.is_empty() {
        return Ok(None);
    }
    Ok(access::identity_by_name(&*services.store, USERS, username).await?)
}
