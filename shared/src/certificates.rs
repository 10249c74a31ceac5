//! The records of what was signed: one for each certificate, written before it exists.
//!
//! A record's id is a KSUID whose payload ends with the serial, and its key is the serial: one conditional write
//! makes the serial unique in the whole account, and both the serial and the id find it again without an index.
//!
//! Listings, newest first, go by day. So many certificates may be issued in one second that one index partition
//! could not take them, so each day is spread over [`SHARDS`] partitions by serial, and a listing merges them. Which
//! days have certificates stands in a small directory (`crate::days`), so that an empty year costs nothing.

use crate::{
    authority::AuthorityId,
    days,
    error::Error,
    services::Services,
    ssh::{CertificateFields, IssuedCertificate, TbsCertificate},
    store::{self, Condition, Key, Listing, Query, Record, Store, Table, Write},
    types::{CertType, Ksuid, Serial},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};

/// Over how many index partitions the certificates of one day are spread. One takes 1,000 writes a second.
pub const SHARDS: u64 = 16;
/// How many days a listing reads at the same time when those before had too few certificates.
const MAX_DAYS_AT_ONCE: usize = 8;

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

/// The name under which a record's details say that a later certificate took its place.
const ARCHIVED: &str = "archived";

impl CertificateRecord {
    /// Whether a later certificate took its place in its family.
    pub fn is_archived(&self) -> bool {
        self.details.contains_key(ARCHIVED)
    }

    /// The id of the certificate with `serial`, made at `now_ms` (Unix milliseconds).
    ///
    /// A KSUID's time has whole seconds. The first two bytes of the payload hold the milliseconds, so that those of
    /// one second are listed in the order of their making too.
    ///
    /// # Errors
    /// As [`crate::random::Random::fill`].
    pub fn draw_id(now_ms: u64, serial: Serial, random: &dyn crate::random::Random) -> Result<Ksuid, Error> {
        let mut payload: [u8; 16] = crate::random::bytes(random)?;
        payload[..2].copy_from_slice(&millisecond(now_ms).to_be_bytes());
        payload[8..].copy_from_slice(&serial.value().to_be_bytes());
        Ok(Ksuid::new(now_ms / 1000, payload))
    }

    /// What the certificate says.
    ///
    /// # Errors
    /// `Internal` where the stored bytes are not those of a certificate.
    pub fn fields(&self) -> Result<CertificateFields, Error> {
        let bytes = STANDARD.decode(&self.tbs).map_err(Error::internal)?;
        TbsCertificate::read(&bytes).map_err(Error::internal)
    }

    /// The bytes that were to be signed, and what they say.
    ///
    /// # Errors
    /// `Internal` where the stored bytes are not those of a certificate, in the form that this crate gives it.
    pub(crate) fn tbs_certificate(&self) -> Result<TbsCertificate, Error> {
        let bytes = STANDARD.decode(&self.tbs).map_err(Error::internal)?;
        TbsCertificate::recorded(&bytes).map_err(Error::internal)
    }

    /// The certificate, where the signature is kept; the signature is verified again.
    ///
    /// # Errors
    /// `Internal` where what is stored does not make a certificate.
    pub fn certificate(&self) -> Result<Option<IssuedCertificate>, Error> {
        let Some(signature) = &self.signature else {
            return Ok(None);
        };
        let blob = STANDARD.decode(signature).map_err(Error::internal)?;
        let certificate = IssuedCertificate::attach(self.tbs_certificate()?, blob);
        certificate.map(Some).map_err(Error::internal)
    }

    /// The line of [`certificate`](Self::certificate), without comment.
    ///
    /// # Errors
    /// As there.
    pub fn certificate_line(&self) -> Result<Option<String>, Error> {
        Ok(self.certificate()?.map(|certificate| certificate.to_line()))
    }
}

/// The place of `now_ms` within its second.
fn millisecond(now_ms: u64) -> u16 {
    u16::try_from(now_ms % 1000).unwrap_or_default()
}

/// Which certificates a listing holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateList {
    /// User or host certificates.
    pub cert_type: CertType,
    /// Those that can be asked for again, since their signature is kept; or all others: without a signature (perhaps
    /// not yet with one), or [withdrawn](withdraw).
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

    /// Its name in keys.
    pub(crate) fn name(self) -> String {
        let kept = if self.signature_kept { "kept" } else { "recorded" };
        format!("{}-{kept}", self.cert_type)
    }

    fn partition(self, day: &str, shard: u64) -> String {
        format!("{}#{day}#{shard}", self.name())
    }

    /// Where the certificate with `id` is listed.
    pub(crate) fn place(self, id: Ksuid) -> Listing {
        Listing {
            partition: self.partition(&days::of(id), shard_of(id)),
            sort: id.to_string(),
        }
    }
}

/// In which of [`SHARDS`] partitions the certificate with `id` lies, in whatever is spread as the listings are.
pub fn shard_of(id: Ksuid) -> u64 {
    serial_of(id).map_or(0, |serial| serial.value() % SHARDS)
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

/// The partitions of the holds on `authority`, spread as the listings are.
pub(crate) fn hold_partitions(authority: &AuthorityId) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |shard| format!("holds#{authority}#{shard}"))
}

fn hold_key(authority: &AuthorityId, id: Ksuid) -> Key {
    let partition = format!("holds#{authority}#{}", shard_of(id));
    Key::new(Table::Certificates, partition, id.to_string())
}

