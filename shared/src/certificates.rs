//! The records of what was signed: one for each certificate, written before it exists.
//!
//! A record's id is a KSUID whose payload ends with the serial, and its key is the serial: one conditional write
//! makes the serial unique in the whole account, and both the serial and the id find it again without an index.
//!
//! Listings, newest first, go by day. So many certificates may be issued in one second that one index partition
//! could not take them, so each day is spread over [`SHARDS`] partitions by serial, and a listing merges them. Which
//! days have certificates stands in a small directory, so that an empty year costs nothing.

use crate::{
    authority::AuthorityId,
    error::Error,
    ssh::{CertificateFields, TbsCertificate},
    store::{self, Key, Listing, Query, Record, Store, Table},
    types::{CertType, Ksuid, Serial},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};

/// Over how many index partitions the certificates of one day are spread. One takes 1,000 writes a second.
pub const SHARDS: u64 = 16;
const SECS_PER_DAY: u64 = 86_400;

/// The record of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// A KSUID; its payload ends with the serial.
    pub id: String,
    /// When it was recorded, in Unix seconds.
    pub created_at: u64,
    /// The authority that was asked to sign.
    pub authority: AuthorityId,
    /// The family that it came through: `vault`, `ngrok`, …
    pub family: String,
    /// The role, template or host, as the family names it.
    pub role: String,
    /// Who asked: the accessor of the token.
    pub accessor: String,
    /// Who asked, for people.
    pub display_name: String,
    /// Where the request came from, as the gateway saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// The id of the request in the log.
    pub request_id: String,
    /// Base64 of the bytes that were to be signed. They hold everything else that the certificate says.
    pub tbs: String,
    /// Base64 of the signature blob, where it is kept. Without it a certificate may exist, or the signing failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What the family keeps beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, serde_json::Value>,
}

impl CertificateRecord {
    /// The id of the certificate with `serial`, made at `now` (Unix seconds).
    ///
    /// # Errors
    /// As [`crate::random::Random::fill`].
    pub fn draw_id(now: u64, serial: Serial, random: &dyn crate::random::Random) -> Result<Ksuid, Error> {
        let mut payload: [u8; 16] = crate::random::bytes(random)?;
        payload[8..].copy_from_slice(&serial.value().to_be_bytes());
        Ok(Ksuid::new(now, payload))
    }

    /// What the certificate says.
    ///
    /// # Errors
    /// `Internal` where the stored bytes are not those of a certificate.
    pub fn fields(&self) -> Result<CertificateFields, Error> {
        let bytes = STANDARD.decode(&self.tbs).map_err(Error::internal)?;
        TbsCertificate::read(&bytes).map_err(Error::internal)
    }

    /// The certificate line without comment, where the signature is kept.
    ///
    /// # Errors
    /// `Internal` where what is stored does not make a certificate.
    pub fn certificate_line(&self) -> Result<Option<String>, Error> {
        let Some(signature) = &self.signature else {
            return Ok(None);
        };
        let mut writer = crate::ssh::Writer::default();
        writer.raw(&STANDARD.decode(&self.tbs).map_err(Error::internal)?);
        writer.string(STANDARD.decode(signature).map_err(Error::internal)?);
        let certificate =
            crate::ssh::Certificate::from_blob(&writer.into_bytes()).map_err(Error::internal)?;
        Ok(Some(certificate.to_line()))
    }
}

/// Which certificates a listing holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateList {
    /// User or host certificates.
    pub cert_type: CertType,
    /// Those whose signature is kept, or those whose signature is not (or not yet).
    pub signature_kept: bool,
}

impl CertificateList {
    /// All lists. Every record is in exactly one.
    pub const ALL: [Self; 4] = [
        Self {
            cert_type: CertType::Host,
            signature_kept: false,
        },
        Self {
            cert_type: CertType::Host,
            signature_kept: true,
        },
        Self {
            cert_type: CertType::User,
            signature_kept: false,
        },
        Self {
            cert_type: CertType::User,
            signature_kept: true,
        },
    ];

    fn name(self) -> String {
        let kept = if self.signature_kept { "kept" } else { "recorded" };
        format!("{}-{kept}", self.cert_type)
    }

    fn partition(self, day: &str, shard: u64) -> String {
        format!("{}#{day}#{shard}", self.name())
    }

    /// Where the certificate with `id` is listed.
    pub(crate) fn place(self, id: Ksuid) -> Listing {
        let shard = serial_of(id).map_or(0, |serial| serial.value() % SHARDS);
        Listing {
            partition: self.partition(&day_of(id), shard),
            sort: id.to_string(),
        }
    }

