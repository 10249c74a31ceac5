//! Authorities: the CA keys of an account, common to all families.

use crate::{
    error::Error,
    random::Random,
    services::Services,
    signer::Pkcs8Key,
    ssh::{KeyKind, PublicKey, SignatureAlgorithm},
    store::{Condition, Key, Query, Record, Store, Table, Write},
    types::{Ksuid, KsuidError},
};
use serde::{Deserialize, Serialize};
use std::fmt;

const PARTITION: &str = "authority";
const ID_PREFIX: &str = "sshca_";

/// The id of an authority: `sshca_` and a KSUID.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuthorityId(String);

impl AuthorityId {
    /// A new id at `now` (Unix seconds).
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn draw(now: u64, random: &dyn Random) -> Result<Self, Error> {
        Ok(Self(format!(
            "{ID_PREFIX}{}",
            Ksuid::new(now, crate::random::bytes(random)?)
        )))
    }

    /// Reads `sshca_` and a KSUID.
    ///
    /// # Errors
    /// [`KsuidError`] where it is something else.
    pub fn parse(text: &str) -> Result<Self, KsuidError> {
        Ksuid::parse(text.strip_prefix(ID_PREFIX).ok_or(KsuidError)?)?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuthorityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The type and size of a key to be made, in KMS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeySpec {
    /// Ed25519.
    #[serde(rename = "ECC_NIST_EDWARDS25519")]
    Ed25519,
    /// ECDSA P-256.
    #[serde(rename = "ECC_NIST_P256")]
    P256,
    /// ECDSA P-384.
    #[serde(rename = "ECC_NIST_P384")]
    P384,
    /// ECDSA P-521.
    #[serde(rename = "ECC_NIST_P521")]
    P521,
    /// RSA with 2048 bits.
    #[serde(rename = "RSA_2048")]
    Rsa2048,
    /// RSA with 3072 bits.
    #[serde(rename = "RSA_3072")]
    Rsa3072,
    /// RSA with 4096 bits.
    #[serde(rename = "RSA_4096")]
    Rsa4096,
}

impl KeySpec {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Ed25519,
        Self::P256,
        Self::P384,
        Self::P521,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// KMS's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ECC_NIST_EDWARDS25519",
            Self::P256 => "ECC_NIST_P256",
            Self::P384 => "ECC_NIST_P384",
            Self::P521 => "ECC_NIST_P521",
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa3072 => "RSA_3072",
            Self::Rsa4096 => "RSA_4096",
        }
    }

    /// The spec with KMS's `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|spec| spec.name() == name)
    }

    /// The spec of `key`, where KMS has one for it.
    pub fn of(key: &PublicKey) -> Option<Self> {
        match (key.kind(), key.bits()) {
            (KeyKind::Ecdsa, 256) => Some(Self::P256),
            (KeyKind::Ecdsa, 384) => Some(Self::P384),
            (KeyKind::Ecdsa, 521) => Some(Self::P521),
            (KeyKind::Ed25519, _) => Some(Self::Ed25519),
            (KeyKind::Rsa, 2048) => Some(Self::Rsa2048),
            (KeyKind::Rsa, 3072) => Some(Self::Rsa3072),
            (KeyKind::Rsa, 4096) => Some(Self::Rsa4096),
            _ => None,
        }
    }
}

/// Where the private key of an authority lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum Custody {
    /// In KMS, which signs.
    Kms {
        /// The ARN of the asymmetric key.
        key: String,
        /// Whether it was made for this authority, and ends with it; one that was bound is its owner's.
        #[serde(default)]
        managed: bool,
    },
    /// Encrypted under the key of a local server; signs in process.
    Local {
        /// Base64 of the encrypted PKCS#8 key.
        sealed_key: String,
    },
    /// Encrypted under a symmetric KMS key; signs in process.
    Sealed {
        /// Base64 of the encrypted PKCS#8 key.
        sealed_key: String,
    },
}

/// Whether an authority signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorityState {
    /// It does.
    Active,
    /// It does not any more; what it signed stays valid.
    Retired,
}

/// One CA key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Its id.
    pub id: AuthorityId,
    /// Its public key, as `type base64`.
    pub public_key: String,
    /// Where the private key lives.
    pub custody: Custody,
    /// Whether it signs.
    pub state: AuthorityState,
    /// When it was made, in Unix seconds.
    pub created_at: u64,
    /// Free text for people.
    #[serde(default)]
    pub description: String,
    /// Free text for programs.
    #[serde(default)]
    pub metadata: String,
}

impl Authority {
    /// Where the authority with `id` is stored.
    pub fn key(id: &AuthorityId) -> Key {
        Key::new(Table::Roles, PARTITION, id.as_str())
    }

    /// Its public key.
    ///
    /// # Errors
    /// `Internal` where the stored line is not a key.
    pub fn ca_key(&self) -> Result<PublicKey, Error> {
        PublicKey::from_line(&self.public_key).map_err(Error::internal)
    }

    /// The algorithm that it signs with by default.
    ///
    /// # Errors
    /// `Internal` where the stored line is not a key that can sign.
    pub fn algorithm(&self) -> Result<SignatureAlgorithm, Error> {
        SignatureAlgorithm::default_for(&self.ca_key()?)
            .ok_or_else(|| Error::internal("an authority's key is in a FIDO authenticator"))
    }