/// The hold of the certificate with `id` on `authority`: the entry which says that it can be asked for again, or is
/// about to be signed so that it can. See [`crate::retirement`].
pub(crate) fn hold_record(authority: &AuthorityId, id: Ksuid, expires_at: Option<u64>) -> Record {
    Record {
        key: hold_key(authority, id),
        body: "{}".into(),
        version: 1,
        expires_at,
        listing: None,
    }
}

/// Takes a certificate from the list of those that can be asked for again, and its hold from its authority. The
/// record stays, in the other list, with `record` for its content, until `expires_at` (Unix seconds) if given.
///
/// # Errors
/// `Conflict` where the record is not `stored` any more; otherwise as [`Store::write`].
pub async fn withdraw(
    services: &Services,
    record: &CertificateRecord,
    stored: &Record,
    expires_at: Option<u64>,
) -> Result<(), Error> {
    let writes = withdrawal(services, record, stored, expires_at).await?;
    Ok(services.store.write(&writes).await?)
}

/// The writes of [`withdraw`].
async fn withdrawal(
    services: &Services,
    record: &CertificateRecord,
    stored: &Record,
    expires_at: Option<u64>,
) -> Result<[Write; 2], Error> {
    let id = Ksuid::parse(&record.id).map_err(Error::internal)?;
    let list = CertificateList {
        cert_type: record.fields()?.cert_type,
        signature_kept: false,
    };
    // First the day: it may have been taken from the directory since.
    days::note(services, list, id).await?;
    let replaced = stored
        .replaced(record)?
        .expiring(expires_at)
        .listed(list.place(id));
    Ok([
        Write::Put(replaced, Condition::Version(stored.version)),
        Write::Delete(hold_key(&record.authority, id), Condition::Always),
    ])
}

/// The writes that archive a certificate whose place a later one takes: they withdraw it, and its record stays past its
/// end and past now as long as any other's.
///
/// # Errors
/// `Internal` where the record is unreadable; as [`Store::write`].
pub async fn archival(
    services: &Services,
    record: &CertificateRecord,
    stored: &Record,
) -> Result<[Write; 2], Error> {
    let now = services.clock.now();
    let mut record = record.clone();
    record.details.insert(ARCHIVED.into(), now.into());
    let end = match record.fields()?.validity.valid_before() {
        u64::MAX => None,
        end => Some(end.max(now).saturating_add(services.settings.retention_secs)),
    };
    withdrawal(services, &record, stored, end).await
}

/// At most `limit` certificates of `list`, newest first, older than `before` if given. Days that turn out to be empty
/// are taken from the directory of days, so that they cost once.
///
/// # Errors
/// As [`Store::query`]; `Internal` where a record is unreadable.
pub async fn list(
    services: &Services,
    list: CertificateList,
    before: Option<Ksuid>,
    limit: usize,
) -> Result<Vec<(CertificateRecord, Record)>, Error> {
    let store = &*services.store;
    let first_day = before.map(days::of);
    let mut found = Vec::new();
    let mut before_day = None;
    let mut days_at_once = 1;
    while found.len() < limit {
        let entries = match (&before_day, &first_day) {
            (None, Some(first)) => days::until(store, list, first, days_at_once).await?,
            _ => days::before(store, list, before_day.as_deref(), days_at_once).await?,
        };
        let missing = limit - found.len();
        let reading = entries
            .iter()
            .map(|entry| list_day(store, list, &entry.key.sort, before, missing));
        let mut empty = Vec::new();
        for (entry, records) in entries.iter().zip(crate::join_all(reading).await) {
            let records = records?;
            // Of the first day, only a part was looked at.
            if records.is_empty() && first_day.as_ref() != Some(&entry.key.sort) {
                empty.push(entry);
            }
            found.extend(records);
        }
        days::forget(services, &empty).await;
        if entries.len() < days_at_once {
            break;
        }
        before_day = entries.last().map(|entry| entry.key.sort.clone());
        days_at_once = MAX_DAYS_AT_ONCE.min(2 * days_at_once);
    }
    found.truncate(limit);
    found
        .into_iter()
        .map(|record| Ok((record.value()?, record)))
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandomSource;
    use std::collections::BTreeSet;

    #[test]
    fn ids_of_one_second_are_in_the_order_of_their_making() {
        let random = SystemRandomSource::default();
        let serial = Serial::parse(7).unwrap();
        let ids: Vec<_> = [0, 1, 2, 500, 999, 1000]
            .into_iter()
            .map(|ms| CertificateRecord::draw_id(1_800_000_000_000 + ms, serial, &random).unwrap())
            .collect();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(ids[4].unix_secs(), 1_800_000_000);
        assert!(ids.iter().all(|id| serial_of(*id) == Some(serial)));
    }

    #[test]
    fn the_certificates_of_one_day_are_spread_over_all_shards() {
        let random = SystemRandomSource::default();
        let authority = AuthorityId::draw(1_800_000_000, &random).unwrap();
        let (mut listed, mut held) = (BTreeSet::new(), BTreeSet::new());
        for serial in 1..=SHARDS {
            let serial = Serial::parse(serial).unwrap();
            let id = CertificateRecord::draw_id(1_800_000_000_000, serial, &random).unwrap();
            listed.insert(CertificateList::ALL[0].place(id).partition);
            held.insert(hold_key(&authority, id).partition);
        }
        assert_eq!(listed.len(), 16, "{listed:?}");
        assert_eq!(
            held,
            hold_partitions(&authority).collect(),
            "where a retirement looks"
        );
    }
}
