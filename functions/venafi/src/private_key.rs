//! Private keys that are made here: kept encrypted until they are fetched, and gone after their time.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{
    Error, Services,
    signer::private_key::GeneratedKey,
    store::{Condition, Key, Record, Table, Write, read_one},
    types::Ksuid,
};
use serde::{Deserialize, Serialize};

/// A private key as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Base64 of the encrypted PKCS#8 key.
    sealed_key: String,
}

fn key(certificate: Ksuid) -> Key {
    Key::new(
        Table::Access,
        format!("venafi/private-key/{certificate}"),
        "private-key",
    )
}

/// What the encryption is bound to.
fn context(certificate: Ksuid) -> String {
    format!("venafi/private-key/{certificate}")
}

/// The write that keeps `pair` for the certificate with this id.
pub(crate) async fn keep(
    services: &Services,
    certificate: Ksuid,
    pair: &GeneratedKey,
) -> Result<Write, Error> {
    let sealed = services.keyring.seal(&context(certificate), pair.pkcs8()).await?;
    let kept = Kept {
        sealed_key: STANDARD.encode(sealed),
    };
    let end = services
        .clock
        .now()
        .saturating_add(services.settings.private_key_secs);
    let record = Record::new(key(certificate), &kept)?.expiring(Some(end));
    Ok(Write::Put(record, Condition::Absent))
}

/// The pair of the certificate with this id; `None` where its time is over.
pub(crate) async fn find(services: &Services, certificate: Ksuid) -> Result<Option<GeneratedKey>, Error> {
    let Some(record) = read_one(&*services.store, &key(certificate)).await? else {
        return Ok(None);
    };
    if record.expires_at.is_some_and(|end| end <= services.clock.now()) {
        return Ok(None);
    }
    let kept: Kept = record.value()?;
    let sealed = STANDARD.decode(kept.sealed_key).map_err(Error::internal)?;
    let pkcs8 = services.keyring.open(&context(certificate), &sealed).await?;
    GeneratedKey::from_pkcs8(&pkcs8)
        .map(Some)
        .map_err(|_| Error::internal("a kept private key is unreadable"))
}

/// The write that forgets the private key of the certificate with this id.
pub(crate) fn forget(certificate: Ksuid) -> Write {
    Write::Delete(key(certificate), Condition::Always)
}

/// The private half in OpenSSH's form, encrypted where there is a passphrase. Its lines end with a newline alone:
/// OpenSSH does not load the other form.
pub(crate) async fn text(
    services: &Services,
    pair: &GeneratedKey,
    passphrase: Option<&str>,
) -> Result<String, Error> {
    let text = match passphrase {
        Some(passphrase) => {
            pair.to_encrypted_openssh("", passphrase, &*services.random)
                .await?
        }
        None => pair.to_openssh(""),
    };
    Ok(text.to_string())
}
