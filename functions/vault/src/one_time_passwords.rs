//! One-time passwords: drawn for one login, and verified at most once.
//!
//! The store has of a password only the hash, which is where it lies, together with the mount: a mount's passwords end
//! with it. Verifying is one conditional delete, so of any number of callers one succeeds. A password is as good as
//! gone, too, once the token that asked for it is.

use crate::{error::Failure, mounts::Mount};
use countersign::{
    Error, Services, access, random,
    store::{self, Condition, Key, Record, StoreError, Table, Write},
    types::SecretToken,
};
use serde::{Deserialize, Serialize};

const SORT: &str = "otp";

/// What a password is good for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Login {
    pub(crate) ip: String,
    pub(crate) role_name: String,
    pub(crate) username: String,
}

#[derive(Deserialize, Serialize)]
struct Stored {
    login: Login,
    /// The hash of the token that asked for it.
    token: String,
}

/// Where the password with `hash` of a mount lies.
pub(crate) fn key(mount_uuid: &str, hash: &str) -> Key {
    Key::new(Table::Access, format!("otp/{mount_uuid}/{hash}"), SORT)
}

/// A new password, and the record of it, which ends at `expires_at` (Unix seconds).
///
/// # Errors
/// Where randomness cannot be had.
pub(crate) fn draw(
    services: &Services,
    mount: &Mount,
    login: Login,
    token: &str,
    expires_at: u64,
) -> Result<(SecretToken, Record), Failure> {
    let password = random::secret_in_uuid_form(&*services.random)?;
    let stored = Stored {
        login,
        token: token.to_owned(),
    };
    let record = Record::new(key(&mount.uuid, &password.hash()), &stored)?.expiring(Some(expires_at));
    Ok((password, record))
}

/// Takes `password` away, and says what it was good for; `None` where it is good for nothing. Two reads, or three,
/// and one conditional delete.
///
/// # Errors
/// Where the store fails. The password may be used up then.
pub(crate) async fn verify(
    services: &Services,
    mount: &Mount,
    password: &SecretToken,
) -> Result<Option<Login>, Error> {
    let key = key(&mount.uuid, &password.hash());
    let Some(record) = store::read_one(&*services.store, &key).await? else {
        return Ok(None);
    };
    let now = services.clock.now();
    let stored: Stored = record.value()?;
    if record.expires_at.is_none_or(|end| end <= now)
        || access::lookup_hash(services, &stored.token).await?.is_none()
    {
        return Ok(None);
    }
    match services
        .store
        .write(&[Write::Delete(key, Condition::Present)])
        .await
    {
        Ok(()) => Ok(Some(stored.login)),
        Err(StoreError::ConditionFailed(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
