//! Certificate objects: what stands under a distinguished name. Its certificate is the newest that was asked for there.

use crate::{dn::Dn, guid::Guid, template::Template};
use countersign::{
    Error,
    access::Caller,
    certificates::{self, SHARDS},
    issue,
    ssh::SignatureAlgorithm,
    store::{Condition, Key, Record, Store, Table, Write, read_one},
    types::Ksuid,
};
use serde::{Deserialize, Serialize};

const PARTITION: &str = "venafi-object";
/// Under which name a record's details hold why it will never be signed.
const REJECTED: &str = "rejected";

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) dn: String,
    pub(crate) guid: Guid,
    pub(crate) template_dn: String,
    pub(crate) template: Guid,
    /// The id of the newest certificate.
    pub(crate) certificate: String,
    /// The hash of what is to be signed for it: see [`issue::tbs_hash`].
    pub(crate) tbs_hash: String,
    /// Whether its CA signs with SHA-256 where it could with SHA-512.
    pub(crate) is_short_hash: bool,
    /// The public key as sent, or as made here.
    pub(crate) public_key: String,
    /// Whether the private key was made here.
    pub(crate) is_generated: bool,
    /// Who asked.
    pub(crate) owner: String,
    /// What whoever gets the certificate should know.
    pub(crate) warning: Option<String>,
}

/// An object and its stored record.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) object: Object,
    pub(crate) record: Record,
}

impl Object {
    /// Where the object called `dn` lies.
    pub(crate) fn key(dn: &Dn) -> Key {
        Self::key_of_hash(&dn.hash())
    }

    fn key_of_hash(hash: &str) -> Key {
        Key::new(Table::Roles, format!("{PARTITION}/{hash}"), "object")
    }

    fn pointer_key(guid: &Guid) -> Key {
        Key::new(Table::Roles, format!("venafi-guid/{}", guid.bare()), "object")
    }

    /// The id of its certificate.
    pub(crate) fn certificate_id(&self) -> Result<Ksuid, Error> {
        Ksuid::parse(&self.certificate).map_err(Error::internal)
    }

    /// Where the record of its certificate lies.
    pub(crate) fn certificate_key(&self) -> Result<Key, Error> {
        let serial = certificates::serial_of(self.certificate_id()?);
        serial
            .map(certificates::key)
            .ok_or_else(|| Error::internal("an object names no certificate"))
    }

    /// Where its template lies.
    pub(crate) fn template_key(&self) -> Result<Key, Error> {
        let dn = Dn::parse(&self.template_dn).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Template::key(&dn))
    }

    /// How its CA signs.
    pub(crate) fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        self.is_short_hash.then_some(SignatureAlgorithm::RsaSha256)
    }

    /// The writes that put it in the place of `old`, or store it, new.
    pub(crate) fn writes(&self, dn: &Dn, old: Option<&Stored>) -> Result<Vec<Write>, Error> {
        match old {
            Some(old) => Ok(vec![Write::Put(
                old.record.replaced(self)?,
                Condition::Version(old.record.version),
            )]),
            None => {
                let pointer = Record::new(Self::pointer_key(&self.guid), &dn.hash())?;
                Ok(vec![
                    Write::Put(Record::new(Self::key(dn), self)?, Condition::Absent),
                    Write::Put(pointer, Condition::Absent),
                ])
            }
        }
    }
}

impl Stored {
    /// The object in `record`.
    pub(crate) fn of(record: Record) -> Result<Self, Error> {
        Ok(Self {
            object: record.value()?,
            record,
        })
    }
}

/// The object called `dn`.
pub(crate) async fn by_dn(store: &dyn Store, dn: &Dn) -> Result<Option<Stored>, Error> {
    by_hash(store, &dn.hash()).await
}

async fn by_hash(store: &dyn Store, hash: &str) -> Result<Option<Stored>, Error> {
    let record = read_one(store, &Object::key_of_hash(hash)).await?;
    record.map(Stored::of).transpose()
}

/// The object with `guid`.
pub(crate) async fn by_guid(store: &dyn Store, guid: &Guid) -> Result<Option<Stored>, Error> {
    match read_one(store, &Object::pointer_key(guid)).await? {
        Some(pointer) => by_hash(store, &pointer.value::<String>()?).await,
        None => Ok(None),
    }
}

/// That a certificate waits to be signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// The hash of the name of its object.
    object: String,
}

impl Waiting {
    /// The partition of the certificates that wait, in one of [`SHARDS`].
    pub(crate) fn partition(shard: u64) -> String {
        format!("venafi-waiting#{shard}")
    }

    /// Where the certificate with `id` waits.
    pub(crate) fn key(id: Ksuid) -> Key {
        let shard = certificates::serial_of(id).map_or(0, |serial| serial.value() % SHARDS);
        Key::new(Table::Roles, Self::partition(shard), id.to_string())
    }

    /// The write which says that the certificate with `id`, of the object called `dn`, waits.
    pub(crate) fn write(id: Ksuid, dn: &Dn) -> Result<Write, Error> {
        let waiting = Self { object: dn.hash() };
        Ok(Write::Put(
            Record::new(Self::key(id), &waiting)?,
            Condition::Absent,
        ))
    }

    /// The object.
    pub(crate) async fn object(&self, store: &dyn Store) -> Result<Option<Stored>, Error> {
        by_hash(store, &self.object).await
    }
}

/// Where it stands that the key with this SHA-256 was certified.
pub(crate) fn subject_key(sha256_hex: &str) -> Key {
    Key::new(Table::Roles, format!("venafi-subject-key/{sha256_hex}"), "key")
}

/// By which the same caller is known again: the identity, or the token where there is none.
pub(crate) fn owner(caller: &Caller) -> String {
    let token = caller.token();
    if token.identity_id.is_empty() {
        format!("token {}", token.hash)
    } else {
        format!("identity {}", token.identity_id)
    }
}

/// Why the certificate of `record` will never be signed, if so.
pub(crate) fn rejection(record: &certificates::CertificateRecord) -> Option<&str> {
    record.details.get(REJECTED)?.as_str()
}

/// `record`, never to be signed because of `reason`.
pub(crate) fn rejected(
    record: &certificates::CertificateRecord,
    reason: &str,
) -> certificates::CertificateRecord {
    let mut record = record.clone();
    record.details.insert(REJECTED.into(), reason.into());
    record
}

/// What is to be signed for the object, as the core takes it.
pub(crate) fn pending(
    object: &Object,
    record: certificates::CertificateRecord,
    stored: Record,
) -> issue::Pending {
    issue::Pending {
        record,
        stored,
        tbs_hash: object.tbs_hash.clone(),
        signature_algorithm: object.signature_algorithm(),
        seen: None,
    }
}