    /// Stores this new authority.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn create(&self, store: &dyn Store) -> Result<(), Error> {
        let record = Record::new(Self::key(&self.id), self)?;
        Ok(store.write(&[Write::Put(record, Condition::Absent)]).await?)
    }

    /// The authority with `id` and its stored record, if it is there.
    ///
    /// # Errors
    /// As [`Store::read`]; `Internal` where the record is unreadable.
    pub async fn read(store: &dyn Store, id: &AuthorityId) -> Result<Option<(Self, Record)>, Error> {
        match crate::store::read_one(store, &Self::key(id)).await? {
            Some(record) => Ok(Some((record.value()?, record))),
            None => Ok(None),
        }
    }

    /// At most `limit` authorities with their stored records, newest first, older than `before` if given.
    ///
    /// # Errors
    /// As [`Store::query`]; `Internal` where a record is unreadable.
    pub async fn page(
        store: &dyn Store,
        before: Option<&AuthorityId>,
        limit: usize,
    ) -> Result<Vec<(Self, Record)>, Error> {
        let query = Query {
            after: before.map(|id| id.as_str().to_owned()),
            descending: true,
            limit,
            ..Query::partition(Table::Roles, PARTITION)
        };
        let records = store.query(&query).await?;
        records
            .into_iter()
            .map(|record| Ok((record.value()?, record)))
            .collect()
    }

    /// All authorities with their stored records, oldest first.
    ///
    /// # Errors
    /// As [`Store::query`]; `Internal` where a record is unreadable.
    pub async fn list(store: &dyn Store) -> Result<Vec<(Self, Record)>, Error> {
        let records = store.query(&Query::partition(Table::Roles, PARTITION)).await?;
        records
            .into_iter()
            .map(|record| Ok((record.value()?, record)))
            .collect()
    }
}

/// Where the key of a new authority comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// From outside: to be kept sealed.
    Import(Pkcs8Key),
    /// An existing KMS key, by key id, ARN or alias.
    Kms(String),
    /// It is to be made.
    New(KeySpec),
}

/// Takes a new authority into service: its key first, then its record. If the record cannot be written the key stays
/// behind unused: ending its use here would break an authority whose record was written although the answer was lost.
///
/// # Errors
/// As the keyring's; as [`Store::write`].
pub async fn enrol(services: &Services, source: KeySource, description: String) -> Result<Authority, Error> {
    enrol_with_metadata(services, source, description, String::new()).await
}

/// As [`enrol`], with free text for programs, too.
///
/// # Errors
/// As there.
pub async fn enrol_with_metadata(
    services: &Services,
    source: KeySource,
    description: String,
    metadata: String,
) -> Result<Authority, Error> {
    let created_at = services.clock.now();
    let id = AuthorityId::draw(created_at, &*services.random)?;
    let (public_key, custody) = match source {
        KeySource::Import(key) => services.keyring.import(&id, &key).await?,
        KeySource::Kms(key) => {
            let bound = services.keyring.bind(&key).await?;
            check_not_in_service(services, &bound.0).await?;
            bound
        }
        KeySource::New(spec) => services.keyring.create(&id, spec).await?,
    };
    let authority = Authority {
        id,
        public_key: public_key.to_line(),
        custody,
        state: AuthorityState::Active,
        created_at,
        description,
        metadata,
    };
    authority.create(&*services.store).await?;
    Ok(authority)
}

/// One key is one authority, or whoever may use the one could not be told from whoever may use the other.
async fn check_not_in_service(services: &Services, key: &PublicKey) -> Result<(), Error> {
    let line = key.to_line();
    let known = Authority::list(&*services.store).await?;
    match known
        .into_iter()
        .find(|(known, _)| known.public_key == line && known.state == AuthorityState::Active)
    {
        Some((known, _)) => Err(Error::Conflict(format!(
            "this key is the authority {} already",
            known.id
        ))),
        None => Ok(()),
    }
}

/// Lets the authority with `id` sign no more, and ends the use of its key; what it signed stays valid. Doing it again
/// changes nothing. `None` where there is no such authority.
///
/// # Errors
/// `Conflict` where it was changed meanwhile; otherwise as [`Store::write`] and the keyring's. The authority may be
/// retired then although its key is still in use: the same call may be repeated.
pub async fn retire(services: &Services, id: &AuthorityId) -> Result<Option<Authority>, Error> {
    let Some((mut authority, stored)) = Authority::read(&*services.store, id).await? else {
        return Ok(None);
    };
    if authority.state == AuthorityState::Active {
        authority.state = AuthorityState::Retired;
        let write = Write::Put(stored.replaced(&authority)?, Condition::Version(stored.version));
        services.store.write(&[write]).await?;
    }
    services.keyring.retire(&authority).await?;
    Ok(Some(authority))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandomSource;

    #[test]
    fn ids_are_read_back_and_others_refused() {
        let id = AuthorityId::draw(1_800_000_000, &SystemRandomSource::default()).unwrap();
        assert_eq!(AuthorityId::parse(id.as_str()), Ok(id));
        for bad in [
            "",
            "sshca_",
            "sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj",
            "2rwwl2T6kKDNklNsSXGf3D53Kpj",
        ] {
            assert_eq!(AuthorityId::parse(bad), Err(KsuidError), "{bad}");
        }
    }

    #[test]
    fn key_specs_have_the_names_of_kms() {
        for spec in KeySpec::ALL {
            assert_eq!(KeySpec::from_name(spec.name()), Some(spec));
            assert_eq!(serde_json::to_value(spec).unwrap(), spec.name());
        }
    }
}
