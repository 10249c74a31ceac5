//! The private keys with which the hosts are logged in to: `keys/:key_name`.

use crate::{error::Failure, mounts::Mount};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{
    Error, Services,
    signer::{Pkcs8Key, SignerError},
    store::{self, Key, Record, Table},
};
use serde::{Deserialize, Serialize};

/// What stands before a key's name in the sort key.
pub(crate) const PREFIX: &str = "key/";

/// A named private key as it is stored.
#[derive(Deserialize, Serialize)]
struct NamedKey {
    /// In PKCS#8, sealed by the keyring, in base64.
    sealed_key: String,
}

/// Where the key `name` of `mount` lies.
pub(crate) fn key(mount: &Mount, name: &str) -> Key {
    key_in(&mount.uuid, name)
}

fn key_in(mount_uuid: &str, name: &str) -> Key {
    Key::new(
        Table::Roles,
        format!("mount/{mount_uuid}"),
        format!("{PREFIX}{name}"),
    )
}

/// What the key is sealed for, so that none can be passed off as another.
fn context(mount_uuid: &str, name: &str) -> String {
    format!("vault-host-login/{mount_uuid}/{name}")
}

/// The record of a private key, sealed.
///
/// # Errors
/// Where the keyring fails, or the key is too long for it.
pub(crate) async fn record(
    services: &Services,
    mount: &Mount,
    name: &str,
    private_key: &Pkcs8Key,
) -> Result<Record, Failure> {
    let sealed = services
        .keyring
        .seal(&context(&mount.uuid, name), private_key)
        .await
        .map_err(|error| match error {
            SignerError::CannotSign(reason) => Failure::user(format!("Invalid key: {reason}")),
            error => Error::from(error).into(),
        })?;
    let sealed_key = STANDARD.encode(sealed);
    Ok(Record::new(key(mount, name), &NamedKey { sealed_key })?)
}

/// The private key `name` of a mount; `None` where there is none. One read, and one call of the keyring.
///
/// # Errors
/// Where the store or the keyring fails.
pub(crate) async fn open(
    services: &Services,
    mount_uuid: &str,
    name: &str,
) -> Result<Option<Pkcs8Key>, Error> {
    let Some(record) = store::read_one(&*services.store, &key_in(mount_uuid, name)).await? else {
        return Ok(None);
    };
    let named: NamedKey = record.value()?;
    let sealed = STANDARD.decode(named.sealed_key).map_err(Error::internal)?;
    let opened = services.keyring.open(&context(mount_uuid, name), &sealed).await?;
    Ok(Some(opened))
}