    /// The entry of the day of `id` in the directory of days.
    pub(crate) fn day_key(self, id: Ksuid) -> Key {
        Key::new(Table::Certificates, format!("days#{}", self.name()), day_of(id))
    }
}

/// Ten digits, so that days sort as text.
fn day_of(id: Ksuid) -> String {
    format!("{:010}", id.unix_secs() / SECS_PER_DAY)
}

/// The serial in the id of a certificate.
pub fn serial_of(id: Ksuid) -> Option<Serial> {
    let mut serial = [0; 8];
    serial.copy_from_slice(&id.payload()[8..]);
    Serial::parse(u64::from_be_bytes(serial))
}

/// Where the certificate with `serial` is stored.
pub fn key(serial: Serial) -> Key {
    Key::new(
        Table::Certificates,
        format!("{:016x}", serial.value()),
        "certificate",
    )
}

/// The record of the certificate with `id`, and the stored record that holds it.
///
/// # Errors
/// As [`Store::read`]; `Internal` where the record is unreadable.
pub async fn read(store: &dyn Store, id: Ksuid) -> Result<Option<(CertificateRecord, Record)>, Error> {
    let Some(serial) = serial_of(id) else {
        return Ok(None);
    };
    let found = read_serial(store, serial).await?;
    Ok(found.filter(|(record, _)| record.id == id.to_string()))
}

/// The record of the certificate with `serial`, and the stored record that holds it.
///
/// # Errors
/// As [`Store::read`]; `Internal` where the record is unreadable.
pub async fn read_serial(
    store: &dyn Store,
    serial: Serial,
) -> Result<Option<(CertificateRecord, Record)>, Error> {
    match store::read_one(store, &key(serial)).await? {
        Some(stored) => Ok(Some((stored.value()?, stored))),
        None => Ok(None),
    }
}

/// The entry of the directory which says that `list` has certificates on the day of `id`.
pub(crate) fn day_record(list: CertificateList, id: Ksuid) -> Record {
    Record {
        key: list.day_key(id),
        body: "{}".into(),
        version: 1,
        expires_at: None,
        listing: None,
    }
}

/// At most `limit` certificates of `list`, newest first, older than `before` if given.
///
/// # Errors
/// As [`Store::query`]; `Internal` where a record is unreadable.
pub async fn list(
    store: &dyn Store,
    list: CertificateList,
    before: Option<Ksuid>,
    limit: usize,
) -> Result<Vec<(CertificateRecord, Record)>, Error> {
    let mut found = Vec::new();
    let mut day = before.map(day_of);
    let mut includes_start = true;
    while found.len() < limit {
        let Some(next) = next_day(store, list, day.as_deref(), includes_start).await? else {
            break;
        };
        let missing = limit - found.len();
        found.extend(list_day(store, list, &next, before, missing).await?);
        (day, includes_start) = (Some(next), false);
    }
    found
        .into_iter()
        .map(|record| Ok((record.value()?, record)))
        .collect()
}

/// The newest day with certificates that is `from` or, unless `inclusive`, before it.
async fn next_day(
    store: &dyn Store,
    list: CertificateList,
    from: Option<&str>,
    inclusive: bool,
) -> Result<Option<String>, Error> {
    // "!" sorts after the empty string: the day itself comes after it in a descending listing.
    let after = from.map(|day| {
        if inclusive {
            format!("{day}!")
        } else {
            day.to_owned()
        }
    });
    let query = Query {
        after,
        descending: true,
        limit: 1,
        ..Query::partition(Table::Certificates, format!("days#{}", list.name()))
    };
    Ok(store.query(&query).await?.pop().map(|record| record.key.sort))
}

/// The newest certificates of one day, merged from its shards.
async fn list_day(
    store: &dyn Store,
    list: CertificateList,
    day: &str,
    before: Option<Ksuid>,
    limit: usize,
) -> Result<Vec<Record>, Error> {
    let queries: Vec<Query> = (0..SHARDS)
        .map(|shard| Query {
            index: true,
            after: before.map(|id| id.to_string()),
            descending: true,
            limit,
            ..Query::partition(Table::Certificates, list.partition(day, shard))
        })
        .collect();
    let mut records = Vec::new();
    for shard in crate::join_all(queries.iter().map(|query| store.query(query))).await {
        records.extend(shard?);
    }
    records.sort_by(|a, b| sort_of(b).cmp(sort_of(a)));
    records.truncate(limit);
    Ok(records)
}

fn sort_of(record: &Record) -> &str {
    record.listing.as_ref().map_or("", |listing| &listing.sort)
}
