//! Templates: what a CA signs for whom, as this API describes it.

mod compile;
mod input;

pub(crate) use compile::{role, signature_algorithm, validity_secs};
pub(crate) use input::{CaKeyPairSpec, Sections, is_host_name, is_network};

use crate::{dn::Dn, guid::Guid, wire};
use countersign::{
    Error, Services,
    authority::AuthorityId,
    authority_use::{self, AuthorityUse},
    certificates::SHARDS,
    store::{Condition, Key, Query, Record, Store, Table, Write, read_one},
    types::{CertType, Ksuid, Serial},
};
use serde::{Deserialize, Serialize};

const PARTITION: &str = "venafi-template";
/// The most bytes of a template as it is stored: an item of DynamoDB has room for 400 KB.
const MAX_BYTES: usize = 300_000;
/// How long the announcement of a deletion keeps certificates back when nobody completes it, in seconds.
const ANNOUNCEMENT_SECS: u64 = 60;

/// One template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) dn: String,
    pub(crate) guid: Guid,
    pub(crate) name: String,
    pub(crate) created_at: u64,
    pub(crate) contacts: Vec<String>,
    pub(crate) authority: AuthorityId,
    pub(crate) ca_key_pair: KeyPair,
    pub(crate) api_client: wire::ApiClient,
    pub(crate) access_control: wire::AccessControl,
    pub(crate) certificate: wire::CertificateRules,
    /// When somebody announced to delete it. Whoever finds that too old takes it away, by a write.
    #[serde(default)]
    pub(crate) deleting_since: Option<u64>,
}

/// How the CA key of a template is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyPair {
    pub(crate) guid: Guid,
    pub(crate) name: String,
}

impl Template {
    /// Where the template called `dn` lies.
    pub(crate) fn key(dn: &Dn) -> Key {
        Key::new(Table::Roles, PARTITION, dn.hash())
    }

    fn own_key(&self) -> Result<Key, Error> {
        let dn = Dn::parse(&self.dn).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self::key(&dn))
    }

    fn pointer_key(guid: &Guid) -> Key {
        Key::new(Table::Roles, "venafi-template-guid", guid.bare())
    }

    /// User or host certificates.
    pub(crate) fn cert_type(&self) -> CertType {
        match self.certificate.cert_type {
            wire::TemplateType::Client => CertType::User,
            wire::TemplateType::Host => CertType::Host,
        }
    }

    /// Whether its deletion is announced, so that nothing may be signed by it now.
    pub(crate) fn is_leaving(&self, now: u64) -> bool {
        self.deleting_since
            .is_some_and(|since| now < since.saturating_add(ANNOUNCEMENT_SECS))
    }

    /// Refuses one that there is no room for.
    pub(crate) fn check_size(&self) -> Result<(), Error> {
        let size = serde_json::to_string(self).map_err(Error::internal)?.len();
        if size > MAX_BYTES {
            let reason = format!(
                "it has {size} bytes, and there is room for {MAX_BYTES}: use fewer or shorter entries"
            );
            return Err(Error::invalid("template", reason));
        }
        Ok(())
    }

    /// The writes that store it, new.
    pub(crate) fn create(&self) -> Result<[Write; 2], Error> {
        let key = self.own_key()?;
        let pointer = Record::new(Self::pointer_key(&self.guid), &key.sort)?;
        Ok([
            Write::Put(Record::new(key, self)?, Condition::Absent),
            Write::Put(pointer, Condition::Absent),
        ])
    }

    /// Its use of its authority.
    pub(crate) fn authority_use(&self) -> AuthorityUse {
        AuthorityUse {
            id: format!("venafi/{}", self.guid.bare()),
            user: format!("the Venafi template {}", self.dn),
        }
    }

    /// The writes that remove it, unless it was changed since `stored`.
    pub(crate) fn delete(&self, stored: &Record) -> [Write; 3] {
        [
            authority_use::end(&self.authority, &self.authority_use().id),
            Write::Delete(stored.key.clone(), Condition::Version(stored.version)),
            Write::Delete(Self::pointer_key(&self.guid), Condition::Always),
        ]
    }

    /// The write that withdraws the announcement of its deletion, unless it was changed since `stored`.
    pub(crate) fn withdrawal(&self, stored: &Record) -> Result<Write, Error> {
        let withdrawn = Self {
            deleting_since: None,
            ..self.clone()
        };
        let replaced = stored.replaced(&withdrawn)?;
        Ok(Write::Put(replaced, Condition::Version(stored.version)))
    }

    /// The entry which says that the certificate with `id` came of the template with `guid`. It lives as long as the
    /// certificate is valid.
    pub(crate) fn certificate_entry(guid: &Guid, id: Ksuid, serial: Serial, end: u64) -> Record {
        Record {
            key: Key::new(
                Table::Roles,
                certificates_of(guid, serial.value() % SHARDS),
                id.to_string(),
            ),
            body: "{}".into(),
            version: 1,
            expires_at: Some(end),
            listing: None,
        }
    }

    /// Whether a certificate that came of it is valid now.
    pub(crate) async fn has_valid_certificates(&self, services: &Services) -> Result<bool, Error> {
        let now = services.clock.now();
        for shard in 0..SHARDS {
            let query = Query::partition(Table::Roles, certificates_of(&self.guid, shard));
            let entries = services.store.query(&query).await?;
            if entries
                .iter()
                .any(|entry| entry.expires_at.is_none_or(|end| now < end))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn certificates_of(guid: &Guid, shard: u64) -> String {
    format!("venafi-certificates/{}#{shard}", guid.bare())
}

/// The template called `dn`.
pub(crate) async fn by_dn(store: &dyn Store, dn: &Dn) -> Result<Option<(Template, Record)>, Error> {
    read(store, &Template::key(dn)).await
}

/// The template with `guid`.
pub(crate) async fn by_guid(store: &dyn Store, guid: &Guid) -> Result<Option<(Template, Record)>, Error> {
    let Some(pointer) = read_one(store, &Template::pointer_key(guid)).await? else {
        return Ok(None);
    };
    let key = Key::new(Table::Roles, PARTITION, pointer.value::<String>()?);
    Ok(read(store, &key)
        .await?
        .filter(|(template, _)| template.guid == *guid))
}

async fn read(store: &dyn Store, key: &Key) -> Result<Option<(Template, Record)>, Error> {
    match read_one(store, key).await? {
        Some(record) => Ok(Some((record.value()?, record))),
        None => Ok(None),
    }
}

/// All templates, in the order of their names.
pub(crate) async fn list(store: &dyn Store) -> Result<Vec<Template>, Error> {
    let records = store.query(&Query::partition(Table::Roles, PARTITION)).await?;
    let mut all: Vec<Template> = records.iter().map(Record::value).collect::<Result<_, _>>()?;
    all.sort_by(|a, b| a.dn.cmp(&b.dn));
    Ok(all)
}
